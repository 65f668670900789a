/*
 * What a priority comes to, told by OpenSSL and not by us: suites, groups and
 * signature algorithms out of the ClientHello that the context would send for
 * each version, so that what the security level or the build of OpenSSL takes
 * away is not printed. A server takes versions with gaps between them, a client
 * does not: that is why each version says hello by itself.
 */
#include "net/tls_priority.h"
#include "net/tls_priority_words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static const struct {
	int number;
	uint64_t off;
	const char *name;
} versions[TLS_VERSION_COUNT] = {
	[TLS_VERSION_1_0] = { TLS1_VERSION, SSL_OP_NO_TLSv1, "TLSv1" },
	[TLS_VERSION_1_1] = { TLS1_1_VERSION, SSL_OP_NO_TLSv1_1, "TLSv1.1" },
	[TLS_VERSION_1_2] = { TLS1_2_VERSION, SSL_OP_NO_TLSv1_2, "TLSv1.2" },
	[TLS_VERSION_1_3] = { TLS1_3_VERSION, SSL_OP_NO_TLSv1_3, "TLSv1.3" },
};

static const struct {
	uint64_t bit;
	const char *name;
} options[] = {
	{ SSL_OP_CIPHER_SERVER_PREFERENCE, "server-preference" },
	{ SSL_OP_NO_TICKET, "no-tickets-tls12" },
	{ SSL_OP_NO_ENCRYPT_THEN_MAC, "no-encrypt-then-mac" },
	{ SSL_OP_NO_EXTENDED_MASTER_SECRET, "no-extended-master-secret" },
	{ SSL_OP_TLS_ROLLBACK_BUG, "tls-rollback-bug" },
	{ SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION, "unsafe-renegotiation" },
};

enum { CODES_MAX = 256 };

/* Codes of 16 bits as ClientHellos told them, each once. */
struct codes {
	uint16_t codes[CODES_MAX];
	size_t count;
};

struct hello {
	struct codes suites, groups, sigalgs;
	bool is_heard;
};

static void add_code(struct codes *codes, uint16_t code)
{
	for (size_t i = 0; i < codes->count; i++)
		if (codes->codes[i] == code)
			return;
	if (codes->count < CODES_MAX)
		codes->codes[codes->count++] = code;
}

static void add_bytes(struct codes *codes, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		add_code(codes, (uint16_t)(bytes[i] << 8 | bytes[i + 1]));
}

static void add_extension(SSL *ssl, unsigned type, struct codes *codes)
{
	const unsigned char *bytes;
	size_t len;

	/* A length of two bytes stands in front (RFC 8446 4.2.3 and 4.2.7). */
	if (SSL_client_hello_get0_ext(ssl, type, &bytes, &len) == 1 && len > 2)
		add_bytes(codes, bytes + 2, len - 2);
}

/* Looks into the ClientHello, and ends the handshake there. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	struct hello *hello = arg;
	const unsigned char *bytes;
	size_t len = SSL_client_hello_get0_ciphers(ssl, &bytes);

	*alert = SSL_AD_USER_CANCELLED;
	hello->is_heard = true;
	add_bytes(&hello->suites, bytes, len);
	add_extension(ssl, TLSEXT_TYPE_supported_groups, &hello->groups);
	add_extension(ssl, TLSEXT_TYPE_signature_algorithms, &hello->sigalgs);
	return SSL_CLIENT_HELLO_ERROR;
}

static bool fix_version(SSL *client, int version)
{
	/* Below TLS 1.2 the list has no say (RFC 5246 1.2), but OpenSSL's client would go by it. */
	if (version < TLS1_2_VERSION && SSL_set1_sigalgs_list(client, "RSA+SHA1:ECDSA+SHA1:DSA+SHA1") != 1)
		return false;
	return SSL_set_min_proto_version(client, version) == 1 && SSL_set_max_proto_version(client, version) == 1;
}

/* Let a client made from the context say hello into *wire; false: it cannot. */
static bool say_hello(SSL_CTX *ssl_ctx, int version, BIO *wire)
{
	SSL *client = SSL_new(ssl_ctx);
	BIO *empty = BIO_new(BIO_s_mem());
	bool is_ok = client && empty && BIO_up_ref(wire);

	if (!is_ok) {
		BIO_free(empty);
		SSL_free(client);
		return false;
	}
	SSL_set_bio(client, empty, wire);
	is_ok = fix_version(client, version) && SSL_connect(client) < 0 && BIO_pending(wire) > 0;
	SSL_free(client);
	return is_ok;
}

/* A server that takes anything, so that the hello is read whatever it offers. */
static SSL_CTX *new_listener(struct hello *hello)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());

	if (!ssl_ctx)
		return NULL;
	SSL_CTX_set_security_level(ssl_ctx, 0);
	SSL_CTX_set_min_proto_version(ssl_ctx, 0);
	SSL_CTX_set_max_proto_version(ssl_ctx, 0);
	SSL_CTX_set_client_hello_cb(ssl_ctx, on_client_hello, hello);
	return ssl_ctx;
}

static bool hear_hello(BIO *wire, struct hello *hello)
{
	SSL_CTX *ssl_ctx = new_listener(hello);
	SSL *server = ssl_ctx ? SSL_new(ssl_ctx) : NULL;
	BIO *answer = BIO_new(BIO_s_mem());

	hello->is_heard = false;
	if (server && answer && BIO_up_ref(wire)) {
		SSL_set_bio(server, wire, answer);
		answer = NULL;
		(void)SSL_accept(server);
	}
	BIO_free(answer);
	SSL_free(server);
	SSL_CTX_free(ssl_ctx);
	/* A client that has nothing to offer writes an alert instead. */
	return hello->is_heard;
}

/* Add what the context can do with this version; false: it does not speak it. */
static bool try_version(SSL_CTX *ssl_ctx, int i, struct hello *hello)
{
	int low = (int)SSL_CTX_get_min_proto_version(ssl_ctx);
	int high = (int)SSL_CTX_get_max_proto_version(ssl_ctx);
	BIO *wire;
	bool is_ok;

	if (versions[i].number < low || (high && versions[i].number > high) ||
	    (SSL_CTX_get_options(ssl_ctx) & versions[i].off))
		return false;
	wire = BIO_new(BIO_s_mem());
	is_ok = wire && say_hello(ssl_ctx, versions[i].number, wire) && hear_hello(wire, hello);
	BIO_free(wire);
	ERR_clear_error();
	return is_ok;
}

static void print_codes(FILE *out, const char *what, const struct codes *codes,
			const char *(*name_of)(unsigned))
{
	for (size_t i = 0; i < codes->count; i++) {
		const char *name = name_of(codes->codes[i]);

		if (name)
			fprintf(out, "%s %s\n", what, name);
		else
			fprintf(out, "%s 0x%04x\n", what, codes->codes[i]);
	}
}

static void print_suites(FILE *out, SSL *ssl, const struct codes *suites)
{
	for (size_t i = 0; i < suites->count; i++) {
		const unsigned char bytes[2] = { (unsigned char)(suites->codes[i] >> 8),
						 (unsigned char)suites->codes[i] };
		const SSL_CIPHER *suite = SSL_CIPHER_find(ssl, bytes);

		/* Signals stand among the suites (RFC 5746 3.3, RFC 7507 4). */
		if (suite && suites->codes[i] != 0x00ff && suites->codes[i] != 0x5600)
			fprintf(out, "suite %s\n", SSL_CIPHER_get_name(suite));
	}
}

static void print_options(FILE *out, const struct tls_priority *priority, const SSL_CTX *ssl_ctx)
{
	uint64_t set = SSL_CTX_get_options(ssl_ctx);

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (set & options[i].bit)
			fprintf(out, "option %s\n", options[i].name);
	if (!(set & SSL_OP_ENABLE_MIDDLEBOX_COMPAT))
		fputs("option no-middlebox-compat\n", out);
	if (priority->has_no_tickets)
		fputs("option no-tickets-tls13\n", out);
	if (priority->auth_level >= 0)
		fprintf(out, "option client-certificate-level=%d\n", priority->auth_level);
	fprintf(out, "security-level %d\n", SSL_CTX_get_security_level(ssl_ctx));
}

static bool print_all(const struct tls_priority *priority, SSL_CTX *ssl_ctx, FILE *out)
{
	struct hello hello = { 0 };
	SSL *ssl = SSL_new(ssl_ctx);
	bool has_any = false;

	if (!ssl)
		return false;
	if (priority->is_system_default)
		fputs("note @SYSTEM is not set on this system and means NORMAL\n", out);
	for (int i = TLS_VERSION_COUNT - 1; i >= 0; i--) {
		if (!try_version(ssl_ctx, i, &hello))
			continue;
		fprintf(out, "protocol %s\n", versions[i].name);
		has_any = true;
	}
	print_suites(out, ssl, &hello.suites);
	print_codes(out, "group", &hello.groups, tls_group_name);
	print_codes(out, "signature", &hello.sigalgs, tls_sigalg_name);
	print_options(out, priority, ssl_ctx);
	SSL_free(ssl);
	return has_any;
}

bool tls_priority_explain(const struct tls_priority *priority, FILE *out, struct err *err)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_method());
	bool is_ok;

	if (!ssl_ctx) {
		ERR_clear_error();
		return err_set(err, "OpenSSL cannot make a context");
	}
	is_ok = tls_priority_apply(priority, ssl_ctx, err);
	if (is_ok && !print_all(priority, ssl_ctx, out))
		is_ok = err_set(err, "with this priority OpenSSL has nothing to offer");
	if (is_ok && (fflush(out) != 0 || ferror(out)))
		is_ok = err_set_errno(err, "cannot write");
	SSL_CTX_free(ssl_ctx);
	return is_ok;
}
