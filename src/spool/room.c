/* Would a message of a declared size find room? Memory is known; the disk is asked by a worker. */
#include "spool/disk.h"

#include <stdio.h>
#include <stdlib.h>

struct room_job {
	struct pool_job job;
	struct op op;
	struct spool_room *room; /* borrowed; NULL: nobody waits any more */
	const struct spool_disk *disk;
	uint64_t octets;
	bool fits;
	char reason[SPOOL_REASON_SIZE];
};

static void room_run(struct pool_job *pool_job)
{
	struct room_job *job = LIST_OWNER(pool_job, struct room_job, job);

	job->fits = spool_disk_has_room(job->disk, -1, job->octets, job->reason);
}

static void room_free(struct pool_job *pool_job)
{
	struct room_job *job = LIST_OWNER(pool_job, struct room_job, job);

	if (job->room) /* the pool ends before it came to this job */
		job->room->op.cancel = NULL;
	free(job);
}

static void room_done(struct op *op)
{
	struct room_job *job = LIST_OWNER(op, struct room_job, op);
	struct spool_room *room = job->room;

	job->room = NULL;
	room->fits = job->fits;
	memcpy(room->reason, job->reason, sizeof(room->reason));
	op_finish(&room->op);
}

static void room_cancel(struct op *op)
{
	struct room_job *job = op->work;

	job->room = NULL;
	op_cancel(&job->op);
}

static bool fits_memory(const struct spool_budget *budget, uint64_t octets)
{
	return budget->used_bytes <= budget->max_bytes && octets <= budget->max_bytes - budget->used_bytes &&
	       (!budget->disk || octets <= budget->threshold_octets);
}

/* The answer is no, at once. */
static bool refuse_now(struct spool_room *room, const char *reason)
{
	room->fits = false;
	snprintf(room->reason, sizeof(room->reason), "%s", reason);
	return false;
}

bool spool_room_start(struct spool_budget *budget, uint64_t octets, struct spool_room *room)
{
	struct room_job *job;

	BUG_ON(op_running(&room->op));
	room->reason[0] = '\0';
	room->fits = fits_memory(budget, octets);
	if (room->fits)
		return false;
	if (!budget->disk)
		return refuse_now(room, "spool_memory is used up");
	job = calloc(1, sizeof(*job));
	if (!job)
		return refuse_now(room, "out of memory");
	job->job.run = room_run;
	job->job.free = room_free;
	job->op.done = room_done;
	job->disk = budget->disk;
	job->octets = octets;
	if (!pool_submit(budget->disk->pool, &job->job, &job->op)) {
		free(job);
		return refuse_now(room, "the queue of disk jobs is full");
	}
	job->room = room;
	op_begin(&room->op, room_cancel, job);
	return true;
}
