/*
 * What the files of the relay backend share, and nobody else includes. A relay
 * has hosts; to each of them there are connections (relay_hop.c), which a pool
 * (relay_pool.c) keeps and lends to transactions (relay_transaction.c). A hop has
 * one owner at a time, who hears its events. All of it runs on the loop.
 *
 * The relay itself lives until its last hop and its last transaction are gone:
 * a delivery that has begun goes on when the backend is freed.
 */
#ifndef BACKEND_RELAY_PRIVATE_H
#define BACKEND_RELAY_PRIVATE_H

#include "backend/relay.h"
#include "base/arena.h"
#include "base/list.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/tls_client.h"
#include "proto/client.h"

struct relay_hop;

/* A connection that failed to be made rests its host for this long, twice as long after each further one. */
enum { RELAY_REST_MS = 1000, RELAY_REST_MAX_MS = 60 * 1000 };

/* QUIT and RSET are a courtesy: their replies are not waited for much longer than a round trip. */
enum { RELAY_QUIT_MS = 5 * 1000, RELAY_RESET_MS = 5 * 1000 };

enum { RELAY_FAILURE_SIZE = 256 };

/*
 * While others wait for a connection, one whose client has said nothing for so long is given to them; how
 * often that is looked at.
 */
enum { RELAY_YIELD_MS = 5 * 1000, RELAY_LOOK_MS = 1000 };

struct relay_host {
	struct endpoint endpoint;
	char text[ENDPOINT_TEXT_SIZE];
	char name[ENDPOINT_TEXT_SIZE]; /* whom its certificate must be for */
	unsigned failures;             /* connections that failed, one after the other */
	uint64_t rests_until_ms;
	unsigned connecting;
	bool is_known;                 /* `offer` is what it offered at the last contact */
	struct smtp_offer offer;
};

struct relay {
	struct backend backend;
	struct arena arena; /* of all texts */
	struct relay_options options;
	struct loop *loop;
	struct smtp_client_options client_options;
	struct tls_client_context *tls; /* holds a reference; NULL: no TLS */
	struct relay_host *hosts;       /* in the arena */
	size_t host_count;
	size_t next_host;               /* the one whose turn it is */
	struct list hops;               /* of relay_hop.link: all but the idle ones */
	struct list idle;               /* of relay_hop.link: the longest unused first */
	unsigned hop_count, connecting_count, returning_count;
	struct list tickets;            /* of relay_ticket.link: those that wait for a hop, in their order */
	unsigned ticket_count;
	struct loop_deferred serve;
	struct loop_timer look; /* runs while tickets wait */
	struct list transactions;       /* of relay_transaction.link */
	char failure[RELAY_FAILURE_SIZE]; /* of the last connection that could not be made */
	bool is_freed;                  /* by its owner; it ends with the last transaction */
	uint64_t files_state;           /* of what it was made from (tls_file_state()) */
	struct list link;               /* in options.all */
	struct loop_garbage garbage;
};

/* ---- relay_hop.c: one connection ---- */

struct relay_hop_ops {
	/* READY, MAIL, RCPT, DATA or RESULT. The owner may do anything with the hop, and give it away or close it. */
	void (*event)(void *owner, struct relay_hop *hop, const struct smtp_client_event *event);
	/* All output has left, as relay_hop_want_room() asked for. */
	void (*room)(void *owner, struct relay_hop *hop);
	/* Others wait: give the hop back if it can be done without. NULL: never. */
	bool (*yield)(void *owner, struct relay_hop *hop);
	/* The connection is lost; hop->failure tells why. The hop is freed at the end of the turn. */
	void (*gone)(void *owner, struct relay_hop *hop);
};

enum relay_hop_stage {
	RELAY_HOP_DIALING,
	RELAY_HOP_SECURING, /* a TLS handshake */
	RELAY_HOP_TALKING,
	RELAY_HOP_OVER,
};

struct relay_hop {
	struct list link;
	struct relay *relay;
	struct relay_host *host;
	const struct relay_hop_ops *ops;
	void *owner;
	struct dial dial;
	struct conn *conn;          /* owned; NULL: not connected */
	struct smtp_client *client; /* owned */
	enum relay_hop_stage stage;
	bool is_ready;              /* was, once: greeted, secured, authenticated */
	bool is_known;              /* the pool knows that it was; until then it is connecting */
	bool is_idle;               /* nobody uses it; it may wait for idle_ms */
	bool was_idle;              /* once: it may have died in the meantime */
	bool is_quitting;
	bool is_returning;          /* given back, and not READY yet */
	bool wants_room;
	bool starts_tls;            /* STARTTLS was told */
	bool has_moved;             /* something happened since the deadline was set */
	bool is_blocked;            /* the kernel takes no more output */
	enum smtp_client_wait wait; /* what the deadline is for */
	unsigned messages;          /* transactions that it was used for */
	unsigned dialed_failures;   /* of the host, when it was dialed */
	struct loop_timer timer;
	struct loop_deferred pump;
	struct loop_garbage garbage;
	const char *reason;         /* one word for the log; set when it is lost */
	char failure[RELAY_FAILURE_SIZE];
};

/* Begin to connect. NULL: out of memory. READY is told when messages can go, or gone(). */
struct relay_hop *relay_hop_new(struct relay *relay, struct relay_host *host,
				const struct relay_hop_ops *ops, void *owner);

/* Another owner hears its events from now on. */
void relay_hop_own(struct relay_hop *hop, const struct relay_hop_ops *ops, void *owner);

/* Something was asked of hop->client: what comes of it goes out, and is told, later in this turn. */
void relay_hop_poke(struct relay_hop *hop);

/* Send what there is, later in this turn. */
void relay_hop_push(struct relay_hop *hop);

/* Call room() when all output has left. Implies a push. */
void relay_hop_want_room(struct relay_hop *hop);

/* Close at once, whatever is on its way; nothing is told any more. */
void relay_hop_close(struct relay_hop *hop);

/* ---- relay_pool.c: the connections of a relay ---- */

/* Embedded in whoever needs a hop. */
struct relay_ticket {
	struct list link;
	struct relay *relay;
	struct loop_timer timer;
	/* From the loop: hop is the owner's now, and READY; or NULL, and relay->failure tells why. */
	void (*done)(struct relay_ticket *ticket, struct relay_hop *hop);
};

void relay_pool_ask(struct relay *relay, struct relay_ticket *ticket);
void relay_pool_cancel(struct relay_ticket *ticket);

/* A hop is not needed any more; READY is yet to come from it. */
void relay_pool_give_back(struct relay_hop *hop);

/* Say goodbye to a hop that nobody uses. */
void relay_pool_retire(struct relay_hop *hop);

/* A kept connection was found dead: the others to that host that lie idle will be, too. */
void relay_pool_drop_idle(struct relay *relay, const struct relay_host *host);

/* A connection to a host could not be made, or died at its first use. */
void relay_pool_blame(struct relay_hop *hop);

/* For relay_hop.c: this one is no more. */
void relay_pool_forget(struct relay_hop *hop);

/* Close what is not in use, and forget who waits. */
void relay_pool_fini(struct relay *relay);

/* What hosts offer as far as it is known goes to relay->backend. */
void relay_learn_offers(struct relay *relay);

/* ---- relay_transaction.c ---- */

extern const struct backend_ops relay_lmtp_ops, relay_smtp_ops;

/* What is still under way is given up, deliveries included. */
void relay_transactions_abandon(struct relay *relay);

/* ---- relay_password.c ---- */

/* Into options.password. */
MUST_CHECK bool relay_read_password(struct relay *relay, const char *file, struct err *err);

/* ---- relay.c ---- */

/* A transaction ended; the relay may be at its end, too. */
void relay_put(struct relay *relay);

void relay_free(struct backend *b);

#endif
