/*
 * xtext (RFC 3461 4): any text as printable ASCII without "+", "=" and blanks; what
 * does not fit is "+" and two upper-case hexadecimal digits.
 */
#ifndef PROTO_XTEXT_H
#define PROTO_XTEXT_H

#include "base/buf.h"

/* Append the text encoded; false: out of memory, and `out` is as it was. */
MUST_CHECK bool xtext_encode(struct buf *out, struct span text);

/* Is it well-formed, and free of encoded control characters (C0 and DEL)? The empty span is. */
bool xtext_is_valid(struct span xtext);

/*
 * Write the decoded text to `out`, which has room for xtext.len octets; *len: how many. False: xtext_is_valid()
 * says no, and nothing was written. Octets beyond ASCII may be any. `out` may be xtext.ptr.
 */
MUST_CHECK bool xtext_decode(struct span xtext, char *out, size_t *len);

#endif
