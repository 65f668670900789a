/*
 * How the content of a message begins: with a header, or not. A first line that is
 * no header field (RFC 5322 2.2) would be read as part of what we put before it:
 * one that begins with a blank as the rest of our last field, any other as a
 * header or a body, as the reader likes.
 */
#ifndef FRONT_CONTENT_BEGIN_H
#define FRONT_CONTENT_BEGIN_H

#include "proto/header.h"

#include <stdbool.h>

struct content_begin {
	struct header_scan scan; /* up to where it is known */
	char first;              /* octet; good if is_any */
	bool is_any, is_known;
	bool is_headless;        /* good if is_known */
};

void content_begin_init(struct content_begin *b);

/* Look at the next content, until is_known. Lines end in LF, or in CRLF in what is binary. */
void content_begin_look(struct content_begin *b, struct span content);

/* There is no more: a line that does not end is no field. */
void content_begin_finish(struct content_begin *b);

/* Would its first line continue a field before it? */
bool content_begin_is_blank(const struct content_begin *b);

#endif
