/*
 * See authres.h. Each byte of the header goes through one state; bytes of a field
 * that may be one of ours are held back until that is decided.
 */
#include "proto/authres.h"

enum state {
	AT_LINE,       /* at the begin of a line */
	AT_LINE_CR,    /* a CR stands there */
	IN_NAME,       /* what came of the field's name is right */
	BEHIND_NAME,   /* blanks before the colon */
	BEFORE_ID,     /* in blanks between colon and id */
	BEFORE_ID_FOLD, /* a line ended there */
	IN_COMMENT,
	IN_COMMENT_QUOTE, /* behind a backslash */
	IN_COMMENT_FOLD,
	IN_ID,
	BEHIND_ID_DOT, /* behind the whole id and a dot */
	IN_QUOTED_ID,
	IN_QUOTED_ID_QUOTE,
	BEHIND_QUOTED_ID_DOT,
	KEEPING,       /* up to the end of the line */
	DROPPING,      /* likewise */
	DROPPING_FOLD, /* at the begin of a line that may go on with what is dropped */
	ENDED,         /* the header */
};

static const char field_name[] = "authentication-results";

enum { FIELD_NAME_LEN = sizeof(field_name) - 1, DEPTH_MAX = 1000 };

void authres_filter_init(struct authres_filter *f, struct span id, bool is_binary)
{
	f->id = id;
	f->out = (struct buf){ 0 };
	f->removed = 0;
	f->is_binary = is_binary;
	f->state = AT_LINE;
	f->undecided = f->held = f->matched = f->depth = 0;
}

void authres_filter_fini(struct authres_filter *f)
{
	buf_fini(&f->out);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_undecided(const struct authres_filter *f)
{
	return f->state >= IN_NAME && f->state <= BEHIND_QUOTED_ID_DOT;
}

/* RFC 2045 5.1: what ends a token. Bytes beyond ASCII do not. */
static bool ends_token(char c)
{
	unsigned char b = (unsigned char)c;

	return b <= ' ' || b == 0x7f || strchr("()<>@,;:\\\"/[]?=", c) != NULL;
}

/* Does `c` go on with the id? */
static bool matches_id(struct authres_filter *f, char c)
{
	if (f->matched >= f->id.len || ascii_lower(c) != ascii_lower(f->id.ptr[f->matched]))
		return false;
	f->matched++;
	return true;
}

static bool is_whole_id(const struct authres_filter *f)
{
	return f->matched == f->id.len;
}

static enum state decide(bool is_ours, char c)
{
	if (is_ours)
		return c == '\n' ? DROPPING_FOLD : DROPPING;
	return c == '\n' ? AT_LINE : KEEPING;
}

static enum state at_line(struct authres_filter *f, char c)
{
	if (c == '\n')
		return ENDED;
	if (c == '\r' && f->is_binary)
		return AT_LINE_CR;
	if (ascii_lower(c) != field_name[0])
		return KEEPING;
	f->matched = 1;
	return IN_NAME;
}

static enum state in_name(struct authres_filter *f, char c)
{
	if (f->matched < FIELD_NAME_LEN)
		return ascii_lower(c) == field_name[f->matched++] ? IN_NAME : decide(false, c);
	if (is_blank(c))
		return BEHIND_NAME;
	return c == ':' ? BEFORE_ID : decide(false, c);
}

static enum state before_id(struct authres_filter *f, char c)
{
	if (is_blank(c) || c == '\r')
		return BEFORE_ID;
	if (c == '\n')
		return BEFORE_ID_FOLD;
	if (c == '(') {
		f->depth = 1;
		return IN_COMMENT;
	}
	f->matched = 0;
	if (c == '"')
		return IN_QUOTED_ID;
	return matches_id(f, c) ? IN_ID : KEEPING;
}

static enum state in_comment(struct authres_filter *f, char c)
{
	if (c == '\\')
		return IN_COMMENT_QUOTE;
	if (c == '\n')
		return IN_COMMENT_FOLD;
	if (c == '(' && f->depth < DEPTH_MAX)
		f->depth++;
	else if (c == ')' && --f->depth == 0)
		return BEFORE_ID;
	return IN_COMMENT;
}

static enum state in_id(struct authres_filter *f, char c)
{
	if (!ends_token(c)) {
		if (matches_id(f, c))
			return IN_ID;
		return c == '.' && is_whole_id(f) ? BEHIND_ID_DOT : KEEPING;
	}
	return decide(is_whole_id(f), c);
}

static enum state in_quoted_id(struct authres_filter *f, char c)
{
	if (c == '"')
		return decide(is_whole_id(f), c);
	if (c == '\\')
		return IN_QUOTED_ID_QUOTE;
	if (matches_id(f, c))
		return IN_QUOTED_ID;
	return c == '.' && is_whole_id(f) ? BEHIND_QUOTED_ID_DOT : decide(false, c);
}

/* What `c` leads to. That a line is no fold, and so ends a field, was seen before. */
static enum state next_state(struct authres_filter *f, char c)
{
	switch ((enum state)f->state) {
	case AT_LINE: return at_line(f, c);
	case AT_LINE_CR: return c == '\n' ? ENDED : KEEPING;
	case IN_NAME: return in_name(f, c);
	case BEHIND_NAME: return is_blank(c) ? BEHIND_NAME : c == ':' ? BEFORE_ID : decide(false, c);
	case BEFORE_ID:
	case BEFORE_ID_FOLD: return before_id(f, c);
	case IN_COMMENT:
	case IN_COMMENT_FOLD: return in_comment(f, c);
	case IN_COMMENT_QUOTE: return c == '\n' ? IN_COMMENT_FOLD : IN_COMMENT;
	case IN_ID: return in_id(f, c);
	case BEHIND_ID_DOT: return decide(ends_token(c), c);
	case IN_QUOTED_ID: return in_quoted_id(f, c);
	case IN_QUOTED_ID_QUOTE: return matches_id(f, c) ? IN_QUOTED_ID : decide(false, c);
	case BEHIND_QUOTED_ID_DOT: return decide(c == '"', c);
	case KEEPING: return c == '\n' ? AT_LINE : KEEPING;
	case DROPPING:
	case DROPPING_FOLD: return c == '\n' ? DROPPING_FOLD : DROPPING;
	case ENDED: break;
	}
	return ENDED;
}

/* ---- what passes ---- */

/* Put a piece behind what passes already: as a longer span where it follows it in memory, else as a copy. */
static bool pass(struct authres_filter *f, struct span *passed, struct span piece)
{
	bool is_copied = buf_len(&f->out) > 0;

	if (piece.len == 0)
		return true;
	if (!is_copied && (passed->len == 0 || passed->ptr + passed->len == piece.ptr)) {
		*passed = passed->len ? span_of(passed->ptr, passed->len + piece.len) : piece;
		return true;
	}
	if ((!is_copied && !buf_add_span(&f->out, *passed)) || !buf_add_span(&f->out, piece))
		return false;
	*passed = buf_span(&f->out);
	return true;
}

/* What was held back from earlier calls passes. */
static bool pass_held(struct authres_filter *f, struct span *passed)
{
	struct span held = span_of(f->bytes, f->held);

	f->held = 0;
	return pass(f, passed, held);
}

static void hold(struct authres_filter *f, struct span piece)
{
	BUG_ON(piece.len > sizeof(f->bytes) - f->held);
	memcpy(f->bytes + f->held, piece.ptr, piece.len);
	f->held = (uint16_t)(f->held + piece.len);
}

/* Octets that one step takes: of lines that are decided on up to their end, otherwise one. */
static size_t stride(const struct authres_filter *f, struct span rest)
{
	size_t n = 1;

	if (f->state == ENDED)
		return rest.len;
	if (f->state == KEEPING || f->state == DROPPING)
		n = span_find(rest, '\n') + 1;
	return n < rest.len ? n : rest.len;
}

/* `c` begins a line. Where that is no fold it ends the field, which may never have said whose it is. */
static bool end_field(struct authres_filter *f, char c, struct span *passed)
{
	bool is_fold = f->state == BEFORE_ID_FOLD || f->state == IN_COMMENT_FOLD || f->state == DROPPING_FOLD;

	if (!is_fold || is_blank(c))
		return true;
	f->state = AT_LINE;
	f->undecided = 0;
	return pass_held(f, passed);
}

/* Go on by a stride that ends in `c`. */
static void step(struct authres_filter *f, char c)
{
	f->state = (uint8_t)next_state(f, c);
	f->undecided = is_undecided(f) ? (uint16_t)(f->undecided + 1) : 0;
	if (f->undecided > AUTHRES_UNDECIDED_MAX)
		f->state = (uint8_t)decide(true, c);
}

static bool is_dropping(const struct authres_filter *f)
{
	return f->state == DROPPING || f->state == DROPPING_FOLD;
}

/*
 * What a stride from `at` to `end` has decided on. content[*from] is where begins what is neither passed nor
 * dropped yet. False: out of memory.
 */
static bool settle(struct authres_filter *f, struct span content, size_t *from, size_t at, size_t end,
		   bool was_undecided, struct span *passed)
{
	if (is_dropping(f)) {
		f->removed += was_undecided;
		f->held = 0;
		*from = end;
		return true;
	}
	if (is_undecided(f) == was_undecided)
		return true;
	if (was_undecided)
		return pass_held(f, passed);
	if (!pass(f, passed, span_head(span_from(content, *from), at - *from)))
		return false;
	*from = at;
	return true;
}

bool authres_filter_next(struct authres_filter *f, struct span content, struct span *passed)
{
	size_t at = 0, from = 0;

	*passed = span_of("", 0);
	buf_clear(&f->out);
	if (f->state == ENDED) {
		*passed = content;
		return true;
	}
	while (at < content.len) {
		bool was_undecided;
		size_t n;

		if (!end_field(f, content.ptr[at], passed))
			return false;
		was_undecided = is_undecided(f);
		n = stride(f, span_from(content, at));
		step(f, content.ptr[at + n - 1]);
		if (!settle(f, content, &from, at, at + n, was_undecided, passed))
			return false;
		at += n;
	}
	if (!is_undecided(f))
		return pass(f, passed, span_from(content, from));
	hold(f, span_from(content, from));
	return true;
}

struct span authres_filter_finish(struct authres_filter *f)
{
	struct span rest = span_of(f->bytes, f->held);

	f->held = 0;
	f->state = ENDED;
	return rest;
}
