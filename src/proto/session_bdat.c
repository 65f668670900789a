/*
 * BDAT (RFC 3030): content in chunks whose size is told before. The octets of a
 * chunk are used in any case, also where it is refused, so that none of them is
 * ever taken for a command; the reply follows the last of them. A chunk that is
 * refused ends the transaction: what is still on its way of that message is
 * refused, too, and never makes up a shorter one.
 */
#include "proto/session_private.h"

/*
 * A chunk costs some hundred times what its octets do. So many are free, and one more for so many octets
 * of the message: clients that send chunks as they are meant never come near.
 */
enum { CHUNKS_FREE = 1000, OCTETS_PER_CHUNK = 1024 };

/* RFC 3030 2: bdat-cmd ::= "BDAT" SP chunk-size [ SP end-marker ]. A size beyond 64 bits is UINT64_MAX. */
static bool parse_bdat(struct span argument, uint64_t *size, bool *is_last)
{
	size_t n = 0;
	struct span rest;

	while (n < argument.len && ascii_is_digit(argument.ptr[n]))
		n++;
	rest = span_from(argument, n);
	if (n == 0 || (rest.len && rest.ptr[0] != ' ' && rest.ptr[0] != '\t'))
		return false;
	if (!span_to_u64(span_head(argument, n), size))
		*size = UINT64_MAX;
	rest = span_trim(rest);
	*is_last = rest.len > 0;
	return rest.len == 0 || span_ieq(rest, SPAN_LITERAL("LAST"));
}

/* Counts it. */
static bool is_chunk_too_many(struct session_chunk *c)
{
	c->count++;
	c->octets = c->octets > UINT64_MAX - c->size ? UINT64_MAX : c->octets + c->size;
	return c->count > CHUNKS_FREE + c->octets / OCTETS_PER_CHUNK;
}

/* Why the chunk is refused by its command alone; NULL: it is not. */
static const struct smtp_reply *judge_command(const struct smtp_session *s)
{
	const struct session_transaction *t = &s->transaction;
	uint64_t most = s->options->max_message_size;

	if (s->options->requires_tls && !s->is_tls)
		return smtp_reply(SMTP_REPLY_TLS_FIRST);
	if (s->chunk.has_failed)
		return smtp_reply(SMTP_REPLY_CHUNK_OF_REFUSED);
	if (!t->is_open)
		return smtp_reply(SMTP_REPLY_MAIL_FIRST);
	if (t->recipients == 0)
		return smtp_reply(SMTP_REPLY_RCPT_FIRST);
	if (t->dot.octets > most || s->chunk.size > most - t->dot.octets)
		return smtp_reply(SMTP_REPLY_TOO_BIG);
	return NULL;
}

enum session_step session_handle_bdat(struct smtp_session *s, struct span line, struct span argument,
				      struct smtp_event *event)
{
	struct session_chunk *c = &s->chunk;
	uint64_t most = s->options->max_message_size;

	/* Where content ends and commands begin cannot be known any more. */
	if (!parse_bdat(argument, &c->size, &c->is_last))
		return session_answer_and_close(s, SMTP_REPLY_BAD_BDAT_SYNTAX, line, event);
	if (c->size > most && c->size - most > SESSION_DISCARD_MAX)
		return session_answer_and_close(s, SMTP_REPLY_TOO_MUCH_DISCARDED, line, event);
	if (is_chunk_too_many(c))
		return session_answer_and_close(s, SMTP_REPLY_TOO_MANY_CHUNKS, line, event);
	c->left = c->size;
	c->refusal = judge_command(s);
	s->state = SESSION_CHUNK;
	if (c->refusal || s->transaction.is_chunked)
		return STEP_ON;
	event->u.data.is_chunked = true;
	return session_ask(s, SMTP_EVENT_DATA, event);
}

void session_begin_chunks(struct smtp_session *s)
{
	struct session_transaction *t = &s->transaction;
	bool is_lenient = s->options->bare_newline == SMTP_BARE_NEWLINE_LENIENT;

	t->is_chunked = true;
	dot_decoder_init_chunks(&t->dot, is_lenient ? LINE_ENDING_LF : s->line_ending, t->is_binary);
	header_scan_init(&t->header);
}

void session_hold_refusal(struct smtp_session *s, const struct smtp_reply *reply)
{
	s->chunk.is_refusal_held = true;
	session_note_written(s, smtp_reply_write(&s->held, reply));
}

enum session_step session_take_chunk(struct smtp_session *s, struct span in, size_t *used, struct smtp_event *event)
{
	struct session_chunk *c = &s->chunk;
	struct span content = SPAN_LITERAL(""), part = c->left < in.len ? span_head(in, (size_t)c->left) : in;
	enum dot_result result = DOT_MORE;

	if (c->refusal || c->is_refusal_held)
		*used = part.len;
	else
		result = dot_decoder_next(&s->transaction.dot, part, used, &content);
	c->left -= *used;
	return result == DOT_CONTENT ? session_tell_body(s, content, event) : STEP_ON;
}

/* The octets are used up: now the refusal is said. */
static enum session_step end_refused(struct smtp_session *s, struct smtp_event *event)
{
	const struct smtp_reply *refusal = s->chunk.refusal;
	bool has_failed = s->chunk.has_failed;

	s->chunk.refusal = NULL;
	s->chunk.has_failed = (has_failed || s->transaction.is_open) && !s->chunk.is_last;
	s->messages += s->transaction.is_chunked;
	if (s->transaction.is_open)
		return session_refuse_message(s, refusal, event);
	s->state = SESSION_COMMAND;
	if (!has_failed)
		return session_answer_with(s, refusal, SPAN_LITERAL(""), event);
	/* A client that sends ahead could not know: this is no error of its own. */
	s->replied_due = refusal;
	session_write_reply(s, refusal);
	return STEP_ON;
}

/* What the owner said to the first chunk is due. */
static enum session_step end_held(struct smtp_session *s, struct smtp_event *event)
{
	s->chunk.is_refusal_held = false;
	s->chunk.has_failed = !s->chunk.is_last;
	s->state = SESSION_COMMAND;
	session_note_written(s, buf_add_span(&s->out, buf_span(&s->held)));
	buf_clear(&s->held);
	/* Without memory the session has ended, and the transaction with it. */
	return s->transaction.is_open ? session_drop_transaction(s, event) : STEP_ON;
}

/* RFC 3030 2: each chunk has its reply, and it is well to say what is answered. */
static enum session_step acknowledge(struct smtp_session *s)
{
	size_t before = buf_len(&s->out);
	bool is_written = buf_add_str(&s->out, "250 2.0.0 ") && buf_add_u64(&s->out, s->chunk.size) &&
			  buf_add_str(&s->out, " octets received.\r\n");

	s->state = SESSION_COMMAND;
	if (!is_written)
		s->out.end = s->out.start + before;
	session_note_written(s, is_written);
	return STEP_ON;
}

enum session_step session_end_chunk(struct smtp_session *s, struct smtp_event *event)
{
	struct span content;

	if (s->chunk.is_refusal_held)
		return end_held(s, event);
	if (!s->chunk.refusal)
		s->chunk.refusal = session_judge_content(s);
	if (s->chunk.refusal)
		return end_refused(s, event);
	if (!s->chunk.is_last)
		return acknowledge(s);
	content = dot_decoder_finish(&s->transaction.dot);
	return content.len ? session_tell_body(s, content, event) : session_ask_message(s, event);
}
