/*
 * SMTP replies. Those of the protocol itself are constants that are found by
 * name; policies and backends make their own. A reply's text may hold several
 * lines separated by '\n'; each becomes a line of the reply (RFC 5321 4.2.1).
 */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include "base/buf.h"

struct smtp_reply {
	uint16_t code;      /* 200 to 599; 0: no reply */
	const char *status; /* enhanced status code (RFC 3463), or NULL for none */
	const char *text;   /* printable ASCII, lines separated by '\n' */
	const char *reason; /* one word for the log, such as "unknown_mailbox" */
};

enum smtp_reply_name {
	SMTP_REPLY_HELP,
	SMTP_REPLY_START_TLS,
	SMTP_REPLY_TLS_UNAVAILABLE,
	SMTP_REPLY_TLS_FIRST,
	SMTP_REPLY_TLS_IN_TRANSACTION,
	SMTP_REPLY_QUIT,
	SMTP_REPLY_OK,
	SMTP_REPLY_SENDER_OK,
	SMTP_REPLY_RECIPIENT_OK,
	SMTP_REPLY_MESSAGE_OK,
	SMTP_REPLY_VRFY,
	SMTP_REPLY_START_INPUT,
	SMTP_REPLY_IDLE_TIMEOUT,
	SMTP_REPLY_SESSION_TIMEOUT,
	SMTP_REPLY_SHUTDOWN,
	SMTP_REPLY_TOO_MANY_SESSIONS,
	SMTP_REPLY_TOO_MANY_SESSIONS_PER_CLIENT,
	SMTP_REPLY_TOO_MANY_ERRORS,
	SMTP_REPLY_TOO_MANY_UNIMPLEMENTED,
	SMTP_REPLY_HTTP,
	SMTP_REPLY_TOO_MANY_REFUSED_RECIPIENTS,
	SMTP_REPLY_TOO_MANY_MESSAGES,
	SMTP_REPLY_TOO_MUCH_DISCARDED,
	SMTP_REPLY_NO_MEMORY,
	SMTP_REPLY_NO_MEMORY_CLOSE,
	SMTP_REPLY_LOCAL_ERROR,
	SMTP_REPLY_MISCONFIGURED,
	SMTP_REPLY_NO_STORAGE,
	SMTP_REPLY_TOO_MANY_RECIPIENTS,
	SMTP_REPLY_OTHER_DESTINATION,
	SMTP_REPLY_NOT_IMPLEMENTED,
	SMTP_REPLY_BARE_LF,
	SMTP_REPLY_BAD_BYTE,
	SMTP_REPLY_LINE_TOO_LONG,
	SMTP_REPLY_LINE_ENDLESS,
	SMTP_REPLY_BAD_MAIL_SYNTAX,
	SMTP_REPLY_BAD_RCPT_SYNTAX,
	SMTP_REPLY_BAD_SENDER,
	SMTP_REPLY_BAD_RECIPIENT,
	SMTP_REPLY_BAD_PARAMETER,
	SMTP_REPLY_UNKNOWN_PARAMETER,
	SMTP_REPLY_SENDER_NOT_ASCII,
	SMTP_REPLY_RECIPIENT_NOT_ASCII,
	SMTP_REPLY_SMTPUTF8_NO_ROUTE,
	SMTP_REPLY_BARE_LF_IN_MESSAGE,
	SMTP_REPLY_EARLY_TALKER,
	SMTP_REPLY_TOO_SLOW,
	SMTP_REPLY_TOO_MANY_SESSIONS_PER_MINUTE,
	SMTP_REPLY_TOO_MANY_HALF_OPEN,
	SMTP_REPLY_NO_ARGUMENT_ALLOWED,
	SMTP_REPLY_HELO_NEEDS_ARGUMENT,
	SMTP_REPLY_HELO_BAD_ARGUMENT,
	SMTP_REPLY_HELO_FIRST,
	SMTP_REPLY_NESTED_MAIL,
	SMTP_REPLY_MAIL_FIRST,
	SMTP_REPLY_RCPT_FIRST,
	SMTP_REPLY_TOO_BIG,
	SMTP_REPLY_HEADER_TOO_BIG,
	SMTP_REPLY_TOO_MANY_HOPS,
	SMTP_REPLY_UNKNOWN_MAILBOX,
	SMTP_REPLY_MAILBOX_UNREADABLE,
	SMTP_REPLY_MAILBOX_FULL,
	SMTP_REPLY_MAILBOX_FULL_FOR_GOOD,
	SMTP_REPLY_RELAY_DENIED,
	SMTP_REPLIES
};

const struct smtp_reply *smtp_reply(enum smtp_reply_name name);

/* Is this a permanent (5xx) or any (4xx, 5xx) error? */
static inline bool smtp_reply_is_permanent(const struct smtp_reply *r)
{
	return r->code >= 500;
}

static inline bool smtp_reply_is_error(const struct smtp_reply *r)
{
	return r->code >= 400;
}

/* Append the reply with its line ends (CRLF); false: out of memory, and `out` is as it was. */
MUST_CHECK bool smtp_reply_write(struct buf *out, const struct smtp_reply *r);

#endif
