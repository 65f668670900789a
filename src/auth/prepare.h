/*
 * Names and passwords in the one form in which they are compared: SASLprep
 * (RFC 4013), which RFC 4616 and RFC 5802 ask for.
 */
#ifndef AUTH_PREPARE_H
#define AUTH_PREPARE_H

#include "base/bug.h"
#include "base/span.h"

/*
 * Prepare `in` into `out`, NUL-terminated. False: it is empty, too long for `size`, not well-formed UTF-8, or has
 * control characters (NUL among them) or others that SASLprep forbids; `out` is then wiped.
 */
MUST_CHECK bool auth_prepare(char *out, size_t size, struct span in);

#endif
