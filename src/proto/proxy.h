/*
 * The PROXY protocol, versions 1 and 2, as its receiver: the header that a load
 * balancer puts before everything else, to tell who its client is. Pure. It is
 * for connections whose peer is trusted to send one, and only for those: there
 * it must come, and must be well-formed.
 *
 * Bytes behind the header are never used, so that the caller can leave them for
 * whoever reads next.
 */
#ifndef PROTO_PROXY_H
#define PROTO_PROXY_H

#include "base/addr.h"
#include "base/bug.h"

/* Version 1 has 107 bytes at most; of version 2 we take 16 and so many more, TLVs included. */
enum { PROXY_V1_MAX = 107, PROXY_V2_FIXED = 16, PROXY_V2_REST_MAX = 2048 };

enum proxy_result {
	PROXY_MORE,      /* all input was used, and the header goes on */
	PROXY_WHOLE,     /* proxy_header_read() may be called */
	PROXY_MALFORMED, /* none, or a broken, or too long a one */
};

/* All zero is ready for the first byte. */
struct proxy_header {
	size_t len;
	char bytes[PROXY_V2_FIXED + PROXY_V2_REST_MAX];
};

/* Use bytes up to the end of the header. *used tells how many. */
MUST_CHECK enum proxy_result proxy_header_next(struct proxy_header *h, struct span in, size_t *used);

/* What it tells. Spans point into the header; nothing in them was checked. */
struct proxy_facts {
	bool is_local;       /* LOCAL, UNKNOWN, UNSPEC: the connection is the proxy's own */
	struct addr client;  /* ADDR_NONE: by a unix socket */
	bool has_tls;        /* the client speaks TLS with the proxy */
	struct span tls_version, tls_cipher, server_name; /* empty: not told */
};

/* Of a whole header. False: what is in it is malformed. */
MUST_CHECK bool proxy_header_read(const struct proxy_header *h, struct proxy_facts *facts);

#endif
