/*
 * What is said to a client when a program ends with some exit code, as it is
 * written in the configuration: "31: 5.7.1 We do not want this.". The status code
 * may be left out. The reply's own code does not stand there: it follows from the
 * exit code.
 */
#ifndef CONF_EXIT_REPLY_H
#define CONF_EXIT_REPLY_H

#include "base/span.h"

enum { EXIT_REPLY_CODE_MAX = 255 };

struct exit_reply {
	unsigned exit_code; /* 1 to EXIT_REPLY_CODE_MAX */
	struct span status; /* enhanced status code (RFC 3463); empty: none was given */
	struct span text;   /* printable ASCII, not empty */
};

/* Parts of it point into what is parsed. NULL, or what is wrong with it, as a predicate. */
const char *exit_reply_parse(struct exit_reply *reply, struct span written);

/* The same, for those who only want to know. */
const char *exit_reply_check(struct span written);

#endif
