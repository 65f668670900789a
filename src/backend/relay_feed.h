/*
 * The trace fields and the content of a message, piece by piece: what is in memory
 * is lent as it is; what is in a file of the spool is read by a worker, one piece at
 * a time. A feed owns the content.
 */
#ifndef BACKEND_RELAY_FEED_H
#define BACKEND_RELAY_FEED_H

#include "base/buf.h"
#include "net/pool.h"
#include "spool/spool.h"

struct relay_feed {
	struct pool_job job;
	struct op op;
	struct pool *disk;          /* borrowed */
	struct spool spool;         /* owned */
	struct spool_reader reader;
	struct buf trace;           /* goes first */
	struct span piece;          /* what is yet to be sent of the current one */
	char *buffer;               /* owned; NULL: nothing was read from a file yet */
	bool is_begun, is_reading, has_run, is_abandoned, is_failed, is_over;
	int error;                  /* errno of the failure */
	void (*arrived)(void *owner);
	void *owner;
};

/* Takes the content of `spool`, which is empty afterwards. NULL: out of memory. */
struct relay_feed *relay_feed_new(struct pool *disk, struct spool *spool, struct span trace);

/*
 * Fill in feed->piece if that is empty. True: there is a piece, or the end (is_over), or a failure (is_failed).
 * False: arrived() will be called.
 */
MUST_CHECK bool relay_feed_next(struct relay_feed *feed);

void relay_feed_free(struct relay_feed **feed);

#endif
