#include "spool/spool.h"

#include "spool/disk.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Allocated bytes, header included. Most messages are a few KiB and need the
 * first chunk only; the big ones shall not need many more.
 */
enum { SPOOL_FIRST_CHUNK_SIZE = 8 * 1024, SPOOL_CHUNK_SIZE = 64 * 1024 };

/* A job that writes chunks to the spool's file. */
struct spool_write {
	struct pool_job job;
	struct op op;
	struct spool *spool;         /* whose it is; NULL: that one is gone */
	struct spool_budget *budget;
	struct spool_file *file;     /* a reference */
	struct spool_chunk *chunks;  /* owned; all full */
	uint64_t allocated;          /* by these chunks */
	_Atomic bool is_abandoned;   /* nobody wants it any more */
	bool is_written;
	char reason[SPOOL_REASON_SIZE];
};

void spool_init(struct spool *spool, struct spool_budget *budget)
{
	*spool = (struct spool){ .budget = budget };
}

static void chunks_free(struct spool_chunk *chunk)
{
	while (chunk) {
		struct spool_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

static void budget_give_back(struct spool_budget *budget, uint64_t bytes)
{
	BUG_ON(bytes > budget->used_bytes);
	budget->used_bytes -= bytes;
}

static bool budget_has(const struct spool_budget *budget, uint64_t bytes)
{
	/* The limit may be exceeded already: by what is on its way to disk, or because it was lowered. */
	return budget->used_bytes <= budget->max_bytes && bytes <= budget->max_bytes - budget->used_bytes;
}

/* ---- writing to disk ---- */

static void write_run(struct pool_job *job)
{
	struct spool_write *w = LIST_OWNER(job, struct spool_write, job);

	w->is_written = spool_file_write(w->file, w->chunks, &w->is_abandoned, w->reason);
	/* Nobody else has the file any more; closed here it does not hold up the loop. */
	if (atomic_load(&w->is_abandoned))
		spool_file_close(w->file);
}

static void write_release(struct spool_write *w)
{
	chunks_free(w->chunks);
	w->chunks = NULL;
	budget_give_back(w->budget, w->allocated);
	if (w->spool) {
		w->spool->allocated -= w->allocated;
		w->spool->write = NULL;
		w->spool = NULL;
	}
	w->allocated = 0;
}

static void write_free(struct pool_job *job)
{
	struct spool_write *w = LIST_OWNER(job, struct spool_write, job);
	struct spool *spool = w->spool;

	write_release(w);
	if (spool && spool->waiter) { /* the pool ends before it came to this job */
		spool->waiter->cancel = NULL;
		spool->waiter = NULL;
	}
	spool_file_put(&w->file);
	free(w);
}

static void spool_fail(struct spool *spool, const char *reason)
{
	spool->is_failed = true;
	snprintf(spool->reason, sizeof(spool->reason), "%s", reason);
}

static void write_done(struct op *op)
{
	struct spool_write *w = LIST_OWNER(op, struct spool_write, op);
	struct spool *spool = w->spool;
	struct op *waiter = spool->waiter;

	if (!w->is_written)
		spool_fail(spool, w->reason);
	write_release(w);
	spool->waiter = NULL;
	if (waiter)
		op_finish(waiter);
}

static struct spool_write *write_new(struct spool *spool)
{
	struct spool_write *w = calloc(1, sizeof(*w));

	if (w && !spool->file)
		spool->file = spool_file_new(spool->budget->disk);
	if (!w || !spool->file) {
		free(w);
		return NULL;
	}
	w->job.run = write_run;
	w->job.free = write_free;
	w->op.done = write_done;
	w->budget = spool->budget;
	w->spool = spool;
	w->file = spool->file;
	w->chunks = spool->first;
	w->allocated = spool->allocated;
	return w;
}

/* Hand all chunks over to a worker; they are full. While one job runs, the next waits to become bigger. */
static enum spool_result spool_write_out(struct spool *spool)
{
	struct spool_write *w;

	if (spool->write || !spool->first)
		return SPOOL_OK;
	if (!spool->file && !spool_disk_has_file(spool->budget->disk)) {
		spool_fail(spool, "no descriptor is left for a file");
		return SPOOL_FAILED;
	}
	w = write_new(spool);
	if (!w)
		return SPOOL_NO_MEMORY;
	if (!pool_submit(spool->budget->disk->pool, &w->job, &w->op)) {
		free(w);
		spool_fail(spool, "the queue of disk jobs is full");
		return SPOOL_FAILED;
	}
	spool->file->references++;
	spool->first = spool->last = NULL;
	spool->write = w;
	return SPOOL_OK;
}

/* ---- filling ---- */

static enum spool_result spool_add_chunk(struct spool *spool, size_t size)
{
	struct spool_chunk *chunk = malloc(size);

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
	spool->budget->used_bytes += size;
	return SPOOL_OK;
}

/*
 * One more chunk, for `more` octets at least one of which must go there. A message
 * that finds no memory left still gets small ones, and its owner is stopped
 * after each: it lives from hand to mouth, but it gets through.
 */
static enum spool_result spool_grow(struct spool *spool, size_t more)
{
	size_t size = spool->octets ? SPOOL_CHUNK_SIZE : SPOOL_FIRST_CHUNK_SIZE;
	struct spool_budget *budget = spool->budget;
	bool has_memory = budget_has(budget, size);

	if (!has_memory && !budget->disk)
		return SPOOL_FULL;
	if (budget->disk && (!has_memory || spool->octets + more > budget->threshold_octets)) {
		enum spool_result result = spool_write_out(spool);

		if (result != SPOOL_OK)
			return result;
	}
	return spool_add_chunk(spool, has_memory ? size : SPOOL_FIRST_CHUNK_SIZE);
}

static bool spool_is_busy(const struct spool *spool)
{
	return spool->write &&
	       (spool->allocated >= SPOOL_PENDING_MAX || !budget_has(spool->budget, SPOOL_CHUNK_SIZE));
}

enum spool_result spool_append(struct spool *spool, struct span content)
{
	if (spool->is_failed)
		return SPOOL_FAILED;
	while (content.len > 0) {
		struct spool_chunk *chunk = spool->last;
		size_t part;

		if (!chunk || chunk->len == chunk->size) {
			enum spool_result result = spool_grow(spool, content.len);

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
	return spool_is_busy(spool) ? SPOOL_BUSY : SPOOL_OK;
}

static void wait_cancel(struct op *op)
{
	struct spool *spool = op->work;

	spool->waiter = NULL;
}

bool spool_wait_start(struct spool *spool, struct op *op)
{
	BUG_ON(spool->waiter);
	if (!spool->write)
		return false;
	spool->waiter = op;
	op_begin(op, wait_cancel, spool);
	return true;
}

/* ---- the end ---- */

/* Begun already it goes on until it sees that it was abandoned, and gives its memory back then. */
static void spool_abandon_write(struct spool *spool)
{
	struct spool_write *w = spool->write;

	spool->write = NULL;
	spool->allocated -= w->allocated;
	w->spool = NULL;
	atomic_store(&w->is_abandoned, true);
	op_cancel(&w->op);
}

void spool_fini(struct spool *spool)
{
	if (spool->waiter)
		op_cancel(spool->waiter);
	if (spool->write)
		spool_abandon_write(spool);
	chunks_free(spool->first);
	if (spool->allocated)
		budget_give_back(spool->budget, spool->allocated);
	spool_file_put(&spool->file);
	spool_init(spool, spool->budget);
}

void spool_move(struct spool *to, struct spool *from)
{
	BUG_ON(from->write || from->waiter);
	*to = *from;
	spool_init(from, from->budget);
}
