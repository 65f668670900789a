/*
 * One rate that many share: who has spent more than there is waits in line. What it is
 * for is work that nobody gains by, such as reading what will be refused: it is done, but
 * in slices so short that those who are served do not notice.
 *
 * Payment comes after the work, because only then its cost is known.
 */
#ifndef NET_THROTTLE_H
#define NET_THROTTLE_H

#include "base/bug.h"
#include "net/loop.h"

struct throttle;

/* All zero is one that does not wait. */
struct throttle_waiter {
	struct list link;
	uint64_t units; /* that it owes */
	void (*go_on)(struct throttle_waiter *waiter);
};

/* So many units a second, at least 1000. NULL: out of memory. The loop must outlive it. */
struct throttle *throttle_new(struct loop *loop, uint64_t units_per_second);

/* Nobody may wait any more. */
void throttle_free(struct throttle **throttle);

/*
 * Pay for what was done. True: go on. False: there is too little for all; go_on() is called,
 * once, when those before it have paid. Who waits already owes more then.
 */
MUST_CHECK bool throttle_pay(struct throttle *throttle, struct throttle_waiter *waiter, uint64_t units,
			     void (*go_on)(struct throttle_waiter *));

/*
 * The same for one who does nothing any more: others have half of the rate until it is paid, for two seconds at
 * most. However much is charged, those who wait go on.
 */
void throttle_charge(struct throttle *throttle, uint64_t units);

/* Leave the line; legal at any time. What was owed stays owed by nobody. */
void throttle_cancel(struct throttle_waiter *waiter);

#endif
