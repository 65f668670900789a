/*
 * The SMTP and LMTP client machine (RFC 5321, RFC 2033), without a world: what a
 * next hop says goes in, events and bytes for it come out. The owner gives
 * commands; the machine keeps the dialogue straight, and trusts the hop in
 * nothing.
 *
 * The way of a connection: smtp_client_next() until READY (greeting, EHLO,
 * STARTTLS, AUTH are the machine's own affair); then, for each message, perhaps
 * smtp_client_introduce(); smtp_client_mail(); smtp_client_rcpt() as often as
 * needed; when all RCPT are told, smtp_client_data(); when DATA is told as a
 * success, smtp_client_content() and smtp_client_end(); RESULT; READY again.
 * smtp_client_reset() leaves a transaction early. CLOSE can come at any time and is
 * final; commands that were not answered by then have no answer.
 *
 * Laws, held by tests/unit/check_client*.c and by the fuzz target:
 *  1. any cutting of the input gives the same events and the same output;
 *  2. a reply belongs to one command, and was begun when that had been sent whole;
 *     one that was not ends the connection, whatever it says (a refusal that comes
 *     while content is being sent is told first);
 *  3. what leaves is CRLF lines; content cannot end its own DATA, and no CR leaves
 *     but before LF (BODY=BINARYMIME excepted, which goes by BDAT);
 *  4. spans and replies in events are good until the next call; no input is kept;
 *  5. nothing grows without limit: a reply has 128 lines and 64 KiB at most;
 *  6. behind STARTTLS no byte is used until smtp_client_tls_started(), one that is offered
 *     ends the connection, and what the hop offered before is forgotten;
 *  7. with BODY=BINARYMIME, SMTPUTF8 or REQUIRETLS nothing goes to a hop that does not offer it;
 *  8. user and password leave only for AUTH, and are wiped from the output when sent.
 * Where memory runs out, the connection ends with CLOSE ("no_memory").
 */
#ifndef PROTO_CLIENT_H
#define PROTO_CLIENT_H

#include "base/addr.h"
#include "proto/address.h"
#include "proto/offer.h"
#include "proto/param.h"
#include "proto/reply.h"

/* Output beyond which no content is taken, in bytes. Commands waiting for a reply. */
enum { SMTP_CLIENT_OUTPUT_MAX = 64 * 1024, SMTP_CLIENT_COMMANDS_MAX = 32 };

enum smtp_client_tls {
	SMTP_CLIENT_TLS_NEVER, /* no STARTTLS, or TLS runs from the start */
	SMTP_CLIENT_TLS_MAY,   /* where it is offered */
	SMTP_CLIENT_TLS_MUST,  /* a hop that does not offer or refuses it is not talked to */
};

/* What a connection obeys; lent for its whole life, never changed meanwhile. */
struct smtp_client_options {
	const char *hostname; /* ours, for EHLO */
	const char *user;     /* AUTH (RFC 4954); NULL: none */
	const char *password;
	enum smtp_client_tls starttls;
	bool is_lmtp;
	bool auth_without_tls; /* the password may go out without TLS (a unix socket, say) */
	bool sends_xclient;    /* smtp_client_introduce() uses them where they are offered */
	bool sends_xforward;
};

/* Who our own client is, for XCLIENT and XFORWARD. What is unknown goes out as [UNAVAILABLE]. */
struct smtp_client_facts {
	struct addr client;   /* ADDR_NONE: unknown */
	struct span name;     /* verified name of the address; empty: unknown */
	struct span helo;
	struct span protocol; /* as trace_protocol() names it */
	struct span login;    /* name of the authenticated user; empty: not authenticated */
	struct span ident;    /* our id of the message */
};

/* Of one message. Spans need to live during the call only. */
struct smtp_client_mail {
	const struct smtp_address *sender;
	uint64_t size;      /* octets to come, with CRLF line ends; 0: not known */
	enum smtp_body_type body_type;
	bool is_smtputf8;   /* RFC 6531 */
	bool requires_tls;  /* RFC 8689 */
	/* Left out where the hop does not offer them. Values in xtext are encoded and checked already. */
	enum smtp_dsn_ret ret;
	struct span envid;  /* xtext (RFC 3461 4.4); empty: none */
	struct span auth;   /* xtext, or <> (RFC 4954 5); empty: none */
};

struct smtp_client_rcpt {
	const struct smtp_address *recipient;
	/* Left out where DSN is not offered. */
	unsigned notify;   /* bits of enum smtp_dsn_notify */
	struct span orcpt; /* addr-type;xtext (RFC 3461 4.2); empty: none */
};

enum smtp_client_event_type {
	SMTP_CLIENT_NEED_INPUT, /* all input was used */
	SMTP_CLIENT_STARTTLS,   /* offer what input is left to _next(), shake hands, call _tls_started() */
	SMTP_CLIENT_READY,      /* no transaction; smtp_client_mail() may come */
	SMTP_CLIENT_MAIL,       /* reply: the sender is accepted or refused; refused: give up by _reset() */
	SMTP_CLIENT_RCPT,       /* reply: to the RCPT with this index; told in the order of the commands */
	SMTP_CLIENT_DATA,       /* reply: success: give the content now; an error: READY follows */
	SMTP_CLIENT_RESULT,     /* reply: the final one; LMTP: one for each accepted RCPT, in order; READY */
	SMTP_CLIENT_CLOSE,      /* close the connection; output, if any, need not be sent */
	SMTP_CLIENT_EVENTS
};

/*
 * What the hop said, or ends with. A reply's text and status are fit to be passed on: printable,
 * lines up to 400 octets, UTF-8 only in a transaction with SMTPUTF8, the status of the code's class. The code
 * is the hop's: 421 is told like any other error before CLOSE, and is not for the owner's own client.
 */
struct smtp_client_event {
	enum smtp_client_event_type type;
	uint32_t index;          /* RCPT, LMTP's RESULT: which RCPT of this transaction, from 0 */
	struct smtp_reply reply; /* MAIL, RCPT, DATA, RESULT; CLOSE: what made us; code 0: no reply did */
	const char *reason;      /* CLOSE: one word for the log, such as "unsolicited_reply"; constant */
};

const char *smtp_client_event_name(enum smtp_client_event_type type);

struct smtp_client;

struct smtp_client *smtp_client_new(const struct smtp_client_options *options);
void smtp_client_free(struct smtp_client **client);

/* Use up to in.len bytes of what the hop sent, return how many; *event is the next event. */
size_t smtp_client_next(struct smtp_client *c, struct span in, struct smtp_client_event *event);

/* TLS runs from here on. Before the first call of smtp_client_next(): from the start. */
void smtp_client_tls_started(struct smtp_client *c);

/* Bytes that may be sent now, and that so many were. Look again after each call of another function. */
struct span smtp_client_output(const struct smtp_client *c);
void smtp_client_sent(struct smtp_client *c, size_t len);

/*
 * Tell the hop who our client is, by XCLIENT and XFORWARD as far as options and hop will have them. When
 * READY. True: READY comes again, wait for it; false: go on at once. A hop that refuses them is closed.
 */
MUST_CHECK bool smtp_client_introduce(struct smtp_client *c, const struct smtp_client_facts *facts);

/*
 * Begin a transaction, when READY. NULL: MAIL is on its way. A reply: the hop is known to be
 * unable to take this message (law 7, SIZE); nothing was sent, and it is still READY.
 */
MUST_CHECK const struct smtp_reply *smtp_client_mail(struct smtp_client *c,
						     const struct smtp_client_mail *mail);

/*
 * Ask for a recipient, behind smtp_client_mail(), which need not be answered yet (both go out together
 * where the hop has PIPELINING). False: too many commands wait; try again after the next event.
 */
MUST_CHECK bool smtp_client_rcpt(struct smtp_client *c, const struct smtp_client_rcpt *rcpt);

/* Recipients accepted in this transaction so far; and is there a MAIL or RCPT that waits for its reply? */
uint32_t smtp_client_accepted(const struct smtp_client *c);
bool smtp_client_is_asking(const struct smtp_client *c);

/* Ask for the content. Some recipient is accepted, none is being asked for. */
void smtp_client_data(struct smtp_client *c);

/*
 * Give content, lines ending in LF. Takes bytes off the front of *content, as many as there is room for; for
 * the rest come again when output was sent. False: a CR is in it, and the message cannot be sent
 * (smtp_client_reset() is all that is left). With BODY=BINARYMIME content goes out as it is.
 */
MUST_CHECK bool smtp_client_content(struct smtp_client *c, struct span *content);

/* The content is complete: end of data. A last line without LF gets one. */
void smtp_client_end(struct smtp_client *c);

/*
 * Leave the transaction; of its replies none is told any more. READY follows, or CLOSE where content
 * was begun that cannot be taken back. When READY: asks whether the hop is still there.
 */
void smtp_client_reset(struct smtp_client *c);

/* Say QUIT; CLOSE follows the hop's answer. Not while content is given. */
void smtp_client_quit(struct smtp_client *c);

/* When READY: may another client be served? Not when something came unasked, or an XCLIENT sticks to it. */
bool smtp_client_is_reusable(const struct smtp_client *c);

/* What the hop offered last. */
const struct smtp_offer *smtp_client_offer(const struct smtp_client *c);

/* What is waited for, by the deadlines of RFC 5321 4.5.3.2. */
enum smtp_client_wait {
	SMTP_CLIENT_WAIT_NOTHING,    /* READY, or the owner's next command or content */
	SMTP_CLIENT_WAIT_GREETING,
	SMTP_CLIENT_WAIT_COMMAND,    /* EHLO, MAIL, RCPT, ... */
	SMTP_CLIENT_WAIT_DATA_INIT,  /* 354 */
	SMTP_CLIENT_WAIT_DATA_BLOCK, /* output of content is yet to be sent */
	SMTP_CLIENT_WAIT_DATA_FINAL, /* the reply to the end of data */
};

enum smtp_client_wait smtp_client_waiting(const struct smtp_client *c);

/* What is being waited for or done, for the log: "greeting", "ehlo", "rcpt", "ready", "content", ... */
const char *smtp_client_stage(const struct smtp_client *c);

/* Give back memory that an idle connection does not need. */
void smtp_client_trim(struct smtp_client *c);

#endif
