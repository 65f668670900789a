/*
 * TLS where we are the client: whom to trust, what we show of ourselves, which
 * versions and suites. A context is immutable once made and counted by
 * references; each SSL holds the one it began with.
 *
 * With `verify` a handshake succeeds only with a certificate for the name that
 * tls_client_context_new_ssl() was given, issued by whom we trust, and nothing
 * falls back to less. Without it anybody is taken, and tls_client_is_verified()
 * tells what would have come of it.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include "base/bug.h"
#include "base/err.h"

#include <openssl/ssl.h>

struct tls_client_options {
	const char *ca_file;  /* PEM, any number of certificates; NULL: none */
	const char *ca_dir;   /* hashed, as of openssl-rehash(1); NULL: none. Neither: the system's store */
	bool verify;
	const char *certfile; /* ours, PEM, the chain behind the certificate; NULL: none */
	const char *keyfile;  /* PEM; NULL: in certfile */
	const char *priority; /* GnuTLS priority string; NULL: "NORMAL" */
	const char *setting;  /* what this belongs to, in front of messages: "backend relay"; or NULL */
};

struct tls_client_context;

/* NULL: err tells setting, file and OpenSSL's reason. Reads the files: for start and reload. */
struct tls_client_context *tls_client_context_new(const struct tls_client_options *options, struct err *err);
struct tls_client_context *tls_client_context_get(struct tls_client_context *context);
void tls_client_context_put(struct tls_client_context **context);

/* The state of the files that a context is made from (tls_file_state()); of the system's store, too. */
uint64_t tls_client_files_state(const struct tls_client_options *options);

/*
 * For conn_start_tls_client(). `name` is whom we mean to reach: a host name, which is sent as SNI
 * (RFC 6066 3), or an IP address, which is not; the certificate must be for it where the context
 * verifies. Names match as of RFC 6125 6.4, a wildcard as the whole first label alone. NULL: out of memory,
 * or a name that cannot be one, which no peer could have a certificate for.
 */
SSL *tls_client_context_new_ssl(struct tls_client_context *context, const char *name);

/* After the handshake: was the certificate good for that name, whether that mattered or not? */
bool tls_client_is_verified(const SSL *ssl);

/* Why it was not, in OpenSSL's words; "" when it was. A constant. */
const char *tls_client_verify_failure(const SSL *ssl);

#endif
