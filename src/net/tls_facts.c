/*
 * What a handshake came to, and why TLS failed, in words for log and headers.
 */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

const char *tls_error_text(char *text, size_t size)
{
	unsigned long code = ERR_get_error(), next;
	const char *reason;

	/* The first is the cause, unless it only tells that some library said more. */
	while (code && ERR_GET_REASON(code) == ERR_LIB_NONE && (next = ERR_get_error()) != 0)
		code = next;
	/* OpenSSL 3 has no words for errors of the system. */
	reason = !code ? "OpenSSL does not say why" :
		 ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) :
					  ERR_reason_error_string(code);
	if (reason)
		snprintf(text, size, "%s", reason);
	else
		snprintf(text, size, "OpenSSL's error %lx", code);
	ERR_clear_error();
	return text;
}

/* OpenSSL asks for a pointer it may write to, though these look only. */
static SSL *looked_at(const SSL *ssl)
{
	return (SSL *)ssl;
}

static void read_group(struct tls_facts *facts, const SSL *ssl)
{
	int id = (int)SSL_get_negotiated_group(looked_at(ssl));
	const char *name = id ? SSL_group_to_name(looked_at(ssl), id) : NULL;

	snprintf(facts->group, sizeof(facts->group), "%s", name ? name : "");
}

/* RFC 6066 3: ASCII without a trailing dot. Whatever else a client may send is shown, but does no harm. */
static void read_server_name(struct tls_facts *facts, const SSL *ssl)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	snprintf(facts->server_name, sizeof(facts->server_name), "%s", name ? name : "");
	for (char *c = facts->server_name; *c; c++)
		*c = ascii_is_alnum(*c) || strchr("-._", *c) ? ascii_lower(*c) : '?';
}

/* XN_FLAG_RFC2253 escapes control bytes and all that is not ASCII. */
static void read_subject(struct tls_facts *facts, const X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len = 0;

	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_read(bio, facts->client_subject, sizeof(facts->client_subject) - 1);
	facts->client_subject[len > 0 ? len : 0] = '\0';
	BIO_free(bio);
}

static void read_fingerprint(struct tls_facts *facts, const X509 *cert)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (X509_digest(cert, EVP_sha256(), digest, &len) != 1)
		len = 0;
	for (unsigned i = 0; i < len; i++)
		snprintf(facts->client_fingerprint + (size_t)2 * i, 3, "%02x", digest[i]);
}

static void read_client(struct tls_facts *facts, const SSL *ssl)
{
	const X509 *cert = SSL_get0_peer_certificate(ssl);

	if (!cert || SSL_get_verify_result(ssl) != X509_V_OK)
		return;
	facts->has_client_cert = true;
	read_subject(facts, cert);
	read_fingerprint(facts, cert);
}

void tls_facts_read(struct tls_facts *facts, const SSL *ssl)
{
	*facts = (struct tls_facts){
		.version = SSL_get_version(ssl),
		.suite = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)),
		.is_resumed = SSL_session_reused(ssl) == 1,
	};
	read_group(facts, ssl);
	read_server_name(facts, ssl);
	read_client(facts, ssl);
	ERR_clear_error();
}
