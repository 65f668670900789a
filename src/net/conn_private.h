/*
 * What conn.c and conn_tls.c share, and nobody else includes.
 */
#ifndef NET_CONN_PRIVATE_H
#define NET_CONN_PRIVATE_H

#include "net/conn.h"

#include "base/bug.h"

#include <event2/event_struct.h>

/*
 * Ten thousand of these idle at a time: one libevent event serves both ways, and
 * what is needed only while the connection ends lies over what is not any more.
 */
struct conn {
	struct event event;           /* holds the fd; added for `events` */
	struct loop *loop;
	const struct conn_ops *ops;
	void *owner;
	uint64_t bytes_in, bytes_out;
	struct addr peer;
	union {
		struct buf kept;             /* input that the owner left */
		struct loop_timer linger;    /* since conn_linger() */
	};
	union {
		struct loop_deferred resume; /* until the end */
		struct loop_garbage garbage; /* from then on */
	};
	union {
		uint32_t read_max;
		uint32_t linger_left;        /* bytes to discard at most */
	};
	uint8_t events;               /* EV_READ, EV_WRITE, or with EV_ET the watch for a reset: what is added now */
	bool is_over;                 /* nothing more to read: end of input, or lost */
	bool is_given_up;             /* by its owner, who hears nothing any more */
	bool is_offering : 1;         /* input() runs */
	bool wipes : 1;               /* input that was used is overwritten */
	struct conn_tls *tls;         /* owned; NULL: plain text */
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct conn) <= 272, "grows every idle session's memory");

/* Offer input to the owner; *used tells what it took. False: it gave the connection up meanwhile. */
bool conn_offer(struct conn *c, struct span in, size_t *used);

/* Nothing can come or go any more: tell the owner, once. */
void conn_tell_lost(struct conn *c, int error);

/* Stop waiting for events on the plain socket. */
void conn_stop_events(struct conn *c);

/* The TLS side of the functions of conn.h; c->tls is set. */
bool conn_tls_send(struct conn *c, struct span out, size_t *sent, int *error);
bool conn_tls_has_input(const struct conn *c);
bool conn_tls_has_output(const struct conn *c);
void conn_tls_offer_kept(struct conn *c);

/* Say goodbye (close_notify) and let go of everything but the socket. */
void conn_tls_end(struct conn *c);

#endif
