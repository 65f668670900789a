/*
 * The alphabet of the exploration: what a client can say, what the owner can
 * answer, what can go wrong.
 */
#ifndef TESTS_SESSION_ALPHABET_H
#define TESTS_SESSION_ALPHABET_H

#include "transcript.h"

enum letter_kind {
	LETTER_LINE,       /* a whole command line, or the end of one */
	LETTER_PART,       /* the begin of a command line; only while little of a line is kept */
	LETTER_LONG_PART,  /* so much of one that it is or becomes too long */
	LETTER_BODY,       /* content */
	LETTER_VERDICT,
	LETTER_CLOSE,      /* from outside */
	LETTER_TLS,        /* it runs from here on */
	LETTER_RECIPIENTS, /* so many that one more put off is one too many */
};

struct letter {
	const char *name;
	enum letter_kind kind;
	bool is_long_only; /* in the full exploration */
	bool is_of_chunks; /* where chunks are explored, and in the full exploration */
	bool is_of_auth;   /* where AUTH is offered, and in the full exploration */
	struct span bytes;
	size_t times;      /* of the bytes, 0 for once */
	struct smtp_reply reply; /* VERDICT, CLOSE; code 0: the default, without a word */
	unsigned own_code; /* success that the machine may answer by itself */
};

extern const struct letter letters[];
extern const size_t letter_count;

#endif
