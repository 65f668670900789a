/*
 * A message while it is ours: its content, copied once as it arrives. Lines end
 * in LF. A small message stays in memory; of a big one, and of any when the
 * memory of all spools together is used up, all but the end goes to a file
 * without a name (spool/disk.h), written by worker threads in the order of the
 * content, one job at a time. What waits to be written is bounded: the owner of
 * a busy spool gives it no more until it was told to go on.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "base/bug.h"
#include "base/span.h"
#include "net/op.h"

struct spool_disk;
struct spool_file;
struct spool_write;

/* Allocated bytes of a spool beyond which it is busy while a job of its is being written. */
enum { SPOOL_PENDING_MAX = 4 * 64 * 1024 };

/* The text that tells why a spool failed, with its NUL. */
enum { SPOOL_REASON_SIZE = 160 };

/*
 * Shared by all spools of the process; used from the loop only. With a disk the memory in use may
 * exceed max_bytes: each message may have a first chunk, and one read's worth on its way to the disk.
 */
struct spool_budget {
	uint64_t max_bytes;
	uint64_t used_bytes;
	uint64_t threshold_octets; /* a message with more content goes to disk */
	struct spool_disk *disk;   /* borrowed; NULL: there is nothing but memory */
};

struct spool_chunk {
	struct spool_chunk *next;
	size_t len, size;
	char bytes[];
};

struct spool {
	struct spool_budget *budget;
	struct spool_chunk *first, *last; /* owned: the content behind that of the file */
	struct spool_file *file;          /* a reference; NULL: all is in memory */
	struct spool_write *write;        /* the job that runs; NULL: none */
	struct op *waiter;                /* borrowed: who waits for that job; NULL: nobody */
	uint64_t octets;                  /* of content */
	uint64_t allocated;               /* counted in the budget, what is being written included */
	bool is_failed;
	char reason[SPOOL_REASON_SIZE];   /* why; "" */
};

enum spool_result {
	SPOOL_OK,
	SPOOL_BUSY,      /* all was taken; no more before spool_wait_start()'s op is done */
	SPOOL_FULL,      /* no memory left in the budget, and no disk: 452 4.3.1 */
	SPOOL_NO_MEMORY, /* 452 4.3.1 as well, told apart in the log */
	SPOOL_FAILED,    /* the disk is full or broken: 452 4.3.1; `reason` tells */
};

void spool_init(struct spool *spool, struct spool_budget *budget);

/*
 * Frees the content; the spool is then empty and usable. Legal at any time, also while a job
 * writes. Only on the loop, because the budget is its.
 */
void spool_fini(struct spool *spool);

/* When it fails a part of `content` may be in: the message is then incomplete for good. */
MUST_CHECK enum spool_result spool_append(struct spool *spool, struct span content);

/*
 * Wait until nothing is being written; then `is_failed` may be set. False: so it is already, and
 * no done() follows. It must be so before the spool is moved or read.
 */
MUST_CHECK bool spool_wait_start(struct spool *spool, struct op *op);

/* Move the content to another spool struct (a job's), whatever that held; `from` is empty afterwards. */
void spool_move(struct spool *to, struct spool *from);

/*
 * Reading from the begin, on any thread, of a spool that nobody changes meanwhile. A piece is lent
 * memory, or bytes of the file in the caller's buffer, good until the next call. An empty piece is
 * the end. False: errno tells.
 */
struct spool_reader {
	const struct spool *spool;
	const struct spool_chunk *chunk; /* the next one */
	uint64_t offset;                 /* in the file */
};
void spool_reader_init(struct spool_reader *reader, const struct spool *spool);
MUST_CHECK bool spool_read(struct spool_reader *reader, char *buffer, size_t size, struct span *piece);

/*
 * For a file as the destination: append what is on disk to it, inside the kernel where that can be. The
 * chunks from `first` on are then the rest of the content. False: errno tells.
 */
MUST_CHECK bool spool_copy_file(const struct spool *spool, int to_fd);

/* For a worker that is through with the content: the file is closed here, where it may take its time. */
void spool_close_file(struct spool *spool);

/* ---- would a message of this size find room? ---- */

struct spool_room {
	struct op op; /* done is set by the waiter */
	bool fits;    /* valid in done() */
	char reason[SPOOL_REASON_SIZE]; /* why not */
};

/* True: it runs and done() will follow; false: the answer is there already. */
MUST_CHECK bool spool_room_start(struct spool_budget *budget, uint64_t octets, struct spool_room *room);

#endif
