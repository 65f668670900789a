/*
 * Our end of the process that runs programs. Requests wait here while it has too
 * many to look at, and its end is heard of at once. A request that cannot be made
 * looks like one whose answer never comes: the run's socket ends.
 */
#define _GNU_SOURCE 1 /* pidfd_open() */
#include "net/runner_private.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS = 10000, LEAVE_MS = 1000 };

struct runner {
	struct loop *loop;
	int socket; /* owned; -1: nothing more is asked of it */
	pid_t pid;
	int pidfd;  /* owned; -1: it has ended */
	bool is_condemned;
	struct list waiting;    /* of runner_call.link, while `writable` is added */
	struct event writable;  /* on the socket */
	struct event exited;    /* on the pidfd */
	void (*ended)(void *owner, const char *how);
	void *owner;
};

pid_t runner_pid(const struct runner *r)
{
	return r->pid;
}

/* ---- requests ---- */

int runner_call_open(struct runner_call *call)
{
	int ends[2];

	call->theirs = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	call->theirs = ends[1];
	return ends[0];
}

static void let_go(struct runner_call *call)
{
	list_remove(&call->link);
	if (call->theirs >= 0)
		close(call->theirs);
	call->theirs = -1;
}

bool runner_call_withdraw(struct runner_call *call)
{
	bool is_unsent = call->theirs >= 0;

	let_go(call);
	return is_unsent;
}

/* False: there is no room for it now. */
static bool send_call(const struct runner *r, struct runner_call *call)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE((1 + RUNNER_FDS_MAX) * sizeof(int))];
	} control = { .bytes = { 0 } };
	const size_t fds_size = call->fd_count * sizeof(int);
	struct iovec piece = { &call->request, sizeof(call->request) };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(sizeof(int) + fds_size) };
	struct cmsghdr *c = &control.header;
	ssize_t n;

	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int) + fds_size) };
	memcpy(CMSG_DATA(c), &call->theirs, sizeof(int));
	memcpy(CMSG_DATA(c) + sizeof(int), call->fds, fds_size);
	do
		n = sendmsg(r->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	let_go(call);
	return true;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;

	(void)fd;
	(void)what;
	while (!list_empty(&r->waiting))
		if (!send_call(r, LIST_OWNER(r->waiting.next, struct runner_call, link)))
			return;
	event_del(&r->writable);
}

void runner_call_send(struct runner *r, struct runner_call *call)
{
	BUG_ON(call->fd_count > RUNNER_FDS_MAX);
	list_init(&call->link);
	if (r->socket < 0) {
		let_go(call);
		return;
	}
	if (list_empty(&r->waiting) && send_call(r, call))
		return;
	list_append(&r->waiting, &call->link);
	if (event_add(&r->writable, NULL) < 0)
		let_go(call);
}

enum runner_heard runner_hear(struct runner *r, int fd, struct runner_report *report)
{
	ssize_t n = recv(fd, report, sizeof(*report), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return RUNNER_HEARD_NOTHING;
	if (n == sizeof(*report) && report->word >= RUNNER_STARTED && report->word <= RUNNER_UNKNOWN &&
	    memchr(report->what, 0, sizeof(report->what)))
		return RUNNER_HEARD_REPORT;
	if (n > 0)
		runner_condemn(r);
	return RUNNER_HEARD_END;
}

/* ---- the end ---- */

/* Nothing is asked of it any more; it takes that for our end. */
static void leave(struct runner *r)
{
	struct list *link;

	if (r->socket < 0)
		return;
	while ((link = list_shift(&r->waiting)))
		let_go(LIST_OWNER(link, struct runner_call, link));
	event_del(&r->writable);
	close(r->socket);
	r->socket = -1;
}

void runner_condemn(struct runner *r)
{
	r->is_condemned = true;
	leave(r);
}

static void say_how(const struct runner *r, const siginfo_t *end, char *how, size_t size)
{
	if (r->is_condemned)
		snprintf(how, size, "what it said made no sense");
	else if (end->si_code == CLD_EXITED && end->si_status == RUNNER_EXIT_NONSENSE)
		snprintf(how, size, "it was asked for what it does not do");
	else if (end->si_code == CLD_EXITED)
		snprintf(how, size, "exit code %d", end->si_status);
	else
		snprintf(how, size, "killed by signal %d: %s", end->si_status, strsignal(end->si_status));
}

static void on_exited(evutil_socket_t pidfd, short what, void *arg)
{
	struct runner *r = arg;
	siginfo_t end = { .si_code = 0 };
	char how[80];

	(void)what;
	if (waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED | WNOHANG) == 0 && end.si_pid == 0)
		return;
	event_del(&r->exited);
	close(r->pidfd);
	r->pidfd = -1;
	leave(r);
	say_how(r, &end, how, sizeof(how));
	r->ended(r->owner, how);
}

static void wait_for_end(struct runner *r)
{
	struct pollfd polled = { .fd = r->pidfd, .events = POLLIN };
	siginfo_t end;

	if (poll(&polled, 1, LEAVE_MS) == 1)
		waitid(P_PIDFD, (id_t)r->pidfd, &end, WEXITED | WNOHANG);
	close(r->pidfd);
	r->pidfd = -1;
}

void runner_free(struct runner **runner)
{
	struct runner *r = *runner;

	*runner = NULL;
	if (!r)
		return;
	leave(r);
	if (r->pidfd >= 0) {
		event_del(&r->exited);
		wait_for_end(r);
	}
	free(r);
}

/* ---- the start ---- */

static bool is_ready(const struct runner *r)
{
	struct pollfd polled = { .fd = r->socket, .events = POLLIN };
	char octet;
	int n;

	do
		n = poll(&polled, 1, READY_MS);
	while (n < 0 && errno == EINTR);
	return n == 1 && recv(r->socket, &octet, 1, MSG_DONTWAIT) == 1;
}

/* It is no use when nobody hears of its end. */
static bool watch(struct runner *r)
{
	r->pidfd = pidfd_open(r->pid, 0);
	if (r->pidfd < 0)
		return false;
	event_assign(&r->exited, loop_base(r->loop), r->pidfd, EV_READ | EV_PERSIST, on_exited, r);
	event_assign(&r->writable, loop_base(r->loop), r->socket, EV_WRITE | EV_PERSIST, on_writable, r);
	return event_add(&r->exited, NULL) == 0;
}

static bool begin(struct runner *r, const struct runner_options *o, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set_errno(err, "%s: no socket for it", o->name);
	r->pid = fork();
	if (r->pid == 0)
		runner_process(ends[1], o->name, o->programs, o->program_count);
	close(ends[1]);
	r->socket = ends[0];
	if (r->pid > 0 && is_ready(r) && watch(r))
		return true;
	err_set(err, "%s: the process that runs programs cannot be started", o->name);
	close(r->socket);
	if (r->pidfd >= 0)
		close(r->pidfd);
	if (r->pid > 0 && kill(r->pid, SIGKILL) == 0)
		waitpid(r->pid, NULL, 0);
	return false;
}

struct runner *runner_new(const struct runner_options *o, struct err *err)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r) {
		err_set(err, "out of memory");
		return NULL;
	}
	r->loop = o->loop;
	r->pidfd = -1;
	r->ended = o->ended;
	r->owner = o->owner;
	list_init(&r->waiting);
	/* Whoever started us may have it ignored, and then nobody learns how a process has ended. */
	signal(SIGCHLD, SIG_DFL);
	if (begin(r, o, err))
		return r;
	free(r);
	return NULL;
}
