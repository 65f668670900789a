/*
 * See dot.h. A decoder holds back at most a dot and a CR; everything else goes
 * out as a span of the input, as long as nothing must be taken from between.
 */
#include "proto/dot.h"

#include "base/bug.h"

enum dot_state {
	AT_LINE,   /* behind the session's own line end, or at the begin */
	AFTER_DOT, /* and a dot came, which is held back */
	AFTER_DOT_CR,
	AFTER_LINE_CR,     /* LINE_ENDING_ANY: a CR came at the begin of a line */
	AFTER_LINE_CR_DOT, /* and a dot behind it; both are held back */
	IN_TEXT,
	AFTER_CR, /* in text; the CR is held back */
};

/* What stands on a line that began behind a bare LF (CRLF sessions only). */
enum bare_line {
	BARE_LINE_NONE,
	BARE_LINE_EMPTY,
	BARE_LINE_DOT,
};

static const struct span lone_cr = { "\r", 1 };
static const struct span lone_cr_and_end = { "\r\n", 2 };
static const struct span line_end = { "\n", 1 };
static const struct span lone_cr_and_dot = { "\r.", 2 };

void dot_decoder_init(struct dot_decoder *d, enum line_ending line_ending)
{
	BUG_ON(line_ending == LINE_ENDING_UNKNOWN);
	*d = (struct dot_decoder){ .state = AT_LINE, .line_ending = (uint8_t)line_ending };
}

void dot_decoder_init_chunks(struct dot_decoder *d, enum line_ending line_ending, bool is_binary)
{
	dot_decoder_init(d, line_ending == LINE_ENDING_ANY ? LINE_ENDING_LF : line_ending);
	d->is_chunked = true;
	d->is_binary = is_binary;
}

static void note_bare_line_bytes(struct dot_decoder *d, struct span bytes)
{
	if (d->bare_line == BARE_LINE_NONE || bytes.len == 0)
		return;
	if (d->bare_line == BARE_LINE_EMPTY && bytes.len == 1 && bytes.ptr[0] == '.')
		d->bare_line = BARE_LINE_DOT;
	else
		d->bare_line = BARE_LINE_NONE;
}

static void note_line_end(struct dot_decoder *d, bool is_bare)
{
	if (d->bare_line == BARE_LINE_DOT)
		d->has_bare_dot = true;
	d->bare_line = is_bare && !d->is_chunked ? BARE_LINE_EMPTY : BARE_LINE_NONE;
	d->has_bare_lf |= is_bare;
}

/*
 * The LF at in[at] ends a line of the session. True: the next line can be told
 * to begin without a dot, so that text goes on right behind it.
 */
static bool goes_on_behind_line(struct dot_decoder *d, struct span in, size_t at)
{
	bool may_be_cr = d->line_ending == LINE_ENDING_ANY;
	bool goes_on = at + 1 < in.len && in.ptr[at + 1] != '.' && !(may_be_cr && in.ptr[at + 1] == '\r');

	d->state = goes_on ? IN_TEXT : AT_LINE;
	return goes_on;
}

/*
 * Scan text from in[at] on, with all before it already part of the content.
 * Stops before a CR that ends a line or may do so, or behind a line after which
 * a dot must be looked for. Returns the length of the content; the CR is not in it.
 */
static size_t scan_text(struct dot_decoder *d, struct span in, size_t at)
{
	bool is_crlf = d->line_ending == LINE_ENDING_CRLF;

	d->state = IN_TEXT;
	while (at < in.len) {
		struct span line = span_from(in, at);
		size_t lf = span_find(line, '\n');
		size_t cr = span_find(span_head(line, lf), '\r');

		note_bare_line_bytes(d, span_head(line, cr));
		if (cr < lf && (cr + 1 == lf || cr + 1 == line.len)) {
			d->state = AFTER_CR;
			return at + cr;
		}
		if (cr < lf) {
			d->has_lone_cr = true;
			d->bare_line = BARE_LINE_NONE;
			at += cr + 1;
			continue;
		}
		if (lf == line.len)
			return in.len;
		if (is_crlf)
			note_line_end(d, true);
		else if (!goes_on_behind_line(d, in, at + lf))
			return at + lf + 1;
		at += lf + 1;
	}
	return in.len;
}

/* In text, or at a byte that was found to be text. */
static size_t take_text(struct dot_decoder *d, struct span in, size_t at, struct span *content)
{
	size_t len = scan_text(d, in, at);

	*content = span_head(in, len);
	return d->state == AFTER_CR ? len + 1 : len;
}

/* The byte behind a CR that was held back. */
static size_t take_after_cr(struct dot_decoder *d, struct span in, struct span *content)
{
	if (in.ptr[0] != '\n') {
		d->has_lone_cr = true;
		d->bare_line = BARE_LINE_NONE;
		d->state = IN_TEXT;
		*content = lone_cr;
		return 0;
	}
	note_line_end(d, false);
	if (goes_on_behind_line(d, in, 0))
		return take_text(d, in, 1, content);
	*content = span_head(in, 1);
	return 1;
}

/* The byte behind a dot at the begin of a line: the end of data, or the dot was stuffing. */
static size_t take_after_dot(struct dot_decoder *d, struct span in, bool *is_end)
{
	if (in.ptr[0] == '\n' && d->line_ending != LINE_ENDING_CRLF) {
		*is_end = true;
		return 1;
	}
	if (in.ptr[0] == '\r' && d->line_ending != LINE_ENDING_LF) {
		d->state = AFTER_DOT_CR;
		return 1;
	}
	if (in.ptr[0] == '\n')
		d->has_bare_dot = true;
	d->octets--;
	d->state = IN_TEXT;
	return 0;
}

static size_t take_after_dot_cr(struct dot_decoder *d, struct span in, struct span *content, bool *is_end)
{
	if (in.ptr[0] == '\n') {
		*is_end = true;
		return 1;
	}
	d->octets--;
	d->has_lone_cr = true;
	d->state = IN_TEXT;
	*content = lone_cr;
	return 0;
}

/* LINE_ENDING_ANY: the byte behind a CR at the begin of a line; a dot may be the end of data all the same. */
static size_t take_after_line_cr(struct dot_decoder *d, struct span in, struct span *content)
{
	if (in.ptr[0] != '.')
		return take_after_cr(d, in, content);
	d->state = AFTER_LINE_CR_DOT;
	return 1;
}

static size_t take_after_line_cr_dot(struct dot_decoder *d, struct span in, struct span *content, bool *is_end)
{
	if (in.ptr[0] == '\n') {
		*is_end = true;
		return 1;
	}
	d->has_lone_cr = true;
	d->state = IN_TEXT;
	*content = lone_cr_and_dot;
	return 0;
}

static size_t take_at_line(struct dot_decoder *d, struct span in, struct span *content)
{
	if (in.ptr[0] == '.' && !d->is_chunked)
		d->state = AFTER_DOT;
	else if (in.ptr[0] == '\r' && d->line_ending == LINE_ENDING_ANY)
		d->state = AFTER_LINE_CR;
	else
		return take_text(d, in, 0, content);
	return 1;
}

static size_t take_step(struct dot_decoder *d, struct span in, struct span *content, bool *is_end)
{
	switch ((enum dot_state)d->state) {
	case AT_LINE:
		return take_at_line(d, in, content);
	case AFTER_DOT:
		return take_after_dot(d, in, is_end);
	case AFTER_DOT_CR:
		return take_after_dot_cr(d, in, content, is_end);
	case AFTER_LINE_CR:
		return take_after_line_cr(d, in, content);
	case AFTER_LINE_CR_DOT:
		return take_after_line_cr_dot(d, in, content, is_end);
	case IN_TEXT:
		return take_text(d, in, 0, content);
	case AFTER_CR:
		return take_after_cr(d, in, content);
	}
	BUG_ON(true);
}

enum dot_result dot_decoder_next(struct dot_decoder *d, struct span in, size_t *used, struct span *content)
{
	bool is_end = false;

	*content = (struct span){ "", 0 };
	*used = 0;
	if (d->is_binary && in.len) {
		d->octets += *used = in.len;
		*content = in;
		return DOT_CONTENT;
	}
	while (*used < in.len) {
		size_t n = take_step(d, span_from(in, *used), content, &is_end);

		*used += n;
		d->octets += n;
		if (is_end) {
			/* The final dot line is no content: the dot, LF, and one CR if that was held back, too. */
			d->octets -= d->state == AFTER_DOT ? 2 : 3;
			return DOT_END;
		}
		if (content->len) {
			d->is_in_line = content->ptr[content->len - 1] != '\n';
			return DOT_CONTENT;
		}
	}
	return DOT_MORE;
}

struct span dot_decoder_finish(struct dot_decoder *d)
{
	bool has_cr = d->state == AFTER_CR;
	bool has_line = d->is_in_line || has_cr;

	BUG_ON(!d->is_chunked);
	d->has_lone_cr |= has_cr;
	d->state = AT_LINE;
	d->is_in_line = false;
	if (!has_line)
		return (struct span){ "", 0 };
	return has_cr ? lone_cr_and_end : line_end;
}
