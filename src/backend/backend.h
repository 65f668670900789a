/*
 * Where messages go. A backend is asked twice: at RCPT whether it would take a
 * recipient, and at the end of data to take the message. Both are ops: the
 * answer comes from the loop, later. What is submitted is owned by the request,
 * which is the waiter's and may be cancelled at any time; a delivery that has
 * begun goes on to its end all the same.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/err.h"
#include "net/op.h"
#include "net/pool.h"
#include "proto/address.h"
#include "proto/reply.h"
#include "spool/spool.h"

struct backend;

/* The answer: reply.code 0 is yes. Texts are constants or point into `text`. */
struct backend_answer {
	struct smtp_reply reply;
	char detail[160]; /* for the log: what the system said; "" for nothing */
};

/* For backends: fill in an answer; the detail has the form of printf. */
void backend_answer_yes(struct backend_answer *answer);
void backend_answer_no(struct backend_answer *answer, enum smtp_reply_name reply, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct backend_check {
	struct op op;                 /* done is set by the waiter */
	uint64_t octets;              /* declared for the message; 0: not known. Set by the waiter */
	bool is_smtputf8;             /* too: the message will need it (RFC 6531) */
	struct backend_answer answer; /* valid in done() */
};

struct backend_delivery {
	struct op op;
	struct backend_answer answer;
	uint64_t octets; /* valid in done(): written for each recipient, headers included */
};

/* A message to deliver; all of it is copied or moved out by _start. */
struct backend_message {
	const struct smtp_address *sender;
	const struct smtp_address *const *recipients; /* at least one */
	size_t recipient_count;
	bool is_smtputf8;    /* addresses and header fields may be in UTF-8 (RFC 6531) */
	struct span trace;   /* "Received: ..." lines, ending in LF */
	struct spool *spool; /* moved: empty afterwards */
	const char *message_id;
};

struct backend_ops {
	const char *type;
	/* Both: true: it runs and done() will follow; false: the answer is there already, no done() follows. */
	bool (*check_start)(struct backend *b, struct backend_check *check,
			    const struct smtp_address *recipient);
	bool (*deliver_start)(struct backend *b, struct backend_delivery *delivery,
			      const struct backend_message *m);
	void (*free)(struct backend *b);
};

struct backend {
	const struct backend_ops *ops;
	const char *name;
	bool takes_smtputf8; /* without it recipients of messages that need it are refused with 553 */
};

MUST_CHECK bool backend_check_start(struct backend *b, struct backend_check *check,
				    const struct smtp_address *recipient);
MUST_CHECK bool backend_deliver_start(struct backend *b, struct backend_delivery *delivery,
				      const struct backend_message *m);

struct backend_maildir_options {
	const char *name;
	const char *path;     /* pattern: see backend/maildir_path.h */
	const char *hostname; /* for file names */
	/* What is not given, all zero, is not wanted. */
	const char *recipient_delimiter;
	bool detail_folders;
	const char *catch_all;  /* a local part or an address */
	const char *postmaster; /* an address that takes postmaster's mail: catch_all leaves it alone */
	bool creates;
	const char *const *mailboxes; /* that may be made: local parts or addresses */
	size_t mailbox_count;
	uint64_t quota_octets, quota_messages;
	bool is_quota_permanent;
	struct pool *disk;
	struct loop *loop;
};

/* NULL: err tells what is wrong with the pattern. */
struct backend *backend_maildir_new(const struct backend_maildir_options *options, struct err *err);
struct backend *backend_null_new(const char *name, struct loop *loop, struct err *err);

void backend_free(struct backend **b);

#endif
