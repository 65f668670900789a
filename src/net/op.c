#include "net/op.h"

#include "base/bug.h"

void op_begin(struct op *op, void (*cancel)(struct op *), void *work)
{
	BUG_ON(op_running(op) || !op->done || !cancel);
	op->cancel = cancel;
	op->work = work;
}

void op_finish(struct op *op)
{
	BUG_ON(!op_running(op));
	op->cancel = NULL;
	op->done(op);
}

void op_cancel(struct op *op)
{
	void (*cancel)(struct op *) = op->cancel;

	if (!cancel)
		return;
	op->cancel = NULL;
	cancel(op);
}
