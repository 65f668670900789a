#define _GNU_SOURCE 1 /* pthread_setname_np() */
#include "net/pool.h"

#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* How long pool_free() waits for threads that may hang, and for those that were given up already. */
enum { STOP_WAIT_S = 5, STOP_WAIT_FOR_LOST_S = 1 };

struct pool {
	struct loop *loop;
	struct event wake;       /* on wake_fd */
	int wake_fd;             /* an eventfd: `done` is no longer empty */
	unsigned max_threads;
	unsigned max_queued;
	unsigned thread_count;
	unsigned pending;        /* jobs handed over and not freed yet */
	bool is_delivering;
	bool is_short;           /* of threads, and the log says so */
	bool may_lose;
	char name[16];
	pthread_t *threads;      /* owned; twice max_threads have room */

	pthread_mutex_t lock;
	pthread_cond_t work;     /* something was queued or may run now, or we stop */
	pthread_cond_t ended;    /* a thread has */
	/* From here on under `lock`. */
	struct list queue;       /* jobs nobody took yet */
	struct list done;        /* jobs that have run, the first to end first */
	unsigned queued;
	unsigned running;        /* at most max_threads */
	unsigned lost;           /* jobs that were given up and are not in `running` any more; at most max_threads */
	unsigned stuck;          /* jobs that were given up and still are in it */
	unsigned alive;          /* threads that have not ended */
	unsigned idle;           /* threads that wait for work */
	bool is_stopping;
};

static void wake_loop(struct pool *pool)
{
	uint64_t one = 1;

	/* The only failure of an eventfd is a full counter, and then the loop is awake already. */
	while (write(pool->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static struct pool_job *wait_for_job(struct pool *pool)
{
	struct pool_job *job;

	while ((list_empty(&pool->queue) || pool->running == pool->max_threads) && !pool->is_stopping) {
		pool->idle++;
		pthread_cond_wait(&pool->work, &pool->lock);
		pool->idle--;
	}
	if (pool->is_stopping)
		return NULL;
	job = LIST_OWNER(list_shift(&pool->queue), struct pool_job, link);
	job->is_queued = false;
	job->is_running = true;
	pool->queued--;
	pool->running++;
	return job;
}

static void end_job(struct pool *pool, struct pool_job *job)
{
	bool was_empty = list_empty(&pool->done);

	job->is_running = false;
	if (job->is_lost)
		pool->lost--;
	else
		pool->running--;
	if (job->is_stuck)
		pool->stuck--;
	list_append(&pool->done, &job->link);
	if (was_empty)
		wake_loop(pool);
}

static void *thread_main(void *arg)
{
	struct pool *pool = arg;
	struct pool_job *job;

	pthread_mutex_lock(&pool->lock);
	while ((job = wait_for_job(pool))) {
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		end_job(pool, job);
	}
	pool->alive--;
	pthread_cond_broadcast(&pool->ended);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Signals are for the loop's thread, except those by which a fault of the worker's own shows. */
static void mask_for_workers(sigset_t *old)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t mask;

	sigfillset(&mask);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&mask, faults[i]);
	pthread_sigmask(SIG_SETMASK, &mask, old);
}

static void count_alive(struct pool *pool, int change)
{
	pthread_mutex_lock(&pool->lock);
	pool->alive += (unsigned)change;
	pthread_mutex_unlock(&pool->lock);
}

static bool add_thread(struct pool *pool)
{
	pthread_t *thread = &pool->threads[pool->thread_count];
	sigset_t old;
	int error;

	count_alive(pool, 1);
	mask_for_workers(&old);
	error = pthread_create(thread, NULL, thread_main, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0) {
		pthread_setname_np(*thread, pool->name);
		pool->thread_count++;
		pool->is_short = false;
		return true;
	}
	count_alive(pool, -1);
	if (!pool->is_short) {
		log_begin(LOG_LEVEL_WARNING, NULL, "limit");
		log_str("what", "threads");
		log_str("pool", pool->name);
		log_str("error", strerror(error));
		log_end();
	}
	pool->is_short = true;
	return false;
}

/* Give each job its done() and its end. done() may cancel others, also in `taken`, and submit new ones. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;
	struct list taken, *link;
	uint64_t count;

	(void)what;
	/* First the eventfd, then the list: a job that comes between them wakes us once more. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	list_init(&taken);
	pthread_mutex_lock(&pool->lock);
	while ((link = list_shift(&pool->done)))
		list_append(&taken, link);
	pthread_mutex_unlock(&pool->lock);

	pool->is_delivering = true;
	while ((link = list_shift(&taken))) {
		struct pool_job *job = LIST_OWNER(link, struct pool_job, link);
		struct op *op = job->op;

		pool->pending--;
		job->op = NULL;
		if (op)
			op_finish(op);
		job->free(job);
	}
	pool->is_delivering = false;
}

static bool open_wake(struct pool *pool)
{
	pool->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pool->wake_fd < 0)
		return false;
	event_assign(&pool->wake, loop_base(pool->loop), pool->wake_fd, EV_READ | EV_PERSIST, on_wake, pool);
	if (event_add(&pool->wake, NULL) == 0)
		return true;
	close(pool->wake_fd);
	return false;
}

struct pool *pool_new(struct loop *loop, const char *name, unsigned max_threads, unsigned max_queued,
		      struct err *err)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	BUG_ON(max_threads == 0);
	if (!pool || !(pool->threads = calloc(2 * (size_t)max_threads, sizeof(*pool->threads))))
		goto failed;
	pool->loop = loop;
	pool->max_threads = max_threads;
	pool->max_queued = max_queued;
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	list_init(&pool->queue);
	list_init(&pool->done);
	if (!open_wake(pool))
		goto failed;
	/* With default attributes neither can fail on Linux. */
	BUG_ON(pthread_mutex_init(&pool->lock, NULL) != 0);
	BUG_ON(pthread_cond_init(&pool->work, NULL) != 0 || pthread_cond_init(&pool->ended, NULL) != 0);
	return pool;
failed:
	err_set_errno(err, "cannot make the %s threads", name);
	if (pool)
		free(pool->threads);
	free(pool);
	return NULL;
}

static void drop_jobs(struct list *head)
{
	struct list *link;

	while ((link = list_shift(head))) {
		struct pool_job *job = LIST_OWNER(link, struct pool_job, link);

		if (job->op)
			job->op->cancel = NULL; /* nothing is left to cancel */
		job->free(job);
	}
}

/* Under the lock: wait until there are threads only that were given up (or none at all), but no longer than that. */
static void await_ends(struct pool *pool, bool with_lost, time_t seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	while (pool->alive > (with_lost ? 0 : pool->lost + pool->stuck))
		if (pthread_cond_timedwait(&pool->ended, &pool->lock, &until) != 0)
			return;
}

/* All have ended, or will never be waited for again: then false. */
static bool await_threads(struct pool *pool)
{
	bool have_ended = true;

	pthread_mutex_lock(&pool->lock);
	if (pool->may_lose) {
		await_ends(pool, false, STOP_WAIT_S);
		await_ends(pool, true, STOP_WAIT_FOR_LOST_S);
		have_ended = pool->alive == 0;
	}
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->thread_count; i++) {
		if (have_ended)
			pthread_join(pool->threads[i], NULL);
		else
			pthread_detach(pool->threads[i]);
	}
	return have_ended;
}

/* What hangs may end yet, and finds all that it needs. */
static void leave_to_threads(struct pool *pool)
{
	struct list left;
	struct list *link;

	log_text(LOG_LEVEL_ERROR, "trouble", "%s: what hangs in a thread is left behind", pool->name);
	list_init(&left);
	pthread_mutex_lock(&pool->lock);
	while ((link = list_shift(&pool->done)))
		list_append(&left, link);
	while ((link = list_shift(&pool->queue)))
		list_append(&left, link);
	pthread_mutex_unlock(&pool->lock);
	drop_jobs(&left);
}

void pool_free(struct pool **pool_ptr)
{
	struct pool *pool = *pool_ptr;

	if (!pool)
		return;
	BUG_ON(pool->is_delivering);
	pthread_mutex_lock(&pool->lock);
	pool->is_stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	*pool_ptr = NULL;
	event_del(&pool->wake);
	if (!await_threads(pool)) {
		leave_to_threads(pool);
		return;
	}
	drop_jobs(&pool->done);
	drop_jobs(&pool->queue);
	close(pool->wake_fd);
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->ended);
	pthread_mutex_destroy(&pool->lock);
	free(pool->threads);
	free(pool);
}

/* For op_cancel(): take the job back if nobody began it, or else let it end without a waiter. */
static void cancel_job(struct op *op)
{
	struct pool_job *job = op->work;
	struct pool *pool = job->pool;
	bool was_queued;

	pthread_mutex_lock(&pool->lock);
	was_queued = job->is_queued;
	if (was_queued) {
		list_remove(&job->link);
		job->is_queued = false;
		pool->queued--;
	}
	pthread_mutex_unlock(&pool->lock);
	job->op = NULL;
	if (was_queued) {
		pool->pending--;
		job->free(job);
	}
}

/* Under the lock: is there a job that could begin, had somebody time for it? */
static bool wants_thread_now(const struct pool *pool)
{
	return pool->queued > pool->idle && pool->thread_count < pool->max_threads + pool->lost;
}

/* Take the job into the queue if there is room. *wants_thread: nobody is free to begin it. */
static bool enqueue(struct pool *pool, struct pool_job *job, bool *wants_thread)
{
	bool has_room;

	pthread_mutex_lock(&pool->lock);
	/* A job that is freed by pool_free() may ask; nobody would run what it hands over. */
	has_room = !pool->is_stopping && pool->stuck < pool->max_threads &&
		   pool->queued + pool->running < pool->max_threads + pool->max_queued;
	if (has_room) {
		list_append(&pool->queue, &job->link);
		job->is_queued = true;
		pool->queued++;
		if (pool->idle > 0)
			pthread_cond_signal(&pool->work);
	}
	*wants_thread = wants_thread_now(pool);
	pthread_mutex_unlock(&pool->lock);
	return has_room;
}

/* There are no threads, so that nobody can have taken the job. */
static void withdraw(struct pool *pool, struct pool_job *job)
{
	pthread_mutex_lock(&pool->lock);
	list_remove(&job->link);
	job->is_queued = false;
	pool->queued--;
	pthread_mutex_unlock(&pool->lock);
}

bool pool_submit(struct pool *pool, struct pool_job *job, struct op *op)
{
	bool wants_thread;

	job->pool = pool;
	job->op = op;
	job->is_running = job->is_lost = job->is_stuck = false;
	if (!enqueue(pool, job, &wants_thread))
		return false;
	if (wants_thread && !add_thread(pool) && pool->thread_count == 0) {
		withdraw(pool, job);
		return false;
	}
	pool->pending++;
	if (op)
		op_begin(op, cancel_job, job);
	return true;
}

/* ---- jobs that hang ---- */

void pool_may_lose(struct pool *pool)
{
	pool->may_lose = true;
}

/* Under the lock. */
static void lose(struct pool *pool, struct pool_job *job)
{
	if (pool->lost == pool->max_threads) {
		job->is_stuck = true;
		pool->stuck++;
		return;
	}
	job->is_lost = true;
	pool->lost++;
	pool->running--;
	pthread_cond_signal(&pool->work);
}

bool pool_give_up(struct op *op)
{
	struct pool_job *job = op->work;
	struct pool *pool = job->pool;
	bool has_begun, wants_thread;

	BUG_ON(!pool->may_lose || !op_running(op));
	pthread_mutex_lock(&pool->lock);
	has_begun = !job->is_queued;
	if (job->is_running)
		lose(pool, job);
	wants_thread = wants_thread_now(pool);
	pthread_mutex_unlock(&pool->lock);
	op_cancel(op);
	/* Where none can be made, the queue waits for those there are. */
	if (has_begun && wants_thread)
		(void)add_thread(pool);
	return has_begun;
}

bool pool_has_begun(const struct op *op)
{
	struct pool_job *job = op->work;
	bool has_begun;

	pthread_mutex_lock(&job->pool->lock);
	has_begun = !job->is_queued;
	pthread_mutex_unlock(&job->pool->lock);
	return has_begun;
}

unsigned pool_lost(struct pool *pool)
{
	unsigned count;

	pthread_mutex_lock(&pool->lock);
	count = pool->lost + pool->stuck;
	pthread_mutex_unlock(&pool->lock);
	return count;
}

unsigned pool_pending(const struct pool *pool)
{
	return pool->pending;
}
