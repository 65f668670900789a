#include "net/tls_client.h"

#include "base/addr.h"
#include "net/tls_certificate.h"
#include "net/tls_file.h"
#include "net/tls_priority.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SETTING_SIZE = 128, NAME_SIZE = 256 };

struct tls_client_context {
	SSL_CTX *ssl_ctx; /* owned */
	unsigned references;
};

/* "backend relay: tls_cafile" */
static const char *setting(const struct tls_client_options *options, const char *key, char text[SETTING_SIZE])
{
	snprintf(text, SETTING_SIZE, "%s%s%s", options->setting ? options->setting : "",
		 options->setting ? ": " : "", key);
	return text;
}

/* ---- whom we trust ---- */

static bool trust_each(X509_STORE *store, BIO *bio, const char *key, const char *path, struct err *err)
{
	unsigned count = 0;
	X509 *authority;
	bool is_ok = true;

	ERR_clear_error();
	while (is_ok && (authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		is_ok = X509_STORE_add_cert(store, authority) == 1;
		X509_free(authority);
		count++;
	}
	if (!is_ok || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_file_refuse(err, key, path, "a certificate cannot be read");
	if (count == 0)
		return tls_file_refuse(err, key, path, "there is no PEM certificate in it");
	ERR_clear_error();
	return true;
}

static bool trust_file(SSL_CTX *ssl_ctx, const struct tls_client_options *options, struct err *err)
{
	char key[SETTING_SIZE];
	struct tls_file file;
	BIO *bio;
	bool is_ok;

	setting(options, "tls_cafile", key);
	if (!tls_file_read(&file, key, options->ca_file, err))
		return false;
	bio = tls_file_bio(&file);
	is_ok = bio ? trust_each(SSL_CTX_get_cert_store(ssl_ctx), bio, key, options->ca_file, err) :
		      err_set(err, "%s: out of memory", key);
	BIO_free(bio);
	tls_file_fini(&file);
	return is_ok;
}

/* OpenSSL looks into it at each handshake, for the one or two files that it needs then. */
static bool trust_dir(SSL_CTX *ssl_ctx, const struct tls_client_options *options, struct err *err)
{
	char key[SETTING_SIZE];
	struct stat st;

	setting(options, "tls_ca_dir", key);
	if (stat(options->ca_dir, &st) < 0)
		return err_set_errno(err, "%s: %s", key, options->ca_dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, "%s: %s: not a directory", key, options->ca_dir);
	return SSL_CTX_load_verify_dir(ssl_ctx, options->ca_dir) == 1 ||
	       tls_file_refuse(err, key, options->ca_dir, "OpenSSL cannot use it");
}

static bool trust(SSL_CTX *ssl_ctx, const struct tls_client_options *options, struct err *err)
{
	char key[SETTING_SIZE];

	if (!options->ca_file && !options->ca_dir && SSL_CTX_set_default_verify_paths(ssl_ctx) != 1)
		return err_set(err, "%s: OpenSSL cannot use it",
			       setting(options, "the system's store of certificates", key));
	return (!options->ca_file || trust_file(ssl_ctx, options, err)) &&
	       (!options->ca_dir || trust_dir(ssl_ctx, options, err));
}

/* Where SSL_CTX_set_default_verify_paths() looks. */
static const char *given_or(const char *variable, const char *otherwise)
{
	const char *given = secure_getenv(variable);

	return given ? given : otherwise;
}

/* A store keeps what it has found in its directory, so that this counts like a file. */
static uint64_t system_store_state(uint64_t state)
{
	state = tls_file_state(given_or(X509_get_default_cert_file_env(), X509_get_default_cert_file()), state);
	return tls_file_state(given_or(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()), state);
}

uint64_t tls_client_files_state(const struct tls_client_options *o)
{
	uint64_t state = tls_file_state(o->ca_file, 0);

	state = tls_file_state(o->ca_dir, state);
	if (!o->ca_file && !o->ca_dir)
		state = system_store_state(state);
	state = tls_file_state(o->certfile, state);
	return tls_file_state(o->keyfile, state);
}

/* ---- what we show, and how we speak ---- */

static bool show(SSL_CTX *ssl_ctx, const struct tls_client_options *options, struct err *err)
{
	char key[SETTING_SIZE];
	const struct tls_pair pair = { .certfile = options->certfile, .keyfile = options->keyfile,
				       .setting = setting(options, "tls_certfile", key) };
	struct tls_certificate c;
	bool is_ok;

	if (!options->certfile)
		return true;
	if (!tls_certificate_load(&c, &pair, err))
		return false;
	is_ok = SSL_CTX_use_cert_and_key(ssl_ctx, c.leaf, c.key, c.chain, 1) == 1 ||
		tls_file_refuse(err, key, options->certfile, "the certificate cannot be used");
	tls_certificate_fini(&c);
	return is_ok;
}

static bool speak(SSL_CTX *ssl_ctx, const struct tls_client_options *options, struct err *err)
{
	struct tls_priority priority;
	char key[SETTING_SIZE];
	struct err why;

	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A connection is kept and used again; a session never. */
	SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
	if (tls_priority_parse(&priority, options->priority ? options->priority : "NORMAL", &why) &&
	    tls_priority_apply(&priority, ssl_ctx, &why))
		return true;
	return err_set(err, "%s: %.380s", setting(options, "tls_priority", key), why.text);
}

/* ---- the context ---- */

static bool build(SSL_CTX *ssl_ctx, const struct tls_client_options *options, struct err *err)
{
	/* Without verification the outcome is noted all the same. */
	SSL_CTX_set_verify(ssl_ctx, options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	/* "mx*.example.org" is for nobody (RFC 6125 6.4.3). */
	X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(ssl_ctx), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* The settings first: certificates are held to their security level. */
	return speak(ssl_ctx, options, err) && trust(ssl_ctx, options, err) && show(ssl_ctx, options, err);
}

struct tls_client_context *tls_client_context_new(const struct tls_client_options *options, struct err *err)
{
	struct tls_client_context *context = calloc(1, sizeof(*context));

	if (!context || !(context->ssl_ctx = SSL_CTX_new(TLS_client_method()))) {
		err_set(err, "TLS: out of memory");
		free(context);
		ERR_clear_error();
		return NULL;
	}
	context->references = 1;
	if (!build(context->ssl_ctx, options, err))
		tls_client_context_put(&context);
	ERR_clear_error();
	return context;
}

struct tls_client_context *tls_client_context_get(struct tls_client_context *context)
{
	context->references++;
	return context;
}

void tls_client_context_put(struct tls_client_context **context)
{
	struct tls_client_context *c = *context;

	*context = NULL;
	if (!c || --c->references)
		return;
	SSL_CTX_free(c->ssl_ctx);
	free(c);
}

/* ---- one connection ---- */

/* Without the dot at the end: it belongs neither to SNI (RFC 6066 3) nor to certificates. False: too long. */
static bool plain_name(char plain[NAME_SIZE], const char *name)
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	if (len == 0 || len >= NAME_SIZE)
		return false;
	memcpy(plain, name, len);
	plain[len] = '\0';
	return true;
}

static bool expect_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char plain[NAME_SIZE];
	struct addr addr;

	if (addr_parse_ip(&addr, span_str(name)))
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	return plain_name(plain, name) && X509_VERIFY_PARAM_set1_host(param, plain, 0) == 1 &&
	       SSL_set_tlsext_host_name(ssl, plain) == 1;
}

SSL *tls_client_context_new_ssl(struct tls_client_context *context, const char *name)
{
	SSL *ssl = SSL_new(context->ssl_ctx);

	if (ssl && !expect_name(ssl, name)) {
		SSL_free(ssl);
		ssl = NULL;
	}
	if (ssl)
		SSL_set_connect_state(ssl);
	ERR_clear_error();
	return ssl;
}

bool tls_client_is_verified(const SSL *ssl)
{
	/* A peer without a certificate verifies as X509_V_OK, too. */
	return SSL_get0_peer_certificate(ssl) && SSL_get_verify_result(ssl) == X509_V_OK;
}

const char *tls_client_verify_failure(const SSL *ssl)
{
	if (!SSL_get0_peer_certificate(ssl))
		return "no certificate";
	if (SSL_get_verify_result(ssl) == X509_V_OK)
		return "";
	return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
}
