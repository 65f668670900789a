/*
 * What the files of the protocol machine share, and nobody else includes.
 */
#ifndef PROTO_SESSION_PRIVATE_H
#define PROTO_SESSION_PRIVATE_H

#include "proto/session.h"

enum session_state {
	SESSION_NEW,     /* CONNECT is yet to be told */
	SESSION_COMMAND, /* between commands */
	SESSION_BODY,    /* behind 354 */
	SESSION_AUTH,    /* behind 334 */
	SESSION_CHUNK,   /* behind BDAT, until its octets are used and answered */
	SESSION_TLS,     /* behind 220 to STARTTLS, until TLS runs */
	SESSION_CLOSED,
};

/* What became of a step of the machine. */
enum session_step {
	STEP_ON,    /* nothing to tell; go on with the next input */
	STEP_TELL,  /* the event is made */
	STEP_AGAIN, /* RESET is told first: come back with the same command line */
};

enum line_state {
	LINE_PARTIAL,    /* `line` holds the begin of a command line, or nothing */
	LINE_READY,      /* `line` holds a whole one that is yet to be handled */
	LINE_DONE,       /* it was handled; spans of the event may point into it */
	LINE_DISCARDING, /* too long: its bytes are only counted */
};

/* The chunk whose octets come (RFC 3030), and what of the earlier ones must be known. */
struct session_chunk {
	uint64_t size, left; /* octets told by BDAT, and those yet to come */
	uint64_t octets;     /* of all chunks since MAIL, refused or not */
	uint32_t count;      /* and how many those are */
	bool is_last;
	bool is_refusal_held; /* by the owner; `held` is what will be said */
	bool has_failed;      /* a chunk was refused: others of the same message may be on their way */
	const struct smtp_reply *refusal; /* what will be said behind the octets; NULL: they are content */
};

/* Content beyond the limit that is read and thrown away before the connection is given up, in octets. */
#define SESSION_DISCARD_MAX ((uint64_t)1 << 30)

/* Per message. */
struct session_transaction {
	bool is_open; /* MAIL was accepted */
	bool is_smtputf8; /* and had this parameter */
	bool is_binary;   /* and BODY=BINARYMIME */
	bool wants_each;  /* and PRDR */
	bool has_lost_answer;   /* to one of `answered`, for want of memory */
	uint32_t answered;      /* recipients, by smtp_session_answer_each() */
	bool is_chunked;  /* BDAT has begun, so that neither DATA nor RCPT may follow */
	uint32_t recipients;          /* accepted */
	uint32_t recipients_deferred; /* answered with 4xx */
	const struct smtp_reply *refusal; /* why the message will be refused at the end of data */
	struct dot_decoder dot;
	struct header_scan header;
};

struct smtp_session {
	const struct smtp_session_options *options;
	struct buf out;
	struct buf held;        /* a reply that waits for the end of a chunk */
	struct buf line;        /* a command line that came in parts, without its LF */
	uint64_t line_octets;   /* of a line that is being discarded */
	uint8_t line_state;     /* enum line_state */
	char line_last;         /* last byte of a line that is being discarded */
	uint8_t line_ending;    /* enum line_ending */
	uint8_t state;          /* enum session_state */
	uint8_t waiting;        /* enum smtp_event_type; NEED_INPUT: for nothing */
	bool is_extended;       /* EHLO rather than HELO is being asked for */
	bool has_helo;
	bool has_ehlo;          /* the last that was accepted was EHLO */
	bool is_tls;
	bool is_authenticated;
	bool has_login;         /* the last XCLIENT told who has authenticated */
	bool is_secret_due;     /* AUTH was refused: the client may go on as if it was not */
	char mechanism[SMTP_MECHANISM_MAX + 1];
	const char *auth_mechanisms; /* lent; NULL: none */
	struct buf secret;      /* the decoded response while its verdict is owed */
	bool is_reset_due;      /* RESET is yet to be told */
	const struct smtp_reply *replied_due; /* REPLIED is yet to be told */
	const char *stage;
	uint32_t errors;        /* 5xx since the last accepted message */
	uint32_t unimplemented;
	uint32_t messages;
	struct session_chunk chunk;
	struct session_transaction transaction;
};

/* Handle one command line, without its line end. (session_verbs.c) */
enum session_step session_handle_command(struct smtp_session *s, struct span line, struct smtp_event *event);

/* Use content. (session_body.c) */
void session_begin_body(struct smtp_session *s);
enum session_step session_take_body(struct smtp_session *s, struct span in, size_t *used, struct smtp_event *event);

/* XCLIENT, and what its acceptance does. (session_xclient.c) */
enum session_step session_handle_xclient(struct smtp_session *s, struct span line, struct span argument,
					 struct smtp_event *event);
void session_begin_anew(struct smtp_session *s);

/* AUTH and what answers its challenges. (session_auth.c) */
enum session_step session_handle_auth(struct smtp_session *s, struct span argument, struct smtp_event *event);
enum session_step session_take_auth_line(struct smtp_session *s, struct span line, struct smtp_event *event);
enum session_step session_refuse_overlong_auth_line(struct smtp_session *s, struct smtp_event *event);
bool session_offers_auth(const struct smtp_session *s);
/* The value of MAIL's parameter AUTH. */
bool session_takes_auth_parameter(struct span value);
void session_wipe_secret(struct smtp_session *s);

/* What of a line may be shown in the log. */
struct span session_shown_line(const struct smtp_session *s, struct span line);

/* Judge the content so far; why it is refused, or NULL. Tell the next of it; ask what to do with all of it. */
const struct smtp_reply *session_judge_content(struct smtp_session *s);
enum session_step session_tell_body(struct smtp_session *s, struct span content, struct smtp_event *event);
enum session_step session_ask_message(struct smtp_session *s, struct smtp_event *event);

/* Refuse the message at its end; the transaction is over. */
enum session_step session_refuse_message(struct smtp_session *s, const struct smtp_reply *refusal,
					 struct smtp_event *event);

/*
 * BDAT: a chunk of the size in `argument` follows; content may come; the owner says no, which is kept for
 * the end of the chunk; use its octets; they are all used. (session_bdat.c)
 */
enum session_step session_handle_bdat(struct smtp_session *s, struct span line, struct span argument,
				      struct smtp_event *event);
void session_begin_chunks(struct smtp_session *s);
void session_hold_refusal(struct smtp_session *s, const struct smtp_reply *reply);
enum session_step session_take_chunk(struct smtp_session *s, struct span in, size_t *used, struct smtp_event *event);
enum session_step session_end_chunk(struct smtp_session *s, struct smtp_event *event);

/* Answer the command by ourselves; an error is told with `line`. (session.c) */
enum session_step session_answer(struct smtp_session *s, enum smtp_reply_name name, struct span line,
				 struct smtp_event *event);

enum session_step session_answer_with(struct smtp_session *s, const struct smtp_reply *reply, struct span line,
				      struct smtp_event *event);

/* Tell an event and wait for its verdict. */
enum session_step session_ask(struct smtp_session *s, enum smtp_event_type type, struct smtp_event *event);

/* Answer by ourselves and end the session. */
enum session_step session_answer_and_close(struct smtp_session *s, enum smtp_reply_name name, struct span line,
					   struct smtp_event *event);

/* Leave the transaction, if there is one. STEP_AGAIN: RESET is told first. */
enum session_step session_leave_transaction(struct smtp_session *s, struct smtp_event *event);

/* End the transaction and tell RESET. */
enum session_step session_drop_transaction(struct smtp_session *s, struct smtp_event *event);

/* May STARTTLS come now, as far as the listener and the session go? */
bool session_offers_starttls(const struct smtp_session *s);
bool session_offers_requiretls(const struct smtp_session *s);

/* What stands behind the path of MAIL or RCPT: SMTP_REPLY_OK, or why it is refused. (session_params.c) */
enum smtp_reply_name session_take_mail_parameters(const struct smtp_session *s, struct span rest,
						  struct smtp_event *event);
enum smtp_reply_name session_take_rcpt_parameters(const struct smtp_session *s, struct span rest,
						  struct smtp_event *event);

void session_enter_closed(struct smtp_session *s);
void session_write_ehlo(struct smtp_session *s); /* (session_ehlo.c) */
void session_write_reply(struct smtp_session *s, const struct smtp_reply *reply);

/* Output that cannot be kept ends the session: a reply must not be missing from the middle. */
void session_note_written(struct smtp_session *s, bool is_written);

#endif
