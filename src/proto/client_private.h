/*
 * What the files of the client machine share, and nobody else includes.
 */
#ifndef PROTO_CLIENT_PRIVATE_H
#define PROTO_CLIENT_PRIVATE_H

#include "proto/client.h"
#include "proto/client_reply.h"

enum client_state {
	CLIENT_NEW,         /* nothing was asked yet */
	CLIENT_OPENING,     /* greeting, EHLO and so on, until READY; behind XCLIENT once more */
	CLIENT_TLS,         /* behind 220 to STARTTLS, until TLS runs */
	CLIENT_READY,
	CLIENT_TRANSACTION, /* behind MAIL */
	CLIENT_DATA,        /* DATA is asked */
	CLIENT_CONTENT,     /* content is given */
	CLIENT_ENDED,       /* all content is given */
	CLIENT_LEAVING,     /* RSET, until READY, or QUIT */
	CLIENT_CLOSED,
};

enum client_command {
	COMMAND_GREETING, /* no command, but there is a reply */
	COMMAND_EHLO,
	COMMAND_HELO,
	COMMAND_STARTTLS,
	COMMAND_AUTH,
	COMMAND_XCLIENT,
	COMMAND_XFORWARD,
	COMMAND_MAIL,
	COMMAND_RCPT,
	COMMAND_DATA,
	COMMAND_CHUNK, /* BDAT, but the last */
	COMMAND_END,   /* the end of data, and BDAT LAST */
	COMMAND_RSET,
	COMMAND_QUIT,
	COMMANDS
};

/* What is yet to be said in the dialogue of AUTH. */
enum client_auth_step { AUTH_DONE, AUTH_PLAIN, AUTH_LOGIN_USER, AUTH_LOGIN_PASSWORD };

/* Replies of the machine's own commands come on top of those that the owner may have waiting. */
enum { CLIENT_AWAITED_MAX = 2 * SMTP_CLIENT_COMMANDS_MAX };

/* A command whose reply is yet to come. */
struct client_awaited {
	uint64_t end;     /* offset behind it in all that was ever put out */
	uint32_t index;   /* RCPT: which; END: replies to come */
	uint8_t command;  /* enum client_command */
	bool is_dropped;  /* its transaction was left: the reply is read, and not told */
};

/* Per message. */
struct client_transaction {
	uint32_t recipients; /* asked for */
	uint32_t accepted;
	uint32_t results;    /* LMTP: recipients up to which the final reply was told */
	bool is_refused;     /* MAIL was */
	bool is_smtputf8;
	bool is_binary;      /* BODY=BINARYMIME: by BDAT, as it is */
	bool is_in_line;     /* the last octet of the content was no LF */
};

struct smtp_client {
	const struct smtp_client_options *options;
	struct buf out;
	struct buf chunk;      /* content for the next BDAT */
	struct buf accepted;   /* LMTP: an octet for each RCPT of the transaction: was it accepted? */
	struct buf xclient;    /* the command that told who our client is; empty: none did */
	struct client_reply reply;
	struct smtp_offer offer;
	struct client_transaction transaction;
	struct client_awaited awaited[CLIENT_AWAITED_MAX]; /* a ring, the oldest first */
	uint32_t awaited_first, awaited_count;
	uint64_t sent;         /* octets, ever */
	uint8_t state;         /* enum client_state */
	uint8_t auth_step;     /* enum client_auth_step: what the next 334 asks for */
	uint8_t xclient_attributes; /* that were ever offered */
	bool is_tls;
	bool is_ready_due;     /* READY is yet to be told */
	bool is_data_due;      /* DATA is yet to be told, without having been asked */
	bool is_result_due;    /* the reply that was told is that of further recipients, too */
	bool is_reply_done;    /* the reply was told, or judged: the next one begins anew */
	bool is_reply_early;   /* it began before its command was sent */
	bool has_xclient_login; /* the command of XCLIENT named an authenticated user */
	bool has_secret;       /* a password is in the output */
	bool has_failed;       /* no memory for what was to be put out */
	bool closed_by_reply;  /* and the reply tells why */
	const char *close_reason;
};

/* ---- client.c ---- */

/* End the connection; the first reason counts. */
void client_close(struct smtp_client *c, const char *reason);
/* The same, because of the reply that was read last. */
void client_close_by_reply(struct smtp_client *c, const char *reason);

/* Put out text; what finds no memory fails with client_ask(). */
void client_put(struct smtp_client *c, struct span text);
void client_put_str(struct smtp_client *c, const char *text);
void client_put_u64(struct smtp_client *c, uint64_t value);

/*
 * The command that was put out from client_mark() `from` on is complete but for its CRLF: await its reply.
 * One that could not be put out, or has a control character in it, ends the connection.
 */
void client_ask(struct smtp_client *c, enum client_command command, size_t from);

/* Await a reply to what was put out so far. */
void client_await(struct smtp_client *c, enum client_command command, uint32_t index);

/* Put out a command that is one constant line, and await its reply. */
void client_say(struct smtp_client *c, enum client_command command, const char *line);

/* A command that waits for its reply, 0 the oldest; and the newest, or a slot of no account. */
static inline struct client_awaited *client_awaited_at(struct smtp_client *c, uint32_t n)
{
	return &c->awaited[(c->awaited_first + n) % CLIENT_AWAITED_MAX];
}

static inline struct client_awaited *client_awaited_newest(struct smtp_client *c)
{
	return client_awaited_at(c, c->awaited_count + CLIENT_AWAITED_MAX - 1);
}

/* Behind all that was put out. */
static inline size_t client_mark(const struct smtp_client *c)
{
	return buf_len(&c->out);
}

/* Tell an event with the reply that was read last. */
bool client_tell(const struct smtp_client *c, enum smtp_client_event_type type, uint32_t index,
		 struct smtp_client_event *event);

/* There is no transaction any more. */
void client_become_ready(struct smtp_client *c);

/* ---- client_open.c: from the greeting to READY ---- */

/* Take a reply to a command of the opening. */
void client_open_take(struct smtp_client *c, enum client_command command);
void client_open_begin(struct smtp_client *c);
void client_say_hello(struct smtp_client *c);

/* The message of PLAIN, and its length. */
size_t client_plain_len(const struct smtp_client *c);
void client_write_plain(const struct smtp_client *c, char *plain);

/* ---- client_secret.c ---- */

/* Leave out the text of the reply that was read if it repeats our password. False: out of memory. */
MUST_CHECK bool client_hide_secrets(struct smtp_client *c);

/* ---- client_mail.c: transactions ---- */

/* Take a reply to a command of a transaction; true: *event is made. */
bool client_mail_take(struct smtp_client *c, const struct client_awaited *a, struct smtp_client_event *event);

/* A final reply that came before the content was given whole; false: it is none. */
bool client_mail_take_early(struct smtp_client *c, struct smtp_client_event *event);

/* The event that tells a reply once more, for the next recipient it holds for. */
void client_mail_tell_result(struct smtp_client *c, struct smtp_client_event *event);

#endif
