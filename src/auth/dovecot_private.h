/*
 * What the files of Dovecot's source share, and nobody else includes: the source
 * (dovecot.c) has requests and knows what they mean, the link (dovecot_link.c) has
 * the connection and its lines.
 */
#ifndef AUTH_DOVECOT_PRIVATE_H
#define AUTH_DOVECOT_PRIVATE_H

#include "auth/auth.h"
#include "auth/dovecot.h"
#include "net/conn.h"
#include "net/dial.h"

enum {
	DOVECOT_MECHANISMS_MAX = 24,
	/* Octets of a line. Dovecot takes 16 KiB, and closes the connection when one has more. */
	DOVECOT_LINE_MAX = 16000,
	/* Octets that wait to be sent; more requests than that are told that it is busy. */
	DOVECOT_OUT_MAX = 128 * 1024,
	DOVECOT_REQUESTS_MAX = 1000,
	DOVECOT_FAILURE_SIZE = 128,
};

enum dovecot_state {
	DOVECOT_RESTING,  /* it failed; the timer tries again */
	DOVECOT_DIALING,
	DOVECOT_GREETING, /* connected: both sides say who they are */
	DOVECOT_READY,
};

struct dovecot_mechanism {
	struct auth_mechanism mechanism;
	bool needs_certificate; /* EXTERNAL: only where a certificate names somebody */
};

/*
 * What is asked of Dovecot and has no last answer yet. It is in the source's list from its first line until
 * dovecot_request_end().
 */
struct dovecot_request {
	struct list link;
	struct dovecot_source *source;
	const char *mechanism;      /* lent */
	uint32_t id;                /* on this connection; 0: not sent yet */
	struct buf line;            /* to be sent when the link is ready: secret */
	uint64_t since_ms;          /* when it began to wait for this answer */
	struct loop_timer timer;
	struct op *op;              /* who waits for the answer; NULL: nobody, it is the client's turn */
	struct auth_answer *answer; /* of who waits */
	bool may_be_asked;          /* a challenge has somebody who can answer it */
	bool is_refused;            /* Dovecot has ended it out of turn, or the link was lost */
	void (*over)(struct dovecot_request *request); /* is out of the list; may free it */
};

struct dovecot_source {
	struct auth_source source;
	struct loop *loop;
	struct endpoint to;
	uint64_t timeout_ms;
	struct dovecot_mechanism mechanisms[DOVECOT_MECHANISMS_MAX]; /* that it told last */
	size_t mechanism_count;
	struct auth_mechanism shown[DOVECOT_MECHANISMS_MAX + 2];     /* to whoever asked last */
	/* The link. */
	enum dovecot_state state;
	struct dial dial;
	struct conn *conn;
	struct loop_timer timer;      /* of rest, or of the greeting */
	struct loop_deferred flush;
	struct buf in, out;           /* may hold secrets */
	struct dovecot_mechanism told[DOVECOT_MECHANISMS_MAX]; /* in this greeting */
	size_t told_count;
	unsigned odd_lines;           /* in a row */
	bool has_version;
	uint64_t heard_ms;            /* when the last line came */
	bool is_down_told;            /* the log has it */
	char failure[DOVECOT_FAILURE_SIZE]; /* "" while all is well */
	struct list requests;
	size_t request_count;
	uint32_t last_id;
	struct loop_garbage garbage;  /* it may be freed by what an answer leads to */
	char name[];
};

/* ---- dovecot_link.c ---- */

void dovecot_link_open(struct dovecot_source *source);
void dovecot_link_close(struct dovecot_source *source);

/* Something went wrong with Dovecot: close, fail all requests, rest. From the loop only. */
__attribute__((format(printf, 2, 3)))
void dovecot_link_lose(struct dovecot_source *source, const char *format, ...);

/* Can so much be queued? */
MUST_CHECK bool dovecot_link_has_room(struct dovecot_source *source, size_t octets);

/* Queue a line, or a piece of one; it leaves at the end of the turn. False: there is no room. */
MUST_CHECK bool dovecot_link_send(struct dovecot_source *source, struct span line);

/* The field behind the first TAB of `rest`, which is cut off it; false: there is none. */
bool dovecot_field_next(struct span *rest, struct span *field);

/* Does the field begin with `key`? Then what stands behind. */
bool dovecot_field_is(struct span field, const char *key, struct span *value);

/* ---- dovecot.c ---- */

/* Send what waits for the link. */
void dovecot_requests_send(struct dovecot_source *source);

/* The link was lost: whoever waits is told. */
void dovecot_requests_fail(struct dovecot_source *source);

/* "OK", "FAIL" and "CONT" with what follows. False: Dovecot may not say this now. */
MUST_CHECK bool dovecot_take_answer(struct dovecot_source *source, struct span verb, struct span fields);

#endif
