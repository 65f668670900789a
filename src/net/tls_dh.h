/*
 * Diffie-Hellman parameters for TLS 1.2 and below: from a PEM file, PKCS#3 or
 * X9.42, or one of the groups of RFC 7919. (TLS 1.3 has only the latter, and
 * takes them from the list of groups.)
 */
#ifndef NET_TLS_DH_H
#define NET_TLS_DH_H

#include "net/tls_priority.h"

#include <openssl/ssl.h>

/* `path` NULL: the first of ffdhe* among the groups; no DHE where there is none; ffdhe2048 without groups. */
MUST_CHECK bool tls_dh_apply(SSL_CTX *ssl_ctx, const char *path, const struct tls_priority_list *groups,
			     struct err *err);

#endif
