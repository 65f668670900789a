/*
 * What a TLS context does on the wire, apart from certificates: versions,
 * suites, groups (tls_priority), Diffie-Hellman parameters, tls_compat, and
 * whether clients are asked for certificates. What may be wrong with a file or
 * a string is told with the setting's name.
 */
#ifndef NET_TLS_SETTINGS_H
#define NET_TLS_SETTINGS_H

#include "net/tls.h"

#include "base/bug.h"

/* SSL_MAX_SID_CTX_LENGTH */
enum { TLS_SCOPE_SIZE = 32 };

MUST_CHECK bool tls_settings_apply(SSL_CTX *ssl_ctx, const struct tls_options *options, struct err *err);

/*
 * Trust the authorities of client_ca, if there are any. Fills `scope`: sessions
 * of contexts with different ones do not resume. It depends on the listener and
 * on whom is trusted, so that a client that is no longer trusted cannot come
 * back with an old session.
 */
MUST_CHECK bool tls_settings_trust(SSL_CTX *ssl_ctx, const struct tls_options *options,
				   unsigned char scope[TLS_SCOPE_SIZE], struct err *err);

#endif
