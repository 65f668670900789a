/*
 * The event loop of the process: libevent underneath, with what it lacks:
 * timers that cost nothing to move, work put off to the next turn, and objects
 * that are freed only when no callback of the turn can still know them.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"
#include "base/list.h"

#include <stdint.h>

struct event_base;
struct loop;

/* NULL: err tells why. */
struct loop *loop_new(struct err *err);
void loop_free(struct loop **loop); /* timers and deferred work still in it are forgotten, not called */

struct event_base *loop_base(struct loop *loop);

/*
 * Run turns until loop_stop(), which also ends a loop_run() that comes after it.
 * At the end of each turn: deferred work, then reaping, then log_flush().
 */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Monotonic milliseconds: the same throughout a turn, the clock's own outside of turns. */
uint64_t loop_now_ms(const struct loop *loop);

/* A buffer of the loop for use within one callback. */
enum { LOOP_SCRATCH_SIZE = 64 * 1024 };
char *loop_scratch(struct loop *loop);

/*
 * A timer fires once, at most LOOP_TICK_MS late, from the loop. Starting a running
 * one moves it; stopping is legal at any time. All zero is a stopped timer.
 * Timers fire in the order of their ticks, except after a stall of many seconds.
 */
enum { LOOP_TICK_MS = 100 };
struct loop_timer {
	struct list link;
	uint64_t due_ms;
	void (*fire)(struct loop_timer *timer);
};
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms,
		      void (*fire)(struct loop_timer *));
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/*
 * Work for the end of this turn, or of the next one when deferred work is what
 * asks for it; that one then does not wait for events. Runs once per start,
 * however often it was asked for; all zero is idle.
 */
struct loop_deferred {
	struct list link;
	void (*run)(struct loop_deferred *deferred);
};
void loop_defer(struct loop *loop, struct loop_deferred *deferred, void (*run)(struct loop_deferred *));
void loop_defer_cancel(struct loop_deferred *deferred);

/* Free an object at the end of this turn, or with the loop when there is no turn any more. */
struct loop_garbage {
	struct list link;
	void (*free)(struct loop_garbage *garbage);
};
void loop_reap(struct loop *loop, struct loop_garbage *garbage, void (*free)(struct loop_garbage *));

/*
 * For an object that nobody holds any more and that will end by itself, with
 * loop_reap(): free() is what loop_free() calls when that did not come to pass.
 */
void loop_adopt(struct loop *loop, struct loop_garbage *garbage, void (*free)(struct loop_garbage *));

/* Is there any that has not ended yet? */
bool loop_has_adopted(const struct loop *loop);

#endif
