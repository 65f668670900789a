/*
 * The connection to Dovecot: it is dialed, both sides say who they are, lines go
 * and come. Whatever goes wrong ends it, and after a rest it is made anew.
 */
#include "auth/dovecot_private.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
	REST_MS = 1000,
	/* Lines that mean nothing to us, in a row. Newer versions may say more, but not only that. */
	ODD_LINES_MAX = 256,
	MAJOR_VERSION = 1,
};

/* ---- lines ---- */

bool dovecot_field_next(struct span *rest, struct span *field)
{
	struct span behind;

	if (rest->len == 0 || rest->ptr[0] != '\t')
		return false;
	behind = span_from(*rest, 1);
	*field = span_head(behind, span_find(behind, '\t'));
	*rest = span_from(behind, field->len);
	return true;
}

bool dovecot_field_is(struct span field, const char *key, struct span *value)
{
	size_t len = strlen(key);

	if (field.len < len || memcmp(field.ptr, key, len) != 0)
		return false;
	*value = span_from(field, len);
	return true;
}

/* ---- the end ---- */

static void dial_again(struct loop_timer *timer)
{
	dovecot_link_open(LIST_OWNER(timer, struct dovecot_source, timer));
}

void dovecot_link_close(struct dovecot_source *s)
{
	op_cancel(&s->dial.op);
	conn_close(&s->conn);
	loop_timer_stop(s->loop, &s->timer);
	loop_defer_cancel(&s->flush);
	buf_wipe(&s->in);
	buf_wipe(&s->out);
	s->state = DOVECOT_RESTING;
}

void dovecot_link_lose(struct dovecot_source *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->failure, sizeof(s->failure), format, args);
	va_end(args);
	dovecot_link_close(s);
	if (!s->is_down_told)
		log_text(LOG_LEVEL_ERROR, "trouble", "%s: %s; nobody can log in by it until it is back",
			 s->name, s->failure);
	s->is_down_told = true;
	loop_timer_start(s->loop, &s->timer, REST_MS, dial_again);
	dovecot_requests_fail(s);
}

static void greeting_late(struct loop_timer *timer)
{
	dovecot_link_lose(LIST_OWNER(timer, struct dovecot_source, timer), "it did not greet us in time");
}

/* ---- out ---- */

static void flush(struct loop_deferred *deferred)
{
	struct dovecot_source *s = LIST_OWNER(deferred, struct dovecot_source, flush);
	struct span out = buf_span(&s->out);
	size_t sent = 0;
	int error = 0;

	if (!s->conn || out.len == 0)
		return;
	if (!conn_send(s->conn, out, &sent, &error)) {
		dovecot_link_lose(s, "%s", strerror(error));
		return;
	}
	buf_use(&s->out, sent);
	if (buf_len(&s->out) == 0)
		buf_wipe(&s->out);
}

static void writable(void *owner)
{
	struct dovecot_source *s = owner;

	flush(&s->flush);
}

bool dovecot_link_has_room(struct dovecot_source *s, size_t octets)
{
	/* Its size is had at once: what a buffer grew out of is not wiped. */
	return (s->out.data || buf_reserve(&s->out, DOVECOT_OUT_MAX)) &&
	       buf_len(&s->out) + octets <= DOVECOT_OUT_MAX;
}

bool dovecot_link_send(struct dovecot_source *s, struct span line)
{
	struct buf *out = &s->out;

	if (!dovecot_link_has_room(s, line.len))
		return false;
	if (out->size - out->end < line.len) {
		memmove(out->data, out->data + out->start, buf_len(out));
		out->end = buf_len(out);
		out->start = 0;
	}
	if (!buf_add_span(out, line))
		return false;
	loop_defer(s->loop, &s->flush, flush);
	return true;
}

/*
 * Who we are. Each connection has a number of its own, not the process: Dovecot refuses a second one with
 * the same, and while a configuration takes over from another there are two.
 */
static void say_hello(struct dovecot_source *s)
{
	uint32_t number;
	char text[64];

	if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
		dovecot_link_lose(s, "getrandom: %s", "no random numbers");
		return;
	}
	snprintf(text, sizeof(text), "VERSION\t%d\t1\nCPID\t%u\n", MAJOR_VERSION,
		 (unsigned)(number >> 1) + 1);
	if (!dovecot_link_send(s, span_str(text)))
		dovecot_link_lose(s, "out of memory");
}

/* ---- the greeting ---- */

static bool is_mechanism_name(struct span name)
{
	if (name.len == 0 || name.len > AUTH_MECHANISM_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!((c >= 'A' && c <= 'Z') || ascii_is_digit(c) || c == '-' || c == '_'))
			return false;
	}
	return true;
}

/* Left out are those that make somebody of nobody, are no mechanisms of SMTP, or bind to what we do not tell. */
static bool is_for_us(struct span name, struct span fields)
{
	bool is_plus = name.len > 5 && span_eq(span_from(name, name.len - 5), SPAN_LITERAL("-PLUS"));
	struct span field;

	if (!is_mechanism_name(name) || is_plus || span_eq(name, SPAN_LITERAL("LOGIN")) ||
	    span_eq(name, SPAN_LITERAL("ANONYMOUS")))
		return false;
	while (dovecot_field_next(&fields, &field))
		if (span_eq(field, SPAN_LITERAL("anonymous")) || span_eq(field, SPAN_LITERAL("private")))
			return false;
	return true;
}

/* MECH TAB name [TAB property ...]. LOGIN is ours, and goes as PLAIN. */
static bool take_mechanism(struct dovecot_source *s, struct span fields)
{
	struct dovecot_mechanism *m;
	struct span name;

	if (!dovecot_field_next(&fields, &name))
		return false;
	if (!is_for_us(name, fields) || s->told_count == DOVECOT_MECHANISMS_MAX)
		return true;
	m = &s->told[s->told_count++];
	*m = (struct dovecot_mechanism){ .mechanism.reach = AUTH_REACH_USERS };
	memcpy(m->mechanism.name, name.ptr, name.len);
	m->needs_certificate = span_eq(name, SPAN_LITERAL("EXTERNAL"));
	if (m->needs_certificate)
		m->mechanism.reach = AUTH_REACH_CLIENT;
	return true;
}

static bool take_version(struct dovecot_source *s, struct span fields)
{
	struct span major;
	uint64_t number;

	s->has_version = dovecot_field_next(&fields, &major) && span_to_u64(major, &number) &&
			 number == MAJOR_VERSION;
	return s->has_version;
}

static bool take_done(struct dovecot_source *s)
{
	if (!s->has_version)
		return false;
	memcpy(s->mechanisms, s->told, sizeof(s->mechanisms));
	s->mechanism_count = s->told_count;
	s->state = DOVECOT_READY;
	s->failure[0] = '\0';
	s->is_down_told = false;
	loop_timer_stop(s->loop, &s->timer);
	log_begin(LOG_LEVEL_NOTICE, NULL, "auth_connected");
	log_str("source", s->name);
	log_u64("mechanisms", s->mechanism_count);
	log_end();
	dovecot_requests_send(s);
	return true;
}

/* False: it is no greeting of this protocol. */
static bool take_greeting(struct dovecot_source *s, struct span verb, struct span fields)
{
	if (span_eq(verb, SPAN_LITERAL("VERSION")))
		return take_version(s, fields);
	if (!s->has_version)
		return false;
	if (span_eq(verb, SPAN_LITERAL("MECH")))
		return take_mechanism(s, fields);
	if (span_eq(verb, SPAN_LITERAL("DONE")))
		return take_done(s);
	/* SPID, CUID and COOKIE are for those who ask for more than a yes or no. */
	return ++s->odd_lines <= ODD_LINES_MAX;
}

static bool is_answer(struct span verb)
{
	return span_eq(verb, SPAN_LITERAL("OK")) || span_eq(verb, SPAN_LITERAL("FAIL")) ||
	       span_eq(verb, SPAN_LITERAL("CONT"));
}

static bool take_line(struct dovecot_source *s, struct span line)
{
	struct span verb = span_head(line, span_find(line, '\t'));
	struct span fields = span_from(line, verb.len);

	s->heard_ms = loop_now_ms(s->loop);
	if (s->state == DOVECOT_GREETING)
		return take_greeting(s, verb, fields);
	if (!is_answer(verb))
		return ++s->odd_lines <= ODD_LINES_MAX;
	s->odd_lines = 0;
	return dovecot_take_answer(s, verb, fields);
}

/* ---- in ---- */

/* Use whole lines. False: the link was lost meanwhile. */
static bool take_lines(struct dovecot_source *s)
{
	const struct conn *conn = s->conn;

	for (;;) {
		struct span in = buf_span(&s->in);
		size_t len = span_find(in, '\n');

		if (len == in.len)
			break;
		if (!take_line(s, span_head(in, len))) {
			dovecot_link_lose(s, "it said something that it may not say");
			return false;
		}
		if (s->conn != conn)
			return false;
		explicit_bzero(s->in.data + s->in.start, len);
		buf_use(&s->in, len + 1);
	}
	if (buf_len(&s->in) > DOVECOT_LINE_MAX) {
		dovecot_link_lose(s, "a line of it is too long");
		return false;
	}
	return true;
}

static size_t input(void *owner, struct span in, bool is_eof)
{
	struct dovecot_source *s = owner;
	size_t used = 0;

	while (used < in.len) {
		struct span piece = span_head(span_from(in, used), DOVECOT_LINE_MAX);

		if ((!s->in.data && !buf_reserve(&s->in, 2 * DOVECOT_LINE_MAX)) ||
		    !buf_add_span(&s->in, piece)) {
			dovecot_link_lose(s, "out of memory");
			return in.len;
		}
		used += piece.len;
		if (!take_lines(s))
			return in.len;
	}
	if (is_eof)
		dovecot_link_lose(s, "it closed the connection");
	return in.len;
}

static void lost(void *owner, int error)
{
	dovecot_link_lose(owner, "%s", strerror(error));
}

static const struct conn_ops link_ops = { .input = input, .writable = writable, .lost = lost };

static void dialed(struct op *op)
{
	struct dovecot_source *s = op->owner;

	if (s->dial.fd < 0) {
		dovecot_link_lose(s, "%s", s->dial.error ? strerror(s->dial.error) : s->dial.failure);
		return;
	}
	s->conn = conn_new(s->loop, s->dial.fd, &s->dial.addr, &link_ops, s);
	if (!s->conn) {
		dovecot_link_lose(s, "out of memory");
		return;
	}
	s->state = DOVECOT_GREETING;
	loop_timer_start(s->loop, &s->timer, s->timeout_ms, greeting_late);
	say_hello(s);
}

void dovecot_link_open(struct dovecot_source *s)
{
	s->state = DOVECOT_DIALING;
	s->has_version = false;
	s->odd_lines = 0;
	s->told_count = 0;
	s->last_id = 0;
	s->dial.op = (struct op){ .done = dialed, .owner = s };
	dial_start(&s->dial, s->loop, NULL, &s->to, s->timeout_ms);
}
