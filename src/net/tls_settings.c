#include "net/tls_settings.h"

#include "net/tls_dh.h"
#include "net/tls_file.h"
#include "net/tls_priority.h"
#include "net/tls_ticket.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static const char default_priority[] = "NORMAL";

/* ---- compatibility ---- */

/* With tls_compat the default becomes what GnuTLS has for old clients; any other string stays as it is. */
static const char *priority_text(const struct tls_options *options)
{
	const char *text = options->priority ? options->priority : default_priority;

	return options->compat && strcmp(text, default_priority) == 0 ? "LEGACY" : text;
}

/* SHA-1, small keys, renegotiation as before RFC 5746, and ways around bugs of others. */
static void allow_old(SSL_CTX *ssl_ctx)
{
	SSL_CTX_set_security_level(ssl_ctx, 0);
	SSL_CTX_clear_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_options(ssl_ctx, SSL_OP_ALL | SSL_OP_ALLOW_CLIENT_RENEGOTIATION |
				     SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
}

/* ---- everything but trust ---- */

static void set_tickets(SSL_CTX *ssl_ctx, unsigned tickets)
{
	SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ssl_ctx, TLS_TICKET_LIFETIME_S);
	if (tickets == 0)
		SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET);
	/* %NO_TICKETS of a priority string has made it 0 already. */
	if (tickets < SSL_CTX_get_num_tickets(ssl_ctx))
		SSL_CTX_set_num_tickets(ssl_ctx, tickets);
}

static bool is_rsa(const char *sigalg)
{
	return strncasecmp(sigalg, "rsa", 3) == 0;
}

/*
 * GnuTLS lets the client choose between a certificate with an RSA key and one without. We do, and an RSA
 * signature costs ten times as much: so the others go first, unless the string has an order of its own.
 */
static void put_rsa_last(struct tls_priority_list *sigalgs)
{
	struct tls_priority_list sorted = { .count = 0 };

	for (size_t i = 0; i < sigalgs->count; i++)
		if (!is_rsa(sigalgs->names[i]))
			sorted.names[sorted.count++] = sigalgs->names[i];
	for (size_t i = 0; i < sigalgs->count; i++)
		if (is_rsa(sigalgs->names[i]))
			sorted.names[sorted.count++] = sigalgs->names[i];
	*sigalgs = sorted;
}

static bool parse_priority(struct tls_priority *priority, const char *text, struct err *err)
{
	if (!tls_priority_parse(priority, text, err))
		return false;
	if (!strcasestr(text, "SIGN-"))
		put_rsa_last(&priority->sigalgs);
	return true;
}

static bool apply_priority(SSL_CTX *ssl_ctx, const struct tls_options *options, struct tls_priority *priority,
			   struct err *err)
{
	struct err why;

	if (parse_priority(priority, priority_text(options), &why) &&
	    tls_priority_apply(priority, ssl_ctx, &why))
		return true;
	return err_set(err, "tls_priority: %.460s", why.text);
}

bool tls_settings_apply(SSL_CTX *ssl_ctx, const struct tls_options *options, struct err *err)
{
	struct tls_priority priority;

	/* Renegotiation and compression have cost others enough (CVE-2009-3555, CVE-2012-4929). */
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* First, so that what comes is held to the level of old clients. */
	if (options->compat)
		allow_old(ssl_ctx);
	if (!apply_priority(ssl_ctx, options, &priority, err) ||
	    !tls_dh_apply(ssl_ctx, options->dh_params, &priority.groups, err))
		return false;
	set_tickets(ssl_ctx, options->tickets);
	return true;
}

/* ---- certificates of clients ---- */

/* "ask": whoever shows a bad certificate is nobody in particular, and SSL_get_verify_result() tells. */
static int take_any(int is_ok, X509_STORE_CTX *chain)
{
	(void)is_ok;
	(void)chain;
	return 1;
}

/* Each authority is trusted, and named to clients so that they can choose a certificate. */
static bool trust_each(SSL_CTX *ssl_ctx, BIO *bio, const char *path, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
	unsigned count = 0;
	X509 *authority;
	bool is_ok = true;

	ERR_clear_error();
	while (is_ok && (authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		is_ok = X509_STORE_add_cert(store, authority) == 1 &&
			SSL_CTX_add_client_CA(ssl_ctx, authority) == 1;
		X509_free(authority);
		count++;
	}
	if (!is_ok || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_file_refuse(err, "tls_client_ca", path, "a certificate cannot be read");
	if (count == 0)
		return tls_file_refuse(err, "tls_client_ca", path, "there is no PEM certificate in it");
	ERR_clear_error();
	return true;
}

static bool trust_file(SSL_CTX *ssl_ctx, const struct tls_options *options, EVP_MD_CTX *digest,
		       struct err *err)
{
	struct tls_file file;
	BIO *bio;
	bool is_ok;

	if (!tls_file_read(&file, "tls_client_ca", options->client_ca, err))
		return false;
	bio = tls_file_bio(&file);
	if (bio)
		is_ok = trust_each(ssl_ctx, bio, options->client_ca, err);
	else
		is_ok = err_set(err, "tls_client_ca: out of memory");
	is_ok = is_ok && (EVP_DigestUpdate(digest, file.bytes, file.len) == 1 ||
			  err_set(err, "tls_client_ca: OpenSSL cannot make a digest"));
	BIO_free(bio);
	tls_file_fini(&file);
	return is_ok;
}

static bool trust(SSL_CTX *ssl_ctx, const struct tls_options *options, EVP_MD_CTX *digest, struct err *err)
{
	switch (options->client_verify) {
	case TLS_CLIENT_VERIFY_OFF:
		return true;
	case TLS_CLIENT_VERIFY_ASK:
		SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, take_any);
		break;
	case TLS_CLIENT_VERIFY_REQUIRE:
		SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		break;
	}
	if (!options->client_ca)
		return err_set(err, "tls_client_verify: there is no tls_client_ca to verify with");
	return trust_file(ssl_ctx, options, digest, err);
}

bool tls_settings_trust(SSL_CTX *ssl_ctx, const struct tls_options *options,
			unsigned char scope[TLS_SCOPE_SIZE], struct err *err)
{
	const char *name = options->session_scope ? options->session_scope : "";
	const unsigned char mode = (unsigned char)options->client_verify;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool is_ok = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		     EVP_DigestUpdate(digest, name, strlen(name) + 1) == 1 &&
		     EVP_DigestUpdate(digest, &mode, 1) == 1;

	if (!is_ok)
		err_set(err, "OpenSSL cannot make a digest");
	is_ok = is_ok && trust(ssl_ctx, options, digest, err);
	if (is_ok && (EVP_DigestFinal_ex(digest, scope, NULL) != 1 ||
		      SSL_CTX_set_session_id_context(ssl_ctx, scope, TLS_SCOPE_SIZE) != 1))
		is_ok = err_set(err, "OpenSSL cannot make a digest");
	EVP_MD_CTX_free(digest);
	return is_ok;
}
