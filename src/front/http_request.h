/*
 * One HTTP/1 request (RFC 9112) as far as the metrics need it: the request line
 * is understood, fields are held to their form and otherwise passed over, and
 * content is never looked at. Bytes in, verdict out; it neither waits nor allocates.
 */
#ifndef FRONT_HTTP_REQUEST_H
#define FRONT_HTTP_REQUEST_H

#include "base/span.h"

/* Longest request line and fields, with their line ends. */
enum { HTTP_REQUEST_MAX = 8 * 1024 };

enum http_request_state {
	HTTP_REQUEST_MORE,         /* it is not whole yet */
	HTTP_REQUEST_GET,
	HTTP_REQUEST_HEAD,
	HTTP_REQUEST_OTHER_METHOD, /* 405 */
	HTTP_REQUEST_MALFORMED,    /* 400 */
	HTTP_REQUEST_LINE_TOO_LONG, /* 414: no line within HTTP_REQUEST_MAX */
	HTTP_REQUEST_TOO_LONG,     /* 431: no end of the fields within it */
	HTTP_REQUEST_OTHER_VERSION, /* 505 */
};

/*
 * Judge what has come so far; with HTTP_REQUEST_MAX bytes it is never MORE. *path is the path that is asked for,
 * without query, in `in`; known with GET, HEAD and OTHER_METHOD.
 */
enum http_request_state http_request_read(struct span in, struct span *path);

#endif
