/*
 * A message on its way to a next hop, as relay_transaction.c (who asks for a
 * connection, and for recipients) and relay_message.c (who sends the content) have
 * it. Nobody else includes this.
 */
#ifndef BACKEND_RELAY_TRANSACTION_H
#define BACKEND_RELAY_TRANSACTION_H

#include "backend/relay_feed.h"
#include "backend/relay_private.h"

enum relay_stage {
	RELAY_RESTS,       /* nothing is being asked */
	RELAY_WAITS,       /* for a connection */
	RELAY_INTRODUCES,  /* XCLIENT, XFORWARD */
	RELAY_ASKS,        /* MAIL, RCPT */
	RELAY_STARTS,      /* DATA */
	RELAY_SENDS,       /* the content */
	RELAY_ENDS,        /* the replies to it */
};

struct relay_accepted {
	struct relay_accepted *next;
	struct smtp_address address;
	unsigned notify;
	struct span orcpt; /* in the arena */
};

struct relay_transaction {
	struct backend_transaction base;
	struct list link;
	struct relay *relay;
	const struct backend_mail *mail; /* lent; not looked at any more when a delivery has begun */
	char session_id[32], message_id[48];
	enum relay_stage stage;
	struct relay_ticket ticket;
	struct relay_hop *hop;           /* ours for the time being; NULL: none */
	bool has_mail;                   /* MAIL was accepted */
	unsigned failovers;
	uint32_t accepted;               /* recipients */

	/* The recipient that is being asked for. */
	struct backend_check *check;     /* the waiter's, also for stream_start; NULL: nobody waits */
	struct smtp_address recipient;
	unsigned notify;
	struct buf orcpt;

	/* Those that were accepted: for the log, the one whose result is next; and the one that is asked for again. */
	struct arena arena;
	struct relay_accepted *first, *last, *next, *again;
	bool is_incomplete;              /* memory ran out: not all of them are here */
	uint64_t rests_since_ms;

	bool is_stuck;                   /* there is nothing to be had here any more, and why */
	struct backend_answer stuck;

	/* The message. */
	bool has_begun;                  /* deliver_start was called */
	struct backend_delivery *delivery; /* the waiter's; NULL: nobody waits */
	struct relay_feed *feed;         /* owned; NULL: streamed */
	struct backend_answer *each;     /* owned: what LMTP said, for each that was accepted */
	uint32_t results;
	uint64_t octets;

	/* Streamed: what did not go out yet, and who waits for that. */
	bool is_streaming;
	struct buf pending;
	struct op *more;

	bool is_orphan;                  /* its owner is gone */
	struct loop_garbage garbage;
};

static inline struct relay_transaction *relay_transaction_of(struct backend_transaction *t)
{
	return LIST_OWNER(t, struct relay_transaction, base);
}

/* ---- relay_transaction.c ---- */

void relay_log_reply(const struct relay_transaction *t, const char *event, const char *stage,
		     const struct smtp_address *recipient, const struct smtp_reply *reply);

/* What the hop said, as our own client may hear it. */
void relay_pass_on(struct backend_answer *answer, const struct relay_hop *hop, const struct smtp_reply *reply);
void relay_no_memory(struct backend_answer *answer);

/* The hop is ours no longer. Without content begun, or with all of it answered, it can be used again. */
void relay_let_go(struct relay_transaction *t, bool is_usable);

/* Leave the hop's transaction, and the hop. */
void relay_take_back(struct relay_transaction *t);

/* Nothing came of it, and nothing can come of it any more: whoever waits is told. */
void relay_fail(struct relay_transaction *t, const struct backend_answer *answer);

void relay_answer_check_yes(struct relay_transaction *t);

/*
 * The connection went away while nothing was being asked: get another one, and ask for all who were accepted
 * once more. Then it goes on with the recipient that is asked for, or with DATA where that is due.
 */
void relay_ask_again(struct relay_transaction *t);

/* For backend_check.op: gives the transaction up. */
void relay_check_cancel(struct op *op);

/* The transaction is over, and freed at the end of the turn. */
void relay_transaction_end(struct relay_transaction *t);

/* ---- relay_message.c ---- */

/* The delivery is over; `whole` is NULL where t->each has what is to be told. */
void relay_conclude(struct relay_transaction *t, const struct backend_answer *whole);

/* Who waits to give more content may do so, or find out that it is in vain. */
void relay_finish_more(struct relay_transaction *t);

void relay_start_data(struct relay_transaction *t);
void relay_data_told(struct relay_transaction *t, const struct smtp_reply *reply);
void relay_result_told(struct relay_transaction *t, const struct smtp_client_event *event);
void relay_room_told(struct relay_transaction *t);

/* The hop was lost when some of LMTP's replies were there. What they told holds; for the others `lost` does. */
void relay_keep_results(struct relay_transaction *t, const struct backend_answer *lost);

bool relay_stream_start(struct backend_transaction *base, struct backend_check *check,
			const struct backend_message *m);
bool relay_stream(struct backend_transaction *base, struct span content, struct op *more);
bool relay_deliver_start(struct backend_transaction *base, struct backend_delivery *delivery,
			 const struct backend_message *m);

#endif
