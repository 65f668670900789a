#include "spool/spool.h"

#include <stdlib.h>

/*
 * Allocated bytes, header included. Most messages are a few KiB and need the
 * first chunk only; the big ones shall not need many more.
 */
enum { SPOOL_FIRST_CHUNK_SIZE = 8 * 1024, SPOOL_CHUNK_SIZE = 64 * 1024 };

void spool_init(struct spool *spool, struct spool_budget *budget)
{
	*spool = (struct spool){ .budget = budget };
}

void spool_fini(struct spool *spool)
{
	while (spool->first) {
		struct spool_chunk *next = spool->first->next;

		free(spool->first);
		spool->first = next;
	}
	if (spool->allocated) {
		BUG_ON(spool->allocated > spool->budget->used_bytes);
		spool->budget->used_bytes -= spool->allocated;
	}
	spool_init(spool, spool->budget);
}

static enum spool_result spool_grow(struct spool *spool)
{
	size_t size = spool->first ? SPOOL_CHUNK_SIZE : SPOOL_FIRST_CHUNK_SIZE;
	struct spool_budget *budget = spool->budget;
	struct spool_chunk *chunk;

	/* The limit may have been lowered below what is in use already. */
	if (budget->used_bytes > budget->max_bytes || size > budget->max_bytes - budget->used_bytes)
		return SPOOL_FULL;
	chunk = malloc(size);
	if (!chunk)
		return SPOOL_NO_MEMORY;
	chunk->next = NULL;
	chunk->len = 0;
	chunk->size = size - sizeof(*chunk);
	if (spool->last)
		spool->last->next = chunk;
	else
		spool->first = chunk;
	spool->last = chunk;
	spool->allocated += size;
	budget->used_bytes += size;
	return SPOOL_OK;
}

enum spool_result spool_append(struct spool *spool, struct span content)
{
	while (content.len > 0) {
		struct spool_chunk *chunk = spool->last;
		size_t part;

		if (!chunk || chunk->len == chunk->size) {
			enum spool_result result = spool_grow(spool);

			if (result != SPOOL_OK)
				return result;
			continue;
		}
		part = chunk->size - chunk->len;
		if (part > content.len)
			part = content.len;
		memcpy(chunk->bytes + chunk->len, content.ptr, part);
		chunk->len += part;
		spool->octets += part;
		content = span_from(content, part);
	}
	return SPOOL_OK;
}

void spool_move(struct spool *to, struct spool *from)
{
	*to = *from;
	spool_init(from, from->budget);
}
