/*
 * Where messages go. Each message has a transaction with one backend, from its
 * first recipient on: at RCPT the backend is asked whether it would take the
 * recipient, and at the end of data it takes the message. All questions are ops:
 * the answer comes from the loop, later. What is submitted is owned by the
 * request, which is the waiter's and may be cancelled at any time; a delivery that
 * has begun goes on to its end all the same.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/addr.h"
#include "base/err.h"
#include "net/op.h"
#include "net/pool.h"
#include "proto/address.h"
#include "proto/param.h"
#include "proto/reply.h"
#include "spool/spool.h"

struct backend;
struct metrics_backend;

enum { BACKEND_STATUS_SIZE = 12, BACKEND_TEXT_SIZE = 512, BACKEND_DETAIL_SIZE = 160 };

/* The answer: reply.code 0 is yes. */
struct backend_answer {
	struct smtp_reply reply; /* its strings are constants, or point into the answer: see backend_answer_copy() */
	bool is_down;            /* nobody was there to ask: a fallback may be tried */
	char status[BACKEND_STATUS_SIZE]; /* of a reply that was passed on: enhanced status code and */
	char text[BACKEND_TEXT_SIZE];     /* text, printable ASCII, lines separated by '\n' */
	char detail[BACKEND_DETAIL_SIZE]; /* for the log: what the system said; "" for nothing */
};

/* For backends: fill in an answer; the detail has the form of printf. */
void backend_answer_yes(struct backend_answer *answer);
void backend_answer_no(struct backend_answer *answer, enum smtp_reply_name reply, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A reply that somebody else made, copied and cut to size. `reason` is a constant. */
void backend_answer_pass_on(struct backend_answer *answer, const struct smtp_reply *reply, const char *reason);

/* A plain assignment would leave strings that point into the other one. */
void backend_answer_copy(struct backend_answer *to, const struct backend_answer *from);

/* What MAIL said, and who said it. Lent: all of it stays as it is until the transaction is freed. */
struct backend_mail {
	const struct smtp_address *sender;
	uint64_t octets; /* declared; 0: not known */
	enum smtp_body_type body_type;
	bool is_smtputf8;  /* addresses and header fields may be in UTF-8 (RFC 6531) */
	bool requires_tls; /* REQUIRETLS (RFC 8689) */
	enum smtp_dsn_ret ret;
	struct span envid; /* xtext as it came (RFC 3461 4.4); empty: none */
	const char *session_id;
	const char *message_id;
	const struct addr *client;
	struct span helo_name;
	const char *protocol; /* "ESMTPS" and the like */
	const char *user;     /* authenticated; NULL: not */
};

struct backend_recipient {
	const struct smtp_address *address;
	unsigned notify;   /* bits of enum smtp_dsn_notify */
	struct span orcpt; /* "addr-type;xtext" as it came (RFC 3461 4.2); empty: none */
};

struct backend_check {
	struct op op;                 /* done is set by the waiter */
	struct backend_answer answer; /* valid in done() */
};

struct backend_delivery {
	struct op op;
	struct backend_answer answer; /* for the message as a whole; valid in done() */
	/*
	 * Where recipients fared differently: an answer for each, in their order, on the heap; NULL: `answer`
	 * holds for all. Freed with backend_delivery_fini().
	 */
	struct backend_answer *each;
	uint64_t octets; /* valid in done(): written for each recipient, headers included */
};

void backend_delivery_fini(struct backend_delivery *delivery);

/* A message to deliver; all of it is copied or moved out by _start. */
struct backend_message {
	const struct backend_mail *mail;
	const struct backend_recipient *recipients; /* those that were accepted, in order; at least one */
	size_t recipient_count;
	struct span trace;   /* "Received: ..." lines, ending in LF */
	bool has_lone_cr;    /* a CR that ended no line is in the content; known only when that is whole */
	struct spool *spool; /* moved: empty afterwards; NULL: the content was streamed */
};

/* What a backend keeps for one message: a connection, say. Backends extend it. */
struct backend_transaction {
	struct backend *backend;
};

struct backend_ops {
	const char *type;
	/* The transaction of a message, before its first recipient; no input or output yet. NULL: out of memory. */
	struct backend_transaction *(*transaction_new)(struct backend *b, const struct backend_mail *mail);
	/*
	 * The message is over, or given up: what is not delivered must never look as if it were whole. Ops of the
	 * transaction were cancelled before; a delivery among them goes on without the lent mail.
	 */
	void (*transaction_free)(struct backend_transaction *t);
	/* These: true: it runs and done() will follow; false: the answer is there already, no done() follows. */
	bool (*check_start)(struct backend_transaction *t, struct backend_check *check,
			    const struct backend_recipient *recipient);
	bool (*deliver_start)(struct backend_transaction *t, struct backend_delivery *delivery,
			      const struct backend_message *m);
	/*
	 * Both NULL where the content is taken whole only. stream_start: at DATA; a yes means that content may come
	 * (m has no spool). stream: more content; true: it was all taken, but no more may come before the op is done.
	 * An error is told by deliver_start.
	 */
	bool (*stream_start)(struct backend_transaction *t, struct backend_check *check,
			     const struct backend_message *m);
	bool (*stream)(struct backend_transaction *t, struct span content, struct op *more);
	void (*free)(struct backend *b);
};

/*
 * Messages that need what is not taken are refused at RCPT, with 553 5.6.7 (SMTPUTF8), 554 5.6.3 (body types) or
 * 550 5.7.30 (REQUIRETLS). What a next hop takes may be known only since the last contact, so these may change.
 */
struct backend {
	const struct backend_ops *ops;
	const char *name;
	bool takes_smtputf8;
	bool takes_8bitmime;
	bool takes_binarymime;
	bool takes_dsn;         /* passes on RET, ENVID, NOTIFY and ORCPT */
	bool takes_requiretls;
	bool answers_each;      /* tells the outcome for each recipient, so that PRDR can be had */
	bool streams;           /* the content is to be streamed */
	unsigned further_references; /* beside that of its maker */
	struct metrics_backend *metrics; /* of its maker, who counts; nothing here looks at it. Borrowed. */
	/* How long its answers may take, in ms; 0: the usual (60 s and 300 s). */
	uint64_t check_deadline_ms, commit_deadline_ms;
};

/* NULL: out of memory. */
struct backend_transaction *backend_transaction_new(struct backend *b, const struct backend_mail *mail);
void backend_transaction_free(struct backend_transaction **t);

/* `mail` is that of the transaction. */
MUST_CHECK bool backend_check_start(struct backend_transaction *t, struct backend_check *check,
				    const struct backend_mail *mail,
				    const struct backend_recipient *recipient);
MUST_CHECK bool backend_deliver_start(struct backend_transaction *t, struct backend_delivery *delivery,
				      const struct backend_message *m);

/* Only where the backend streams. */
MUST_CHECK bool backend_stream_start(struct backend_transaction *t, struct backend_check *check,
				     const struct backend_message *m);
MUST_CHECK bool backend_stream(struct backend_transaction *t, struct span content, struct op *more);

/* For backends that keep nothing for a message. */
struct backend_transaction *backend_transaction_new_plain(struct backend *b, const struct backend_mail *mail);
void backend_transaction_free_plain(struct backend_transaction *t);

struct backend *backend_null_new(const char *name, struct loop *loop, struct err *err);

/* Another setup has it, too. */
struct backend *backend_get(struct backend *b);

/*
 * With the last reference: nobody asks it any more and no op of it is waited for. Deliveries that have begun
 * and that nobody waits for go on to their end all the same: what they need is theirs, or the backend keeps
 * it until then (loop_adopt()).
 */
void backend_put(struct backend **b);

#endif
