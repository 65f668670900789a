/*
 * A message while it is ours: its content, copied once as it arrives. Lines end
 * in LF. Memory of all spools together is bounded by the budget they share.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "base/bug.h"
#include "base/span.h"

/* Shared by all spools of the process; used from the loop only. */
struct spool_budget {
	uint64_t max_bytes;
	uint64_t used_bytes;
};

struct spool_chunk {
	struct spool_chunk *next;
	size_t len, size;
	char bytes[];
};

struct spool {
	struct spool_budget *budget;
	struct spool_chunk *first, *last; /* owned */
	uint64_t octets;                  /* of content */
	uint64_t allocated;               /* counted in the budget */
};

enum spool_result {
	SPOOL_OK,
	SPOOL_FULL,      /* the budget is used up: 452 4.3.1 */
	SPOOL_NO_MEMORY, /* 452 4.3.1 as well, told apart in the log */
};

void spool_init(struct spool *spool, struct spool_budget *budget);

/* Frees the content; the spool is then empty and usable. Only on the loop, because the budget is its. */
void spool_fini(struct spool *spool);

/* When it fails a part of `content` may be in: the message is then incomplete for good. */
MUST_CHECK enum spool_result spool_append(struct spool *spool, struct span content);

/* Move the content to another spool struct (a job's), whatever that held; `from` is empty afterwards. */
void spool_move(struct spool *to, struct spool *from);

#endif
