/*
 * The maildir backend, on the loop: it copies what a job needs, hands the job
 * to the disk pool and carries its answer back. Jobs wait on an op of their
 * own, so that a waiter may go away while its message is delivered to the end;
 * they know the store, and neither the backend nor anything of the session.
 */
#include "backend/maildir.h"

#include "backend/maildir_job.h"
#include "backend/maildir_path.h"
#include "base/buf.h"
#include "proto/trace.h"

#include <stdlib.h>

struct maildir_backend {
	struct backend backend;
	struct pool *disk; /* borrowed */
	struct maildir_store *store;
	struct arena arena; /* of name and rules */
	const char *name;
	struct maildir_rules rules;
};

struct maildir_transaction {
	struct backend_transaction transaction;
	uint64_t octets; /* declared; 0: not known */
};

struct check_job {
	struct pool_job job;
	struct op op;
	struct backend_check *check; /* borrowed; NULL: nobody waits any more */
	struct maildir_store *store; /* a reference */
	struct arena arena;          /* of the places */
	struct maildir_places places;
	uint64_t octets;
	struct backend_answer answer;
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

	maildir_ask(job->store, &job->places, job->octets, &job->answer);
}

static void check_free(struct pool_job *pool_job)
{
	struct check_job *job = OWNER(pool_job, struct check_job, job);

	if (job->check) /* the pool ends before it came to this job */
		job->check->op.cancel = NULL;
	maildir_store_put(&job->store);
	arena_fini(&job->arena);
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

/* NULL: out of memory. */
static struct check_job *check_job_new(struct maildir_backend *maildir, const struct smtp_address *recipient)
{
	struct check_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->job.run = check_run;
	job->job.free = check_free;
	job->op.done = check_done;
	job->store = maildir_store_get(maildir->store);
	if (maildir_places_name(&job->places, &maildir->rules, recipient, &job->arena))
		return job;
	check_free(&job->job);
	return NULL;
}

static bool maildir_check_start(struct backend_transaction *transaction, struct backend_check *check,
				const struct backend_recipient *recipient)
{
	struct maildir_transaction *t = OWNER(transaction, struct maildir_transaction, transaction);
	struct maildir_backend *maildir = OWNER(transaction->backend, struct maildir_backend, backend);
	struct check_job *job = check_job_new(maildir, recipient->address);

	if (!job) {
		backend_answer_no(&check->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
		return false;
	}
	job->octets = t->octets;
	if (job->places.count == 0) {
		backend_answer_no(&check->answer, SMTP_REPLY_UNKNOWN_MAILBOX, "%s", no_path);
	} else if (!pool_submit(maildir->disk, &job->job, &job->op)) {
		backend_answer_no(&check->answer, SMTP_REPLY_LOCAL_ERROR, "%s", queue_full);
	} else {
		job->check = check;
		op_begin(&check->op, check_cancel, job);
		return true;
	}
	check_free(&job->job);
	return false;
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

		if (m->path && m->path_hash == hash && strcmp(m->path, path) == 0)
			return true;
	}
	return false;
}

/* Where there is a choice the worker makes it, and looks for duplicates again. False: out of memory. */
static bool job_add_places(struct deliver_job *job, const struct maildir_places *places,
			   struct span delivered_to)
{
	struct maildir_mailbox *m = &job->work.mailboxes[job->work.mailbox_count];
	const struct maildir_place *only = places->count == 1 ? &places->at[0] : NULL;
	uint32_t hash = only ? maildir_path_hash(only->path) : 0;
	struct span kept;
	struct maildir_places *kept_places;

	if (only && job_has_mailbox(job, only->path, hash))
		return true;
	if (!job_keep(job, &kept, delivered_to))
		return false;
	maildir_mailbox_init(m, only ? only->path : NULL, kept);
	m->path_hash = hash;
	m->may_be_made = only && only->may_be_made;
	if (!only) {
		kept_places = arena_alloc(&job->arena, sizeof(*kept_places));
		if (!kept_places)
			return false;
		*kept_places = *places;
		m->places = kept_places;
	}
	job->work.mailbox_count++;
	return true;
}

/* False: the answer tells why. */
static bool job_add_recipient(struct deliver_job *job, const struct maildir_rules *rules,
			      const struct smtp_address *recipient, struct buf *text)
{
	struct maildir_places places;

	buf_clear(text);
	if (!maildir_places_name(&places, rules, recipient, &job->arena) ||
	    !trace_write_delivered_to(text, recipient))
		return false;
	/* Nobody is delivered to unchecked, but if somebody is: not at the price of the process. */
	if (places.count == 0) {
		backend_answer_no(&job->work.answer, SMTP_REPLY_LOCAL_ERROR, "%s", no_path);
		return false;
	}
	return job_add_places(job, &places, buf_span(text));
}

/* False: the answer tells why. */
static bool job_fill(struct deliver_job *job, const struct maildir_rules *rules,
		     const struct backend_message *message)
{
	struct maildir_delivery *work = &job->work;
	struct buf text = { 0 };
	bool is_filled;

	backend_answer_no(&work->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
	work->mailboxes = arena_alloc(&job->arena, message->recipient_count * sizeof(*work->mailboxes));
	is_filled = work->mailboxes && trace_write_return_path(&text, message->mail->sender) &&
		    job_keep(job, &work->return_path, buf_span(&text)) &&
		    job_keep(job, &work->trace, message->trace);
	for (size_t i = 0; is_filled && i < message->recipient_count; i++)
		is_filled = job_add_recipient(job, rules, message->recipients[i].address, &text);
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

static bool maildir_deliver_start(struct backend_transaction *t, struct backend_delivery *delivery,
				  const struct backend_message *message)
{
	struct maildir_backend *maildir = OWNER(t->backend, struct maildir_backend, backend);
	struct deliver_job *job = deliver_job_new(maildir, message);

	if (!job) {
		spool_fini(message->spool);
		backend_answer_no(&delivery->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
		return false;
	}
	if (!job_fill(job, &maildir->rules, message)) {
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

static struct backend_transaction *maildir_transaction_new(struct backend *b, const struct backend_mail *mail)
{
	struct maildir_transaction *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct maildir_transaction){ .transaction = { .backend = b }, .octets = mail->octets };
	return &t->transaction;
}

static void maildir_transaction_free(struct backend_transaction *t)
{
	free(OWNER(t, struct maildir_transaction, transaction));
}

static void maildir_free(struct backend *b)
{
	struct maildir_backend *maildir = OWNER(b, struct maildir_backend, backend);
	struct arena arena = maildir->arena;

	maildir_store_put(&maildir->store);
	arena_fini(&arena);
	free(maildir);
}

static const struct backend_ops maildir_ops = {
	.type = "maildir",
	.transaction_new = maildir_transaction_new,
	.transaction_free = maildir_transaction_free,
	.check_start = maildir_check_start,
	.deliver_start = maildir_deliver_start,
	.free = maildir_free,
};

/* A copy of a text that may be NULL. *is_kept becomes false where memory runs out. */
static const char *keep_text(struct arena *arena, const char *text, bool *is_kept)
{
	const char *copy = text ? arena_dup(arena, span_str(text)) : NULL;

	*is_kept = *is_kept && (copy || !text);
	return copy;
}

static bool keep_mailboxes(struct maildir_backend *maildir, const struct backend_maildir_options *o)
{
	size_t count = o->creates ? o->mailbox_count : 0;
	const char **names = count ? arena_alloc(&maildir->arena, count * sizeof(*names)) : NULL;
	bool is_kept = names || count == 0;

	for (size_t i = 0; is_kept && i < count; i++)
		names[i] = keep_text(&maildir->arena, o->mailboxes[i], &is_kept);
	maildir->rules.made_mailboxes = names;
	maildir->rules.made_count = count;
	return is_kept;
}

static bool keep_rules(struct maildir_backend *maildir, const struct backend_maildir_options *o)
{
	struct arena *arena = &maildir->arena;
	struct maildir_rules *rules = &maildir->rules;
	bool is_kept = true;

	maildir->name = keep_text(arena, o->name, &is_kept);
	rules->pattern = keep_text(arena, o->path, &is_kept);
	rules->delimiters = keep_text(arena, o->recipient_delimiter ? o->recipient_delimiter : "", &is_kept);
	rules->has_folders = o->detail_folders;
	rules->catch_all = keep_text(arena, o->catch_all, &is_kept);
	rules->postmaster = keep_text(arena, o->postmaster, &is_kept);
	return is_kept && keep_mailboxes(maildir, o);
}

static bool keep_store(struct maildir_backend *maildir, const struct backend_maildir_options *o)
{
	struct maildir_store *store = maildir_store_new(o->hostname);

	maildir->store = store;
	if (!store)
		return false;
	store->quota = (struct maildir_quota){ o->quota_octets, o->quota_messages };
	store->is_quota_permanent = o->is_quota_permanent;
	if (o->unsynced_mailboxes)
		store->unsynced_mailboxes = o->unsynced_mailboxes;
	store->fixed_len = maildir_place_fixed_len(o->path);
	return true;
}

struct backend *backend_maildir_new(const struct backend_maildir_options *options, struct err *err)
{
	struct maildir_backend *maildir;

	if (!maildir_path_check_pattern(options->path, err))
		return NULL;
	maildir = calloc(1, sizeof(*maildir));
	if (!maildir || !keep_rules(maildir, options) || !keep_store(maildir, options)) {
		err_set(err, "backend %s: out of memory", options->name);
		if (maildir)
			maildir_free(&maildir->backend);
		return NULL;
	}
	maildir->disk = options->disk;
	maildir->backend = (struct backend){
		.ops = &maildir_ops,
		.name = maildir->name,
		.takes_smtputf8 = true,
		.takes_8bitmime = true,
	};
	return &maildir->backend;
}

/* ---- before the start ---- */

static void inspect_mailbox(const struct maildir_backend *maildir, const struct smtp_address *recipient,
			    struct backend_answer *answer)
{
	struct maildir_places places;
	struct arena arena = { 0 };

	backend_answer_no(answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
	if (maildir_places_name(&places, &maildir->rules, recipient, &arena)) {
		backend_answer_no(answer, SMTP_REPLY_UNKNOWN_MAILBOX, "%s", no_path);
		/* Nothing but looking: quotas would be counted, and written down. */
		maildir_places_find(&places, maildir->store->fixed_len, answer);
	}
	arena_fini(&arena);
}

bool backend_maildir_inspect(const struct backend_maildir_options *options,
			     const struct smtp_address *recipient, struct err *err)
{
	const struct smtp_address anybody = { .local_len = 1, .domain_len = 1, .text = "aa" };
	struct backend *b = backend_maildir_new(options, err);
	struct maildir_backend *maildir;
	struct backend_answer answer;
	char path[MAILDIR_PATH_SIZE];

	if (!b)
		return false;
	maildir = OWNER(b, struct maildir_backend, backend);
	if (recipient) {
		inspect_mailbox(maildir, recipient, &answer);
	} else {
		/* It fits: backend_maildir_new() has tried. */
		BUG_ON(!maildir_path_expand(path, maildir->rules.pattern, &anybody));
		maildir_check_base(path, maildir->store->fixed_len, &answer);
	}
	if (smtp_reply_is_error(&answer.reply))
		err_set(err, "%s", answer.detail);
	backend_put(&b);
	return !smtp_reply_is_error(&answer.reply);
}
