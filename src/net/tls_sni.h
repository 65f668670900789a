/*
 * Which certificates belong to a name that a client asks for (SNI, RFC 6066 3):
 * the exact name first, then a wildcard in place of its first label. There may
 * be several for a name, with keys of different types.
 */
#ifndef NET_TLS_SNI_H
#define NET_TLS_SNI_H

#include "net/tls_certificate.h"

struct tls_sni {
	struct tls_sni_entry {
		const char *name; /* lent, of the certificate */
		const struct tls_certificate *certificate;
	} *entries; /* owned; by name, then in the order of the certificates */
	size_t count;
};

/* The certificates are lent for as long as this lives. False: out of memory. */
MUST_CHECK bool tls_sni_init(struct tls_sni *sni, const struct tls_certificate *certificates, size_t count);
void tls_sni_fini(struct tls_sni *sni);

/* The first of *count entries for a name, whatever its case and a dot at its end; NULL: there are none. */
const struct tls_sni_entry *tls_sni_find(const struct tls_sni *sni, const char *name, size_t *count);

#endif
