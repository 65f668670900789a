/*
 * Memory that is given back all at once: each session, transaction and
 * configuration has an arena of its own for what lives as long as it does.
 * All zero is a valid empty arena that owns no memory. Allocation returns NULL
 * when memory runs out. Pointers are aligned for any object.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* owned; the newest first */
};

/* Free everything; the arena is empty and usable again. */
void arena_fini(struct arena *a);

/* Zeroed memory of `size` bytes, or NULL. */
void *arena_alloc(struct arena *a, size_t size);

/* A NUL-terminated copy, or NULL. Bytes behind a NUL in the span are copied too. */
char *arena_dup(struct arena *a, struct span s);

#endif
