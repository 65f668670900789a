/*
 * Transcripts: writing, escaping, comparing. See transcript.h.
 */
#include "transcript.h"

#include <stdio.h>
#include <stdlib.h>

void play_need(bool ok)
{
	if (!ok) {
		fputs("tests: out of memory\n", stderr);
		abort();
	}
}

/* ---- escapes ---- */

char *play_escape(struct arena *a, struct span bytes)
{
	static const char hex[] = "0123456789abcdef";
	char *text = arena_alloc(a, 4 * bytes.len + 1);
	char *p = text;

	play_need(text != NULL);
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];
		const char *named = c ? strchr("\rr\nn\tt\\\\", c) : NULL;

		if (c == '\r' || c == '\n' || c == '\t' || c == '\\') {
			*p++ = '\\';
			*p++ = c == '\\' ? '\\' : named[1];
		} else if (c < ' ' || c > '~') {
			*p++ = '\\';
			*p++ = 'x';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		} else {
			*p++ = (char)c;
		}
	}
	*p = 0;
	return text;
}

static int hex_digit(char c)
{
	char l = ascii_lower(c);

	if (ascii_is_digit(c))
		return c - '0';
	return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* The byte behind a backslash; *used counts what it took. -1: malformed. */
static int unescape_one(struct span rest, size_t *used)
{
	*used = 1;
	if (rest.len == 0)
		return -1;
	switch (rest.ptr[0]) {
	case 'r': return '\r';
	case 'n': return '\n';
	case 't': return '\t';
	case '\\': return '\\';
	case 'x':
		*used = 3;
		if (rest.len < 3 || hex_digit(rest.ptr[1]) < 0 || hex_digit(rest.ptr[2]) < 0)
			return -1;
		return hex_digit(rest.ptr[1]) * 16 + hex_digit(rest.ptr[2]);
	default: return -1;
	}
}

bool play_unescape(struct arena *a, struct span text, struct span *bytes)
{
	char *out = arena_alloc(a, text.len + 1);
	size_t n = 0;

	play_need(out != NULL);
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\') {
			size_t used;
			int c = unescape_one(span_from(text, i + 1), &used);

			if (c < 0)
				return false;
			out[n++] = (char)c;
			i += used;
		} else {
			out[n++] = text.ptr[i];
		}
	}
	*bytes = span_of(out, n);
	return true;
}

/* ---- transcripts ---- */

bool play_event_waits(enum smtp_event_type type)
{
	switch (type) {
	case SMTP_EVENT_CONNECT:
	case SMTP_EVENT_HELO:
	case SMTP_EVENT_MAIL:
	case SMTP_EVENT_RCPT:
	case SMTP_EVENT_DATA:
	case SMTP_EVENT_MESSAGE:
	case SMTP_EVENT_STARTTLS:
	case SMTP_EVENT_XCLIENT:
	case SMTP_EVENT_AUTH:
	case SMTP_EVENT_AUTH_STEP:
		return true;
	default:
		return false;
	}
}

void transcript_fini(struct transcript *t)
{
	arena_fini(&t->arena);
	free(t->entries);
	buf_fini(&t->body);
	buf_fini(&t->line);
	memset(t, 0, sizeof(*t));
}

static struct play_entry *add_entry(struct transcript *t)
{
	if (t->count == t->size) {
		t->size = t->size ? 2 * t->size : 16;
		t->entries = realloc(t->entries, t->size * sizeof(*t->entries));
		play_need(t->entries != NULL);
	}
	memset(&t->entries[t->count], 0, sizeof(*t->entries));
	return &t->entries[t->count++];
}

void transcript_end_body(struct transcript *t)
{
	struct span body = buf_span(&t->body);
	struct play_entry *e;
	char *copy;

	if (body.len == 0)
		return;
	copy = arena_dup(&t->arena, body);
	play_need(copy != NULL);
	e = add_entry(t);
	e->kind = PLAY_EVENT;
	e->type = SMTP_EVENT_BODY;
	e->bytes = span_of(copy, body.len);
	e->text = play_escape(&t->arena, body);
	buf_clear(&t->body);
}

void transcript_add_body(struct transcript *t, struct span content)
{
	play_need(buf_add_span(&t->body, content));
}

struct play_entry *transcript_add(struct transcript *t, enum play_kind kind, enum smtp_event_type type,
				  const char *text)
{
	struct play_entry *e;

	transcript_end_body(t);
	e = add_entry(t);
	e->kind = kind;
	e->type = type;
	e->text = arena_dup(&t->arena, span_str(text));
	play_need(e->text != NULL);
	return e;
}

static bool is_refused_body(const struct transcript *t, size_t i)
{
	if (t->entries[i].kind != PLAY_EVENT || t->entries[i].type != SMTP_EVENT_BODY)
		return false;
	while (++i < t->count)
		if (t->entries[i].kind == PLAY_EVENT && t->entries[i].type == SMTP_EVENT_MESSAGE)
			return false;
		else if (t->entries[i].kind == PLAY_EVENT && t->entries[i].type == SMTP_EVENT_RESET)
			return true;
	return true;
}

void transcript_drop_refused(struct transcript *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++)
		if (!is_refused_body(t, i))
			t->entries[kept++] = t->entries[i];
	t->count = kept;
}

static void print_entry(const struct play_entry *e, struct buf *out)
{
	static const char *const directives[] = { [PLAY_REPLY] = "S: ", [PLAY_EVENT] = "E: ", [PLAY_TLS] = "T: " };

	play_need(buf_add_str(out, directives[e->kind]));
	if (e->kind == PLAY_EVENT && e->type == SMTP_EVENT_BODY)
		play_need(buf_add_str(out, "BODY "));
	play_need(buf_add_span(out, span_head(span_str(e->is_anything ? "*" : e->text), 200)));
	play_need(buf_add_str(out, "\n"));
}

void transcript_print(const struct transcript *t, struct buf *out)
{
	enum { LAST = 16 };

	for (size_t i = t->count > LAST ? t->count - LAST : 0; i < t->count; i++)
		print_entry(&t->entries[i], out);
}

/* ---- comparing ---- */

/* A vector may leave out the line of REPLIED. */
static bool same_text(const char *expected, const char *actual)
{
	static const char line[] = " line=";
	const char *end = strstr(actual, line);

	if (strcmp(expected, actual) == 0)
		return true;
	return strncmp(actual, "REPLIED ", 8) == 0 && end && !strstr(expected, line) &&
	       strlen(expected) == (size_t)(end - actual) && strncmp(expected, actual, strlen(expected)) == 0;
}

static bool same_entry(const struct play_entry *expected, const struct play_entry *actual)
{
	if (expected->kind != actual->kind)
		return false;
	if (expected->kind == PLAY_EVENT && expected->type != actual->type)
		return false;
	return expected->is_anything || same_text(expected->text, actual->text);
}

/* Does it belong to the order of replies and waiting events, or to that of the events? */
static bool in_order(const struct play_entry *e, bool of_events)
{
	if (e->kind == PLAY_TLS)
		return true;
	if (of_events)
		return e->kind == PLAY_EVENT;
	return e->kind == PLAY_REPLY || play_event_waits(e->type);
}

static const struct play_entry *next_in_order(const struct transcript *t, size_t *i, bool of_events)
{
	while (*i < t->count) {
		const struct play_entry *e = &t->entries[(*i)++];

		if (in_order(e, of_events))
			return e;
	}
	return NULL;
}

static const char *describe(const struct play_entry *expected, const struct play_entry *actual,
			    size_t nth, char *words, size_t size)
{
	struct buf text = { 0 };
	struct span s;

	play_need(buf_add_str(&text, "expected "));
	if (expected)
		print_entry(expected, &text);
	else
		play_need(buf_add_str(&text, "nothing more\n"));
	play_need(buf_add_str(&text, "but got  "));
	if (actual)
		print_entry(actual, &text);
	else
		play_need(buf_add_str(&text, "nothing more\n"));
	s = buf_span(&text);
	snprintf(words, size, "at step %zu:\n%.*s", nth, (int)s.len, s.ptr);
	buf_fini(&text);
	return words;
}

static const char *compare_order(const struct transcript *expected, const struct transcript *actual,
				 bool of_events, char *words, size_t size)
{
	size_t i = 0, j = 0;

	for (size_t nth = 1;; nth++) {
		const struct play_entry *e = next_in_order(expected, &i, of_events);
		const struct play_entry *a = next_in_order(actual, &j, of_events);

		/* Any content may also be none. */
		if (e && e->is_anything && (!a || a->type != SMTP_EVENT_BODY || a->kind != PLAY_EVENT))
			e = next_in_order(expected, &i, of_events);
		if (!e && !a)
			return NULL;
		if (!e || !a || !same_entry(e, a))
			return describe(e, a, nth, words, size);
	}
}

const char *transcript_compare(const struct transcript *expected, const struct transcript *actual,
			       char *words, size_t size)
{
	const char *difference = compare_order(expected, actual, false, words, size);

	return difference ? difference : compare_order(expected, actual, true, words, size);
}
