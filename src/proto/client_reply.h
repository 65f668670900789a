/*
 * One reply of a next hop (RFC 5321 4.2), read line by line whatever the hop may
 * send: bounded in lines and octets, one code throughout, and its text made fit
 * to be passed on. Lines end in CRLF or LF. It keeps no pointer into its input.
 */
#ifndef PROTO_CLIENT_REPLY_H
#define PROTO_CLIENT_REPLY_H

#include "base/buf.h"

enum {
	CLIENT_REPLY_LINE_MAX = 4096,       /* octets of a line that are looked at */
	CLIENT_REPLY_LINES_MAX = 128,
	CLIENT_REPLY_OCTETS_MAX = 64 * 1024,
	CLIENT_REPLY_TEXT_LINE_MAX = 400,   /* octets of a line, and of all, that are passed on */
	CLIENT_REPLY_TEXT_MAX = 2000,
	CLIENT_REPLY_STATUS_SIZE = sizeof("5.999.999"),
};

/* All zero is a reply of which nothing was read. */
struct client_reply {
	struct buf line;      /* owned; the begin of a line whose end is yet to come */
	struct buf text;      /* owned; of all lines so far, sanitised, separated by '\n' */
	uint32_t line_octets; /* of the line so far */
	uint32_t octets;      /* of the reply so far; 0: it has not begun */
	uint32_t lines;
	uint16_t code;        /* 200 to 599; 0: not known yet */
	char status[CLIENT_REPLY_STATUS_SIZE]; /* "": none was told */
	const char *fault;    /* what is wrong; constant, one word */
};

enum client_reply_step {
	CLIENT_REPLY_MORE, /* all input was used */
	CLIENT_REPLY_LINE, /* *text is the next line, and not the last */
	CLIENT_REPLY_LAST, /* *text is the last line */
	CLIENT_REPLY_BAD,  /* fault tells why; there is no use in going on */
};

void client_reply_fini(struct client_reply *r);

/* Forget it and keep the memory: the next one may come. */
void client_reply_clear(struct client_reply *r);

/* Use input up to the next line's end; *text is good until the next call. */
MUST_CHECK enum client_reply_step client_reply_take(struct client_reply *r, struct span in, size_t *used,
						    struct span *text);

/* Add a line's text to what is passed on, and look for its enhanced status code. False: out of memory. */
MUST_CHECK bool client_reply_add_text(struct client_reply *r, struct span text, bool may_be_utf8);

/*
 * The reply is complete: r->text becomes a string that is not empty, and a status that was not told is made
 * up from the code; `success` is that of a 2xx. False: out of memory.
 */
MUST_CHECK bool client_reply_finish(struct client_reply *r, const char *success);

#endif
