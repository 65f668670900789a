/*
 * A certificate with its chain and its key, loaded from PEM and checked: the
 * key is there, opens without a passphrase and belongs to the certificate.
 */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include "net/tls.h"

#include "base/bug.h"

enum { TLS_NAME_SIZE = 256, TLS_EXPIRY_WARNING_S = 14 * 86400 };

struct tls_certificate {
	X509 *leaf;            /* owned, like all of these */
	STACK_OF(X509) *chain; /* behind it */
	EVP_PKEY *key;
	const char *setting;   /* that named it, for messages; a constant */
	char *file, *keyfile;
	char **names;          /* lower case, "*.example.org" among them */
	size_t name_count;
	uint64_t not_before, not_after; /* seconds since 1970 */
	bool is_key_open;      /* others than owner and group can read the key */
};

/* All zero is nothing to free. On failure there is nothing to free, and err tells setting, file and why. */
MUST_CHECK bool tls_certificate_load(struct tls_certificate *c, const struct tls_pair *pair, struct err *err);
void tls_certificate_fini(struct tls_certificate *c);

/* One line at `info` about it. */
void tls_certificate_log(const struct tls_certificate *c);

/* `trouble` about what somebody should look at: expiry, permissions. */
void tls_certificate_log_trouble(const struct tls_certificate *c);

#endif
