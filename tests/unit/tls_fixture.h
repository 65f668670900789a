/*
 * What the tests of TLS share: keys and certificates made on the spot, with times
 * relative to now, files to put them in, and a client whose bytes go to and fro
 * in memory. The clock of the tested code can be moved; that of OpenSSL cannot.
 */
#ifndef TLS_FIXTURE_H
#define TLS_FIXTURE_H

#include "net/tls.h"

#include "temp_dir.h"
#include "unit.h"

#include <openssl/ssl.h>

enum { DAY_S = 86400 };

extern struct temp_dir tls_files;   /* where files go */
extern int64_t tls_clock_ahead_s;   /* added to both clocks of the tested code */

void tls_setup(void);
void tls_teardown(void);

/* "/dir/name", in one of a few buffers that take turns. */
const char *tls_path(const char *name);

/* ---- keys and certificates ---- */

enum tls_test_key { TLS_KEY_EC, TLS_KEY_RSA, TLS_KEY_EC2, TLS_KEY_RSA1024, TLS_KEYS };

/* Made once in a process, and lent. Call it before the tests fork for what takes long. */
EVP_PKEY *tls_key(enum tls_test_key which);

struct tls_spec {
	const char *common_name;    /* NULL: none */
	const char *names;          /* "DNS:a,DNS:b"; NULL: none */
	enum tls_test_key key;
	int64_t not_before_s;       /* from now; 0: a day ago */
	int64_t not_after_s;        /* from now; 0: in 90 days */
	X509 *issuer;               /* NULL: itself */
	enum tls_test_key issuer_key;
	bool is_authority;
};

/* The caller's to free. */
X509 *tls_test_certificate(const struct tls_spec *spec);

/* Files for one certificate; either name may be NULL, both may be the same. Only the owner may read them. */
void tls_write_pair(const char *cert_file, const char *key_file, const struct tls_spec *spec);
void tls_write_certificate(const char *name, X509 *certificate);
void tls_write_key(const char *name, EVP_PKEY *key, const char *passphrase);
void tls_write_text(const char *name, const char *text);
void tls_append(const char *name, const char *other);

/* ---- contexts ---- */

/* Fails the test when there is none. */
struct tls_context *tls_good(const struct tls_options *options);

/* One pair, "cert.pem" and "key.pem", and nothing else out of the ordinary. */
struct tls_options tls_usual(void);

/* ---- a client ---- */

struct tls_client {
	SSL_CTX *ssl_ctx;
	SSL *client, *server;
	SSL_SESSION *session; /* the last that was offered */
	unsigned tickets;     /* that came in this connection */
	bool is_done;
};

void tls_client_init(struct tls_client *c);
void tls_client_fini(struct tls_client *c);

/* Begin anew with a server session of this context; settings of c->client can follow. */
void tls_client_begin(struct tls_client *c, struct tls_context *context);

/* Run the handshake to its end, tickets included. True: both sides are content. */
bool tls_client_handshake(struct tls_client *c);

/* All of it, with the session of the last time if there is one. */
bool tls_client_connect(struct tls_client *c, struct tls_context *context);

struct tls_facts tls_client_facts(const struct tls_client *c);

/* The common name in the certificate that the server showed. */
const char *tls_client_saw(const struct tls_client *c);

/* ---- the log ---- */

void tls_log_open(void);
const char *tls_log_text(void);
unsigned tls_log_count(const char *needle);

#endif
