/*
 * The loop: when timers fire, what a callback may do to others, in which order
 * a turn's end comes, and that an idle loop sleeps.
 */
#include "net_fixture.h"
#include "unit.h"

#include <event2/event.h>

enum { START_MS = 1000000, MANY = 1000 };

struct probe {
	struct loop_timer timer;
	unsigned fired;
	unsigned order; /* 1: the first that fired */
};

static struct probe probes[MANY];
static unsigned fired_in_all;

static void on_probe(struct loop_timer *timer)
{
	struct probe *probe = LIST_OWNER(timer, struct probe, timer);

	probe->fired++;
	probe->order = ++fired_in_all;
}

static void start(struct probe *probe, uint64_t delay_ms)
{
	loop_timer_start(net_loop, &probe->timer, delay_ms, on_probe);
}

static void setup_frozen(void)
{
	net_clock_frozen_ms = START_MS;
	net_setup();
}

static unsigned count_fired(unsigned from, unsigned to)
{
	unsigned count = 0;

	for (unsigned i = from; i < to; i++)
		count += probes[i].fired;
	return count;
}

START_TEST(timers_fire_in_the_first_tick_after_they_are_due)
{
	for (unsigned delay_ms = 0; delay_ms <= 400; delay_ms++)
		start(&probes[delay_ms], delay_ms);
	for (unsigned tick = 1; tick <= 4; tick++) {
		net_pass(LOOP_TICK_MS);
		ck_assert_uint_eq(count_fired(0, 401), tick * LOOP_TICK_MS + 1);
		ck_assert_uint_eq(probes[tick * LOOP_TICK_MS].fired, 1);
	}
}
END_TEST

START_TEST(timers_that_start_between_ticks_are_not_early)
{
	net_clock_frozen_ms += LOOP_TICK_MS / 2;
	start(&probes[0], LOOP_TICK_MS / 2);
	start(&probes[1], LOOP_TICK_MS / 2 + 1);
	net_pass(LOOP_TICK_MS); /* now at half a tick: the tick of probe 0 has passed, not that of probe 1 */
	ck_assert_uint_eq(probes[0].fired, 1);
	ck_assert_uint_eq(probes[1].fired, 0);
}
END_TEST

START_TEST(timer_beyond_the_wheel_waits_for_its_round)
{
	const uint64_t round_ms = 512 * LOOP_TICK_MS;

	start(&probes[0], round_ms + 5000);
	start(&probes[1], 3 * round_ms + 5000);
	net_pass(5000);
	net_pass(round_ms - LOOP_TICK_MS);
	ck_assert_uint_eq(probes[0].fired, 0);
	net_pass(LOOP_TICK_MS);
	ck_assert_uint_eq(probes[0].fired, 1);
	net_pass(round_ms);
	net_pass(round_ms - LOOP_TICK_MS);
	ck_assert_uint_eq(probes[1].fired, 0);
	net_pass(LOOP_TICK_MS);
	ck_assert_uint_eq(probes[1].fired, 1);
}
END_TEST

START_TEST(all_that_is_due_fires_once_after_a_long_stall)
{
	for (unsigned i = 0; i < MANY; i++)
		start(&probes[i], i * 150);
	net_pass((MANY - 10) * 150);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(probes[i].fired, i <= MANY - 10);
	net_pass(10 * 150);
	ck_assert_uint_eq(count_fired(0, MANY), MANY);
}
END_TEST

START_TEST(timers_fire_in_the_order_of_their_ticks)
{
	for (unsigned i = 0; i < 100; i++)
		start(&probes[i], (i * 37 % 100) * LOOP_TICK_MS);
	net_pass(100 * LOOP_TICK_MS);
	for (unsigned i = 0; i < 100; i++)
		for (unsigned j = 0; j < 100; j++)
			if (i * 37 % 100 > 1 && probes[i].timer.due_ms < probes[j].timer.due_ms)
				ck_assert_uint_lt(probes[i].order, probes[j].order);
}
END_TEST

START_TEST(moved_timer_fires_at_its_new_time_only)
{
	start(&probes[0], 1000);
	start(&probes[0], 3000);
	start(&probes[1], 3000);
	start(&probes[1], 1000);
	net_pass(1000);
	ck_assert_uint_eq(probes[0].fired, 0);
	ck_assert_uint_eq(probes[1].fired, 1);
	net_pass(5000);
	ck_assert_uint_eq(probes[0].fired, 1);
	ck_assert_uint_eq(probes[1].fired, 1);
}
END_TEST

START_TEST(stopped_timer_does_not_fire)
{
	start(&probes[0], 1000);
	loop_timer_stop(net_loop, &probes[0].timer);
	loop_timer_stop(net_loop, &probes[0].timer);
	loop_timer_stop(net_loop, &probes[1].timer);
	net_pass(5000);
	ck_assert_uint_eq(fired_in_all, 0);
	start(&probes[0], 1000);
	net_pass(1000);
	ck_assert_uint_eq(probes[0].fired, 1);
}
END_TEST

/* The first of the tick stops the second, moves the third away and starts the fifth. */
static void on_meddler(struct loop_timer *timer)
{
	on_probe(timer);
	loop_timer_stop(net_loop, &probes[1].timer);
	start(&probes[2], 10000);
	start(&probes[4], 0);
}

START_TEST(fire_may_stop_move_and_start_others_of_the_same_tick)
{
	loop_timer_start(net_loop, &probes[0].timer, 1000, on_meddler);
	for (unsigned i = 1; i < 4; i++)
		start(&probes[i], 1000);
	net_pass(1000);
	ck_assert_uint_eq(probes[0].fired, 1);
	ck_assert_uint_eq(probes[1].fired, 0);
	ck_assert_uint_eq(probes[2].fired, 0);
	ck_assert_uint_eq(probes[3].fired, 1);
	net_pass(20000);
	ck_assert_uint_eq(probes[1].fired, 0);
	ck_assert_uint_eq(probes[2].fired, 1);
	ck_assert_uint_eq(probes[4].fired, 1);
}
END_TEST

static void on_again(struct loop_timer *timer)
{
	on_probe(timer);
	loop_timer_start(net_loop, timer, 0, on_again);
}

START_TEST(timer_that_starts_itself_anew_fires_once_per_tick)
{
	loop_timer_start(net_loop, &probes[0].timer, 0, on_again);
	for (unsigned i = 1; i <= 3; i++) {
		net_pass(LOOP_TICK_MS);
		ck_assert_uint_eq(probes[0].fired, i);
	}
	net_pass(60000); /* however long it took */
	ck_assert_uint_eq(probes[0].fired, 4);
}
END_TEST

static struct event real_timer;

static void on_real_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	net_stop();
}

START_TEST(loop_without_timers_does_not_tick)
{
	struct timeval while_sleeping = { .tv_usec = 5 * LOOP_TICK_MS * 1000 };
	unsigned before;

	start(&probes[0], 1000);
	loop_timer_stop(net_loop, &probes[0].timer);
	evtimer_assign(&real_timer, loop_base(net_loop), on_real_timer, NULL);
	evtimer_add(&real_timer, &while_sleeping);
	before = net_clock_reads;
	loop_run(net_loop);
	ck_assert_uint_le(net_clock_reads - before, 2); /* a tick reads the clock */
}
END_TEST

static uint64_t now_seen[2];

static void look_at_clock_twice(struct loop_timer *timer)
{
	(void)timer;
	now_seen[0] = loop_now_ms(net_loop);
	net_clock_ahead_ms += 5000;
	now_seen[1] = loop_now_ms(net_loop);
	net_stop();
}

START_TEST(now_is_the_same_throughout_a_turn)
{
	uint64_t before = loop_now_ms(net_loop);

	loop_timer_start(net_loop, &probes[0].timer, 0, look_at_clock_twice);
	loop_run(net_loop);
	ck_assert_uint_ge(now_seen[0], before);
	ck_assert_uint_eq(now_seen[0], now_seen[1]);
	ck_assert_uint_ge(loop_now_ms(net_loop), now_seen[0] + 5000);
}
END_TEST

struct task {
	struct loop_deferred deferred;
	struct loop_garbage garbage;
	unsigned runs;
	unsigned frees;
	unsigned left; /* how often it defers itself once more */
};

static struct task tasks[4];
static unsigned reaped_before_deferred;

static void on_freed(struct loop_garbage *garbage)
{
	LIST_OWNER(garbage, struct task, garbage)->frees++;
}

static void on_task(struct loop_deferred *deferred)
{
	struct task *task = LIST_OWNER(deferred, struct task, deferred);

	task->runs++;
	reaped_before_deferred += task->frees;
	if (task->left-- > 0)
		loop_defer(net_loop, deferred, on_task);
	else
		net_stop();
}

START_TEST(deferred_work_runs_once_however_often_asked_for)
{
	loop_defer(net_loop, &tasks[0].deferred, on_task);
	loop_defer(net_loop, &tasks[0].deferred, on_task);
	net_turns(3);
	ck_assert_uint_eq(tasks[0].runs, 1);
}
END_TEST

/* Nothing else is in the loop: a turn that waits for events would never end. */
START_TEST(work_deferred_by_deferred_work_waits_for_the_next_turn_which_does_not_wait)
{
	tasks[0].left = 5;
	loop_defer(net_loop, &tasks[0].deferred, on_task);
	net_turns(1);
	ck_assert_uint_eq(tasks[0].runs, 1);
	loop_run(net_loop);
	ck_assert_uint_eq(tasks[0].runs, 6);
}
END_TEST

static void cancel_second(struct loop_deferred *deferred)
{
	(void)deferred;
	loop_defer_cancel(&tasks[1].deferred);
}

START_TEST(cancelled_deferred_work_does_not_run)
{
	loop_defer(net_loop, &tasks[0].deferred, cancel_second);
	loop_defer(net_loop, &tasks[1].deferred, on_task);
	loop_defer(net_loop, &tasks[2].deferred, on_task);
	loop_defer_cancel(&tasks[2].deferred);
	loop_defer_cancel(&tasks[3].deferred);
	net_turns(2);
	ck_assert_uint_eq(tasks[1].runs, 0);
	ck_assert_uint_eq(tasks[2].runs, 0);
}
END_TEST

START_TEST(garbage_is_freed_at_the_end_of_the_turn)
{
	loop_defer(net_loop, &tasks[0].deferred, on_task);
	loop_reap(net_loop, &tasks[0].garbage, on_freed);
	ck_assert_uint_eq(tasks[0].frees, 0);
	loop_run(net_loop);
	ck_assert_uint_eq(tasks[0].frees, 1);
	ck_assert_uint_eq(reaped_before_deferred, 0);
	net_turns(1);
	ck_assert_uint_eq(tasks[0].frees, 1);
}
END_TEST

START_TEST(loop_frees_garbage_and_adopted_objects_once_and_forgets_the_rest)
{
	start(&probes[0], 0);
	loop_defer(net_loop, &tasks[0].deferred, on_task);
	loop_reap(net_loop, &tasks[1].garbage, on_freed);
	loop_adopt(net_loop, &tasks[2].garbage, on_freed);
	loop_adopt(net_loop, &tasks[3].garbage, on_freed);
	loop_reap(net_loop, &tasks[3].garbage, on_freed);
	loop_free(&net_loop);
	ck_assert_uint_eq(probes[0].fired, 0);
	ck_assert_uint_eq(tasks[0].runs, 0);
	for (unsigned i = 1; i < 4; i++)
		ck_assert_uint_eq(tasks[i].frees, 1);
	ck_assert(!list_linked(&probes[0].timer.link));
	loop_defer_cancel(&tasks[0].deferred);
	loop_free(&net_loop);
}
END_TEST

START_TEST(stop_ends_a_run_that_comes_after_it)
{
	loop_defer(net_loop, &tasks[0].deferred, on_task);
	loop_stop(net_loop);
	loop_run(net_loop);
	ck_assert_uint_eq(tasks[0].runs, 0);
	loop_run(net_loop);
	ck_assert_uint_eq(tasks[0].runs, 1);
}
END_TEST

static TCase *timer_cases(void)
{
	TCase *timers = tcase_create("timers");

	tcase_add_checked_fixture(timers, setup_frozen, net_teardown);
	tcase_set_timeout(timers, 60);
	tcase_add_test(timers, timers_fire_in_the_first_tick_after_they_are_due);
	tcase_add_test(timers, timers_that_start_between_ticks_are_not_early);
	tcase_add_test(timers, timer_beyond_the_wheel_waits_for_its_round);
	tcase_add_test(timers, all_that_is_due_fires_once_after_a_long_stall);
	tcase_add_test(timers, timers_fire_in_the_order_of_their_ticks);
	tcase_add_test(timers, moved_timer_fires_at_its_new_time_only);
	tcase_add_test(timers, stopped_timer_does_not_fire);
	tcase_add_test(timers, fire_may_stop_move_and_start_others_of_the_same_tick);
	tcase_add_test(timers, timer_that_starts_itself_anew_fires_once_per_tick);
	return timers;
}

static TCase *turn_cases(void)
{
	TCase *turns = tcase_create("turns");

	tcase_add_checked_fixture(turns, net_setup, net_teardown);
	tcase_set_timeout(turns, 60);
	tcase_add_test(turns, loop_without_timers_does_not_tick);
	tcase_add_test(turns, now_is_the_same_throughout_a_turn);
	tcase_add_test(turns, deferred_work_runs_once_however_often_asked_for);
	tcase_add_test(turns, work_deferred_by_deferred_work_waits_for_the_next_turn_which_does_not_wait);
	tcase_add_test(turns, cancelled_deferred_work_does_not_run);
	tcase_add_test(turns, garbage_is_freed_at_the_end_of_the_turn);
	tcase_add_test(turns, loop_frees_garbage_and_adopted_objects_once_and_forgets_the_rest);
	tcase_add_test(turns, stop_ends_a_run_that_comes_after_it);
	return turns;
}

int main(void)
{
	Suite *suite = suite_create("loop");

	suite_add_tcase(suite, timer_cases());
	suite_add_tcase(suite, turn_cases());
	return unit_main(suite);
}
