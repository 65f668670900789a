#include "backend/relay_feed.h"

#include "spool/disk.h"

#include <errno.h>
#include <stdlib.h>

enum { FEED_BUFFER_SIZE = 64 * 1024 };

static void feed_destroy(struct relay_feed *feed)
{
	spool_fini(&feed->spool);
	buf_fini(&feed->trace);
	free(feed->buffer);
	free(feed);
}

static void feed_take(struct relay_feed *feed)
{
	if (!spool_read(&feed->reader, feed->buffer, FEED_BUFFER_SIZE, &feed->piece)) {
		feed->is_failed = true;
		feed->error = errno;
	}
}

static void feed_run(struct pool_job *job)
{
	feed_take(LIST_OWNER(job, struct relay_feed, job));
}

static void feed_done(struct op *op)
{
	LIST_OWNER(op, struct relay_feed, op)->has_run = true;
}

/* The job can be used again only from here on, so that this is where the reader goes on. */
static void feed_job_free(struct pool_job *job)
{
	struct relay_feed *feed = LIST_OWNER(job, struct relay_feed, job);

	feed->is_reading = false;
	if (feed->is_abandoned)
		feed_destroy(feed);
	else if (feed->has_run)
		feed->arrived(feed->owner);
}

struct relay_feed *relay_feed_new(struct pool *disk, struct spool *spool, struct span trace)
{
	struct relay_feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return NULL;
	feed->disk = disk;
	feed->job.run = feed_run;
	feed->job.free = feed_job_free;
	feed->op.done = feed_done;
	spool_move(&feed->spool, spool);
	spool_reader_init(&feed->reader, &feed->spool);
	if (buf_add_span(&feed->trace, trace))
		return feed;
	relay_feed_free(&feed);
	return NULL;
}

static void feed_fail(struct relay_feed *feed, int error)
{
	feed->is_failed = true;
	feed->error = error;
}

/* False: a worker reads. */
static bool feed_read_file(struct relay_feed *feed)
{
	if (!feed->buffer)
		feed->buffer = malloc(FEED_BUFFER_SIZE);
	feed->has_run = false;
	if (!feed->buffer)
		feed_fail(feed, ENOMEM);
	else if (!pool_submit(feed->disk, &feed->job, &feed->op))
		feed_fail(feed, EAGAIN);
	else
		feed->is_reading = true;
	return !feed->is_reading;
}

bool relay_feed_next(struct relay_feed *feed)
{
	const struct spool_file *file = feed->spool.file;

	if (feed->is_reading)
		return false;
	if (feed->piece.len || feed->is_failed || feed->is_over)
		return true;
	if (!feed->is_begun) {
		feed->is_begun = true;
		feed->piece = buf_span(&feed->trace);
		if (feed->piece.len)
			return true;
	}
	if (file && feed->reader.offset < file->octets)
		return feed_read_file(feed);
	feed_take(feed);
	feed->is_over = feed->piece.len == 0;
	return true;
}

void relay_feed_free(struct relay_feed **feed_ptr)
{
	struct relay_feed *feed = *feed_ptr;

	*feed_ptr = NULL;
	if (!feed)
		return;
	if (!feed->is_reading) {
		feed_destroy(feed);
		return;
	}
	feed->is_abandoned = true;
	op_cancel(&feed->op);
}
