/*
 * Worker threads for what would block the loop (disk, hashing). A job owns
 * copies of all it needs; run() sees nothing that the loop may touch. Results
 * stay in the job and are read in the op's done(); the job is freed right after
 * done() returned, or, when its op was cancelled meanwhile, without done().
 * Threads are started when there is work for them.
 */
#ifndef NET_POOL_H
#define NET_POOL_H

#include "base/bug.h"
#include "base/list.h"
#include "net/loop.h"
#include "net/op.h"

#include <stdbool.h>

struct pool_job {
	struct list link;                       /* private */
	struct op *op;                          /* private; NULL: nobody waits any more */
	struct pool *pool;                      /* private */
	bool is_queued, is_running, is_lost, is_stuck; /* private, under the pool's lock */
	void (*run)(struct pool_job *job);      /* on a worker thread */
	void (*free)(struct pool_job *job);     /* on the loop, always, exactly once */
};

struct pool;

/*
 * At most max_threads jobs run and max_queued wait for a thread. `name` is for
 * thread names (at most 15 bytes). NULL: err tells why.
 */
struct pool *pool_new(struct loop *loop, const char *name, unsigned max_threads, unsigned max_queued,
		      struct err *err);

/*
 * Waits for the jobs that run; those still queued are freed without being run. No
 * done() is called; ops that waited are idle. Not to be called from a done().
 */
void pool_free(struct pool **pool);

/*
 * Hand a job over; op's done() is called when it has run, with op->work still
 * the job. op may be NULL. False: the queue is full, no thread could be made, or
 * the pool is being freed; the job then still belongs to the caller.
 */
MUST_CHECK bool pool_submit(struct pool *pool, struct pool_job *job, struct op *op);

/*
 * For a pool whose jobs may hang, in code of others that cannot be cut short; for good, before the first job.
 * pool_give_up() is for it, and pool_free() waits no more than five seconds: what hangs then keeps its thread, its job
 * and the pool's memory until the process ends.
 */
void pool_may_lose(struct pool *pool);

/*
 * This job takes too long: nobody waits for its op any more, as after op_cancel(). If it runs, its thread is lost until
 * it returns, and another takes its place as long as no more are lost than the pool may have threads. Afterwards it
 * keeps its place; where all places are kept like that, pool_submit() refuses at once. False: it had not begun, and
 * will not.
 */
bool pool_give_up(struct op *op);

/* Of an op that runs: has a thread begun with its job? */
bool pool_has_begun(const struct op *op);

/* Threads that are at jobs which were given up, in a place of their own or not. */
unsigned pool_lost(struct pool *pool);

/* Jobs queued, running, or run and not told yet; those that nobody waits for any more too. */
unsigned pool_pending(const struct pool *pool);

#endif
