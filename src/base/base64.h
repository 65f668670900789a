/*
 * Base64 (RFC 4648 4) into memory of the caller. Decoding is strict: whole groups
 * of four, padding where it belongs and nowhere else, no blanks and no line ends,
 * unused bits zero; so that each value has one text only.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/bug.h"
#include "base/span.h"

/* Octets that so many become: exactly when encoded, at most when decoded. */
static inline size_t base64_encoded_len(size_t len)
{
	BUG_ON(len > SIZE_MAX / 4 * 3 - 3);
	return (len + 2) / 3 * 4;
}

static inline size_t base64_decoded_max(size_t len)
{
	return len / 4 * 3;
}

/* Write base64_encoded_len(in.len) octets to `out`, without NUL; returns how many. */
size_t base64_encode(struct span in, char *out);

/*
 * Write up to base64_decoded_max(in.len) octets to `out`, *len of them. False: `in` is malformed, and
 * what stands in `out` and *len means nothing. The empty text is the empty value. `out` may be in.ptr.
 */
MUST_CHECK bool base64_decode(struct span in, void *out, size_t *len);

#endif
