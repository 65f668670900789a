/*
 * The pipe backends, on the loop. A delivery waits for its turn, has its files
 * made by a worker, runs the program, and turns its end into an answer. What has
 * begun goes on when the waiter is gone; what still waits for its turn does not.
 */
#include "backend/pipe.h"

#include "backend/pipe_private.h"
#include "base/log.h"

#include <stdlib.h>

enum {
	/* Of what a program writes; the first line goes to the log. */
	SAID_MAX = 1024,
	/* How long an answer may take beyond turn, program and its killing. */
	MARGIN_MS = 10000,
	/* What an argument costs beside its characters: NUL and pointer. */
	ARGUMENT_COST = 9,
};

struct pipe_backend {
	struct backend backend;
	struct pipe_program *program; /* a reference */
};

struct pipe_transaction {
	struct backend_transaction transaction;
	const struct smtp_address *sender; /* lent */
	uint64_t argument_octets; /* of the recipients so far */
	bool is_looked_for;       /* the program is there, or was a moment ago */
};

/* Is the program there? */
struct look_job {
	struct pool_job job;
	struct op op;
	struct backend_check *check;   /* borrowed; NULL: nobody waits any more */
	struct pipe_transaction *t;    /* borrowed, as long as somebody waits */
	struct pipe_program *program;  /* a reference */
	struct backend_answer answer;
};

enum delivery_stage {
	DELIVERY_WAITING, /* for its turn */
	DELIVERY_MAKING,  /* its files */
	DELIVERY_RUNNING,
	DELIVERY_OVER,    /* the answer is to be told */
};

struct pipe_delivery {
	struct pipe_program *program;    /* a reference */
	struct backend_delivery *waiter; /* borrowed; NULL: nobody waits any more */
	enum delivery_stage stage;
	bool has_turn;                   /* it is one of program->running */
	struct list link;                /* in program->waiting */
	struct loop_timer turn;          /* the longest wait for it */
	struct arena arena;              /* of arguments, environment, envelope, trace */
	const char **argv, **envp;
	const char *message_id;
	struct pipe_files files;
	struct pool_job job;             /* while DELIVERY_MAKING */
	struct op made;
	struct child_run run;            /* while DELIVERY_RUNNING */
	struct buf said;
	struct backend_answer answer;
	struct loop_deferred report;
	struct loop_garbage garbage;
};

static const char no_memory[] = "out of memory";
static const char queue_full[] = "the queue of disk jobs is full";

/* ---- is the program there? ---- */

static void look_run(struct pool_job *job)
{
	struct look_job *look = LIST_OWNER(job, struct look_job, job);

	pipe_program_look(look->program->command[0], &look->answer);
}

static void look_free(struct pool_job *job)
{
	struct look_job *look = LIST_OWNER(job, struct look_job, job);

	if (look->check) /* the pool ends before it came to this job */
		look->check->op.cancel = NULL;
	pipe_program_put(&look->program);
	free(look);
}

static void look_done(struct op *op)
{
	struct look_job *look = LIST_OWNER(op, struct look_job, op);
	struct backend_check *check = look->check;

	look->check = NULL;
	look->t->is_looked_for = !smtp_reply_is_error(&look->answer.reply);
	backend_answer_copy(&check->answer, &look->answer);
	op_finish(&check->op);
}

static void look_cancel(struct op *op)
{
	struct look_job *look = op->work;

	look->check = NULL;
	op_cancel(&look->op);
}

static bool look_start(struct pipe_transaction *t, struct backend_check *check, struct pipe_program *program)
{
	struct look_job *look = calloc(1, sizeof(*look));

	if (!look) {
		backend_answer_no(&check->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
		return false;
	}
	look->job.run = look_run;
	look->job.free = look_free;
	look->op.done = look_done;
	look->t = t;
	look->program = pipe_program_get(program);
	if (!pool_submit(program->disk, &look->job, &look->op)) {
		backend_answer_no(&check->answer, SMTP_REPLY_LOCAL_ERROR, "%s", queue_full);
		look_free(&look->job);
		return false;
	}
	look->check = check;
	op_begin(&check->op, look_cancel, look);
	return true;
}

/* ---- recipients ---- */

static bool has_leading_hyphen(const struct smtp_address *address)
{
	return address->local_len > 0 && address->text[0] == '-';
}

/*
 * sendmail has addresses among its arguments. "--" is in front of them, and still: not all that is called
 * sendmail knows it, and a script may hand its arguments on. False: the answer tells why not.
 */
static bool fits_arguments(struct pipe_transaction *t, const struct smtp_address *recipient,
			   struct backend_answer *answer)
{
	uint64_t octets = (uint64_t)recipient->local_len * 2 + recipient->domain_len + ARGUMENT_COST;

	backend_answer_yes(answer);
	if (has_leading_hyphen(t->sender))
		answer->reply = pipe_reply_sender;
	else if (has_leading_hyphen(recipient))
		answer->reply = pipe_reply_recipient;
	else if (t->argument_octets + octets > BACKEND_PIPE_ARGUMENTS_MAX)
		answer->reply = *smtp_reply(SMTP_REPLY_TOO_MANY_RECIPIENTS);
	else
		t->argument_octets += octets;
	return !smtp_reply_is_error(&answer->reply);
}

static struct pipe_program *program_of(const struct backend_transaction *transaction)
{
	return LIST_OWNER(transaction->backend, struct pipe_backend, backend)->program;
}

static bool pipe_check_start(struct backend_transaction *transaction, struct backend_check *check,
			     const struct backend_recipient *recipient)
{
	struct pipe_transaction *t = LIST_OWNER(transaction, struct pipe_transaction, transaction);
	struct pipe_program *program = program_of(transaction);

	backend_answer_yes(&check->answer);
	if (program->kind == BACKEND_PIPE_SENDMAIL && !fits_arguments(t, recipient->address, &check->answer))
		return false;
	return !t->is_looked_for && look_start(t, check, program);
}

/* ---- the end of a delivery ---- */

static void begin(struct pipe_delivery *d);

static void free_delivery(struct loop_garbage *garbage)
{
	free(LIST_OWNER(garbage, struct pipe_delivery, garbage));
}

/* All but its memory, which may be in use further up. */
static void let_go(struct pipe_delivery *d)
{
	loop_timer_stop(d->program->loop, &d->turn);
	spool_fini(&d->files.content);
	pipe_files_close(&d->files);
	buf_fini(&d->said);
	arena_fini(&d->arena);
	pipe_program_put(&d->program);
}

static void retire(struct pipe_delivery *d)
{
	struct loop *loop = d->program->loop;

	let_go(d);
	loop_reap(loop, &d->garbage, free_delivery);
}

/* The loop ends before the program does, which ends with it. */
static void end_with_loop(struct loop_garbage *garbage)
{
	struct pipe_delivery *d = LIST_OWNER(garbage, struct pipe_delivery, garbage);

	if (d->waiter)
		d->waiter->op.cancel = NULL; /* nothing is left to cancel */
	op_cancel(&d->run.op);
	list_remove(&d->link);
	let_go(d);
	free(d);
}

/* The waiter was told something else, or nothing: what the message came to is nowhere but here. */
static void log_late(const struct pipe_delivery *d)
{
	bool is_taken = !smtp_reply_is_error(&d->answer.reply);

	log_begin(LOG_LEVEL_INFO, d->message_id, "late");
	log_str("backend", d->program->name);
	log_str("outcome", is_taken ? "taken" : "refused");
	log_str("detail", *d->answer.detail ? d->answer.detail : NULL);
	log_end();
}

/* Its place is free for the next one. */
static void give_turn(struct pipe_delivery *d)
{
	struct pipe_program *program = d->program;
	struct list *link;

	if (!d->has_turn)
		return;
	program->running--;
	link = list_shift(&program->waiting);
	if (link)
		begin(LIST_OWNER(link, struct pipe_delivery, link));
}

static void on_report(struct loop_deferred *deferred)
{
	struct pipe_delivery *d = LIST_OWNER(deferred, struct pipe_delivery, report);
	struct backend_delivery *waiter = d->waiter;

	give_turn(d);
	if (!waiter) {
		log_late(d);
		retire(d);
		return;
	}
	d->waiter = NULL;
	backend_answer_copy(&waiter->answer, &d->answer);
	waiter->octets = d->files.octets;
	retire(d);
	op_finish(&waiter->op);
}

/* d->answer is there. */
static void conclude(struct pipe_delivery *d)
{
	d->stage = DELIVERY_OVER;
	loop_defer(d->program->loop, &d->report, on_report);
}

static void refuse(struct pipe_delivery *d, enum smtp_reply_name reply, const char *detail)
{
	backend_answer_no(&d->answer, reply, "%s", detail);
	conclude(d);
}

/* ---- running ---- */

static void on_ended(struct op *op)
{
	struct pipe_delivery *d = LIST_OWNER(op, struct pipe_delivery, run.op);

	pipe_answer(&d->answer, d->program, &d->run, pipe_files_were_read(&d->files),
		    buf_span(&d->said));
	conclude(d);
}

static void run_program(struct pipe_delivery *d)
{
	bool is_sendmail = d->program->kind == BACKEND_PIPE_SENDMAIL;
	const struct child_fd fds[] = {
		{ .number = 0, .kind = CHILD_FD_GIVEN, .given = d->files.content_fd },
		{ .number = 2, .kind = CHILD_FD_OUTPUT, .output = &d->said, .output_max = SAID_MAX },
		is_sendmail ?
			(struct child_fd){ .number = 1, .kind = CHILD_FD_OUTPUT, .output = &d->said,
					   .output_max = SAID_MAX } :
			(struct child_fd){ .number = 1, .kind = CHILD_FD_GIVEN,
					   .given = d->files.envelope_fd },
	};
	const struct child_plan plan = {
		.argv = d->argv,
		.envp = d->envp,
		.fds = fds,
		.fd_count = sizeof(fds) / sizeof(fds[0]),
		.timeout_ms = d->program->timeout_ms,
	};

	d->stage = DELIVERY_RUNNING;
	d->run.op.done = on_ended;
	child_start(&d->run, d->program->group, &plan);
}

/* ---- making the files ---- */

static void make_run(struct pool_job *job)
{
	pipe_files_make(&LIST_OWNER(job, struct pipe_delivery, job)->files);
}

/* Behind on_made(), or instead of it when the pool ends: then the delivery ends with the loop. */
static void make_free(struct pool_job *job)
{
	struct pipe_delivery *d = LIST_OWNER(job, struct pipe_delivery, job);

	if (d->stage == DELIVERY_MAKING && d->waiter) {
		d->waiter->op.cancel = NULL;
		d->waiter = NULL;
	}
	/* The content is in the file now, and its memory is wanted. */
	spool_fini(&d->files.content);
}

static void on_made(struct op *op)
{
	struct pipe_delivery *d = LIST_OWNER(op, struct pipe_delivery, made);

	if (smtp_reply_is_error(&d->files.answer.reply)) {
		backend_answer_copy(&d->answer, &d->files.answer);
		conclude(d);
		return;
	}
	run_program(d);
}

/* Its turn has come. */
static void begin(struct pipe_delivery *d)
{
	loop_timer_stop(d->program->loop, &d->turn);
	d->program->running++;
	d->has_turn = true;
	d->stage = DELIVERY_MAKING;
	if (!pool_submit(d->program->disk, &d->job, &d->made))
		refuse(d, SMTP_REPLY_LOCAL_ERROR, queue_full);
}

/* ---- a new delivery ---- */

static void on_turn_late(struct loop_timer *timer)
{
	struct pipe_delivery *d = LIST_OWNER(timer, struct pipe_delivery, turn);

	list_remove(&d->link);
	backend_answer_yes(&d->answer);
	d->answer.reply = pipe_reply_busy;
	conclude(d);
}

/* What has begun goes on; what has not will not. */
static void deliver_cancel(struct op *op)
{
	struct pipe_delivery *d = op->work;

	d->waiter = NULL;
	if (d->stage != DELIVERY_WAITING)
		return;
	list_remove(&d->link);
	retire(d);
}

static bool keep(struct arena *arena, struct span *kept, struct span text)
{
	const char *copy = arena_dup(arena, text);

	*kept = span_of(copy, text.len);
	return copy != NULL;
}

static bool keep_envelope(struct pipe_delivery *d, const struct backend_message *m)
{
	struct buf text = { 0 };
	bool is_kept;

	if (d->program->kind != BACKEND_PIPE_QMAIL_QUEUE)
		return true;
	is_kept = pipe_envelope_write(&text, m) && keep(&d->arena, &d->files.envelope, buf_span(&text));
	buf_fini(&text);
	return is_kept;
}

/* NULL: out of memory, and the spool is as it was. */
static struct pipe_delivery *delivery_new(struct pipe_program *program, const struct backend_message *m)
{
	struct pipe_delivery *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->program = pipe_program_get(program);
	spool_init(&d->files.content, m->spool->budget);
	d->files.content_fd = d->files.envelope_fd = -1;
	d->job.run = make_run;
	d->job.free = make_free;
	d->made.done = on_made;
	d->argv = pipe_program_argv(program, m, &d->arena);
	d->envp = pipe_program_envp(program, m->mail, &d->arena);
	d->message_id = arena_dup(&d->arena, span_str(m->mail->message_id));
	if (d->argv && d->envp && d->message_id && keep(&d->arena, &d->files.trace, m->trace) &&
	    keep_envelope(d, m)) {
		spool_move(&d->files.content, m->spool);
		loop_adopt(program->loop, &d->garbage, end_with_loop);
		return d;
	}
	let_go(d);
	free(d);
	return NULL;
}

static bool pipe_deliver_start(struct backend_transaction *transaction, struct backend_delivery *delivery,
			       const struct backend_message *m)
{
	struct pipe_program *program = program_of(transaction);
	struct pipe_delivery *d = NULL;

	/* It would be a line end to some that read the message later, and to others not. */
	if (m->has_lone_cr)
		backend_answer_no(&delivery->answer, SMTP_REPLY_LONE_CR_IN_MESSAGE, "%s", "");
	else if (!(d = delivery_new(program, m)))
		backend_answer_no(&delivery->answer, SMTP_REPLY_NO_MEMORY, "%s", no_memory);
	if (!d) {
		spool_fini(m->spool);
		return false;
	}
	d->waiter = delivery;
	op_begin(&delivery->op, deliver_cancel, d);
	if (program->running < program->max_running) {
		begin(d);
	} else {
		list_append(&program->waiting, &d->link);
		loop_timer_start(program->loop, &d->turn, program->timeout_ms, on_turn_late);
	}
	return true;
}

/* ---- the backend ---- */

static struct backend_transaction *pipe_transaction_new(struct backend *b, const struct backend_mail *mail)
{
	struct pipe_transaction *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct pipe_transaction){ .transaction = { .backend = b }, .sender = mail->sender };
	return &t->transaction;
}

static void pipe_transaction_free(struct backend_transaction *t)
{
	free(LIST_OWNER(t, struct pipe_transaction, transaction));
}

static void pipe_free(struct backend *b)
{
	struct pipe_backend *pipe = LIST_OWNER(b, struct pipe_backend, backend);

	pipe_program_put(&pipe->program);
	free(pipe);
}

static const struct backend_ops qmail_queue_ops = {
	.type = "qmail-queue",
	.transaction_new = pipe_transaction_new,
	.transaction_free = pipe_transaction_free,
	.check_start = pipe_check_start,
	.deliver_start = pipe_deliver_start,
	.free = pipe_free,
};

static const struct backend_ops sendmail_ops = {
	.type = "sendmail",
	.transaction_new = pipe_transaction_new,
	.transaction_free = pipe_transaction_free,
	.check_start = pipe_check_start,
	.deliver_start = pipe_deliver_start,
	.free = pipe_free,
};

struct backend *backend_pipe_new(const struct backend_pipe_options *options, struct err *err)
{
	bool is_sendmail = options->kind == BACKEND_PIPE_SENDMAIL;
	struct pipe_backend *pipe = malloc(sizeof(*pipe));
	struct pipe_program *program = pipe_program_new(options);

	if (!pipe || !program) {
		err_set(err, "backend %s: out of memory", options->name);
		pipe_program_put(&program);
		free(pipe);
		return NULL;
	}
	pipe->program = program;
	pipe->backend = (struct backend){
		.ops = is_sendmail ? &sendmail_ops : &qmail_queue_ops,
		.name = program->name,
		.takes_8bitmime = true,
		.commit_deadline_ms = 2 * options->timeout_ms + 2 * CHILD_GRACE_MS + MARGIN_MS,
	};
	return &pipe->backend;
}
