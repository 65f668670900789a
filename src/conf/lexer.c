#include "conf/lexer.h"

void lexer_init(struct lexer *l, struct span text)
{
	*l = (struct lexer){ .text = text, .line = 1 };
}

/* The byte `ahead` of where we are; NUL, which is in no file, behind the end. */
static char peek(const struct lexer *l, size_t ahead)
{
	return ahead < l->text.len - l->pos ? l->text.ptr[l->pos + ahead] : '\0';
}

static bool is_in(char c, const char *set)
{
	return c && strchr(set, c);
}

static void pass(struct lexer *l)
{
	l->line += peek(l, 0) == '\n';
	l->pos++;
}

/* False: the comment is not closed, and the line is that where it begins. */
static bool pass_long_comment(struct lexer *l)
{
	int line = l->line;

	l->pos += 2;
	while (!(peek(l, 0) == '*' && peek(l, 1) == '/')) {
		if (l->pos == l->text.len) {
			l->line = line;
			return false;
		}
		pass(l);
	}
	l->pos += 2;
	return true;
}

/* Blanks and comments. False: a comment is not closed. */
static bool pass_nothings(struct lexer *l)
{
	for (;;) {
		if (is_in(peek(l, 0), " \t\n\r\f")) {
			pass(l);
		} else if (peek(l, 0) == '#' || (peek(l, 0) == '/' && peek(l, 1) == '/')) {
			l->pos += span_find(span_from(l->text, l->pos), '\n');
		} else if (peek(l, 0) == '/' && peek(l, 1) == '*') {
			if (!pass_long_comment(l))
				return false;
		} else {
			return true;
		}
	}
}

static void bad(struct token *t, const char *problem)
{
	t->type = TOKEN_BAD;
	t->problem = problem;
}

static void take_string(struct lexer *l, struct token *t)
{
	size_t start = ++l->pos;

	while (peek(l, 0) != '"') {
		/* Almost always a forgotten quote, which would else be reported far below. */
		if (l->pos == l->text.len || peek(l, 0) == '\n') {
			bad(t, "the string is not closed on its line; a line break in it is written \\n");
			return;
		}
		l->pos += peek(l, 0) == '\\' && is_in(peek(l, 1), "\\\"") ? 2 : 1;
	}
	t->text = span_of(l->text.ptr + start, l->pos - start);
	l->pos++;
}

/* Does anything but blanks stand before the token on its line? */
static bool begins_line(const struct lexer *l, const struct token *t)
{
	size_t i = t->start;

	while (i && is_in(l->text.ptr[i - 1], " \t"))
		i--;
	return i == 0 || l->text.ptr[i - 1] == '\n';
}

static void take_include(struct lexer *l, struct token *t)
{
	static const char word[] = "@include";

	if (!span_eq(span_head(span_from(l->text, l->pos), sizeof(word) - 1), SPAN_LITERAL("@include"))) {
		bad(t, "\"@\" can only begin @include");
		return;
	}
	l->pos += sizeof(word) - 1;
	while (is_in(peek(l, 0), " \t"))
		l->pos++;
	if (peek(l, 0) != '"') {
		bad(t, "a file name in quotes must follow @include");
		return;
	}
	take_string(l, t);
	if (t->type != TOKEN_BAD && !begins_line(l, t))
		bad(t, "@include must be the first on its line");
}

/* Names, numbers, and all that may be glued to them by who forgets the quotes. */
static void take_run(struct lexer *l, struct token *t)
{
	while (ascii_is_alnum(peek(l, 0)) ||
	       is_in(peek(l, 0), t->type == TOKEN_NUMBER ? "-+_*.@%:" : "-_*.@%"))
		l->pos++;
	t->text = span_of(l->text.ptr + t->start, l->pos - t->start);
}

struct token lexer_next(struct lexer *l)
{
	struct token t = { .type = TOKEN_END };
	bool is_closed = pass_nothings(l);
	char c = peek(l, 0);

	t.start = l->pos;
	t.line = l->line;
	if (!is_closed) {
		bad(&t, "the comment is not closed");
	} else if (c == '"') {
		t.type = TOKEN_STRING;
		take_string(l, &t);
	} else if (c == '@') {
		t.type = TOKEN_INCLUDE;
		take_include(l, &t);
	} else if (ascii_is_digit(c) || is_in(c, "+-.")) {
		t.type = TOKEN_NUMBER;
		take_run(l, &t);
	} else if (ascii_is_alnum(c) || c == '*') {
		t.type = TOKEN_WORD;
		take_run(l, &t);
	} else if (is_in(c, "=:;,()[]{}")) {
		t.type = TOKEN_SIGN;
		t.text = span_of(l->text.ptr + l->pos++, 1);
	} else if (c == '\'') {
		bad(&t, "strings stand in double quotes, \"so\", and not in single ones");
	} else if (l->pos < l->text.len) {
		bad(&t, "a byte that can stand only in a string or a comment");
	}
	t.end = l->pos;
	return t;
}
