#include "tls_fixture.h"

#include "base/clock.h"
#include "base/log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>

struct temp_dir tls_files;
int64_t tls_clock_ahead_s;

static int log_fd = -1;

/* ---- the clocks ---- */

uint64_t __real_clock_monotonic_ms(void);
uint64_t __wrap_clock_monotonic_ms(void);
uint64_t __real_clock_wall_us(void);
uint64_t __wrap_clock_wall_us(void);

uint64_t __wrap_clock_monotonic_ms(void)
{
	return __real_clock_monotonic_ms() + (uint64_t)(tls_clock_ahead_s * 1000);
}

uint64_t __wrap_clock_wall_us(void)
{
	return __real_clock_wall_us() + (uint64_t)(tls_clock_ahead_s * 1000000);
}

void tls_setup(void)
{
	temp_dir_init(&tls_files);
	tls_log_open();
}

void tls_teardown(void)
{
	temp_dir_fini(&tls_files);
}

const char *tls_path(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", tls_files.path, name);
	return path;
}

/* ---- keys and certificates ---- */

EVP_PKEY *tls_key(enum tls_test_key which)
{
	static EVP_PKEY *keys[TLS_KEYS];

	if (!keys[which] && (which == TLS_KEY_RSA || which == TLS_KEY_RSA1024))
		keys[which] = EVP_RSA_gen(which == TLS_KEY_RSA ? 2048 : 1024);
	else if (!keys[which])
		keys[which] = EVP_EC_gen("P-256");
	/* Check's assertions are for within tests only. */
	if (!keys[which])
		abort();
	return keys[which];
}

static void set_names(X509 *x, const struct tls_spec *spec)
{
	X509_NAME *subject = X509_get_subject_name(x);
	const X509_NAME *issuer = spec->issuer ? X509_get_subject_name(spec->issuer) : subject;
	const unsigned char *name = (const unsigned char *)spec->common_name;

	if (name)
		ck_assert(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0) == 1);
	ck_assert_int_eq(X509_set_issuer_name(x, issuer), 1);
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ck_assert_msg(extension != NULL, "%s", value);
	ck_assert_int_eq(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

X509 *tls_test_certificate(const struct tls_spec *spec)
{
	static long serial;
	X509 *x = X509_new();

	ck_assert_ptr_nonnull(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	set_names(x, spec);
	ck_assert_ptr_nonnull(X509_time_adj_ex(X509_getm_notBefore(x), 0,
					       spec->not_before_s ? spec->not_before_s : -DAY_S, NULL));
	ck_assert_ptr_nonnull(X509_time_adj_ex(X509_getm_notAfter(x), 0,
					       spec->not_after_s ? spec->not_after_s : 90 * DAY_S, NULL));
	X509_set_pubkey(x, tls_key(spec->key));
	if (spec->is_authority)
		add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	if (spec->names)
		add_extension(x, NID_subject_alt_name, spec->names);
	ck_assert_int_gt(X509_sign(x, tls_key(spec->issuer ? spec->issuer_key : spec->key), EVP_sha256()), 0);
	return x;
}

static FILE *open_file(const char *name, const char *mode)
{
	FILE *out = fopen(tls_path(name), mode);

	ck_assert_msg(out != NULL, "cannot write %s", name);
	fchmod(fileno(out), 0600);
	return out;
}

void tls_write_certificate(const char *name, X509 *certificate)
{
	FILE *out = open_file(name, "w");

	ck_assert_int_eq(PEM_write_X509(out, certificate), 1);
	fclose(out);
}

static void write_key(FILE *out, EVP_PKEY *key, const char *passphrase)
{
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
	int len = passphrase ? (int)strlen(passphrase) : 0;

	ck_assert_int_eq(PEM_write_PKCS8PrivateKey(out, key, cipher, passphrase, len, NULL, NULL), 1);
	fclose(out);
}

void tls_write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
	write_key(open_file(name, "w"), key, passphrase);
}

void tls_write_text(const char *name, const char *text)
{
	FILE *out = open_file(name, "w");

	fputs(text, out);
	fclose(out);
}

void tls_append(const char *name, const char *other)
{
	struct file_bytes bytes = file_bytes(tls_path(other));
	FILE *out = open_file(name, "a");

	ck_assert_uint_eq(fwrite(bytes.bytes, 1, bytes.len, out), bytes.len);
	fclose(out);
	free(bytes.bytes);
}

void tls_write_pair(const char *cert_file, const char *key_file, const struct tls_spec *spec)
{
	X509 *x = tls_test_certificate(spec);

	if (cert_file)
		tls_write_certificate(cert_file, x);
	if (key_file)
		write_key(open_file(key_file, cert_file && strcmp(cert_file, key_file) == 0 ? "a" : "w"),
			  tls_key(spec->key), NULL);
	X509_free(x);
}

/* ---- contexts ---- */

struct tls_context *tls_good(const struct tls_options *options)
{
	struct err err = { .text = "" };
	struct tls_context *context = tls_context_new(options, &err);

	ck_assert_msg(context != NULL, "%s", err.text);
	return context;
}

struct tls_options tls_usual(void)
{
	static char certfile[512], keyfile[512];
	static struct tls_pair pair = { certfile, keyfile, NULL };

	snprintf(certfile, sizeof(certfile), "%s", tls_path("cert.pem"));
	snprintf(keyfile, sizeof(keyfile), "%s", tls_path("key.pem"));
	if (access(certfile, F_OK) < 0)
		tls_write_pair("cert.pem", "key.pem",
			       &(struct tls_spec){ .common_name = "default", .names = "DNS:mx.example.org" });
	return (struct tls_options){ .pairs = &pair, .pair_count = 1, .tickets = 1, .session_scope = "a:25" };
}

/* ---- a client ---- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client *c = SSL_get_app_data(ssl);

	c->tickets++;
	SSL_SESSION_free(c->session);
	c->session = session;
	return 1;
}

void tls_client_init(struct tls_client *c)
{
	*c = (struct tls_client){ .ssl_ctx = SSL_CTX_new(TLS_client_method()) };
	ck_assert_ptr_nonnull(c->ssl_ctx);
	SSL_CTX_set_session_cache_mode(c->ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(c->ssl_ctx, on_session);
}

static void end_connection(struct tls_client *c)
{
	/* OpenSSL forgets the session of a connection that was just cut. */
	if (c->client)
		SSL_set_shutdown(c->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->client);
	SSL_free(c->server);
	c->client = c->server = NULL;
}

void tls_client_fini(struct tls_client *c)
{
	end_connection(c);
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ssl_ctx);
}

void tls_client_begin(struct tls_client *c, struct tls_context *context)
{
	BIO *left, *right;

	end_connection(c);
	c->client = SSL_new(c->ssl_ctx);
	c->server = tls_context_new_ssl(context);
	ck_assert(c->client && c->server);
	ck_assert_int_eq(BIO_new_bio_pair(&left, 0, &right, 0), 1);
	SSL_set_bio(c->client, left, left);
	SSL_set_bio(c->server, right, right);
	SSL_set_connect_state(c->client);
	SSL_set_app_data(c->client, c);
	c->tickets = 0;
}

static struct span ticket_of(const SSL_SESSION *session)
{
	const unsigned char *bytes = NULL;
	size_t len = 0;

	if (session)
		SSL_SESSION_get0_ticket(session, &bytes, &len);
	return span_of(bytes, len);
}

/* Before TLS 1.3 nobody tells of a ticket that came while another one was resumed. */
static void take_session(struct tls_client *c)
{
	SSL_SESSION *session = SSL_get1_session(c->client);

	if (!span_eq(ticket_of(session), ticket_of(c->session)))
		c->tickets++;
	SSL_SESSION_free(c->session);
	c->session = session;
}

bool tls_client_handshake(struct tls_client *c)
{
	int at_client = 0, at_server = 0;
	char byte;

	for (int i = 0; i < 100 && !(at_client == 1 && at_server == 1); i++) {
		at_client = SSL_do_handshake(c->client);
		at_server = SSL_do_handshake(c->server);
	}
	/* Tickets of TLS 1.3, and a refusal of the client's certificate, come behind the handshake. */
	for (int i = 0; i < 10; i++) {
		SSL_read(c->server, &byte, 1);
		SSL_read(c->client, &byte, 1);
	}
	if (at_client == 1 && SSL_version(c->client) < TLS1_3_VERSION)
		take_session(c);
	c->is_done = at_client == 1 && at_server == 1 && SSL_get_shutdown(c->client) == 0;
	return c->is_done;
}

bool tls_client_connect(struct tls_client *c, struct tls_context *context)
{
	tls_client_begin(c, context);
	if (c->session)
		SSL_set_session(c->client, c->session);
	return tls_client_handshake(c);
}

struct tls_facts tls_client_facts(const struct tls_client *c)
{
	struct tls_facts facts;

	tls_facts_read(&facts, c->server);
	return facts;
}

const char *tls_client_saw(const struct tls_client *c)
{
	static char name[256];
	const X509 *x = SSL_get0_peer_certificate(c->client);

	ck_assert_ptr_nonnull(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	return name;
}

/* ---- the log ---- */

void tls_log_open(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(log_fd, 0);
	log_open(log_fd, LOG_LEVEL_DEBUG);
}

const char *tls_log_text(void)
{
	static char text[1024 * 1024];
	ssize_t len;

	log_flush();
	len = pread(log_fd, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

unsigned tls_log_count(const char *needle)
{
	unsigned count = 0;

	for (const char *at = strstr(tls_log_text(), needle); at; at = strstr(at + 1, needle))
		count++;
	return count;
}
