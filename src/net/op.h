/*
 * All waiting is one type: an op is embedded in whoever waits. done() fires at
 * most once, from the loop, never inside the _start function that began it, and
 * never after op_cancel() returned. Cancelling is legal at any time, also when
 * nothing was started.
 */
#ifndef NET_OP_H
#define NET_OP_H

#include <stdbool.h>
#include <stddef.h>

struct op {
	void (*done)(struct op *op);    /* set by the waiter */
	void *owner;                    /* the waiter's own */
	void (*cancel)(struct op *op);  /* set by the one who works while it runs; NULL: not running */
	void *work;                     /* the worker's own */
};

static inline bool op_running(const struct op *op)
{
	return op->cancel != NULL;
}

/* For the worker: the op runs now, and this is how to stop it. */
void op_begin(struct op *op, void (*cancel)(struct op *), void *work);

/* For the worker: it is over; calls done(). The op may be gone when this returns. */
void op_finish(struct op *op);

void op_cancel(struct op *op);

#endif
