/*
 * What can be negotiated with a TLS server on 127.0.0.1? Offers one thing at a
 * time, a protocol version with one cipher suite, group or signature algorithm,
 * and prints a line for each that the server takes. It knows nothing of our own
 * sources. A server that does not answer in time ends it with status 2.
 *   tls-scan PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { ANSWER_S = 20 };

static const struct {
	int number;
	const char *name;
} versions[] = {
	{ TLS1_3_VERSION, "TLSv1.3" },
	{ TLS1_2_VERSION, "TLSv1.2" },
	{ TLS1_1_VERSION, "TLSv1.1" },
	{ TLS1_VERSION, "TLSv1" },
};

static const char *const groups[] = {
	"X25519",    "P-256",	  "P-384",     "P-521",	    "X448",	 "P-192", "P-224",
	"ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192",
};

static const char *const sigalgs[] = {
	"RSA+SHA1",	"RSA+SHA224",	"RSA+SHA256",	       "RSA+SHA384",	      "RSA+SHA512",
	"ECDSA+SHA1",	"ECDSA+SHA224", "ECDSA+SHA256",	       "ECDSA+SHA384",	      "ECDSA+SHA512",
	"ed25519",	"ed448",	"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512",
};

/*
 * Of TLS 1.2 and below. The keys are tried apart: without P-256 among the
 * groups an ECDSA certificate on that curve is of no use (RFC 8422 5.3).
 */
static const struct {
	const char *key, *suites;
} ec_suites[] = {
	{ "RSA", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:"
		 "ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA" },
	{ "ECDSA", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
		   "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA" },
};
static const char signing_suites[] =
	"kECDHE+aECDSA:kECDHE+aRSA:kDHE+aRSA"; /* not those without a signature of the server */

struct offer {
	int version;
	const char *suite, *suite13; /* NULL: all */
	const char *groups, *sigalgs;
};

static unsigned short port;
static SSL_CTX *client; /* can do everything; what is offered is set on each session */
static unsigned extensions; /* that the server answered with: a bit for each of extension_types */

static const struct {
	int type;
	const char *name;
} extension_types[] = {
	{ TLSEXT_TYPE_encrypt_then_mac, "encrypt-then-mac" },
	{ TLSEXT_TYPE_extended_master_secret, "extended-master-secret" },
	{ TLSEXT_TYPE_session_ticket, "session-ticket" },
	{ TLSEXT_TYPE_renegotiate, "renegotiation-info" },
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "tls-scan: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(2);
}

static int open_socket(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval timeout = { .tv_sec = ANSWER_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		fail("socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	return fd;
}

static void on_extension(SSL *ssl, int is_server, int type, const unsigned char *data, int len, void *arg)
{
	(void)ssl;
	(void)is_server;
	(void)data;
	(void)len;
	(void)arg;
	for (size_t i = 0; i < sizeof(extension_types) / sizeof(extension_types[0]); i++)
		if (extension_types[i].type == type)
			extensions |= 1u << i;
}

static void open_client(void)
{
	client = SSL_CTX_new(TLS_client_method());
	if (!client)
		fail("SSL_CTX_new");
	SSL_CTX_set_security_level(client, 0);
	if (!SSL_CTX_set_cipher_list(client, "ALL:COMPLEMENTOFALL"))
		fail("OpenSSL has no ciphers");
}

static SSL *new_session(const struct offer *offer)
{
	SSL *ssl = SSL_new(client);

	if (!ssl || !SSL_set_min_proto_version(ssl, offer->version) ||
	    !SSL_set_max_proto_version(ssl, offer->version) ||
	    (offer->suite && !SSL_set_cipher_list(ssl, offer->suite)) ||
	    (offer->suite13 && !SSL_set_ciphersuites(ssl, offer->suite13)) ||
	    (offer->groups && !SSL_set1_groups_list(ssl, offer->groups)) ||
	    (offer->sigalgs && !SSL_set1_sigalgs_list(ssl, offer->sigalgs)))
		fail("this offer cannot be made");
	return ssl;
}

/* The session where the server takes the offer; it is the caller's, as is its socket. */
static SSL *take_offer(const struct offer *offer)
{
	SSL *ssl = new_session(offer);
	int fd = open_socket();

	extensions = 0;
	errno = 0;
	SSL_set_tlsext_debug_callback(ssl, on_extension);
	if (SSL_set_fd(ssl, fd) != 1)
		fail("SSL_set_fd");
	if (SSL_connect(ssl) == 1)
		return ssl;
	if (errno == EAGAIN)
		fail("the server does not answer");
	ERR_clear_error();
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static void end_session(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	ERR_clear_error();
	close(fd);
}

static bool is_taken(const struct offer *offer)
{
	SSL *ssl = take_offer(offer);

	if (ssl)
		end_session(ssl);
	return ssl != NULL;
}

/* ---- what is scanned ---- */

static void scan_suites_13(void)
{
	static const char *const suites[] = {
		"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
		"TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
	};

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (is_taken(&(struct offer){ .version = TLS1_3_VERSION, .suite13 = suites[i] }))
			printf("suite TLSv1.3 %s\n", suites[i]);
}

/* Suites that need what neither side has. */
static bool is_without_certificate(const SSL_CIPHER *suite)
{
	const char *name = SSL_CIPHER_get_name(suite);

	return strstr(name, "PSK") || strstr(name, "SRP") || strstr(name, "GOST");
}

static void scan_suites(size_t v)
{
	STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(client);

	for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
		const SSL_CIPHER *suite = sk_SSL_CIPHER_value(suites, i);
		const char *least = SSL_CIPHER_get_version(suite), *name = SSL_CIPHER_get_name(suite);

		if (is_without_certificate(suite) || strcmp(least, "TLSv1.3") == 0 ||
		    (versions[v].number < TLS1_2_VERSION && strcmp(least, "TLSv1.2") == 0))
			continue;
		if (is_taken(&(struct offer){ .version = versions[v].number, .suite = name }))
			printf("suite %s %s\n", versions[v].name, name);
	}
}

static void scan_groups_13(void)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (is_taken(&(struct offer){ .version = TLS1_3_VERSION, .groups = groups[i] }))
			printf("group TLSv1.3 %s\n", groups[i]);
}

static void scan_groups(size_t v)
{
	for (size_t k = 0; k < sizeof(ec_suites) / sizeof(ec_suites[0]); k++) {
		for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
			struct offer offer = {
				.version = versions[v].number,
				.suite = ec_suites[k].suites,
				.groups = groups[i],
			};

			if (strncmp(groups[i], "ffdhe", 5) != 0 && is_taken(&offer))
				printf("group %s %s %s\n", versions[v].name, ec_suites[k].key, groups[i]);
		}
	}
}

static void scan_sigalgs(size_t v)
{
	for (size_t i = 0; i < sizeof(sigalgs) / sizeof(sigalgs[0]); i++) {
		bool is_13 = versions[v].number == TLS1_3_VERSION;

		/* Not for handshakes of TLS 1.3 (RFC 8446 4.2.3): a client may not even offer them alone. */
		if (is_13 && (strncmp(sigalgs[i], "RSA+", 4) == 0 || strstr(sigalgs[i], "SHA1") ||
			      strstr(sigalgs[i], "SHA224")))
			continue;
		if (is_taken(&(struct offer){ .version = versions[v].number, .suite = signing_suites,
					      .sigalgs = sigalgs[i] }))
			printf("signature %s %s\n", versions[v].name, sigalgs[i]);
	}
}

/* Which does the server choose when everything is offered, the strongest last? */
static void scan_choice(size_t v)
{
	struct offer offer = {
		.version = versions[v].number,
		.suite = "AES128-SHA:DHE-RSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ALL",
		.suite13 = "TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
			   "TLS_AES_256_GCM_SHA384",
	};
	SSL *ssl = take_offer(&offer);

	if (!ssl)
		return;
	printf("choice %s %s\n", versions[v].name, SSL_get_cipher_name(ssl));
	end_session(ssl);
}

static void scan_extensions(void)
{
	SSL *ssl = take_offer(&(struct offer){ .version = TLS1_2_VERSION });

	if (ssl) {
		for (size_t i = 0; i < sizeof(extension_types) / sizeof(extension_types[0]); i++)
			if (i > 0 && extensions & (1u << i))
				printf("extension TLSv1.2 %s\n", extension_types[i].name);
		end_session(ssl);
	}
	/* Of interest with CBC only (RFC 7366 3). */
	ssl = take_offer(&(struct offer){ .version = TLS1_2_VERSION,
					  .suite = "ECDHE-RSA-AES128-SHA:AES128-SHA:DHE-RSA-AES128-SHA" });
	if (ssl) {
		if (extensions & 1u)
			puts("extension TLSv1.2 encrypt-then-mac");
		end_session(ssl);
	}
}

/* Tickets of TLS 1.3 come before the first data, so an echo tells that they have come, or not. */
static void scan_tickets(void)
{
	SSL *ssl = take_offer(&(struct offer){ .version = TLS1_3_VERSION });
	char answer[64];

	if (!ssl)
		return;
	if (SSL_write(ssl, "x\n", 2) != 2 || SSL_read(ssl, answer, sizeof(answer)) <= 0)
		fail("the server does not echo");
	if (SSL_SESSION_has_ticket(SSL_get0_session(ssl)))
		puts("ticket TLSv1.3");
	end_session(ssl);
}

int main(int argc, char **argv)
{
	long number = argc == 2 ? strtol(argv[1], NULL, 10) : 0;

	if (number < 1 || number > 65535) {
		fputs("usage: tls-scan PORT\n", stderr);
		return 2;
	}
	port = (unsigned short)number;
	open_client();
	scan_suites_13();
	scan_groups_13();
	for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
		if (versions[v].number != TLS1_3_VERSION) {
			scan_suites(v);
			scan_groups(v);
		}
		if (versions[v].number >= TLS1_2_VERSION)
			scan_sigalgs(v);
		scan_choice(v);
	}
	scan_extensions();
	scan_tickets();
	SSL_CTX_free(client);
	return fflush(stdout) == 0 ? 0 : 2;
}
