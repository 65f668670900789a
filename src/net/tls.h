/*
 * TLS of one listener: certificates, settings, tickets. A context is immutable
 * once made and counted by references; each session holds the one it began
 * with, so that a reload changes nothing for it.
 *
 * Whatever is wrong with a file or a setting makes tls_context_new() fail with
 * one line that names the setting and the file: there is no way from here to
 * plain text.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/bug.h"
#include "base/err.h"
#include "base/span.h"

#include <openssl/ssl.h>

enum tls_client_verify {
	TLS_CLIENT_VERIFY_OFF,
	TLS_CLIENT_VERIFY_ASK,
	TLS_CLIENT_VERIFY_REQUIRE,
};

struct tls_pair {
	const char *certfile; /* PEM, the chain behind the certificate */
	const char *keyfile;  /* PEM; NULL: in certfile */
	const char *setting;  /* a constant that names them in messages; NULL: tls_certfile and tls_keyfile */
};

struct tls_options {
	const struct tls_pair *pairs; /* the first is the default; others are chosen by SNI and key type */
	size_t pair_count;
	const char *pair_dir;     /* NAME.crt (or .pem) and NAME.key each; NULL: none */
	const char *dh_params;    /* PEM file; NULL: RFC 7919 groups */
	const char *priority;     /* GnuTLS priority string */
	bool compat;
	unsigned tickets;         /* per full handshake: 0 or 1 */
	const char *client_ca;    /* PEM file; NULL: none */
	enum tls_client_verify client_verify;
	const char *session_scope; /* sessions of one scope are unknown to another: the listener's address */
	bool is_quiet;            /* nothing goes to the log: another context has told about these files */
};

struct tls_context;

/*
 * NULL: err tells setting, file and OpenSSL's reason. Each certificate is logged, and what somebody
 * should look at (expiry, permissions) as `trouble`.
 */
struct tls_context *tls_context_new(const struct tls_options *options, struct err *err);
struct tls_context *tls_context_get(struct tls_context *context);
void tls_context_put(struct tls_context **context);

/* The ticket keys of an older context of the same scope stay valid in the new one. Before it is used. */
void tls_context_inherit(struct tls_context *context, const struct tls_context *older);

/*
 * A number that changes with the files (name, size, time, inode) that a context would be made from. A few
 * stat() calls.
 */
uint64_t tls_options_state(const struct tls_options *options);

/* Have the files that it was made from changed since? */
bool tls_context_is_stale(const struct tls_context *context);

/* What somebody should look at, again: expiry above all, which draws nearer while nothing is loaded. */
void tls_context_log_trouble(const struct tls_context *context);

/* Seconds since 1970 at which the first of its certificates expires. */
uint64_t tls_context_not_after(const struct tls_context *context);

/* The file of its certificate `i` from 0, with when that expires. NULL: there are no more. */
const char *tls_context_certificate(const struct tls_context *context, size_t i, uint64_t *not_after);

/* A server session, or NULL when memory is short. The caller frees it (SSL_free). */
SSL *tls_context_new_ssl(struct tls_context *context);

/* What a handshake came to. Peer's bytes are checked and bounded; "" where there is nothing. */
struct tls_facts {
	const char *version; /* "TLSv1.3" */
	const char *suite;   /* "TLS_AES_256_GCM_SHA384" */
	char group[32];      /* "x25519" */
	bool is_resumed;
	char server_name[256];    /* SNI */
	bool has_client_cert;     /* and it was verified */
	char client_subject[256]; /* RFC 2253 */
	char client_fingerprint[65]; /* SHA-256, hex */
};

void tls_facts_read(struct tls_facts *facts, const SSL *ssl);

/* What binds authentication to this connection (RFC 9266). False: TLS is older than 1.3. */
enum { TLS_EXPORTER_SIZE = 32 };
MUST_CHECK bool tls_exporter_read(char exporter[TLS_EXPORTER_SIZE], const SSL *ssl);

/*
 * Whom the client's certificate names: its first mail address, or else its common name. False: it showed none that is
 * valid, or one without a name that fits, or with a NUL in it.
 */
MUST_CHECK bool tls_client_name_read(char *name, size_t size, const SSL *ssl);

/* Why something failed on this thread: OpenSSL's words, without file and line. Clears its queue. */
const char *tls_error_text(char *text, size_t size);

#endif
