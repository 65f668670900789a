#include "net/throttle.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

enum {
	/* How often those who wait are looked at, and how much of the rate may be spent at once. */
	SLICE_MS = 10,
	/* More is not owed, by who paid last, and for what was charged. */
	DEBT_MS = 1000,
};

struct throttle {
	struct loop *loop;
	struct event slice;  /* pending while anybody waits */
	struct list waiters;
	int64_t units_per_ms;
	int64_t credit;      /* units; below zero after who was the last to pay */
	int64_t charged;     /* units that were spent by who did not wait, of a second at most */
	uint64_t reckoned_ms;
};

/* Half of what comes in pays what was charged, as long as there is any: those who wait always go on. */
static void reckon(struct throttle *t)
{
	uint64_t now_ms = loop_now_ms(t->loop), elapsed_ms = now_ms - t->reckoned_ms;
	const int64_t most = t->units_per_ms * SLICE_MS;
	int64_t earned, paid;

	t->reckoned_ms = now_ms;
	/* In so long all debts are paid, and the purse is full. */
	if (elapsed_ms > DEBT_MS * 2 + SLICE_MS)
		elapsed_ms = DEBT_MS * 2 + SLICE_MS;
	earned = (int64_t)elapsed_ms * t->units_per_ms;
	paid = t->charged < earned / 2 ? t->charged : earned / 2;
	t->charged -= paid;
	t->credit += earned - paid;
	if (t->credit > most)
		t->credit = most;
}

static void spend(struct throttle *t, uint64_t units)
{
	const int64_t least = -DEBT_MS * t->units_per_ms;

	t->credit = units > (uint64_t)(t->credit - least) ? least : t->credit - (int64_t)units;
}

static bool start_slice(struct throttle *t)
{
	const struct timeval delay = { .tv_usec = SLICE_MS * 1000 };

	return event_pending(&t->slice, EV_TIMEOUT, NULL) || event_add(&t->slice, &delay) == 0;
}

static void let_one_go(struct throttle *t)
{
	struct throttle_waiter *waiter = LIST_OWNER(t->waiters.next, struct throttle_waiter, link);

	list_remove(&waiter->link);
	spend(t, waiter->units);
	waiter->go_on(waiter);
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct throttle *t = arg;

	(void)fd;
	(void)what;
	reckon(t);
	while (t->credit > 0 && !list_empty(&t->waiters))
		let_one_go(t);
	/* Without memory for the event there is no other time than now. */
	while (!list_empty(&t->waiters) && !start_slice(t))
		let_one_go(t);
}

struct throttle *throttle_new(struct loop *loop, uint64_t units_per_second)
{
	struct throttle *t = calloc(1, sizeof(*t));

	BUG_ON(units_per_second < 1000);
	if (!t)
		return NULL;
	t->loop = loop;
	t->units_per_ms = (int64_t)(units_per_second / 1000);
	t->credit = t->units_per_ms * SLICE_MS;
	t->reckoned_ms = loop_now_ms(loop);
	list_init(&t->waiters);
	event_assign(&t->slice, loop_base(loop), -1, 0, on_slice, t);
	return t;
}

void throttle_free(struct throttle **throttle)
{
	struct throttle *t = *throttle;

	if (!t)
		return;
	BUG_ON(!list_empty(&t->waiters));
	event_del(&t->slice);
	free(t);
	*throttle = NULL;
}

bool throttle_pay(struct throttle *t, struct throttle_waiter *waiter, uint64_t units,
		  void (*go_on)(struct throttle_waiter *))
{
	if (list_linked(&waiter->link)) {
		waiter->units += units;
		return false;
	}
	reckon(t);
	if (units == 0 || (list_empty(&t->waiters) && t->credit > 0) || !start_slice(t)) {
		spend(t, units);
		return true;
	}
	waiter->units = units;
	waiter->go_on = go_on;
	list_append(&t->waiters, &waiter->link);
	return false;
}

void throttle_charge(struct throttle *t, uint64_t units)
{
	const int64_t most = DEBT_MS * t->units_per_ms;

	reckon(t);
	t->charged = units > (uint64_t)(most - t->charged) ? most : t->charged + (int64_t)units;
}

void throttle_cancel(struct throttle_waiter *waiter)
{
	list_remove(&waiter->link);
}
