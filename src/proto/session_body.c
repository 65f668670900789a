/*
 * The content of a message: through the dot decoder and the header scanner to
 * the owner. Once it is clear that the message will be refused, its content is
 * no longer told but read on to the true end of data, which alone ends it.
 */
#include "proto/session_private.h"

void session_begin_body(struct smtp_session *s)
{
	bool takes_any = s->options->bare_newline == SMTP_BARE_NEWLINE_LENIENT;

	dot_decoder_init(&s->transaction.dot, takes_any ? LINE_ENDING_ANY : s->line_ending);
	header_scan_init(&s->transaction.header);
	s->state = SESSION_BODY;
}

/* By all there is so far, again and again: what comes first must not depend on how the input was cut. */
const struct smtp_reply *session_judge_content(struct smtp_session *s)
{
	const struct smtp_session_options *o = s->options;
	struct session_transaction *t = &s->transaction;

	if (t->dot.octets > o->max_message_size)
		t->refusal = smtp_reply(SMTP_REPLY_TOO_BIG);
	else if (t->header.octets > o->max_header_size)
		t->refusal = smtp_reply(SMTP_REPLY_HEADER_TOO_BIG);
	else if (t->header.received > o->max_hops)
		t->refusal = smtp_reply(SMTP_REPLY_TOO_MANY_HOPS);
	else if (t->dot.has_bare_lf && o->bare_newline == SMTP_BARE_NEWLINE_REJECT)
		t->refusal = smtp_reply(SMTP_REPLY_BARE_LF_IN_MESSAGE);
	return t->refusal;
}

enum session_step session_tell_body(struct smtp_session *s, struct span content, struct smtp_event *event)
{
	struct session_transaction *t = &s->transaction;

	header_scan_feed(&t->header, content);
	if (!session_judge_content(s)) {
		event->type = SMTP_EVENT_BODY;
		event->u.body = content;
		return STEP_TELL;
	}
	if (t->dot.octets > s->options->max_message_size + SESSION_DISCARD_MAX)
		return session_answer_and_close(s, SMTP_REPLY_TOO_MUCH_DISCARDED, SPAN_LITERAL(""), event);
	return STEP_ON;
}

/* The refusal is told behind the RESET. */
enum session_step session_refuse_message(struct smtp_session *s, const struct smtp_reply *refusal,
					 struct smtp_event *event)
{
	s->state = SESSION_COMMAND;
	session_drop_transaction(s, event);
	if (s->errors >= s->options->max_errors) {
		refusal = smtp_reply(SMTP_REPLY_TOO_MANY_ERRORS);
		session_write_reply(s, refusal);
		session_enter_closed(s);
	} else {
		s->errors++;
		session_write_reply(s, refusal);
	}
	s->replied_due = refusal;
	return STEP_TELL;
}

enum session_step session_ask_message(struct smtp_session *s, struct smtp_event *event)
{
	const struct session_transaction *t = &s->transaction;

	event->u.message.octets = t->dot.octets;
	event->u.message.has_lone_cr = t->dot.has_lone_cr;
	event->u.message.has_bare_lf = t->dot.has_bare_lf;
	event->u.message.has_bare_dot = t->dot.has_bare_dot;
	event->u.message.has_date = t->header.has_date;
	event->u.message.has_message_id = t->header.has_message_id;
	return session_ask(s, SMTP_EVENT_MESSAGE, event);
}

static enum session_step end_body(struct smtp_session *s, struct smtp_event *event)
{
	const struct smtp_reply *refusal = session_judge_content(s);

	if (!refusal)
		return session_ask_message(s, event);
	s->messages++;
	return session_refuse_message(s, refusal, event);
}

enum session_step session_take_body(struct smtp_session *s, struct span in, size_t *used, struct smtp_event *event)
{
	struct span content;

	s->stage = "data";
	switch (dot_decoder_next(&s->transaction.dot, in, used, &content)) {
	case DOT_CONTENT:
		return session_tell_body(s, content, event);
	case DOT_END:
		return end_body(s, event);
	case DOT_MORE:
		break;
	}
	return STEP_ON;
}
