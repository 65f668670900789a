/*
 * A growable byte buffer that is filled at its end and used up from its front.
 * All zero is a valid empty buffer that owns no memory. Adding returns false
 * when memory runs out, and leaves the contents as they were.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bug.h"
#include "base/span.h"

struct buf {
	char *data;   /* owned */
	size_t start; /* first unused byte */
	size_t end;   /* behind the last byte */
	size_t size;  /* allocated bytes */
};

void buf_fini(struct buf *b);

/* The same for secrets: the memory is overwritten first. Of what it grew out of nothing is known. */
void buf_wipe(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ b->data ? b->data + b->start : "", b->end - b->start };
}

/* Room for `more` bytes behind the end; then buf_added() tells how many were written there. */
MUST_CHECK bool buf_reserve(struct buf *b, size_t more);
static inline void buf_added(struct buf *b, size_t len)
{
	BUG_ON(len > b->size - b->end);
	b->end += len;
}

MUST_CHECK bool buf_add(struct buf *b, const void *bytes, size_t len);
MUST_CHECK bool buf_add_span(struct buf *b, struct span s);
MUST_CHECK bool buf_add_str(struct buf *b, const char *s);
MUST_CHECK bool buf_add_u64(struct buf *b, uint64_t value);

/* Take `len` bytes off the front. */
void buf_use(struct buf *b, size_t len);

/* Forget the contents and keep the memory. */
static inline void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

/* Give the memory back when nothing is in it. */
void buf_release_empty(struct buf *b);

#endif
