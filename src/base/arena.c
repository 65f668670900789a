#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_CHUNK_SIZE = 1008 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

void arena_fini(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
}

static struct arena_chunk *arena_grow(struct arena *a, size_t size)
{
	size_t room = ARENA_CHUNK_SIZE - sizeof(struct arena_chunk);
	struct arena_chunk *c;

	if (room < size)
		room = size;
	c = malloc(sizeof(*c) + room);
	if (!c)
		return NULL;
	c->next = a->chunks;
	c->used = 0;
	c->size = room;
	a->chunks = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunks;
	void *ptr;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!c || c->size - c->used < size)
		c = arena_grow(a, size);
	if (!c)
		return NULL;
	ptr = c->bytes + c->used;
	c->used += size;
	return memset(ptr, 0, size);
}

char *arena_dup(struct arena *a, struct span s)
{
	char *copy = arena_alloc(a, s.len + 1);

	if (copy && s.len)
		memcpy(copy, s.ptr, s.len);
	return copy;
}
