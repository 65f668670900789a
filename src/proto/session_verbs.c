/*
 * The commands of RFC 5321 as a table, one handler a verb. A handler checks
 * whether the command may come now, whether it is well-formed, and then either
 * answers or asks its owner.
 */
#include "proto/session_private.h"

struct command {
	struct span line; /* as it came, for the log */
	struct span argument;
};

typedef enum session_step (*verb_handler)(struct smtp_session *s, const struct command *c, struct smtp_event *event);

static enum session_step answer(struct smtp_session *s, enum smtp_reply_name name, const struct command *c,
				struct smtp_event *event)
{
	return session_answer(s, name, c->line, event);
}

/* Up to the first blank. */
static size_t word_len(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.ptr[n] != ' ' && line.ptr[n] != '\t')
		n++;
	return n;
}

static bool has_surplus_argument(const struct smtp_session *s, const struct command *c)
{
	return c->argument.len && !s->options->is_lenient;
}

/* ---- HELO, EHLO ---- */

static enum session_step greet(struct smtp_session *s, const struct command *c, bool is_extended,
			       struct smtp_event *event)
{
	enum session_step step;

	if (c->argument.len == 0 && !s->options->is_lenient)
		return answer(s, SMTP_REPLY_HELO_NEEDS_ARGUMENT, c, event);
	if (c->argument.len > SMTP_DOMAIN_MAX || span_find(c->argument, ' ') < c->argument.len ||
	    span_find(c->argument, '\t') < c->argument.len)
		return answer(s, SMTP_REPLY_HELO_BAD_ARGUMENT, c, event);
	/* RFC 5321 4.1.4: a successful EHLO or HELO clears the transaction as RSET does. */
	step = session_leave_transaction(s, event);
	if (step != STEP_ON)
		return step;
	event->u.helo.name = c->argument;
	event->u.helo.is_extended = s->is_extended = is_extended;
	return session_ask(s, SMTP_EVENT_HELO, event);
}

static enum session_step verb_helo(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	return greet(s, c, false, event);
}

static enum session_step verb_ehlo(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	return greet(s, c, true, event);
}

/* ---- MAIL, RCPT ---- */

/* Without <>, for those who are lenient: up to the next blank. */
static bool parse_bare_path(struct smtp_address *address, struct span path, size_t *used)
{
	*used = word_len(path);
	return path.len && path.ptr[0] != '<' &&
	       smtp_address_parse(address, SMTP_CHARSET_UTF8, span_head(path, *used));
}

/*
 * The path behind "FROM:" or "TO:"; *rest is what follows it. Whether it may be in UTF-8 is known
 * only when the parameters are, and that it may not is another error than a malformed path.
 */
static bool parse_path(const struct smtp_session *s, struct span argument, struct span keyword,
		       enum smtp_path_kind kind, struct smtp_address *address, struct span *rest)
{
	struct span path = span_trim(span_from(argument, keyword.len));
	size_t used;

	if (!smtp_path_parse(address, kind, SMTP_CHARSET_UTF8, path, &used) &&
	    !(s->options->is_lenient && parse_bare_path(address, path, &used)))
		return false;
	*rest = span_from(path, used);
	return true;
}

static enum session_step verb_mail(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	static const struct span from = { "FROM:", 5 };
	bool is_lenient = s->options->is_lenient;
	enum smtp_reply_name name;
	struct span rest;

	if (!s->has_helo && !is_lenient)
		return answer(s, SMTP_REPLY_HELO_FIRST, c, event);
	if (s->transaction.is_chunked)
		return answer(s, SMTP_REPLY_CHUNKS_BEGUN, c, event);
	if (s->transaction.is_open && is_lenient)
		return session_leave_transaction(s, event);
	if (s->transaction.is_open)
		return answer(s, SMTP_REPLY_NESTED_MAIL, c, event);
	if (s->messages >= s->options->max_messages)
		return session_answer_and_close(s, SMTP_REPLY_TOO_MANY_MESSAGES, c->line, event);
	if (!span_istarts(c->argument, from))
		return answer(s, SMTP_REPLY_BAD_MAIL_SYNTAX, c, event);
	if (!parse_path(s, c->argument, from, SMTP_PATH_SENDER, &event->address, &rest))
		return answer(s, SMTP_REPLY_BAD_SENDER, c, event);
	name = session_take_mail_parameters(s, rest, event);
	if (name != SMTP_REPLY_OK)
		return answer(s, name, c, event);
	s->transaction.is_smtputf8 = event->u.mail.is_smtputf8;
	s->transaction.is_binary = event->u.mail.body_type == SMTP_BODY_BINARYMIME;
	s->transaction.wants_each = event->u.mail.wants_each;
	return session_ask(s, SMTP_EVENT_MAIL, event);
}

static enum session_step refuse_surplus_recipient(struct smtp_session *s, const struct command *c,
						  struct smtp_event *event)
{
	s->transaction.recipients_deferred++;
	return answer(s, SMTP_REPLY_TOO_MANY_RECIPIENTS, c, event);
}

static enum session_step verb_rcpt(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	static const struct span to = { "TO:", 3 };
	enum { DEFERRED_MAX = 1000 };
	enum smtp_reply_name name;
	struct span rest;

	if (!s->transaction.is_open)
		return answer(s, SMTP_REPLY_MAIL_FIRST, c, event);
	if (s->transaction.is_chunked)
		return answer(s, SMTP_REPLY_CHUNKS_BEGUN, c, event);
	if (s->transaction.recipients_deferred >= DEFERRED_MAX)
		return session_answer_and_close(s, SMTP_REPLY_TOO_MANY_REFUSED_RECIPIENTS, c->line, event);
	if (!span_istarts(c->argument, to))
		return answer(s, SMTP_REPLY_BAD_RCPT_SYNTAX, c, event);
	if (!parse_path(s, c->argument, to, SMTP_PATH_RECIPIENT, &event->address, &rest))
		return answer(s, SMTP_REPLY_BAD_RECIPIENT, c, event);
	name = session_take_rcpt_parameters(s, rest, event);
	if (name != SMTP_REPLY_OK)
		return answer(s, name, c, event);
	if (s->transaction.recipients >= s->options->max_recipients)
		return refuse_surplus_recipient(s, c, event);
	return session_ask(s, SMTP_EVENT_RCPT, event);
}

/* ---- the others ---- */

static enum session_step verb_data(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	if (has_surplus_argument(s, c))
		return answer(s, SMTP_REPLY_NO_ARGUMENT_ALLOWED, c, event);
	if (!s->transaction.is_open)
		return answer(s, SMTP_REPLY_MAIL_FIRST, c, event);
	if (s->transaction.recipients == 0)
		return answer(s, SMTP_REPLY_RCPT_FIRST, c, event);
	/* RFC 3030 2 and 3 */
	if (s->transaction.is_chunked)
		return answer(s, SMTP_REPLY_CHUNKS_BEGUN, c, event);
	if (s->transaction.is_binary)
		return answer(s, SMTP_REPLY_BINARY_NEEDS_CHUNKS, c, event);
	event->u.data.is_chunked = false;
	return session_ask(s, SMTP_EVENT_DATA, event);
}

/* Wherever it may not come, its octets come all the same: it is judged behind them. */
static enum session_step verb_bdat(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	return session_handle_bdat(s, c->line, c->argument, event);
}

static enum session_step verb_rset(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	enum session_step step;

	if (has_surplus_argument(s, c))
		return answer(s, SMTP_REPLY_NO_ARGUMENT_ALLOWED, c, event);
	step = session_leave_transaction(s, event);
	return step == STEP_ON ? answer(s, SMTP_REPLY_OK, c, event) : step;
}

static enum session_step verb_noop(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	return answer(s, SMTP_REPLY_OK, c, event);
}

static enum session_step verb_quit(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	enum session_step step;

	if (has_surplus_argument(s, c))
		return answer(s, SMTP_REPLY_NO_ARGUMENT_ALLOWED, c, event);
	step = session_leave_transaction(s, event);
	if (step != STEP_ON)
		return step;
	session_write_reply(s, smtp_reply(SMTP_REPLY_QUIT));
	session_enter_closed(s);
	event->type = SMTP_EVENT_QUIT;
	return STEP_TELL;
}

static enum session_step verb_vrfy(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	return answer(s, SMTP_REPLY_VRFY, c, event);
}

static enum session_step verb_help(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	return answer(s, SMTP_REPLY_HELP, c, event);
}

static enum session_step answer_unimplemented(struct smtp_session *s, const struct command *c,
					      struct smtp_event *event)
{
	uint32_t most = s->options->maxnotimpl;

	if (most && s->unimplemented >= most)
		return session_answer_and_close(s, SMTP_REPLY_TOO_MANY_UNIMPLEMENTED, c->line, event);
	s->unimplemented++;
	return answer(s, SMTP_REPLY_NOT_IMPLEMENTED, c, event);
}

static enum session_step verb_starttls(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	if (!session_offers_starttls(s))
		return answer_unimplemented(s, c, event);
	if (has_surplus_argument(s, c))
		return answer(s, SMTP_REPLY_NO_ARGUMENT_ALLOWED, c, event);
	if (s->transaction.is_open)
		return answer(s, SMTP_REPLY_TLS_IN_TRANSACTION, c, event);
	return session_ask(s, SMTP_EVENT_STARTTLS, event);
}

static enum session_step verb_auth(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	if (!s->options->offers_auth || !s->auth_mechanisms || !*s->auth_mechanisms) {
		s->is_secret_due = true;
		return answer_unimplemented(s, c, event);
	}
	return session_handle_auth(s, c->argument, event);
}

static enum session_step verb_xclient(struct smtp_session *s, const struct command *c, struct smtp_event *event)
{
	if (!s->options->offers_xclient)
		return answer_unimplemented(s, c, event);
	return session_handle_xclient(s, c->line, c->argument, event);
}

/* Where TLS is required, what may come before it: RFC 3207 4, and what harms no one. */
enum verb_time { ANY_TIME, BEHIND_TLS };

static const struct verb {
	struct span name;
	const char *stage;
	enum verb_time when;
	verb_handler handle;
} verbs[] = {
	{ SPAN_LITERAL("MAIL"), "mail", BEHIND_TLS, verb_mail },
	{ SPAN_LITERAL("RCPT"), "rcpt", BEHIND_TLS, verb_rcpt },
	{ SPAN_LITERAL("DATA"), "data", BEHIND_TLS, verb_data },
	{ SPAN_LITERAL("BDAT"), "bdat", ANY_TIME, verb_bdat },
	{ SPAN_LITERAL("EHLO"), "helo", ANY_TIME, verb_ehlo },
	{ SPAN_LITERAL("HELO"), "helo", ANY_TIME, verb_helo },
	{ SPAN_LITERAL("QUIT"), "quit", ANY_TIME, verb_quit },
	{ SPAN_LITERAL("RSET"), "rset", ANY_TIME, verb_rset },
	{ SPAN_LITERAL("NOOP"), "noop", ANY_TIME, verb_noop },
	{ SPAN_LITERAL("VRFY"), "vrfy", BEHIND_TLS, verb_vrfy },
	{ SPAN_LITERAL("HELP"), "help", BEHIND_TLS, verb_help },
	{ SPAN_LITERAL("AUTH"), "auth", BEHIND_TLS, verb_auth },
	{ SPAN_LITERAL("STARTTLS"), "starttls", ANY_TIME, verb_starttls },
	{ SPAN_LITERAL("XCLIENT"), "xclient", BEHIND_TLS, verb_xclient },
};

/*
 * A request of HTTP (RFC 9112 3). Its sender is no mail program: it is a browser that
 * somebody led here, and what comes behind is what a page wants us to take for commands.
 */
static bool is_http(struct span verb, struct span argument)
{
	static const struct span methods[] = {
		SPAN_LITERAL("GET"),	 SPAN_LITERAL("POST"),	  SPAN_LITERAL("PUT"),
		SPAN_LITERAL("HEAD"),	 SPAN_LITERAL("OPTIONS"), SPAN_LITERAL("DELETE"),
		SPAN_LITERAL("CONNECT"), SPAN_LITERAL("TRACE"),	  SPAN_LITERAL("PATCH"),
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (span_ieq(verb, methods[i]))
			return argument.len > 0;
	return false;
}

static bool has_bad_byte(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char b = (unsigned char)line.ptr[i];

		if ((b < ' ' && b != '\t') || b == 0x7f)
			return true;
	}
	return false;
}

enum session_step session_handle_command(struct smtp_session *s, struct span line, struct smtp_event *event)
{
	size_t n = word_len(line);
	struct command c = { .line = line, .argument = span_trim(span_from(line, n)) };

	s->stage = "command";
	/* What comes behind AUTH is a secret, also where AUTH is not offered. */
	c.line = session_shown_line(s, line);
	if (has_bad_byte(line))
		return answer(s, SMTP_REPLY_BAD_BYTE, &c, event);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!span_ieq(span_head(line, n), verbs[i].name))
			continue;
		s->stage = verbs[i].stage;
		/* Whatever answers AUTH, responses may follow; who takes it knows better. */
		s->is_secret_due = verbs[i].handle == verb_auth;
		c.line = session_shown_line(s, line);
		if (verbs[i].when == BEHIND_TLS && s->options->requires_tls && !s->is_tls)
			return answer(s, SMTP_REPLY_TLS_FIRST, &c, event);
		return verbs[i].handle(s, &c, event);
	}
	if (is_http(span_head(line, n), c.argument))
		return session_answer_and_close(s, SMTP_REPLY_HTTP, c.line, event);
	return answer_unimplemented(s, &c, event);
}
