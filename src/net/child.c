/*
 * One run of a program, from its turn in the group to its end. A struct child
 * lives until its process is reaped, also when nobody waits for it any more, and
 * holds its place in the group as long.
 */
#include "net/child.h"

#include "net/child_private.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct child_group {
	struct loop *loop;
	struct pool *pool;     /* borrowed; NULL: apart */
	struct runner *runner; /* borrowed; NULL: not apart */
	unsigned program;      /* of the runner */
	unsigned references; /* the owner's, and one for each child */
	unsigned max_running, max_waiting;
	unsigned running, waiting_count;
	struct list waiting; /* of struct child, the first to come first */
};

static void start_waiting(struct child_group *group);

/* ---- groups ---- */

static struct child_group *new_group(struct loop *loop, unsigned max_running, unsigned max_waiting,
				     struct err *err)
{
	struct child_group *group = malloc(sizeof(*group));

	BUG_ON(max_running == 0);
	if (!group) {
		err_set(err, "out of memory");
		return NULL;
	}
	*group = (struct child_group){ .loop = loop, .references = 1, .max_running = max_running,
				       .max_waiting = max_waiting };
	list_init(&group->waiting);
	return group;
}

struct child_group *child_group_new(struct loop *loop, struct pool *pool, unsigned max_running,
				    unsigned max_waiting, struct err *err)
{
	struct child_group *group = new_group(loop, max_running, max_waiting, err);

	if (group)
		group->pool = pool;
	/* Whoever started us may have it ignored, and then nobody learns how a process has ended. */
	signal(SIGCHLD, SIG_DFL);
	return group;
}

struct child_group *child_group_new_apart(struct loop *loop, struct runner *runner, unsigned program,
					  unsigned max_running, unsigned max_waiting, struct err *err)
{
	struct child_group *group = new_group(loop, max_running, max_waiting, err);

	if (group) {
		group->runner = runner;
		group->program = program;
	}
	return group;
}

static void group_put(struct child_group *group)
{
	if (--group->references == 0)
		free(group);
}

void child_group_free(struct child_group **group)
{
	if (*group)
		group_put(*group);
	*group = NULL;
}

unsigned child_group_running(const struct child_group *group)
{
	return group->running;
}

/* ---- the end of the waiting ---- */

static void on_report(struct loop_deferred *deferred)
{
	struct child_run *run = LIST_OWNER(deferred, struct child_run, report);

	op_finish(&run->op);
}

/* done() is called at the end of the turn; the child, if there is one, goes its own way. */
static void report(struct child_run *run, enum child_end end, int status)
{
	if (run->child) {
		child_pipe_forget(run->child);
		run->child->run = NULL;
		run->child = NULL;
	}
	run->end = end;
	run->status = status;
	loop_defer(run->loop, &run->report, on_report);
}

static void say(struct child_run *run, const char *what, const char *detail)
{
	snprintf(run->failure, sizeof(run->failure), "%s%s%s", what, detail ? ": " : "",
		 detail ? detail : "");
}

static void report_failure(struct child_run *run, enum child_end end, int error, const char *what)
{
	say(run, what, error ? strerror(error) : NULL);
	report(run, end, error);
}

/* ---- the end of the process ---- */

static void free_child(struct loop_garbage *garbage)
{
	free(LIST_OWNER(garbage, struct child, garbage));
}

/* All but its memory, which may be in use further up. */
static void let_go(struct child *child)
{
	loop_timer_stop(child->group->loop, &child->timer);
	child_pipe_close(child);
	arena_fini(&child->arena);
}

/* Nothing runs any more. */
static void retire(struct child *child)
{
	struct child_group *group = child->group;

	let_go(child);
	if (child->stage != CHILD_WAITING)
		group->running--;
	loop_reap(group->loop, &child->garbage, free_child);
	group_put(group);
}

/* And the next one has its turn. */
static void hand_over(struct child *child)
{
	struct child_group *group = child->group;

	group->references++;
	retire(child);
	start_waiting(group);
	group_put(group);
}

static void close_end(struct child *child)
{
	event_del(&child->exited);
	close(child->end_fd);
	child->end_fd = -1;
}

static void signal_all(const struct child *child, int number)
{
	if (child->runner) {
		child_apart_signal(child, number);
		return;
	}
	/* It leads its process group, and its pid is its own until it is reaped. 0 and -1 would be others. */
	BUG_ON(child->spawn.pid <= 1);
	kill(-child->spawn.pid, number);
}

static void end_process(const struct child *child)
{
	signal_all(child, SIGKILL);
	while (waitpid(child->spawn.pid, NULL, 0) < 0 && errno == EINTR)
		;
	/* The pool has ended before anybody watched it. */
	if (child->end_fd < 0)
		close(child->spawn.pidfd);
}

/* The loop ends before the child does. */
static void end_with_loop(struct loop_garbage *garbage)
{
	struct child *child = LIST_OWNER(garbage, struct child, garbage);

	if (child->run)
		child->run->op.cancel = NULL; /* nothing is left to cancel */
	list_remove(&child->link);
	if (child->runner)
		(void)child_apart_withdraw(child);
	else if (child->spawn.pid > 0)
		end_process(child);
	if (child->end_fd >= 0)
		close_end(child);
	let_go(child);
	group_put(child->group);
	free(child);
}

static void tell_end(struct child_run *run, const struct child_finish *finish)
{
	char number[48];

	if (finish->end == CHILD_EXITED && finish->status) {
		snprintf(number, sizeof(number), "exit code %d", finish->status);
		say(run, number, NULL);
	} else if (finish->end == CHILD_SIGNALED && finish->status >= 0) {
		snprintf(number, sizeof(number), "killed by signal %d", finish->status);
		say(run, number, strsignal(finish->status));
	} else if (finish->end == CHILD_SIGNALED) {
		say(run, "its end is not known", NULL);
	}
	report(run, finish->end, finish->status < 0 ? 0 : finish->status);
}

/* True: it has ended, and is no process any more. */
static bool reap(const struct child *child, struct child_finish *finish)
{
	siginfo_t end = { .si_code = 0 };

	if (waitid(P_PIDFD, (id_t)child->end_fd, &end, WEXITED | WNOHANG) == 0 && end.si_pid == 0)
		return false;
	/* Whatever else: somebody else has reaped it, so nobody will ever know. */
	*finish = (struct child_finish){ CHILD_SIGNALED, -1 };
	if (end.si_code == CLD_EXITED)
		*finish = (struct child_finish){ CHILD_EXITED, end.si_status };
	else if (end.si_code == CLD_KILLED || end.si_code == CLD_DUMPED)
		finish->status = end.si_status;
	return true;
}

/* True: it has ended, and there is no child any more. */
static bool try_reap(struct child *child)
{
	struct child_run *run = child->run;
	struct child_finish finish;
	bool has_read_all;

	/* Before it is reaped, because its group has its name only so long. */
	if (child->stage >= CHILD_ENDING)
		signal_all(child, SIGKILL);
	if (!(child->runner ? child_apart_hear_end(child, &finish) : reap(child, &finish)))
		return false;
	close_end(child);
	has_read_all = child_pipe_finish(child);
	if (run) {
		run->has_read_all = has_read_all;
		if (child->is_timed_out)
			report_failure(run, CHILD_TIMED_OUT, 0, "not done in time, and killed");
		else
			tell_end(run, &finish);
	}
	hand_over(child);
	return true;
}

static void on_exited(evutil_socket_t pidfd, short what, void *arg)
{
	(void)pidfd;
	(void)what;
	try_reap(arg);
}

/* ---- time ---- */

static void kill_now(struct child *child)
{
	child->stage = CHILD_KILLED;
	signal_all(child, SIGKILL);
}

/* As it was not started yet, or does not even end when it is killed: the waiter waits no longer. */
static void give_up_waiting(struct child *child, const char *what)
{
	if (child->run)
		report_failure(child->run, CHILD_TIMED_OUT, 0, what);
}

/* It is being started. Where that was not asked for yet it never will be; otherwise it is killed when it runs. */
static void withdraw(struct child *child)
{
	if (!child->runner || !child_apart_withdraw(child))
		return;
	close_end(child);
	hand_over(child);
}

static void on_time_up(struct loop_timer *timer)
{
	struct child *child = LIST_OWNER(timer, struct child, timer);
	struct loop *loop = child->group->loop;

	child->is_timed_out = true;
	switch (child->stage) {
	case CHILD_WAITING:
		list_remove(&child->link);
		child->group->waiting_count--;
		give_up_waiting(child, "its turn did not come in time");
		retire(child);
		return;
	case CHILD_STARTING:
		give_up_waiting(child, "not started in time");
		withdraw(child);
		return;
	case CHILD_RUNNING:
		child->stage = CHILD_ENDING;
		signal_all(child, SIGTERM);
		loop_timer_start(loop, timer, CHILD_GRACE_MS, on_time_up);
		return;
	case CHILD_ENDING:
		kill_now(child);
		loop_timer_start(loop, timer, CHILD_GRACE_MS, on_time_up);
		return;
	case CHILD_KILLED:
		if (try_reap(child))
			return;
		give_up_waiting(child, "not done in time, and cannot be killed");
		loop_timer_start(loop, timer, CHILD_GRACE_MS, on_time_up);
	}
}

/* ---- starting ---- */

static void spawn_run(struct pool_job *job)
{
	child_spawn(&LIST_OWNER(job, struct child, job)->spawn);
}

/* The child outlives its job; where the pool ends first, it ends with the loop. */
static void spawn_free(struct pool_job *job)
{
	(void)job;
}

/* It runs, and is_watched if nothing else was wrong. */
static void begin(struct child *child, bool is_watched)
{
	child->stage = CHILD_RUNNING;
	if (!is_watched || !child_pipe_listen(child)) {
		/* No memory for its events: nobody tells when it has ended, so somebody looks. */
		kill_now(child);
		loop_timer_start(child->group->loop, &child->timer, LOOP_TICK_MS, on_time_up);
	}
	if (!child->run)
		kill_now(child);
}

static bool watch(struct child *child)
{
	child->end_fd = child->spawn.pidfd;
	event_assign(&child->exited, loop_base(child->group->loop), child->end_fd, EV_READ | EV_PERSIST,
		     on_exited, child);
	return event_add(&child->exited, NULL) == 0;
}

static void on_started(struct op *op)
{
	struct child *child = LIST_OWNER(op, struct child, started);

	child_pipe_close_theirs(child);
	if (child->spawn.pid == 0) {
		if (child->run)
			report_failure(child->run, CHILD_NOT_STARTED, child->spawn.error, child->spawn.what);
		hand_over(child);
		return;
	}
	begin(child, watch(child));
}

/* From the runner: first whether it has started, then how it has ended. */
static void on_heard(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	struct child_refusal refusal;
	enum runner_heard heard;

	if (child->stage != CHILD_STARTING) {
		on_exited(fd, what, arg);
		return;
	}
	heard = child_apart_hear_start(child, &refusal);
	if (heard == RUNNER_HEARD_NOTHING)
		return;
	child_pipe_close_theirs(child);
	if (heard == RUNNER_HEARD_REPORT) {
		begin(child, true);
		return;
	}
	close_end(child);
	if (child->run)
		report_failure(child->run, refusal.end, refusal.error, refusal.what);
	hand_over(child);
}

/* Its turn has come: it has a place among the running ones. */
static void start(struct child *child)
{
	struct child_group *group = child->group;

	child->stage = CHILD_STARTING;
	group->running++;
	if (!child_pipe_open(child)) {
		report_failure(child->run, CHILD_NOT_STARTED, errno, "no pipes for it");
		retire(child);
	} else if (group->runner) {
		if (child_apart_start(child, group->program, on_heard))
			return;
		report_failure(child->run, CHILD_NOT_STARTED, errno, "it cannot be asked for");
		retire(child);
	} else if (!pool_submit(group->pool, &child->job, &child->started)) {
		report_failure(child->run, CHILD_NO_ROOM, 0, "too many are to be started");
		retire(child);
	}
}

static void start_waiting(struct child_group *group)
{
	struct list *link;

	while (group->running < group->max_running && (link = list_shift(&group->waiting))) {
		group->waiting_count--;
		start(LIST_OWNER(link, struct child, link));
	}
}

/* ---- a new run ---- */

/* Nobody waits any more. What was not started is gone at once; the rest is killed, and goes when it ends. */
static void run_cancel(struct op *op)
{
	struct child_run *run = op->work;
	struct child *child = run->child;

	loop_defer_cancel(&run->report);
	if (!child)
		return;
	run->child = NULL;
	child->run = NULL;
	child_pipe_forget(child);
	if (child->stage == CHILD_WAITING) {
		list_remove(&child->link);
		child->group->waiting_count--;
		retire(child);
	} else if (child->stage == CHILD_STARTING) {
		withdraw(child);
	} else {
		kill_now(child);
	}
}

/* One more may be added at the end; NULL: none. */
static char **copy_strings(struct arena *arena, const char *const *strings, const char *more)
{
	size_t count = 0;
	char **copy;

	while (strings[count])
		count++;
	copy = arena_alloc(arena, (count + 2) * sizeof(*copy));
	for (size_t i = 0; copy && i < count + (more != NULL); i++) {
		copy[i] = arena_dup(arena, span_str(i < count ? strings[i] : more));
		if (!copy[i])
			return NULL;
	}
	return copy;
}

static void plan_limits(struct child_spawn *spawn, const struct child_plan *plan)
{
	if (plan->max_memory)
		spawn->limits[spawn->limit_count++] = (struct child_limit){ RLIMIT_AS, plan->max_memory };
	if (plan->max_cpu_s)
		spawn->limits[spawn->limit_count++] = (struct child_limit){ RLIMIT_CPU, plan->max_cpu_s };
}

/* The runner has the rest. */
static bool copy_plan_apart(struct child *child, const struct child_plan *plan)
{
	const char *variable = plan->variable ? plan->variable : "";

	BUG_ON(strlen(variable) >= RUNNER_VARIABLE_SIZE || plan->fd_count > RUNNER_FDS_MAX);
	snprintf(child->call.request.variable, RUNNER_VARIABLE_SIZE, "%s", variable);
	return child_pipe_plan(child, plan);
}

/* False: errno tells. */
static bool copy_plan(struct child *child, const struct child_plan *plan)
{
	struct child_spawn *spawn = &child->spawn;

	if (child->runner)
		return copy_plan_apart(child, plan);
	BUG_ON(!plan->argv[0]);
	spawn->argv = copy_strings(&child->arena, plan->argv, NULL);
	spawn->envp = copy_strings(&child->arena, plan->envp, plan->variable);
	spawn->directory = arena_dup(&child->arena, span_str(plan->directory ? plan->directory : "/"));
	plan_limits(spawn, plan);
	if (spawn->argv && spawn->envp && spawn->directory)
		return child_pipe_plan(child, plan);
	errno = ENOMEM;
	return false;
}

/* NULL: errno tells. It is the loop's, until it is reaped. */
static struct child *child_new(struct child_run *run, struct child_group *group,
			       const struct child_plan *plan)
{
	struct child *child = calloc(1, sizeof(*child));

	if (!child) {
		errno = ENOMEM;
		return NULL;
	}
	child->job.run = spawn_run;
	child->job.free = spawn_free;
	child->started.done = on_started;
	child->group = group;
	child->runner = group->runner;
	child->call.theirs = -1;
	child->end_fd = -1;
	child->run = run;
	if (!copy_plan(child, plan)) {
		int error = errno;

		child_pipe_close(child);
		arena_fini(&child->arena);
		free(child);
		errno = error;
		return NULL;
	}
	group->references++;
	loop_adopt(group->loop, &child->garbage, end_with_loop);
	return child;
}

static void take_turn(struct child *child, uint64_t timeout_ms)
{
	struct child_group *group = child->group;

	loop_timer_start(group->loop, &child->timer, timeout_ms, on_time_up);
	if (group->running < group->max_running) {
		start(child);
	} else if (group->waiting_count < group->max_waiting) {
		list_append(&group->waiting, &child->link);
		group->waiting_count++;
	} else {
		report_failure(child->run, CHILD_NO_ROOM, 0, "too many run and wait already");
		retire(child);
	}
}

void child_start(struct child_run *run, struct child_group *group, const struct child_plan *plan)
{
	struct op op = run->op;

	BUG_ON(op_running(&op));
	*run = (struct child_run){ .op = op, .loop = group->loop };
	op_begin(&run->op, run_cancel, run);
	run->child = child_new(run, group, plan);
	if (run->child)
		take_turn(run->child, plan->timeout_ms);
	else
		report_failure(run, CHILD_NOT_STARTED, errno, "it cannot be started");
}
