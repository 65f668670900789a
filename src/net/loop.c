#include "net/loop.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/log.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

/*
 * Timers lie in a wheel: slot n holds those whose due tick is n modulo
 * WHEEL_SLOTS. What lies further away than one round stays where it is and is
 * looked at once per round, so that starting and moving a timer is two list
 * operations however long it runs.
 */
enum { WHEEL_SLOTS = 512 };

struct loop {
	struct event_base *base;
	struct event tick;      /* runs only while a timer does */
	bool is_ticking;
	bool in_turn;
	bool is_stopping;
	uint64_t now_ms;        /* 0: nobody asked in this turn yet */
	uint64_t passed_tick;   /* the last tick whose slot was looked at */
	size_t timer_count;     /* running timers */
	struct list slots[WHEEL_SLOTS];
	struct list deferred;
	struct list garbage;
	struct list adopted;
	char scratch[LOOP_SCRATCH_SIZE];
};

/* Hang all of `from` behind `to`, which is (re)initialised. */
static void list_take(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

static void fire_slot(struct loop *loop, struct list *slot, uint64_t until_ms)
{
	struct list taken, *link;

	/* A list of its own, because fire() may start and stop any timer, those in it too. */
	list_take(&taken, slot);
	while ((link = list_shift(&taken))) {
		struct loop_timer *timer = LIST_OWNER(link, struct loop_timer, link);

		if (timer->due_ms > until_ms) {
			list_append(slot, link);
			continue;
		}
		loop->timer_count--;
		timer->fire(timer);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	uint64_t tick = loop_now_ms(loop) / LOOP_TICK_MS;
	uint64_t first = loop->passed_tick + 1;

	(void)fd;
	(void)what;
	loop->is_ticking = false;
	/* After a stall of more than a round each slot is looked at once. */
	if (tick >= WHEEL_SLOTS && first <= tick - WHEEL_SLOTS)
		first = tick - WHEEL_SLOTS + 1;
	if (tick > loop->passed_tick)
		loop->passed_tick = tick;
	for (uint64_t t = first; t <= tick; t++)
		fire_slot(loop, &loop->slots[t % WHEEL_SLOTS], tick * LOOP_TICK_MS);
}

/* Wake up for the next tick if a timer runs. False: no memory for that now. */
static bool keep_ticking(struct loop *loop)
{
	uint64_t next_ms = (loop->passed_tick + 1) * LOOP_TICK_MS;
	uint64_t now_ms = loop_now_ms(loop);
	struct timeval delay = { 0 };

	if (loop->is_ticking || loop->timer_count == 0)
		return true;
	if (next_ms > now_ms)
		delay.tv_usec = (suseconds_t)((next_ms - now_ms) * 1000);
	loop->is_ticking = event_add(&loop->tick, &delay) == 0;
	return loop->is_ticking;
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	/* One thread; and what is armed and disarmed within a turn costs no system call. */
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV |
						  EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct loop *loop_new(struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop || !(loop->base = new_base())) {
		free(loop);
		err_set_errno(err, "cannot make an event loop");
		return NULL;
	}
	event_assign(&loop->tick, loop->base, -1, 0, on_tick, loop);
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_init(&loop->slots[i]);
	list_init(&loop->deferred);
	list_init(&loop->garbage);
	list_init(&loop->adopted);
	return loop;
}

static void forget_all(struct list *head)
{
	while (list_shift(head))
		;
}

static void free_all(struct list *head)
{
	struct list *link;

	while ((link = list_shift(head))) {
		struct loop_garbage *garbage = LIST_OWNER(link, struct loop_garbage, link);

		garbage->free(garbage);
	}
}

void loop_free(struct loop **loop_ptr)
{
	struct loop *loop = *loop_ptr;

	if (!loop)
		return;
	BUG_ON(loop->in_turn);
	free_all(&loop->adopted);
	free_all(&loop->garbage);
	forget_all(&loop->deferred);
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		forget_all(&loop->slots[i]);
	event_del(&loop->tick);
	event_base_free(loop->base);
	free(loop);
	*loop_ptr = NULL;
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

/* Only those that were there when the turn's events were done: the others wait for the next turn. */
static void run_deferred(struct loop *loop)
{
	struct list taken, *link;

	list_take(&taken, &loop->deferred);
	while ((link = list_shift(&taken))) {
		struct loop_deferred *deferred = LIST_OWNER(link, struct loop_deferred, link);

		deferred->run(deferred);
	}
}

static void run_turn(struct loop *loop)
{
	/* libevent gives up by itself when it has no events; ours go on until they are stopped. */
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	if (!keep_ticking(loop) || !list_empty(&loop->deferred))
		flags |= EVLOOP_NONBLOCK;
	loop->now_ms = 0;
	loop->in_turn = true;
	BUG_ON(event_base_loop(loop->base, flags) < 0);
	run_deferred(loop);
	free_all(&loop->garbage);
	log_flush();
	loop->in_turn = false;
}

void loop_run(struct loop *loop)
{
	BUG_ON(loop->in_turn);
	while (!loop->is_stopping)
		run_turn(loop);
	loop->is_stopping = false;
}

void loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
}

uint64_t loop_now_ms(const struct loop *loop)
{
	if (!loop->in_turn)
		return clock_monotonic_ms();
	/* The first who asks reads the clock for the whole turn: libevent tells nobody that it woke up. */
	if (loop->now_ms == 0)
		((struct loop *)loop)->now_ms = clock_monotonic_ms();
	return loop->now_ms;
}

char *loop_scratch(struct loop *loop)
{
	return loop->scratch;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms,
		      void (*fire)(struct loop_timer *))
{
	uint64_t now_ms = loop_now_ms(loop);
	uint64_t tick;

	loop_timer_stop(loop, timer);
	if (loop->timer_count++ == 0)
		loop->passed_tick = now_ms / LOOP_TICK_MS; /* the wheel stood still while it was empty */
	timer->due_ms = now_ms + delay_ms;
	timer->fire = fire;
	tick = (timer->due_ms + LOOP_TICK_MS - 1) / LOOP_TICK_MS;
	if (tick <= loop->passed_tick)
		tick = loop->passed_tick + 1;
	list_append(&loop->slots[tick % WHEEL_SLOTS], &timer->link);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	if (!list_linked(&timer->link))
		return;
	list_remove(&timer->link);
	loop->timer_count--;
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred, void (*run)(struct loop_deferred *))
{
	deferred->run = run;
	if (!list_linked(&deferred->link))
		list_append(&loop->deferred, &deferred->link);
}

void loop_defer_cancel(struct loop_deferred *deferred)
{
	list_remove(&deferred->link);
}

void loop_adopt(struct loop *loop, struct loop_garbage *garbage, void (*free_fn)(struct loop_garbage *))
{
	BUG_ON(list_linked(&garbage->link));
	garbage->free = free_fn;
	list_append(&loop->adopted, &garbage->link);
}

void loop_reap(struct loop *loop, struct loop_garbage *garbage, void (*free_fn)(struct loop_garbage *))
{
	list_remove(&garbage->link); /* from the adopted ones */
	garbage->free = free_fn;
	list_append(&loop->garbage, &garbage->link);
}

bool loop_has_adopted(const struct loop *loop)
{
	return !list_empty(&loop->adopted);
}
