/*
 * Where a connection of ours goes: an address, a name that is yet to be looked
 * up, or a unix socket. A value: it owns nothing outside itself, and is copied
 * like a number. Only the form of the text is looked at here, never the network.
 */
#ifndef BASE_ENDPOINT_H
#define BASE_ENDPOINT_H

#include "base/addr.h"
#include "base/bug.h"

/* A domain name has at most 253 characters in text; the path of a unix socket at most 107 (unix(7)). */
enum { ENDPOINT_NAME_MAX = 253, ENDPOINT_PATH_MAX = 107 };

/* Longest text of endpoint_format() with NUL: "name:port". */
enum { ENDPOINT_TEXT_SIZE = ENDPOINT_NAME_MAX + 7 };

enum endpoint_kind {
	ENDPOINT_NONE, /* all zero: nowhere */
	ENDPOINT_ADDR,
	ENDPOINT_NAME,
	ENDPOINT_UNIX,
};

struct endpoint {
	enum endpoint_kind kind;
	struct addr addr;                 /* ENDPOINT_ADDR; of a name, only the port */
	char name[ENDPOINT_NAME_MAX + 1]; /* ENDPOINT_NAME; ENDPOINT_UNIX: the path */
};

/*
 * "192.0.2.1:25", "[2001:db8::1]:25", "mx.example.org:25", "unix:/path" or "/path". Where
 * default_port is 0 the port is required; else it may be left out, and an IPv6 address is in
 * brackets all the same. Names are letters, digits, "-", "_" and dots.
 */
MUST_CHECK bool endpoint_parse(struct endpoint *endpoint, struct span text, uint16_t default_port,
			       struct err *err);

/* As it would be written; `text` has ENDPOINT_TEXT_SIZE bytes. Returns text. */
const char *endpoint_format(const struct endpoint *endpoint, char *text);

#endif
