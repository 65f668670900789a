/*
 * A length-counted, borrowed run of bytes. It owns nothing and is never
 * NUL-terminated by promise; NUL is a byte like others. Comparisons that
 * ignore case do so for ASCII letters only, whatever the locale.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *ptr;
	size_t len;
};

#define SPAN_LITERAL(s) ((struct span){ (s), sizeof(s) - 1 })

static inline struct span span_of(const void *ptr, size_t len)
{
	return (struct span){ (const char *)ptr, len };
}

static inline struct span span_str(const char *s)
{
	return (struct span){ s, s ? strlen(s) : 0 };
}

/* The span from byte `start` on; empty when it is shorter than that. */
static inline struct span span_from(struct span s, size_t start)
{
	if (start > s.len)
		start = s.len;
	return (struct span){ s.len ? s.ptr + start : s.ptr, s.len - start };
}

/* The first `len` bytes at most. */
static inline struct span span_head(struct span s, size_t len)
{
	return (struct span){ s.ptr, len < s.len ? len : s.len };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Offset of the first byte `c`, or s.len where there is none. */
size_t span_find(struct span s, char c);

bool span_ieq(struct span a, struct span b);
bool span_istarts(struct span s, struct span prefix);

/* Blanks (SP and HT) taken off both ends. */
struct span span_trim(struct span s);

/*
 * An unsigned decimal number that fills the whole span. False when the span is
 * empty, holds anything but digits or exceeds 64 bits; *value is then untouched.
 */
bool span_to_u64(struct span s, uint64_t *value);

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alnum(char c)
{
	char l = ascii_lower(c);

	return ascii_is_digit(c) || (l >= 'a' && l <= 'z');
}

#endif
