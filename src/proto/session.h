/*
 * The SMTP server machine (RFC 5321), without a world: bytes in, events and
 * bytes out. It knows no socket, clock, file or thread.
 *
 * You lend it bytes with smtp_session_next(); it hands back one event at a time
 * and owes the peer some output. After an event that waits for a verdict the
 * machine stops until smtp_session_verdict() is called: that is the whole flow
 * control. It keeps no pointer into what it was lent; spans in an event are good
 * until the next call of any function on the session.
 *
 * Laws, held by tests/unit/check_session_laws.c and by the fuzz target:
 *  1. any cutting of the input gives the same events and the same output
 *     (BODY spans are cut with the input; their sum is the same, but for a message
 *     that is refused while it is read, of which more or less was told by then);
 *  2. while a verdict is owed no byte is used;
 *  3. each command has one final reply, in order;
 *  4. it keeps no borrowed memory;
 *  5. only the session's own end of data ends DATA, and a chunk of BDAT ends where its size says;
 *  6. behind STARTTLS no byte is used until smtp_session_tls_started(), and one that is
 *     offered before that ends the session;
 *  7. nothing in it grows without limit;
 *  8. every way out of a transaction passes one reset; RCPT implies MAIL
 *     accepted in the same transaction.
 */
#ifndef PROTO_SESSION_H
#define PROTO_SESSION_H

#include "base/addr.h"
#include "proto/address.h"
#include "proto/dot.h"
#include "proto/header.h"
#include "proto/param.h"
#include "proto/reply.h"
#include "proto/session_options.h"

/* Pending output beyond which no further input is used, in bytes. */
enum { SMTP_SESSION_OUTPUT_MAX = 16 * 1024 };

enum {
	SMTP_MECHANISM_MAX = 20,    /* RFC 4422 3.1: octets of a mechanism's name */
	SMTP_AUTH_LINE_MAX = 12288, /* RFC 4954 4: octets of a line that answers a challenge, without the line end */
	SMTP_CHALLENGE_MAX = SMTP_AUTH_LINE_MAX / 4 * 3, /* octets before they are put into base64 */
};

/* Bytes of one command line that are discarded before the connection is given up. */
enum { SMTP_LINE_DISCARD_MAX = 1024 * 1024 };

enum smtp_event_type {
	SMTP_EVENT_NEED_INPUT,  /* all input was used */
	SMTP_EVENT_NEED_OUTPUT, /* the output must be sent first */
	SMTP_EVENT_WAITING,     /* a verdict is owed */
	/* These wait for a verdict. */
	SMTP_EVENT_CONNECT,
	SMTP_EVENT_HELO,
	SMTP_EVENT_MAIL,
	SMTP_EVENT_RCPT,
	SMTP_EVENT_DATA,
	SMTP_EVENT_MESSAGE,
	SMTP_EVENT_AUTH,      /* a mechanism is chosen */
	SMTP_EVENT_AUTH_STEP, /* a challenge was answered */
	SMTP_EVENT_STARTTLS, /* accepted: send the output, then shake hands and call smtp_session_tls_started() */
	SMTP_EVENT_XCLIENT, /* accepted: the session begins anew, as this client's */
	/* These only tell. */
	SMTP_EVENT_BODY,    /* the next content of the message; lines end in LF unless it is BINARYMIME */
	SMTP_EVENT_RESET,   /* the transaction is over and nothing of it may be kept */
	SMTP_EVENT_REPLIED, /* the machine answered a command with an error by itself, which ends an exchange of AUTH */
	SMTP_EVENT_QUIT,    /* send the output, then close */
	SMTP_EVENT_CLOSE,   /* send the output, then close: an error or smtp_session_close() */
	SMTP_EVENTS
};

/* A value of XCLIENT, encoded or not. */
enum { SMTP_XCLIENT_VALUE_MAX = 256 };

/* What XCLIENT told. */
struct smtp_xclient {
	bool has_client;
	struct addr client; /* of which only the port may be given */
	char login[SMTP_XCLIENT_VALUE_MAX]; /* the name of who has authenticated there; "": nobody */
};

struct smtp_event {
	enum smtp_event_type type;
	union {
		struct {
			struct span name;
			bool is_extended; /* EHLO */
		} helo;
		struct {
			uint64_t size; /* declared octets; 0: not declared */
			enum smtp_body_type body_type;
			bool is_smtputf8; /* RFC 6531; without it no address is_utf8 */
			bool requires_tls; /* REQUIRETLS (RFC 8689) */
			bool wants_each;  /* PRDR */
			enum smtp_dsn_ret ret;
			struct span envid; /* xtext as it came (RFC 3461 4.4); empty: none */
		} mail;
		struct {
			unsigned notify;   /* bits of enum smtp_dsn_notify (RFC 3461 4.1) */
			struct span orcpt; /* "addr-type;xtext" as it came (RFC 3461 4.2); empty: none */
		} rcpt;
		struct {
			const char *mechanism; /* one of those offered */
			struct span response;  /* decoded; ptr NULL: AUTH came without. A secret */
		} auth; /* AUTH, AUTH_STEP */
		struct {
			bool is_chunked; /* BDAT (RFC 3030): the first chunk follows; no success is said before its end */
		} data;
		struct smtp_xclient xclient;
		struct span body;
		struct {
			uint64_t octets; /* as RFC 1870 counts them */
			bool has_lone_cr;   /* a CR that ended no line is in the content */
			bool has_bare_lf;   /* CRLF session: a bare LF is in the content */
			bool has_date;      /* a field of that name is in the header */
			bool has_message_id;
			bool has_bare_dot;  /* CRLF session, DATA: a line with a single dot next to a bare LF */
		} message;
		struct {
			const struct smtp_reply *reply;
			struct span line;  /* the command line as it came, for the log */
		} replied;
	} u;
	struct smtp_address address; /* MAIL, RCPT */
};

/* What DATA or RCPT waits in, told by smtp_session_stage(). */
const char *smtp_event_name(enum smtp_event_type type);

struct smtp_session;

/* NULL: out of memory. The first event is CONNECT. */
struct smtp_session *smtp_session_new(const struct smtp_session_options *options);
void smtp_session_free(struct smtp_session **session);

/* Use up to in.len bytes, return how many; *event is the next event. */
size_t smtp_session_next(struct smtp_session *s, struct span in, struct smtp_event *event);

/*
 * The answer to the event that waits. NULL is the default success. An error reply
 * refuses; one of 421 closes, and so does any to CONNECT and XCLIENT. The reply is copied into the
 * output at once.
 *
 * AUTH and AUTH_STEP: 334 is a challenge, its text in base64, of SMTP_CHALLENGE_MAX octets before that at most; the
 * default success is 235. What the machine refuses by itself, cancelling included, ends the exchange; REPLIED tells it.
 */
void smtp_session_verdict(struct smtp_session *s, const struct smtp_reply *reply);

/*
 * What AUTH offers from here on: mechanisms in upper case with a blank between; NULL or "": AUTH is not offered
 * and not implemented. Lent until the next call or the end. TLS forgets it.
 */
void smtp_session_offer_auth(struct smtp_session *s, const char *mechanisms);

/*
 * PRDR, while the verdict on a message is owed whose MAIL wants_each: what became of its next recipient, in
 * the order in which they were accepted; NULL: the default success. For all of them, or for none; then follows
 * the verdict, which is the reply for the message as a whole.
 */
void smtp_session_answer_each(struct smtp_session *s, const struct smtp_reply *reply);

/*
 * TLS runs from here on: everything said before is forgotten (RFC 3207 4.2), HELO, transaction and line ending. Before the
 * first event it makes a session that is in TLS from the start.
 */
void smtp_session_tls_started(struct smtp_session *s);

/*
 * End the session from outside with this reply (421); NULL: without a word. The next event is CLOSE, after RESET if due.
 * False: it was closed already, and nothing is said.
 */
bool smtp_session_close(struct smtp_session *s, const struct smtp_reply *reply);

/* Bytes owed to the peer, and that so many of them were sent. */
struct span smtp_session_output(const struct smtp_session *s);
void smtp_session_sent(struct smtp_session *s, size_t len);

/* Give back memory that an idle session does not need. */
void smtp_session_trim(struct smtp_session *s);

/* The event whose verdict is owed, or SMTP_EVENT_NEED_INPUT. */
enum smtp_event_type smtp_session_waiting(const struct smtp_session *s);

/* Has the begin of a command line come, but not its end? */
bool smtp_session_in_line(const struct smtp_session *s);

/* Name of what the session is doing: "connect", "command", "mail", "rcpt", "data", "bdat", "closed"; for the log. */
const char *smtp_session_stage(const struct smtp_session *s);

/* Is it between messages, with no transaction begun? Is it inside DATA or BDAT, where much input is expected? */
bool smtp_session_in_transaction(const struct smtp_session *s);
bool smtp_session_in_body(const struct smtp_session *s);

/* Is it reading what it throws away: content of a message that will be refused, a command line that is too long? */
bool smtp_session_is_discarding(const struct smtp_session *s);

/* Is an exchange of AUTH going on? Then what comes in is a secret. */
bool smtp_session_in_auth(const struct smtp_session *s);

#endif
