/*
 * Connecting to somebody: to an address, to the addresses of a name in their
 * order, or to a unix socket, within one deadline for all of it. The time that
 * is left is shared among the addresses that are left, so that one that never
 * answers does not keep the next from being tried.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/endpoint.h"
#include "net/loop.h"
#include "net/op.h"
#include "net/resolve.h"

#include <event2/event_struct.h>

enum { DIAL_FAILURE_SIZE = ENDPOINT_TEXT_SIZE + RESOLVE_FAILURE_SIZE };

/* Embedded in the waiter, who must not move or free it while op runs. */
struct dial {
	struct op op;         /* done is set by the waiter */
	/* All these are valid in done(). */
	int fd;               /* connected, non-blocking, now the waiter's (conn_new()); -1: failed */
	struct addr addr;     /* whom it reached; ADDR_NONE for a unix socket */
	int error;            /* errno of the last try; 0: there was no address to try */
	bool is_timeout;      /* the deadline passed */
	char failure[DIAL_FAILURE_SIZE]; /* "192.0.2.1:25: Connection refused"; of the last try */

	/* Private. */
	struct loop *loop;
	struct endpoint to;
	struct resolve resolve;
	size_t next;                 /* the next of resolve.addrs to try */
	uint64_t deadline_ms;
	struct loop_timer timer;     /* of the deadline, or of one try */
	struct loop_deferred report; /* done() is due */
	struct event event;          /* while a try runs; holds the fd */
	bool is_trying;
};

/*
 * Connect to `to`, which is copied, within timeout_ms. `resolver` answers names, and may be NULL when
 * `to` is no name. done() follows always, unless it is cancelled; also when it fails at once.
 */
void dial_start(struct dial *dial, struct loop *loop, struct pool *resolver, const struct endpoint *to,
		uint64_t timeout_ms);

#endif
