/*
 * UTF-8 by RFC 3629, strictly: overlong forms, surrogates and what is beyond
 * U+10FFFF are malformed, and so is a character that is cut off. Nothing is
 * repaired, mapped or normalized.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bug.h"
#include "base/span.h"

/* Octets of the character that `s` begins with, 1 to 4; 0: there is none, or it is malformed. */
MUST_CHECK size_t utf8_decode(struct span s, uint32_t *code_point);

/* C0, DEL and C1 (U+0080 to U+009F): what terminals and logs may take for a command. */
static inline bool utf8_is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

/* Is it well-formed throughout? The empty span is. */
bool utf8_is_valid(struct span s);

/* Well-formed, and without control characters. */
bool utf8_is_text(struct span s);

/* Are all bytes below 0x80? */
bool utf8_is_ascii(struct span s);

#endif
