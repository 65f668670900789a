/*
 * What libconfig would take without a word, or refuse with "syntax error" alone:
 * integers that do not fit, control bytes in strings, trailing commas, values
 * without quotes, groups within groups without end. Sees a file token by token.
 */
#ifndef CONF_STRICT_H
#define CONF_STRICT_H

#include "base/err.h"
#include "conf/lexer.h"

/*
 * Far more than any file needs. libconfig frees its tree by recursion, and looks
 * for duplicates by comparing each key with all others of its group.
 */
enum { STRICT_DEPTH_MAX = 32, STRICT_KEYS_MAX = 20000, STRICT_WORD_SIZE = 64 };

struct strict {
	char before;    /* the sign that came last, or 'w', 's', 'n' for word, string and number; NUL: none */
	unsigned depth; /* of groups, lists and arrays */
	char open[STRICT_DEPTH_MAX]; /* the signs that opened them */
	unsigned keys;  /* in all */
	/* The last word, and the last one that was given a value; cut where they are longer than any key. */
	char word[STRICT_WORD_SIZE], key[STRICT_WORD_SIZE];
};

/* False: err tells what is wrong with this token, and in the value of which key; without file and line. */
bool strict_check(struct strict *s, const struct token *t, struct err *err);

#endif
