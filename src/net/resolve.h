/*
 * The addresses of a name, by getaddrinfo() on a worker: so by /etc/hosts, DNS
 * and whatever nsswitch.conf names, in the order of RFC 6724. Nothing is kept
 * between two questions.
 *
 * How long an answer may take is the waiter's affair: it cancels. A question
 * whose name server is silent keeps its thread until the C library gives up;
 * the pool bounds how many, and what it has no room for fails at once.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "base/addr.h"
#include "net/op.h"
#include "net/pool.h"

/* What is beyond the first few addresses is left out. */
enum { RESOLVE_ADDRS_MAX = 8, RESOLVE_FAILURE_SIZE = 128 };

struct resolve {
	struct op op; /* done is set by the waiter */
	/* All these are valid in done(). */
	struct addr addrs[RESOLVE_ADDRS_MAX]; /* with the port that was asked for; no address twice */
	size_t count;                         /* 0: none, and `failure` tells why */
	bool is_permanent;                    /* there is no such name, or it has no address */
	char failure[RESOLVE_FAILURE_SIZE];
};

/*
 * `name` is copied. True: it runs and done() will follow; false: the answer, a failure, is there already.
 */
MUST_CHECK bool resolve_start(struct resolve *resolve, struct pool *pool, const char *name, uint16_t port);

#endif
