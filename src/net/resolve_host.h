/*
 * The name of an address's host, by getnameinfo() on a worker, if that name has
 * the address in turn (RFC 1912 2.1): who may write what he likes into a reverse
 * zone can not make himself anybody else. What the DNS says is a stranger's
 * word: a name is taken if it is one of letters, digits, hyphens and dots.
 *
 * How long an answer may take is the waiter's affair: it cancels.
 */
#ifndef NET_RESOLVE_HOST_H
#define NET_RESOLVE_HOST_H

#include "base/addr.h"
#include "net/pool.h"

/*
 * True: it runs, and op's done() will follow. False: there is no room or no memory, and no name.
 */
MUST_CHECK bool resolve_host_start(struct op *op, struct pool *pool, const struct addr *addr);

/* In done(): the confirmed name; NULL: there is none. */
const char *resolve_host_name(const struct op *op);

#endif
