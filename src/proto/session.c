/*
 * The protocol machine's frame: input is cut into command lines or given to the
 * body, replies are written, verdicts taken. What a verb means is in
 * session_verbs.c, what content means in session_body.c.
 */
#include "proto/session.h"

#include "proto/session_private.h"

#include <stdlib.h>

static const char *const event_names[SMTP_EVENTS] = {
	[SMTP_EVENT_NEED_INPUT] = "need_input", [SMTP_EVENT_NEED_OUTPUT] = "need_output",
	[SMTP_EVENT_WAITING] = "waiting",       [SMTP_EVENT_CONNECT] = "connect",
	[SMTP_EVENT_HELO] = "helo",             [SMTP_EVENT_MAIL] = "mail",
	[SMTP_EVENT_RCPT] = "rcpt",             [SMTP_EVENT_DATA] = "data",
	[SMTP_EVENT_MESSAGE] = "message",       [SMTP_EVENT_BODY] = "body",
	[SMTP_EVENT_STARTTLS] = "starttls",     [SMTP_EVENT_XCLIENT] = "xclient",
	    [SMTP_EVENT_AUTH] = "auth",
	[SMTP_EVENT_AUTH_STEP] = "auth_step",
	[SMTP_EVENT_RESET] = "reset",           [SMTP_EVENT_REPLIED] = "replied",
	[SMTP_EVENT_QUIT] = "quit",             [SMTP_EVENT_CLOSE] = "close",
};

const char *smtp_event_name(enum smtp_event_type type)
{
	BUG_ON(type >= SMTP_EVENTS);
	return event_names[type];
}

struct smtp_session *smtp_session_new(const struct smtp_session_options *options)
{
	struct smtp_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->options = options;
	s->stage = "connect";
	return s;
}

void smtp_session_free(struct smtp_session **session)
{
	struct smtp_session *s = *session;

	*session = NULL;
	if (!s)
		return;
	buf_fini(&s->out);
	buf_fini(&s->held);
	buf_wipe(&s->line);
	buf_wipe(&s->secret);
	free(s);
}

struct span smtp_session_output(const struct smtp_session *s)
{
	return buf_span(&s->out);
}

void smtp_session_sent(struct smtp_session *s, size_t len)
{
	buf_use(&s->out, len);
}

/* It may have been a secret. */
static void forget_line(struct smtp_session *s)
{
	if (s->line.data)
		explicit_bzero(s->line.data, s->line.end);
	buf_clear(&s->line);
}

void smtp_session_trim(struct smtp_session *s)
{
	buf_release_empty(&s->out);
	buf_release_empty(&s->held);
	if (s->line_state == LINE_DONE)
		forget_line(s);
	buf_release_empty(&s->line);
}

enum smtp_event_type smtp_session_waiting(const struct smtp_session *s)
{
	return s->waiting;
}

const char *smtp_session_stage(const struct smtp_session *s)
{
	return s->stage;
}

bool smtp_session_in_line(const struct smtp_session *s)
{
	return s->line_state == LINE_DISCARDING || (s->line_state == LINE_PARTIAL && buf_len(&s->line) > 0);
}

bool smtp_session_in_transaction(const struct smtp_session *s)
{
	return s->transaction.is_open;
}

bool smtp_session_in_body(const struct smtp_session *s)
{
	return (s->state == SESSION_BODY || s->state == SESSION_CHUNK) && s->waiting == SMTP_EVENT_NEED_INPUT;
}

bool smtp_session_is_discarding(const struct smtp_session *s)
{
	bool is_content = s->state == SESSION_BODY || s->state == SESSION_CHUNK;
	bool is_refused = s->transaction.refusal || (s->state == SESSION_CHUNK && s->chunk.refusal);

	return s->line_state == LINE_DISCARDING || (is_content && is_refused) ||
	       (s->state == SESSION_CHUNK && s->chunk.is_refusal_held);
}

/* ---- the ways out ---- */

/* The one reset that every way out of a transaction passes. */
static void reset_transaction(struct smtp_session *s)
{
	s->transaction = (struct session_transaction){ 0 };
}

enum session_step session_drop_transaction(struct smtp_session *s, struct smtp_event *event)
{
	reset_transaction(s);
	event->type = SMTP_EVENT_RESET;
	return STEP_TELL;
}

enum session_step session_leave_transaction(struct smtp_session *s, struct smtp_event *event)
{
	s->chunk.has_failed = false;
	if (!s->transaction.is_open)
		return STEP_ON;
	session_drop_transaction(s, event);
	return STEP_AGAIN;
}

void session_enter_closed(struct smtp_session *s)
{
	s->is_reset_due |= s->transaction.is_open;
	reset_transaction(s);
	session_wipe_secret(s);
	s->state = SESSION_CLOSED;
	s->waiting = SMTP_EVENT_NEED_INPUT;
}

bool smtp_session_close(struct smtp_session *s, const struct smtp_reply *reply)
{
	if (s->state == SESSION_CLOSED)
		return false;
	session_enter_closed(s);
	if (reply)
		session_write_reply(s, reply);
	return true;
}

/* ---- replies ---- */

void session_note_written(struct smtp_session *s, bool is_written)
{
	if (!is_written && s->state != SESSION_CLOSED)
		session_enter_closed(s);
}

void session_write_reply(struct smtp_session *s, const struct smtp_reply *reply)
{
	session_note_written(s, smtp_reply_write(&s->out, reply));
}

/* 220 text ESMTP; a newline in the text makes 220- lines (RFC 5321 4.2). */
static bool write_greeting_lines(struct buf *out, struct span text)
{
	size_t n;

	while ((n = span_find(text, '\n')) < text.len) {
		if (!buf_add_str(out, "220-") || !buf_add_span(out, span_head(text, n)) || !buf_add_str(out, "\r\n"))
			return false;
		text = span_from(text, n + 1);
	}
	return buf_add_str(out, "220 ") && buf_add_span(out, text) && buf_add_str(out, " ESMTP\r\n");
}

static void write_greeting(struct smtp_session *s)
{
	if (write_greeting_lines(&s->out, span_str(s->options->greeting)))
		return;
	buf_clear(&s->out);
	session_note_written(s, false);
}

static enum session_step tell_replied(const struct smtp_reply *reply, struct span line, struct smtp_event *event)
{
	if (!smtp_reply_is_error(reply))
		return STEP_ON;
	event->type = SMTP_EVENT_REPLIED;
	event->u.replied.reply = reply;
	event->u.replied.line = line;
	return STEP_TELL;
}

enum session_step session_answer_and_close(struct smtp_session *s, enum smtp_reply_name name, struct span line,
					   struct smtp_event *event)
{
	session_write_reply(s, smtp_reply(name));
	session_enter_closed(s);
	return tell_replied(smtp_reply(name), line, event);
}

/* Is this one permanent error too many? Counts it. */
static bool is_error_too_many(struct smtp_session *s, const struct smtp_reply *reply)
{
	if (!smtp_reply_is_permanent(reply))
		return false;
	if (s->errors >= s->options->max_errors)
		return true;
	s->errors++;
	return false;
}

enum session_step session_answer(struct smtp_session *s, enum smtp_reply_name name, struct span line,
				 struct smtp_event *event)
{
	return session_answer_with(s, smtp_reply(name), line, event);
}

enum session_step session_answer_with(struct smtp_session *s, const struct smtp_reply *reply, struct span line,
				      struct smtp_event *event)
{
	if (is_error_too_many(s, reply))
		return session_answer_and_close(s, SMTP_REPLY_TOO_MANY_ERRORS, line, event);
	session_write_reply(s, reply);
	return tell_replied(reply, line, event);
}

enum session_step session_ask(struct smtp_session *s, enum smtp_event_type type, struct smtp_event *event)
{
	event->type = type;
	s->waiting = (uint8_t)type;
	return STEP_TELL;
}

/* ---- verdicts ---- */

static void default_success(struct smtp_session *s, enum smtp_event_type type)
{
	switch (type) {
	case SMTP_EVENT_CONNECT:
		write_greeting(s);
		return;
	case SMTP_EVENT_HELO:
		session_write_ehlo(s);
		return;
	case SMTP_EVENT_MAIL:
		session_write_reply(s, smtp_reply(SMTP_REPLY_SENDER_OK));
		return;
	case SMTP_EVENT_RCPT:
		session_write_reply(s, smtp_reply(SMTP_REPLY_RECIPIENT_OK));
		return;
	case SMTP_EVENT_DATA:
		session_write_reply(s, smtp_reply(SMTP_REPLY_START_INPUT));
		return;
	case SMTP_EVENT_MESSAGE:
		session_write_reply(s, smtp_reply(SMTP_REPLY_MESSAGE_OK));
		return;
	case SMTP_EVENT_AUTH:
	case SMTP_EVENT_AUTH_STEP:
		session_write_reply(s, smtp_reply(SMTP_REPLY_AUTH_OK));
		return;
	case SMTP_EVENT_STARTTLS:
		session_write_reply(s, smtp_reply(SMTP_REPLY_START_TLS));
		return;
	case SMTP_EVENT_XCLIENT:
		write_greeting(s);
		return;
	default:
		BUG_ON(true);
	}
}

static void note_accepted(struct smtp_session *s, enum smtp_event_type type, const struct smtp_reply *reply)
{
	switch (type) {
	case SMTP_EVENT_CONNECT:
		s->state = SESSION_COMMAND;
		break;
	case SMTP_EVENT_HELO:
		s->has_helo = true;
		s->has_ehlo = s->is_extended;
		break;
	case SMTP_EVENT_MAIL:
		s->transaction.is_open = true;
		s->chunk = (struct session_chunk){ 0 };
		break;
	case SMTP_EVENT_RCPT:
		s->transaction.recipients++;
		break;
	case SMTP_EVENT_DATA:
		if (s->state == SESSION_CHUNK)
			session_begin_chunks(s);
		else
			session_begin_body(s);
		break;
	case SMTP_EVENT_MESSAGE:
		s->errors = 0;
		break;
	case SMTP_EVENT_AUTH:
	case SMTP_EVENT_AUTH_STEP:
		if (reply && reply->code == 334)
			s->state = SESSION_AUTH;
		else
			s->is_authenticated = true;
		break;
	case SMTP_EVENT_STARTTLS:
		s->state = SESSION_TLS;
		break;
	case SMTP_EVENT_XCLIENT:
		session_begin_anew(s);
		break;
	default:
		BUG_ON(true);
	}
}

/* What a verdict changes whether it accepts or not. */
static void note_decided(struct smtp_session *s, enum smtp_event_type type, const struct smtp_reply *reply)
{
	if (type == SMTP_EVENT_MESSAGE) {
		s->stage = "command";
		s->messages++;
		s->state = SESSION_COMMAND;
		reset_transaction(s);
	}
	if (type == SMTP_EVENT_AUTH || type == SMTP_EVENT_AUTH_STEP) {
		s->state = SESSION_COMMAND;
		s->is_secret_due = reply && smtp_reply_is_error(reply);
		session_wipe_secret(s);
	}
	/* What its parameters left there must not outlive it. */
	if (type == SMTP_EVENT_MAIL && reply && smtp_reply_is_error(reply))
		reset_transaction(s);
	if (type == SMTP_EVENT_RCPT && reply && reply->code >= 400 && reply->code < 500)
		s->transaction.recipients_deferred++;
}

void smtp_session_answer_each(struct smtp_session *s, const struct smtp_reply *reply)
{
	struct session_transaction *t = &s->transaction;
	bool is_first = t->answered == 0;

	BUG_ON(s->waiting != SMTP_EVENT_MESSAGE || !t->wants_each || t->answered == t->recipients);
	t->answered++;
	if (!reply)
		reply = smtp_reply(SMTP_REPLY_RECIPIENT_OK);
	t->has_lost_answer = t->has_lost_answer ||
			     (is_first && !smtp_reply_write(&s->out, smtp_reply(SMTP_REPLY_EACH_FOLLOWS))) ||
			     !smtp_reply_write(&s->out, reply);
}

void smtp_session_verdict(struct smtp_session *s, const struct smtp_reply *reply)
{
	enum smtp_event_type type = s->waiting;
	bool has_lost_answer = s->transaction.has_lost_answer;

	BUG_ON(type == SMTP_EVENT_NEED_INPUT);
	BUG_ON(s->transaction.answered && s->transaction.answered != s->transaction.recipients);
	s->waiting = SMTP_EVENT_NEED_INPUT;
	note_decided(s, type, reply);
	if (has_lost_answer) {
		session_note_written(s, false);
		return;
	}
	if (!reply || !smtp_reply_is_error(reply)) {
		note_accepted(s, type, reply);
		/* BDAT: its reply follows its octets. */
		if (s->state == SESSION_CHUNK)
			return;
		if (reply)
			session_write_reply(s, reply);
		else
			default_success(s, type);
		return;
	}
	if (is_error_too_many(s, reply)) {
		reply = smtp_reply(SMTP_REPLY_TOO_MANY_ERRORS);
		s->replied_due = reply;
	}
	if (s->state == SESSION_CHUNK && reply->code != 421) {
		session_hold_refusal(s, reply);
		return;
	}
	session_write_reply(s, reply);
	/*
	 * RFC 5321 4.2.1: 421 means that the channel closes. A refused connection has no further use,
	 * and neither has one whose client, whom XCLIENT told, is refused: nobody's commands would follow.
	 */
	if (reply->code == 421 || type == SMTP_EVENT_CONNECT || type == SMTP_EVENT_XCLIENT)
		session_enter_closed(s);
}

bool session_offers_starttls(const struct smtp_session *s)
{
	return s->options->offers_starttls && !s->is_tls;
}

/* RFC 8689 4.1: only in a session that is in TLS. */
bool session_offers_requiretls(const struct smtp_session *s)
{
	return s->options->offers_requiretls && s->is_tls;
}

void smtp_session_tls_started(struct smtp_session *s)
{
	BUG_ON(s->state != SESSION_NEW && s->state != SESSION_TLS);
	BUG_ON(s->transaction.is_open || buf_len(&s->out));
	s->is_tls = true;
	if (s->state == SESSION_NEW)
		return;
	forget_line(s);
	s->line_state = LINE_PARTIAL;
	s->line_ending = LINE_ENDING_UNKNOWN;
	s->has_helo = s->has_ehlo = s->is_extended = false;
	s->is_authenticated = s->is_secret_due = false;
	s->auth_mechanisms = NULL;
	s->chunk = (struct session_chunk){ 0 };
	s->stage = "command";
	s->state = SESSION_COMMAND;
}

/* ---- input ---- */

/* What was left to tell by an earlier call. */
static bool tell_due(struct smtp_session *s, struct smtp_event *event)
{
	if (s->replied_due) {
		tell_replied(s->replied_due, SPAN_LITERAL(""), event);
		s->replied_due = NULL;
		return true;
	}
	if (s->is_reset_due) {
		s->is_reset_due = false;
		event->type = SMTP_EVENT_RESET;
		return true;
	}
	if (s->state == SESSION_CLOSED) {
		s->stage = "closed";
		event->type = SMTP_EVENT_CLOSE;
		return true;
	}
	return false;
}

/* Octets of a line that may come now. */
static size_t line_max(const struct smtp_session *s)
{
	return s->state == SESSION_AUTH ? SMTP_AUTH_LINE_MAX : s->options->max_command_line;
}

static enum session_step answer_overlong(struct smtp_session *s, struct smtp_event *event)
{
	if (s->state == SESSION_AUTH)
		return session_refuse_overlong_auth_line(s, event);
	s->stage = "command";
	/* It may have been AUTH. */
	s->is_secret_due = true;
	return session_answer(s, SMTP_REPLY_LINE_TOO_LONG, SPAN_LITERAL(""), event);
}

/* The first line of a session fixes its line ending; a CRLF session takes no other. */
static bool is_line_end_right(struct smtp_session *s, bool has_cr)
{
	if (s->options->bare_newline != SMTP_BARE_NEWLINE_AUTO) {
		s->line_ending = LINE_ENDING_CRLF;
		return has_cr || s->options->bare_newline == SMTP_BARE_NEWLINE_LENIENT;
	}
	if (s->line_ending == LINE_ENDING_UNKNOWN)
		s->line_ending = has_cr ? LINE_ENDING_CRLF : LINE_ENDING_LF;
	return has_cr || s->line_ending == LINE_ENDING_LF;
}

/* A whole command line without its LF. */
static enum session_step take_line(struct smtp_session *s, struct span line, struct smtp_event *event)
{
	bool has_cr = line.len && line.ptr[line.len - 1] == '\r';
	bool is_overlong = line.len - has_cr > line_max(s);

	if (!is_line_end_right(s, has_cr)) {
		s->stage = "command";
		/* What is too long is told in no case, because it may have been thrown away already. */
		return session_answer_and_close(s, SMTP_REPLY_BARE_LF,
						is_overlong ? SPAN_LITERAL("") : session_shown_line(s, line), event);
	}
	line = span_head(line, line.len - has_cr);
	if (is_overlong)
		return answer_overlong(s, event);
	if (s->state == SESSION_AUTH)
		return session_take_auth_line(s, line, event);
	return session_handle_command(s, line, event);
}

static enum session_step take_discarded_line(struct smtp_session *s, struct smtp_event *event)
{
	s->line_state = LINE_PARTIAL;
	if (!is_line_end_right(s, s->line_last == '\r')) {
		s->stage = "command";
		return session_answer_and_close(s, SMTP_REPLY_BARE_LF, SPAN_LITERAL(""), event);
	}
	return answer_overlong(s, event);
}

/* Begin or go on to discard a line that is too long; `part` holds no LF. */
static enum session_step discard_line(struct smtp_session *s, struct span part, struct smtp_event *event)
{
	s->line_octets += part.len;
	if (part.len)
		s->line_last = part.ptr[part.len - 1];
	if (s->line_octets <= SMTP_LINE_DISCARD_MAX)
		return STEP_ON;
	s->stage = "command";
	return session_answer_and_close(s, SMTP_REPLY_LINE_ENDLESS, SPAN_LITERAL(""), event);
}

/* Memory that it grows out of is wiped, because it may hold a secret. */
static bool add_to_line(struct smtp_session *s, struct span part)
{
	struct buf grown = { 0 };

	if (s->line.size - s->line.end < part.len) {
		if (!buf_reserve(&grown, buf_len(&s->line) + part.len) || !buf_add_span(&grown, buf_span(&s->line)))
			return false;
		buf_wipe(&s->line);
		s->line = grown;
	}
	return buf_add_span(&s->line, part);
}

/* Keep the begin of a line until the rest comes. */
static enum session_step keep_line(struct smtp_session *s, struct span part, struct smtp_event *event)
{
	size_t len = buf_len(&s->line) + part.len;

	/* One more byte may be the CR of its line end. */
	if (len > line_max(s) + 1) {
		s->line_octets = buf_len(&s->line);
		s->line_state = LINE_DISCARDING;
		buf_wipe(&s->line);
		return discard_line(s, part, event);
	}
	if (!add_to_line(s, part))
		return session_answer_and_close(s, SMTP_REPLY_NO_MEMORY_CLOSE, SPAN_LITERAL(""), event);
	return STEP_ON;
}

/* A line that ended here: `part` is its last part, without the LF. */
static enum session_step end_line(struct smtp_session *s, struct span part, struct smtp_event *event)
{
	if (s->line_state == LINE_DISCARDING) {
		enum session_step step = discard_line(s, part, event);

		return step == STEP_ON ? take_discarded_line(s, event) : step;
	}
	if (buf_len(&s->line) + part.len > SMTP_LINE_DISCARD_MAX)
		return session_answer_and_close(s, SMTP_REPLY_LINE_ENDLESS, SPAN_LITERAL(""), event);
	if (buf_len(&s->line) == 0)
		return take_line(s, part, event);
	if (buf_len(&s->line) + part.len > line_max(s) + 1) {
		s->line_last = part.ptr[part.len - 1]; /* kept lines are no longer than this, so it has one */
		forget_line(s);
		return take_discarded_line(s, event);
	}
	if (!add_to_line(s, part))
		return session_answer_and_close(s, SMTP_REPLY_NO_MEMORY_CLOSE, SPAN_LITERAL(""), event);
	s->line_state = LINE_READY;
	return STEP_ON;
}

static enum session_step take_ready_line(struct smtp_session *s, struct smtp_event *event)
{
	enum session_step step = take_line(s, buf_span(&s->line), event);

	if (step != STEP_AGAIN)
		s->line_state = LINE_DONE;
	return step;
}

static enum session_step take_command_input(struct smtp_session *s, struct span in, size_t *used,
					    struct smtp_event *event)
{
	size_t lf = span_find(in, '\n');
	bool is_alone = s->line_state == LINE_PARTIAL && buf_len(&s->line) == 0;
	enum session_step step;

	if (lf == in.len) {
		*used = in.len;
		return s->line_state == LINE_DISCARDING ? discard_line(s, in, event) : keep_line(s, in, event);
	}
	*used = lf + 1;
	step = end_line(s, span_head(in, lf), event);
	/* A line that lies in the input whole is simply offered again. */
	if (step == STEP_AGAIN && is_alone)
		*used = 0;
	return step;
}

static enum session_step take_input(struct smtp_session *s, struct span in, size_t *used, struct smtp_event *event)
{
	*used = 0;
	if (s->line_state == LINE_DONE) {
		forget_line(s);
		s->line_state = LINE_PARTIAL;
	}
	if (s->line_state == LINE_READY)
		return take_ready_line(s, event);
	if (s->state == SESSION_CHUNK && s->chunk.left == 0)
		return session_end_chunk(s, event);
	if (in.len == 0) {
		event->type = SMTP_EVENT_NEED_INPUT;
		return STEP_TELL;
	}
	if (s->state == SESSION_TLS) {
		/* Plain text behind STARTTLS: somebody tries to have it taken for what came over TLS. */
		session_enter_closed(s);
		return STEP_ON;
	}
	if (s->state == SESSION_BODY)
		return session_take_body(s, in, used, event);
	if (s->state == SESSION_CHUNK)
		return session_take_chunk(s, in, used, event);
	return take_command_input(s, in, used, event);
}

size_t smtp_session_next(struct smtp_session *s, struct span in, struct smtp_event *event)
{
	size_t total = 0, used;
	enum session_step step = STEP_ON;

	if (s->waiting != SMTP_EVENT_NEED_INPUT) {
		event->type = SMTP_EVENT_WAITING;
		return 0;
	}
	if (s->state == SESSION_NEW) {
		session_ask(s, SMTP_EVENT_CONNECT, event);
		return 0;
	}
	while (step == STEP_ON) {
		if (tell_due(s, event))
			break;
		if (buf_len(&s->out) > SMTP_SESSION_OUTPUT_MAX) {
			event->type = SMTP_EVENT_NEED_OUTPUT;
			break;
		}
		step = take_input(s, span_from(in, total), &used, event);
		total += used;
	}
	return total;
}
