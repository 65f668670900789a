#include "net/tls.h"

#include "base/arena.h"
#include "base/bug.h"
#include "net/tls_certificate.h"
#include "net/tls_dir.h"
#include "net/tls_file.h"
#include "net/tls_settings.h"
#include "net/tls_sni.h"
#include "net/tls_ticket.h"

#include <openssl/err.h>
#include <stdlib.h>

/*
 * It belongs to its SSL_CTX, which counts the references: those of owners, and
 * that of each SSL. So what the callbacks of a session look at lives as long as
 * the session.
 */
struct tls_context {
	SSL_CTX *ssl_ctx;                     /* not owned: it is the other way round */
	struct tls_certificate *certificates; /* owned; the first is the default */
	size_t certificate_count;
	struct tls_sni sni;
	struct tls_tickets *tickets; /* holds a reference */
	unsigned char scope[TLS_SCOPE_SIZE];
	struct tls_options files; /* the names of files alone, in the arena */
	uint64_t files_state;     /* before they were read */
	struct arena arena;
};

/* ---- its place in the SSL_CTX ---- */

static void free_context(void *ssl_ctx, void *data, CRYPTO_EX_DATA *slots, int slot, long number, void *arg)
{
	struct tls_context *context = data;

	(void)ssl_ctx;
	(void)slots;
	(void)slot;
	(void)number;
	(void)arg;
	/* Contexts of others have none. */
	if (!context)
		return;
	tls_sni_fini(&context->sni);
	for (size_t i = 0; i < context->certificate_count; i++)
		tls_certificate_fini(&context->certificates[i]);
	free(context->certificates);
	tls_tickets_put(&context->tickets);
	arena_fini(&context->arena);
	free(context);
}

/* OpenSSL hands out slots for the process, once and for ever. */
static int context_slot(void)
{
	static int slot = -1;

	if (slot < 0)
		slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_context);
	return slot;
}

static struct tls_context *context_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_slot());
}

/* ---- callbacks of sessions ---- */

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int is_sealing)
{
	struct tls_context *context = context_of(ssl);

	return is_sealing ? tls_tickets_seal(context->tickets, name, iv, cipher, mac) :
			    tls_tickets_open(context->tickets, name, iv, cipher, mac);
}

/* A client that speaks another protocol was led here by somebody between (ALPACA). */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
		   const unsigned char *offered, unsigned offered_len, void *arg)
{
	static const unsigned char ours[] = "\4smtp";
	unsigned char *match;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&match, chosen_len, ours, sizeof(ours) - 1, offered, offered_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = match;
	return SSL_TLSEXT_ERR_OK;
}

static bool same_key_type(const struct tls_certificate *a, const struct tls_certificate *b)
{
	return EVP_PKEY_get_base_id(a->key) == EVP_PKEY_get_base_id(b->key);
}

/* Of several with keys of one type the first counts. */
static bool is_shadowed(const struct tls_sni_entry *entries, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (same_key_type(entries[j].certificate, entries[i].certificate))
			return true;
	return false;
}

static bool use_entries(SSL *ssl, const struct tls_sni_entry *entries, size_t count)
{
	SSL_certs_clear(ssl);
	for (size_t i = 0; i < count; i++) {
		const struct tls_certificate *c = entries[i].certificate;

		if (!is_shadowed(entries, i) && SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) != 1)
			return false;
	}
	return true;
}

/* A name that we do not know gets the default certificate, and no acknowledgement (RFC 6066 3). */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_sni_entry *entries;
	size_t count;

	(void)arg;
	entries = name ? tls_sni_find(&context_of(ssl)->sni, name, &count) : NULL;
	if (!entries)
		return SSL_TLSEXT_ERR_NOACK;
	if (use_entries(ssl, entries, count))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- files ---- */

uint64_t tls_options_state(const struct tls_options *options)
{
	uint64_t state = 0;

	for (size_t i = 0; i < options->pair_count; i++) {
		state = tls_file_state(options->pairs[i].certfile, state);
		state = tls_file_state(options->pairs[i].keyfile, state);
	}
	if (options->pair_dir)
		state = tls_dir_state(options->pair_dir, state);
	state = tls_file_state(options->dh_params, state);
	return tls_file_state(options->client_ca, state);
}

/* A copy that is NULL where there is nothing to copy; false: out of memory. */
static bool copy_path(struct arena *arena, const char **copy, const char *path)
{
	*copy = path ? arena_dup(arena, span_str(path)) : NULL;
	return *copy || !path;
}

static bool remember_files(struct tls_context *context, const struct tls_options *options)
{
	struct tls_pair *pairs = arena_alloc(&context->arena, (options->pair_count + 1) * sizeof(*pairs));
	struct tls_options *files = &context->files;

	if (!pairs)
		return false;
	for (size_t i = 0; i < options->pair_count; i++)
		if (!copy_path(&context->arena, &pairs[i].certfile, options->pairs[i].certfile) ||
		    !copy_path(&context->arena, &pairs[i].keyfile, options->pairs[i].keyfile))
			return false;
	files->pairs = pairs;
	files->pair_count = options->pair_count;
	context->files_state = tls_options_state(options);
	return copy_path(&context->arena, &files->pair_dir, options->pair_dir) &&
	       copy_path(&context->arena, &files->dh_params, options->dh_params) &&
	       copy_path(&context->arena, &files->client_ca, options->client_ca);
}

bool tls_context_is_stale(const struct tls_context *context)
{
	return tls_options_state(&context->files) != context->files_state;
}

/* ---- certificates ---- */

static bool load_pairs(struct tls_context *context, const struct tls_pair *pairs, size_t count,
		       struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (!tls_certificate_load(&context->certificates[context->certificate_count], &pairs[i], err))
			return false;
		context->certificate_count++;
	}
	return true;
}

static bool load_all(struct tls_context *context, const struct tls_options *options,
		     const struct tls_dir *dir, struct err *err)
{
	size_t count = options->pair_count + dir->count;

	if (count == 0)
		return err_set(err, "tls_certfile: there is no certificate");
	context->certificates = calloc(count, sizeof(*context->certificates));
	if (!context->certificates)
		return err_set(err, "out of memory");
	return load_pairs(context, options->pairs, options->pair_count, err) &&
	       load_pairs(context, dir->pairs, dir->count, err);
}

static bool has_name(const struct tls_certificate *c, const char *name)
{
	for (size_t i = 0; i < c->name_count; i++)
		if (strcmp(c->names[i], name) == 0)
			return true;
	return false;
}

/* The first one, and those that stand beside it: the same name with keys of other types. */
static bool is_default(const struct tls_context *context, size_t i)
{
	const struct tls_certificate *first = &context->certificates[0], *c = &context->certificates[i];

	if (i == 0)
		return true;
	if (first->name_count == 0 || !has_name(c, first->names[0]))
		return false;
	for (size_t j = 0; j < i; j++)
		if (same_key_type(&context->certificates[j], c) && is_default(context, j))
			return false;
	return true;
}

/* Certificates for names, too, are tried at once: OpenSSL's security level may refuse them. */
static bool try_certificate(SSL_CTX *ssl_ctx, const struct tls_certificate *c, struct err *err)
{
	SSL *ssl = SSL_new(ssl_ctx);
	bool is_ok = ssl && SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) == 1;

	SSL_free(ssl);
	return is_ok || tls_file_refuse(err, c->setting, c->file, "the certificate cannot be used");
}

static bool use_defaults(struct tls_context *context, struct err *err)
{
	for (size_t i = 0; i < context->certificate_count; i++) {
		const struct tls_certificate *c = &context->certificates[i];

		if (!is_default(context, i) ? !try_certificate(context->ssl_ctx, c, err) :
		    SSL_CTX_use_cert_and_key(context->ssl_ctx, c->leaf, c->key, c->chain, 1) != 1 &&
		    !tls_file_refuse(err, c->setting, c->file, "the certificate cannot be used"))
			return false;
	}
	return true;
}

static bool load_certificates(struct tls_context *context, const struct tls_options *options, struct err *err)
{
	struct tls_dir dir = { 0 };
	bool is_ok;

	if (options->pair_dir && !tls_dir_read(&dir, options->pair_dir, err))
		return false;
	is_ok = load_all(context, options, &dir, err);
	tls_dir_fini(&dir);
	if (!is_ok || !use_defaults(context, err))
		return false;
	return tls_sni_init(&context->sni, context->certificates, context->certificate_count) ||
	       err_set(err, "out of memory");
}

/* ---- the context ---- */

/* The context is the SSL_CTX's from here on, and freed with it. NULL: out of memory. */
static struct tls_context *new_context(void)
{
	struct tls_context *context = calloc(1, sizeof(*context));
	SSL_CTX *ssl_ctx = context_slot() < 0 ? NULL : SSL_CTX_new(TLS_server_method());

	if (context && ssl_ctx && SSL_CTX_set_ex_data(ssl_ctx, context_slot(), context) == 1) {
		/* Passwords come this way. */
		SSL_CTX_set_options(ssl_ctx, SSL_OP_CLEANSE_PLAINTEXT);
		context->ssl_ctx = ssl_ctx;
		return context;
	}
	SSL_CTX_free(ssl_ctx);
	free(context);
	ERR_clear_error();
	return NULL;
}

static bool set_callbacks(struct tls_context *context)
{
	SSL_CTX *ssl_ctx = context->ssl_ctx;

	context->tickets = tls_tickets_new();
	SSL_CTX_set_alpn_select_cb(ssl_ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_server_name);
	return context->tickets && SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket) == 1;
}

static bool build(struct tls_context *context, const struct tls_options *options, struct err *err)
{
	if (!remember_files(context, options) || !set_callbacks(context))
		return err_set(err, "out of memory");
	/* The settings first: certificates are held to their security level. */
	return tls_settings_apply(context->ssl_ctx, options, err) &&
	       tls_settings_trust(context->ssl_ctx, options, context->scope, err) &&
	       load_certificates(context, options, err);
}

struct tls_context *tls_context_new(const struct tls_options *options, struct err *err)
{
	struct tls_context *context = new_context();

	if (!context) {
		err_set(err, "TLS: out of memory");
		return NULL;
	}
	if (!build(context, options, err))
		tls_context_put(&context);
	for (size_t i = 0; context && !options->is_quiet && i < context->certificate_count; i++)
		tls_certificate_log(&context->certificates[i]);
	if (context && !options->is_quiet)
		tls_context_log_trouble(context);
	ERR_clear_error();
	return context;
}

struct tls_context *tls_context_get(struct tls_context *context)
{
	BUG_ON(SSL_CTX_up_ref(context->ssl_ctx) != 1);
	return context;
}

void tls_context_put(struct tls_context **context)
{
	struct tls_context *c = *context;

	*context = NULL;
	if (c)
		SSL_CTX_free(c->ssl_ctx);
}

void tls_context_inherit(struct tls_context *context, const struct tls_context *older)
{
	/* With other authorities no old session is good any more. */
	if (memcmp(context->scope, older->scope, sizeof(context->scope)) != 0)
		return;
	tls_tickets_put(&context->tickets);
	context->tickets = tls_tickets_get(older->tickets);
}

void tls_context_log_trouble(const struct tls_context *context)
{
	for (size_t i = 0; i < context->certificate_count; i++)
		tls_certificate_log_trouble(&context->certificates[i]);
}

uint64_t tls_context_not_after(const struct tls_context *context)
{
	uint64_t first = context->certificates[0].not_after;

	for (size_t i = 1; i < context->certificate_count; i++)
		if (context->certificates[i].not_after < first)
			first = context->certificates[i].not_after;
	return first;
}

const char *tls_context_certificate(const struct tls_context *context, size_t i, uint64_t *not_after)
{
	if (i >= context->certificate_count)
		return NULL;
	*not_after = context->certificates[i].not_after;
	return context->certificates[i].file;
}

SSL *tls_context_new_ssl(struct tls_context *context)
{
	SSL *ssl = SSL_new(context->ssl_ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	ERR_clear_error();
	return ssl;
}
