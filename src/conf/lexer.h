/*
 * The words of a configuration file, told apart exactly as libconfig's scanner
 * does it: what is a comment or a string here is one there. It looks, and
 * changes nothing; tokens are spans of the text.
 */
#ifndef CONF_LEXER_H
#define CONF_LEXER_H

#include "base/span.h"

enum token_type {
	TOKEN_END,
	TOKEN_STRING,  /* text: between the quotes, as written */
	TOKEN_NUMBER,  /* whatever begins like one, with all that is glued to it */
	TOKEN_WORD,    /* a name, true, false, or what should have been quoted */
	TOKEN_INCLUDE, /* text: between the quotes */
	TOKEN_SIGN,    /* one of = : ; , ( ) [ ] { } */
	TOKEN_BAD,     /* problem tells what is wrong */
};

struct token {
	enum token_type type;
	struct span text;
	size_t start, end; /* offsets of the whole token in the text */
	int line;          /* where it begins */
	const char *problem;
};

struct lexer {
	struct span text;
	size_t pos;
	int line;
};

void lexer_init(struct lexer *l, struct span text);

/* The next token, behind comments and blanks. After TOKEN_END and TOKEN_BAD there is nothing more. */
struct token lexer_next(struct lexer *l);

#endif
