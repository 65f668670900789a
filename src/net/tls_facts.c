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

bool tls_exporter_read(char exporter[TLS_EXPORTER_SIZE], const SSL *ssl)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	bool is_good = SSL_version(ssl) == TLS1_3_VERSION &&
		       SSL_export_keying_material((SSL *)ssl, (unsigned char *)exporter, TLS_EXPORTER_SIZE, label,
						  sizeof(label) - 1, NULL, 0, 0) == 1;

	ERR_clear_error();
	return is_good;
}

static bool copy_name(char *name, size_t size, const ASN1_STRING *text)
{
	unsigned char *utf8 = NULL;
	int len = text ? ASN1_STRING_to_UTF8(&utf8, text) : -1;
	bool is_good = len > 0 && (size_t)len < size && !memchr(utf8, '\0', (size_t)len);

	if (is_good) {
		memcpy(name, utf8, (size_t)len);
		name[len] = '\0';
	}
	OPENSSL_free(utf8);
	return is_good;
}

/* RFC 5280 4.2.1.6: rfc822Name. False: there is none. */
static const ASN1_STRING *find_mail_address(const GENERAL_NAMES *names)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_EMAIL)
			return name->d.rfc822Name;
	}
	return NULL;
}

static const ASN1_STRING *find_common_name(const X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	return at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
}

bool tls_client_name_read(char *name, size_t size, const SSL *ssl)
{
	const X509 *cert = SSL_get0_peer_certificate(ssl);
	GENERAL_NAMES *names;
	const ASN1_STRING *address;
	bool is_good;

	if (!cert || SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	address = names ? find_mail_address(names) : NULL;
	is_good = copy_name(name, size, address ? address : find_common_name(cert));
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return is_good;
}
