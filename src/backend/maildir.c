/*
 * The maildir backend, on the loop: it copies what a job needs, hands the job
 * to the disk pool and carries its answer back. Jobs wait on an op of their
 * own, so that a waiter may go away while its message is delivered to the end;
 * they know the store, and neither the backend nor anything of the session.
 */
#include "backend/backend.h"

#include "backend/maildir_job.h"
#include "backend/maildir_path.h"
#include "base/arena.h"
#include "base/buf.h"
#include "proto/trace.h"

#include <stdlib.h>

struct maildir_backend {
	struct backend backend;
	struct pool *disk; /* borrowed */
	struct maildir_store *store;
	char *name, *pattern; /* owned */
};

struct check_job {
	struct pool_job job;
	struct op op;
	struct backend_check *check; /* borrowed; NULL: nobody waits any more */
	struct backend_answer answer;
	char path[];
};

struct deliver_job {
	struct pool_job job;
	struct op op;
	struct backend_delivery *delivery; /* borrowed; NULL: nobody waits any more */
	struct maildir_delivery work;      /* spool and store are the job's */
	struct arena arena;                /* all else in `work` */
};

#define OWNER(member_ptr, type, member) ((type *)(void *)((char *)(member_ptr) - offsetof(type, member)))

static const char queue_full[] = "the queue of disk jobs is full";
static const char no_path[] = "the address makes no path";
static const char no_memory[] = "out of memory";

/* ---- is there such a mailbox? ---- */

static void check_run(struct pool_job *pool_job)
{
	struct check_job *job = OWNER(pool_job, struct check_job, job);

	maildir_check(job->path, &job->answer);
}

static void check_free(struct pool_job *pool_job)
{
	struct check_job *job = OWNER(pool_job, struct check_job, job);

	if (job->check) /* the pool ends before it came to this job */
		job->check->op.cancel = NULL;
	free(job);
}

static void check_done(struct op *op)
{
	struct check_job *job = OWNER(op, struct check_job, op);
	struct backend_check *check = job->check;

	job->check = NULL;
	check->answer = job->answer;
	op_finish(&check->op);
}

static void check_cancel(struct op *op)
{
	struct check_job *job = op->work;

	job->check = NULL;
	op_cancel(&job->op);
}

static bool maildir_check_start(struct backend *b, struct backend_check *check,
				const struct smtp_address *recipient)
{
	struct maildir_backend *maildir = OWNER(b, struct maildir_backend, backend);
	char path[MAILDIR_PATH_SIZE];
	struct check_job *job;

	if (!maildir_path_expand(path, maildir->pattern, recipient)) {
		backend_answer_no(&check->answer, SMTP_REPLY_UNKNOWN_MAILBOX, "%s", no_path);
		return false;
	}
	job = calloc(1, sizeof(*job) + strlen(path) + 1);
	if (!job) {
		backend_answer_no(&check->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
		return false;
	}
	memcpy(job->path, path, strlen(path) + 1);
	job->job.run = check_run;
	job->job.free = check_free;
	job->op.done = check_done;
	if (!pool_submit(maildir->disk, &job->job, &job->op)) {
		free(job);
		backend_answer_no(&check->answer, SMTP_REPLY_LOCAL_ERROR, "%s", queue_full);
		return false;
	}
	job->check = check;
	op_begin(&check->op, check_cancel, job);
	return true;
}

/* ---- a message ---- */

static void deliver_run(struct pool_job *pool_job)
{
	struct deliver_job *job = OWNER(pool_job, struct deliver_job, job);

	maildir_deliver(&job->work);
}

static void deliver_free(struct pool_job *pool_job)
{
	struct deliver_job *job = OWNER(pool_job, struct deliver_job, job);

	if (job->delivery) /* the pool ends before it came to this job */
		job->delivery->op.cancel = NULL;
	spool_fini(&job->work.content);
	maildir_store_put(&job->work.store);
	arena_fini(&job->arena);
	free(job);
}

static void deliver_done(struct op *op)
{
	struct deliver_job *job = OWNER(op, struct deliver_job, op);
	struct backend_delivery *delivery = job->delivery;

	if (!delivery)
		return;
	job->delivery = NULL;
	delivery->answer = job->work.answer;
	delivery->octets = job->work.octets;
	op_finish(&delivery->op);
}

/* The job is left to its end, also when no worker has begun it: what was submitted will be delivered. */
static void deliver_cancel(struct op *op)
{
	struct deliver_job *job = op->work;

	job->delivery = NULL;
}

/* What was written to `text`, copied into the job. */
static bool job_keep(struct deliver_job *job, struct span *kept, struct span text)
{
	const char *copy = arena_dup(&job->arena, text);

	*kept = span_of(copy, text.len);
	return copy != NULL;
}

/* Recipients whose mailbox is the same get the message once. */
static bool job_has_mailbox(const struct deliver_job *job, const char *path, uint32_t hash)
{
	for (size_t i = 0; i < job->work.mailbox_count; i++) {
		const struct maildir_mailbox *m = &job->work.mailboxes[i];

		if (m->path_hash == hash && strcmp(m->path, path) == 0)
			return true;
	}
	return false;
}

/* False: the answer tells why. */
static bool job_add_recipient(struct deliver_job *job, const char *pattern,
			      const struct smtp_address *recipient, struct buf *text)
{
	struct maildir_mailbox *m = &job->work.mailboxes[job->work.mailbox_count];
	char path[MAILDIR_PATH_SIZE];
	struct span kept_path, delivered_to;
	uint32_t hash = 5381;

	/* Nobody is delivered to unchecked, but if somebody is: not at the price of the process. */
	if (!maildir_path_expand(path, pattern, recipient)) {
		backend_answer_no(&job->work.answer, SMTP_REPLY_LOCAL_ERROR, "%s", no_path);
		return false;
	}
	for (const char *p = path; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	if (job_has_mailbox(job, path, hash))
		return true;
	buf_clear(text);
	if (!trace_write_delivered_to(text, recipient) || !job_keep(job, &delivered_to, buf_span(text)) ||
	    !job_keep(job, &kept_path, span_str(path)))
		return false;
	maildir_mailbox_init(m, kept_path.ptr, delivered_to);
	m->path_hash = hash;
	job->work.mailbox_count++;
	return true;
}

/* False: the answer tells why. */
static bool job_fill(struct deliver_job *job, const char *pattern, const struct backend_message *message)
{
	struct maildir_delivery *work = &job->work;
	struct buf text = { 0 };
	bool is_filled;

	backend_answer_no(&work->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
	work->mailboxes = arena_alloc(&job->arena, message->recipient_count * sizeof(*work->mailboxes));
	is_filled = work->mailboxes && trace_write_return_path(&text, message->sender) &&
		    job_keep(job, &work->return_path, buf_span(&text)) &&
		    job_keep(job, &work->trace, message->trace);
	for (size_t i = 0; is_filled && i < message->recipient_count; i++)
		is_filled = job_add_recipient(job, pattern, message->recipients[i], &text);
	buf_fini(&text);
	return is_filled;
}

/* The message's content is the job's from here on. */
static struct deliver_job *deliver_job_new(struct maildir_backend *maildir,
					   const struct backend_message *message)
{
	struct deliver_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->job.run = deliver_run;
	job->job.free = deliver_free;
	job->op.done = deliver_done;
	job->work.store = maildir_store_get(maildir->store);
	spool_move(&job->work.content, message->spool);
	return job;
}

static bool maildir_deliver_start(struct backend *b, struct backend_delivery *delivery,
				  const struct backend_message *message)
{
	struct maildir_backend *maildir = OWNER(b, struct maildir_backend, backend);
	struct deliver_job *job = deliver_job_new(maildir, message);

	if (!job) {
		spool_fini(message->spool);
		backend_answer_no(&delivery->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
		return false;
	}
	if (!job_fill(job, maildir->pattern, message)) {
		delivery->answer = job->work.answer;
		deliver_free(&job->job);
		return false;
	}
	if (!pool_submit(maildir->disk, &job->job, &job->op)) {
		backend_answer_no(&delivery->answer, SMTP_REPLY_LOCAL_ERROR, "%s", queue_full);
		deliver_free(&job->job);
		return false;
	}
	job->delivery = delivery;
	op_begin(&delivery->op, deliver_cancel, job);
	return true;
}

/* ---- the backend ---- */

static void maildir_free(struct backend *b)
{
	struct maildir_backend *maildir = OWNER(b, struct maildir_backend, backend);

	maildir_store_put(&maildir->store);
	free(maildir->name);
	free(maildir->pattern);
	free(maildir);
}

static const struct backend_ops maildir_ops = {
	.type = "maildir",
	.check_start = maildir_check_start,
	.deliver_start = maildir_deliver_start,
	.free = maildir_free,
};

struct backend *backend_maildir_new(const struct backend_maildir_options *options, struct err *err)
{
	struct maildir_backend *maildir;

	if (!maildir_path_check_pattern(options->path, err))
		return NULL;
	maildir = calloc(1, sizeof(*maildir));
	if (maildir) {
		maildir->name = strdup(options->name);
		maildir->pattern = strdup(options->path);
		maildir->store = maildir_store_new(options->hostname);
		maildir->disk = options->disk;
		maildir->backend = (struct backend){
			.ops = &maildir_ops,
			.name = maildir->name,
			.takes_smtputf8 = true,
		};
	}
	if (!maildir || !maildir->name || !maildir->pattern || !maildir->store) {
		err_set(err, "backend %s: out of memory", options->name);
		if (maildir)
			maildir_free(&maildir->backend);
		return NULL;
	}
	return &maildir->backend;
}
