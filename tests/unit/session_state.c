/*
 * Copies and keys of sessions. See session_state.h.
 */
#include "session_state.h"

#include "proto/session_private.h"

#include <stdlib.h>

/* More than any buffer may hold; a reply goes beyond the mark of the output. */
enum { LINE_SIZE_MAX = 8192, OUTPUT_SIZE_MAX = 2 * SMTP_SESSION_OUTPUT_MAX + 8192 };

static bool copy_buf(struct buf *b, const struct buf *from)
{
	*b = (struct buf){ 0 };
	return buf_len(from) == 0 || buf_add_span(b, buf_span(from));
}

struct smtp_session *state_copy(const struct smtp_session *s)
{
	struct smtp_session *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *s;
	if (!copy_buf(&copy->out, &s->out) || !copy_buf(&copy->line, &s->line) ||
	    !copy_buf(&copy->secret, &s->secret) || !copy_buf(&copy->held, &s->held))
		abort();
	return copy;
}

static uint64_t up_to(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

static void read_line(struct state_key *key, const struct smtp_session *s)
{
	struct span line = span_head(buf_span(&s->line), STATE_LINE_MAX);

	key->line_state = s->line_state == LINE_DONE ? LINE_PARTIAL : s->line_state;
	if (s->line_state == LINE_DISCARDING)
		key->ends_in_cr = s->line_last == '\r';
	if (s->line_state != LINE_PARTIAL && s->line_state != LINE_READY)
		return;
	key->line_len = (uint8_t)line.len;
	memcpy(key->line, line.ptr, line.len);
}

/* None, some, one less than too many, too many. */
static uint32_t deferred_class(uint32_t deferred)
{
	return deferred < 2 || deferred >= 999 ? deferred : 2;
}

static void read_transaction(struct state_key *key, const struct session_transaction *t,
			     const struct smtp_session_options *o)
{
	key->is_open = t->is_open;
	key->is_smtputf8 = t->is_smtputf8;
	key->recipients = t->recipients;
	key->deferred = deferred_class(t->recipients_deferred);
	/* The refusal follows from the counters as soon as the next content comes. */
	key->octets = up_to(t->dot.octets, o->max_message_size + 1);
	key->dot_state = t->dot.state;
	key->dot_line_ending = t->dot.line_ending;
	key->dot_bare_line = t->dot.bare_line;
	key->has_lone_cr = t->dot.has_lone_cr;
	key->has_bare_lf = t->dot.has_bare_lf;
	key->has_bare_dot = t->dot.has_bare_dot;
	key->header_octets = up_to(t->header.octets, o->max_header_size + 1);
	key->received = (uint32_t)up_to(t->header.received, (uint64_t)o->max_hops + 1);
	/* A name as long as this is none that is looked for, and too big for a header. */
	key->header_pending = (uint16_t)up_to(t->header.pending, 12);
	key->header_state = t->header.state;
	key->header_candidates = t->header.candidates;
}

/* Chunks are small here, and far from too many. */
static void read_chunk(struct state_key *key, const struct smtp_session *s)
{
	const struct session_chunk *c = &s->chunk;

	key->is_chunked = s->transaction.is_chunked;
	key->is_in_line = s->transaction.is_chunked && s->transaction.dot.is_in_line;
	key->has_failed = c->has_failed;
	key->is_in_chunk = s->state == SESSION_CHUNK;
	if (s->state != SESSION_CHUNK)
		return;
	key->chunk_left = (uint8_t)up_to(c->left, 255);
	key->chunk_size = (uint8_t)up_to(c->size, 255);
	key->is_chunk_last = c->is_last;
	key->chunk_refusal = c->refusal;
	key->is_refusal_held = c->is_refusal_held;
	key->held_code = c->is_refusal_held ? (uint8_t)buf_span(&s->held).ptr[0] : 0;
}

void state_read(struct state_key *key, const struct smtp_session *s, const struct model *m)
{
	memset(key, 0, sizeof(*key));
	key->model.state = m->state;
	key->model.has_helo = m->has_helo;
	key->model.is_tls = m->is_tls;
	key->model.is_authenticated = m->is_authenticated;
	key->model.recipients = m->recipients;
	key->model.owes_reset = m->owes_reset;
	key->model.may_reset = m->may_reset;
	key->state = s->state;
	key->waiting = s->waiting;
	key->line_ending = s->line_ending;
	/* Known while it is asked for; anything before is overwritten. */
	key->is_extended = s->waiting == SMTP_EVENT_HELO && s->is_extended;
	key->has_helo = s->has_helo;
	key->has_ehlo = s->has_ehlo;
	key->is_tls = s->is_tls;
	key->is_authenticated = s->is_authenticated;
	key->is_reset_due = s->is_reset_due;
	key->replied_due = s->replied_due;
	key->errors = s->errors;
	key->unimplemented = s->options->maxnotimpl ? s->unimplemented : 0;
	key->messages = s->messages;
	read_line(key, s);
	read_transaction(key, &s->transaction, s->options);
	read_chunk(key, s);
	/* Behind DATA no recipient can come. */
	if (s->state == SESSION_BODY || s->transaction.is_chunked)
		key->deferred = 0;
}

static bool is_no_transaction(const struct session_transaction *t)
{
	return !t->is_open && !t->is_smtputf8 && !t->is_binary && !t->wants_each && !t->is_chunked && !t->recipients && !t->recipients_deferred && !t->refusal &&
	       !t->dot.octets && !t->dot.state && !t->dot.line_ending && !t->header.octets && !t->header.state &&
	       !t->header.received && !t->header.pending;
}

static const char *count_fault(const struct smtp_session *s)
{
	const struct smtp_session_options *o = s->options;

	if (s->errors > o->max_errors)
		return "more errors than allowed";
	if (o->maxnotimpl && s->unimplemented > o->maxnotimpl)
		return "more unimplemented commands than allowed";
	if (s->messages > o->max_messages)
		return "more messages than allowed";
	if (s->transaction.recipients > o->max_recipients)
		return "more recipients than allowed";
	return s->held.size > LINE_SIZE_MAX || s->line.size > LINE_SIZE_MAX || s->out.size > OUTPUT_SIZE_MAX ? "a buffer has grown" : NULL;
}

const char *state_fault(const struct smtp_session *s, const struct model *m)
{
	bool is_open = m->state == MODEL_TRANSACTION || m->state == MODEL_BODY;
	bool is_in_content = s->state == SESSION_CHUNK || (m->state == MODEL_BODY && !s->transaction.is_chunked);

	if (s->transaction.is_open != is_open || smtp_session_in_transaction(s) != is_open)
		return "a transaction is there or is not, against the reference";
	/* What was asked for and not yet answered may stand there already. */
	if (!is_open && !is_no_transaction(&s->transaction) && s->waiting != SMTP_EVENT_MAIL)
		return "something of a transaction survived it";
	if (is_open && s->transaction.recipients != m->recipients)
		return "the recipients are counted wrongly";
	if ((s->state == SESSION_CLOSED) != (m->state == MODEL_CLOSING || m->state == MODEL_ENDED))
		return "it is closed or is not, against the reference";
	if ((s->state == SESSION_TLS) != (m->state == MODEL_TLS))
		return "it awaits TLS or does not, against the reference";
	if ((s->state == SESSION_AUTH) != (m->state == MODEL_AUTH))
		return "an exchange of AUTH goes on or does not, against the reference";
	if (s->state != SESSION_CLOSED && s->is_authenticated != m->is_authenticated)
		return "it is authenticated or is not, against the reference";
	if ((buf_len(&s->secret) > 0 || s->secret.data) && s->waiting != SMTP_EVENT_AUTH &&
	    s->waiting != SMTP_EVENT_AUTH_STEP)
		return "a secret outlived its use";
	if (s->state != SESSION_CLOSED && (s->has_helo != m->has_helo || s->is_tls != m->is_tls))
		return "HELO or TLS is known wrongly";
	if (s->state == SESSION_CLOSED && s->waiting != SMTP_EVENT_NEED_INPUT)
		return "it waits though it is closed";
	if (smtp_session_in_body(s) != (is_in_content && !state_is_waiting(s)))
		return "it is in a message or is not, against the reference";
	return count_fault(s);
}

bool state_is_waiting(const struct smtp_session *s)
{
	return s->waiting != SMTP_EVENT_NEED_INPUT;
}

bool state_is_new(const struct smtp_session *s)
{
	return s->state == SESSION_NEW;
}

uint64_t state_chunk_left(const struct smtp_session *s)
{
	return s->state == SESSION_CHUNK && !state_is_waiting(s) ? s->chunk.left : 0;
}

bool state_is_chunk_last(const struct smtp_session *s)
{
	return s->state == SESSION_CHUNK && s->chunk.left == 0 && s->chunk.is_last;
}

bool state_is_in_body(const struct smtp_session *s)
{
	return s->state == SESSION_BODY;
}

bool state_awaits_tls(const struct smtp_session *s)
{
	return s->state == SESSION_TLS;
}

bool state_is_closed(const struct smtp_session *s)
{
	return s->state == SESSION_CLOSED;
}

size_t state_line_len(const struct smtp_session *s)
{
	if (s->line_state == LINE_DISCARDING)
		return SIZE_MAX;
	return s->line_state == LINE_DONE ? 0 : buf_len(&s->line);
}
