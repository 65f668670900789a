/*
 * A run of a program that another process starts (net/runner.h): how it is asked
 * for, what is heard of it, and how it is told to end. The rest of its life is
 * child.c's, as with any other.
 */
#include "net/child_private.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Also where the runner is gone: then its answer is the end of the socket. */
bool child_apart_start(struct child *child, unsigned program, event_callback_fn heard)
{
	struct runner_call *call = &child->call;

	child->end_fd = runner_call_open(call);
	if (child->end_fd < 0)
		return false;
	event_assign(&child->exited, loop_base(child->run->loop), child->end_fd, EV_READ | EV_PERSIST, heard,
		     child);
	if (event_add(&child->exited, NULL) < 0) {
		(void)runner_call_withdraw(call);
		close(child->end_fd);
		child->end_fd = -1;
		errno = ENOMEM;
		return false;
	}
	call->request.program = program;
	call->fd_count = child->fd_count;
	for (size_t i = 0; i < child->fd_count; i++)
		call->fds[i] = child->fds[i].theirs;
	runner_call_send(child->runner, call);
	return true;
}

bool child_apart_withdraw(struct child *child)
{
	return runner_call_withdraw(&child->call);
}

enum runner_heard child_apart_hear_start(struct child *child, struct child_refusal *refusal)
{
	struct runner_report report;
	enum runner_heard heard = runner_hear(child->runner, child->end_fd, &report);

	*refusal = (struct child_refusal){ .end = CHILD_NOT_STARTED,
					   .what = "the process that is to run it does not answer" };
	if (heard != RUNNER_HEARD_REPORT)
		return heard;
	switch (report.word) {
	case RUNNER_STARTED:
		return RUNNER_HEARD_REPORT;
	case RUNNER_NOT_STARTED:
		refusal->error = report.value;
		snprintf(refusal->what, sizeof(refusal->what), "%s", report.what);
		break;
	case RUNNER_BUSY:
		refusal->end = CHILD_NO_ROOM;
		snprintf(refusal->what, sizeof(refusal->what), "too many run already");
		break;
	default:
		runner_condemn(child->runner);
	}
	return RUNNER_HEARD_END;
}

void child_apart_signal(const struct child *child, int number)
{
	if (number == SIGTERM)
		(void)send(child->end_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		shutdown(child->end_fd, SHUT_WR);
}

bool child_apart_hear_end(struct child *child, struct child_finish *finish)
{
	struct runner_report report;
	enum runner_heard heard = runner_hear(child->runner, child->end_fd, &report);

	*finish = (struct child_finish){ CHILD_SIGNALED, -1 };
	if (heard == RUNNER_HEARD_REPORT) {
		if (report.word == RUNNER_EXITED && report.value >= 0)
			*finish = (struct child_finish){ CHILD_EXITED, report.value };
		else if (report.word == RUNNER_SIGNALED)
			finish->status = report.value;
		else if (report.word != RUNNER_UNKNOWN)
			runner_condemn(child->runner);
	}
	return heard != RUNNER_HEARD_NOTHING;
}
