/*
 * Ops and worker pools: who is told what and when, cancelling in each phase, the
 * bounds, and that every job is freed exactly once. Written to run under TSan.
 */
#define _GNU_SOURCE 1 /* gettid() */
#include "net/pool.h"
#include "net_fixture.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { JOBS = 2000 };

/* A waiter and its job. The fields after `job` are the worker's until the job has ended. */
struct waiter {
	struct op op;
	struct pool_job job;
	unsigned done;
	unsigned done_order;
	unsigned freed;
	struct waiter *cancels; /* in its done() */
	struct waiter *submits;
	bool has_run;
	pid_t thread;
	sigset_t mask;
};

static struct pool *pool;
static struct waiter waiters[JOBS];
static unsigned done_in_all, freed_in_all;

/* A gate that holds jobs back, and tells how many came to it. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static unsigned gate_arrived;
static bool gate_is_open;

static void open_gate(void)
{
	pthread_mutex_lock(&gate_lock);
	gate_is_open = true;
	pthread_cond_broadcast(&gate_moved);
	pthread_mutex_unlock(&gate_lock);
}

static void await_arrivals(unsigned count)
{
	pthread_mutex_lock(&gate_lock);
	while (gate_arrived < count)
		pthread_cond_wait(&gate_moved, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void run_gated(struct pool_job *job)
{
	LIST_OWNER(job, struct waiter, job)->has_run = true;
	pthread_mutex_lock(&gate_lock);
	gate_arrived++;
	pthread_cond_broadcast(&gate_moved);
	while (!gate_is_open)
		pthread_cond_wait(&gate_moved, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void run_at_once(struct pool_job *job)
{
	struct waiter *waiter = LIST_OWNER(job, struct waiter, job);

	waiter->has_run = true;
	waiter->thread = gettid();
	pthread_sigmask(SIG_SETMASK, NULL, &waiter->mask);
}

static void on_job_free(struct pool_job *job)
{
	LIST_OWNER(job, struct waiter, job)->freed++;
	freed_in_all++;
	net_stop();
}

static bool submit(struct waiter *waiter, void (*run)(struct pool_job *));

static void on_done(struct op *op)
{
	struct waiter *waiter = LIST_OWNER(op, struct waiter, op);

	ck_assert(!op_running(op));
	ck_assert_ptr_eq(op->work, &waiter->job);
	ck_assert_uint_eq(waiter->freed, 0);
	ck_assert(waiter->has_run);
	waiter->done++;
	waiter->done_order = ++done_in_all;
	if (waiter->cancels)
		op_cancel(&waiter->cancels->op);
	if (waiter->submits)
		ck_assert(submit(waiter->submits, run_at_once));
}

static bool submit(struct waiter *waiter, void (*run)(struct pool_job *))
{
	waiter->op.done = on_done;
	waiter->job.run = run;
	waiter->job.free = on_job_free;
	return pool_submit(pool, &waiter->job, &waiter->op);
}

static void make_pool(unsigned max_threads, unsigned max_queued)
{
	struct err err;

	pool = pool_new(net_loop, "test", max_threads, max_queued, &err);
	ck_assert_msg(pool != NULL, "%s", err.text);
}

static void teardown(void)
{
	pool_free(&pool);
	ck_assert_ptr_null(pool);
	net_teardown();
}

static unsigned cancels_heard;

static void on_cancel(struct op *op)
{
	ck_assert(!op_running(op));
	cancels_heard++;
}

static void count_done(struct op *op)
{
	(void)op;
	done_in_all++;
}

START_TEST(op_is_told_its_end_or_cancelled_but_not_both)
{
	struct op op = { .done = count_done };

	op_cancel(&op);
	op_begin(&op, on_cancel, NULL);
	ck_assert(op_running(&op));
	op_cancel(&op);
	op_cancel(&op);
	ck_assert_uint_eq(cancels_heard, 1);
	ck_assert_uint_eq(done_in_all, 0);

	op_begin(&op, on_cancel, NULL);
	op_finish(&op);
	op_cancel(&op);
	ck_assert_uint_eq(done_in_all, 1);
	ck_assert_uint_eq(cancels_heard, 1);
}
END_TEST

START_TEST(done_comes_from_the_loop_and_then_the_job_is_freed)
{
	make_pool(1, 1);
	ck_assert(submit(&waiters[0], run_at_once));
	ck_assert(op_running(&waiters[0].op));
	ck_assert_uint_eq(waiters[0].done, 0);
	ck_assert_uint_eq(pool_pending(pool), 1);
	NET_UNTIL(waiters[0].freed);
	ck_assert_uint_eq(waiters[0].done, 1);
	ck_assert_uint_eq(waiters[0].freed, 1);
	ck_assert_uint_eq(pool_pending(pool), 0);
}
END_TEST

START_TEST(jobs_of_one_thread_are_told_in_order)
{
	make_pool(1, 200);
	for (unsigned i = 0; i < 200; i++)
		ck_assert(submit(&waiters[i], run_at_once));
	NET_UNTIL(freed_in_all == 200);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_uint_eq(waiters[i].done_order, i + 1);
}
END_TEST

START_TEST(full_pool_refuses_and_leaves_the_job_to_the_caller)
{
	make_pool(2, 3);
	for (unsigned i = 0; i < 5; i++)
		ck_assert(submit(&waiters[i], run_gated));
	ck_assert(!submit(&waiters[5], run_gated));
	ck_assert(!op_running(&waiters[5].op));
	ck_assert_uint_eq(pool_pending(pool), 5);
	await_arrivals(2);
	ck_assert(!submit(&waiters[5], run_gated));
	open_gate();
	NET_UNTIL(freed_in_all == 5);
	ck_assert_uint_eq(waiters[5].freed, 0);
	ck_assert(!waiters[5].has_run);
	ck_assert(submit(&waiters[5], run_at_once));
	NET_UNTIL(waiters[5].freed);
}
END_TEST

START_TEST(cancelled_queued_job_is_freed_at_once_and_never_runs)
{
	make_pool(1, 1);
	ck_assert(submit(&waiters[0], run_gated));
	await_arrivals(1);
	ck_assert(submit(&waiters[1], run_gated));
	op_cancel(&waiters[1].op);
	ck_assert_uint_eq(waiters[1].freed, 1);
	ck_assert_uint_eq(pool_pending(pool), 1);
	ck_assert(submit(&waiters[2], run_gated)); /* there is room again */
	open_gate();
	NET_UNTIL(waiters[2].freed);
	ck_assert(!waiters[1].has_run);
	ck_assert_uint_eq(waiters[1].done, 0);
	ck_assert_uint_eq(waiters[1].freed, 1);
}
END_TEST

START_TEST(cancelled_running_job_ends_without_its_waiter)
{
	make_pool(1, 0);
	ck_assert(submit(&waiters[0], run_gated));
	await_arrivals(1);
	op_cancel(&waiters[0].op);
	ck_assert_uint_eq(waiters[0].freed, 0);
	ck_assert_uint_eq(pool_pending(pool), 1);
	memset(&waiters[0].op, 0xff, sizeof(waiters[0].op)); /* the waiter is gone */
	open_gate();
	NET_UNTIL(waiters[0].freed);
	ck_assert_uint_eq(waiters[0].done, 0);
	ck_assert_uint_eq(waiters[0].freed, 1);
	ck_assert_uint_eq(pool_pending(pool), 0);
}
END_TEST

START_TEST(done_may_cancel_jobs_that_have_ended_too)
{
	make_pool(1, 2);
	waiters[0].cancels = &waiters[1];
	for (unsigned i = 0; i < 3; i++)
		ck_assert(submit(&waiters[i], run_gated));
	open_gate();
	await_arrivals(3); /* the second has ended, and nobody was told yet */
	NET_UNTIL(freed_in_all == 3);
	ck_assert_uint_eq(waiters[0].done, 1);
	ck_assert_uint_eq(waiters[1].done, 0);
	ck_assert_uint_eq(waiters[1].freed, 1);
	ck_assert_uint_eq(waiters[2].done, 1);
}
END_TEST

START_TEST(done_may_submit_into_the_room_it_leaves)
{
	make_pool(1, 0);
	waiters[0].submits = &waiters[1];
	waiters[1].submits = &waiters[2];
	ck_assert(submit(&waiters[0], run_at_once));
	NET_UNTIL(waiters[2].freed);
	ck_assert_uint_eq(done_in_all, 3);
}
END_TEST

START_TEST(job_without_waiter_runs_and_is_freed)
{
	make_pool(1, 0);
	waiters[0].job.run = run_at_once;
	waiters[0].job.free = on_job_free;
	ck_assert(pool_submit(pool, &waiters[0].job, NULL));
	NET_UNTIL(waiters[0].freed);
	ck_assert(waiters[0].has_run);
}
END_TEST

START_TEST(thread_is_made_only_when_none_is_free)
{
	make_pool(4, 4);
	for (unsigned i = 0; i < 20; i++) {
		ck_assert(submit(&waiters[i], run_at_once));
		NET_UNTIL(waiters[i].freed);
		ck_assert_int_eq(waiters[i].thread, waiters[0].thread);
	}
	ck_assert_int_ne(waiters[0].thread, gettid());
}
END_TEST

START_TEST(jobs_run_side_by_side_up_to_the_limit)
{
	make_pool(4, 4);
	for (unsigned i = 0; i < 8; i++)
		ck_assert(submit(&waiters[i], run_gated));
	await_arrivals(4); /* would wait for ever if fewer ran at a time */
	ck_assert_uint_eq(gate_arrived, 4);
	open_gate();
	NET_UNTIL(freed_in_all == 8);
}
END_TEST

START_TEST(workers_leave_signals_to_the_loop)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGCHLD, SIGUSR1, SIGPIPE };
	sigset_t mine;

	make_pool(1, 0);
	ck_assert(submit(&waiters[0], run_at_once));
	NET_UNTIL(waiters[0].freed);
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		ck_assert_int_eq(sigismember(&waiters[0].mask, signals[i]), 1);
		ck_assert_int_eq(sigismember(&mine, signals[i]), 0);
	}
	ck_assert_int_eq(sigismember(&waiters[0].mask, SIGSEGV), 0);
}
END_TEST

int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);

/* By now pool_free() has told the threads to stop: let go those that still run a job. */
int __wrap_pthread_join(pthread_t thread, void **result)
{
	open_gate();
	return __real_pthread_join(thread, result);
}

START_TEST(freed_pool_ends_running_jobs_and_frees_all_untold)
{
	make_pool(2, 20);
	for (unsigned i = 0; i < 20; i++)
		ck_assert(submit(&waiters[i], i == 0 ? run_at_once : run_gated));
	await_arrivals(2);
	pool_free(&pool);
	ck_assert_uint_eq(done_in_all, 0);
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(waiters[i].has_run, i < 3);
		ck_assert_uint_eq(waiters[i].freed, 1);
		ck_assert(!op_running(&waiters[i].op));
		op_cancel(&waiters[i].op);
	}
}
END_TEST

START_TEST(another_thread_takes_the_place_of_one_that_is_given_up)
{
	make_pool(2, 2);
	pool_may_lose(pool);
	ck_assert(submit(&waiters[0], run_gated));
	ck_assert(submit(&waiters[1], run_gated));
	ck_assert(submit(&waiters[2], run_at_once));
	await_arrivals(2);
	ck_assert(pool_has_begun(&waiters[0].op));
	ck_assert(!pool_has_begun(&waiters[2].op));
	ck_assert(pool_give_up(&waiters[0].op));
	ck_assert(!op_running(&waiters[0].op));
	ck_assert_uint_eq(pool_lost(pool), 1);
	NET_UNTIL(waiters[2].freed);
	ck_assert_uint_eq(waiters[2].done, 1);
	open_gate();
	NET_UNTIL(waiters[0].freed && waiters[1].freed);
	ck_assert_uint_eq(waiters[0].done, 0);
	ck_assert_uint_eq(waiters[1].done, 1);
	ck_assert_uint_eq(pool_lost(pool), 0);
	pool_free(&pool);
}
END_TEST

START_TEST(no_more_threads_are_lost_than_the_pool_may_have_and_then_it_refuses)
{
	make_pool(2, 4);
	pool_may_lose(pool);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(submit(&waiters[i], run_gated));
		await_arrivals(i + 1);
		if (i < 2)
			ck_assert(pool_give_up(&waiters[i].op));
	}
	/* It waits, and is no longer waited for: it never begins. */
	ck_assert(submit(&waiters[4], run_at_once));
	ck_assert(!pool_give_up(&waiters[4].op));
	ck_assert_uint_eq(waiters[4].freed, 1);
	ck_assert(pool_give_up(&waiters[2].op));
	ck_assert_uint_eq(pool_lost(pool), 3);
	ck_assert(submit(&waiters[5], run_at_once));
	ck_assert(pool_give_up(&waiters[3].op));
	ck_assert_uint_eq(pool_lost(pool), 4);
	ck_assert(!submit(&waiters[6], run_at_once));
	open_gate();
	NET_UNTIL(waiters[5].freed && waiters[0].freed && waiters[1].freed && waiters[2].freed && waiters[3].freed);
	ck_assert(waiters[5].done && !waiters[4].has_run);
	ck_assert_uint_eq(pool_lost(pool), 0);
	ck_assert(submit(&waiters[6], run_at_once));
	NET_UNTIL(waiters[6].freed);
	pool_free(&pool);
}
END_TEST

START_TEST(pool_that_was_never_used_can_be_freed)
{
	make_pool(8, 8);
	pool_free(&pool);
	pool_free(&pool);
}
END_TEST

START_TEST(of_many_jobs_each_is_freed_once_and_told_unless_cancelled)
{
	unsigned submitted = 0, cancelled = 0;

	make_pool(8, 32);
	srand(1);
	while (submitted < JOBS || pool_pending(pool)) {
		while (submitted < JOBS && submit(&waiters[submitted], run_at_once))
			submitted++;
		for (unsigned i = 0; i < 4; i++) {
			struct op *op = &waiters[(unsigned)rand() % submitted].op;

			cancelled += op_running(op);
			op_cancel(op);
		}
		if (pool_pending(pool))
			net_run("the next end");
	}
	ck_assert_uint_gt(cancelled, 0);
	ck_assert_uint_eq(done_in_all + cancelled, JOBS);
	ck_assert_uint_eq(freed_in_all, JOBS);
	for (unsigned i = 0; i < JOBS; i++)
		ck_assert_uint_eq(waiters[i].freed, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("op_pool");
	TCase *tcase = tcase_create("op_pool");

	tcase_add_checked_fixture(tcase, net_setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, op_is_told_its_end_or_cancelled_but_not_both);
	tcase_add_test(tcase, done_comes_from_the_loop_and_then_the_job_is_freed);
	tcase_add_test(tcase, jobs_of_one_thread_are_told_in_order);
	tcase_add_test(tcase, full_pool_refuses_and_leaves_the_job_to_the_caller);
	tcase_add_test(tcase, cancelled_queued_job_is_freed_at_once_and_never_runs);
	tcase_add_test(tcase, cancelled_running_job_ends_without_its_waiter);
	tcase_add_test(tcase, done_may_cancel_jobs_that_have_ended_too);
	tcase_add_test(tcase, done_may_submit_into_the_room_it_leaves);
	tcase_add_test(tcase, job_without_waiter_runs_and_is_freed);
	tcase_add_test(tcase, thread_is_made_only_when_none_is_free);
	tcase_add_test(tcase, jobs_run_side_by_side_up_to_the_limit);
	tcase_add_test(tcase, workers_leave_signals_to_the_loop);
	tcase_add_test(tcase, freed_pool_ends_running_jobs_and_frees_all_untold);
	tcase_add_test(tcase, another_thread_takes_the_place_of_one_that_is_given_up);
	tcase_add_test(tcase, no_more_threads_are_lost_than_the_pool_may_have_and_then_it_refuses);
	tcase_add_test(tcase, pool_that_was_never_used_can_be_freed);
	tcase_add_test(tcase, of_many_jobs_each_is_freed_once_and_told_unless_cancelled);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
