/*
 * The process that runs programs: one loop of poll(), which starts them one after
 * the other, tells how they end, and believes nothing that it is told. What cannot
 * come from an honest daemon ends it. It ignores the signals by which daemons are
 * told things, so that it is still there while ours finishes its sessions.
 */
#define _GNU_SOURCE 1 /* close_range() */
#include "net/child_spawn.h"
#include "net/fdlimit.h"
#include "net/runner_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SOCKET = 3,        /* where the common one lies */
	FDS_PER_RUN = 2,   /* its socket, and the pidfd */
	FDS_RESERVED = 32, /* of the process itself, and of the one run that is being started */
	REQUEST_FDS_MAX = 1 + RUNNER_FDS_MAX,
};

struct run {
	pid_t pid;
	int socket, pidfd; /* owned */
	bool has_left;     /* nobody writes to the socket any more */
	bool is_ending;    /* some signal was sent */
};

struct process {
	const struct runner_program *programs;
	size_t program_count;
	struct run *runs;
	size_t run_count, run_max;
	struct pollfd *polled; /* the common socket, then two of each run */
};

/* ---- ends ---- */

static void kill_group(struct run *run, int number)
{
	/* It leads its group, and its pid is its own until it is reaped. 0 and -1 would be others. */
	BUG_ON(run->pid <= 1);
	run->is_ending = true;
	kill(-run->pid, number);
}

static _Noreturn void end(struct process *p, int code)
{
	for (size_t i = 0; i < p->run_count; i++)
		kill_group(&p->runs[i], SIGKILL);
	_exit(code);
}

/* The socket holds more than all that is ever said on it, and who does not read it does not want to know. */
static void tell(int socket, enum runner_word word, int value, const char *what)
{
	struct runner_report report = { .word = word, .value = value };

	snprintf(report.what, sizeof(report.what), "%s", what);
	(void)send(socket, &report, sizeof(report), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void tell_end(const struct run *run, const siginfo_t *end)
{
	if (end->si_code == CLD_EXITED)
		tell(run->socket, RUNNER_EXITED, end->si_status, "");
	else if (end->si_code == CLD_KILLED || end->si_code == CLD_DUMPED)
		tell(run->socket, RUNNER_SIGNALED, end->si_status, "");
	else
		tell(run->socket, RUNNER_UNKNOWN, 0, "");
}

/* True: it has ended, and its place is free. */
static bool reap(struct run *run)
{
	siginfo_t end = { .si_code = 0 };

	/* Before it is reaped, because its group has its name only so long. */
	if (run->is_ending)
		kill_group(run, SIGKILL);
	if (waitid(P_PIDFD, (id_t)run->pidfd, &end, WEXITED | WNOHANG) == 0 && end.si_pid == 0)
		return false;
	tell_end(run, &end);
	close(run->socket);
	close(run->pidfd);
	return true;
}

static void hear(struct run *run)
{
	char octet;
	ssize_t n = recv(run->socket, &octet, sizeof(octet), MSG_DONTWAIT);

	if (n > 0) {
		kill_group(run, SIGTERM);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		run->has_left = true;
		kill_group(run, SIGKILL);
	}
}

/* From behind, so that the last one may take a free place. */
static void serve_runs(struct process *p)
{
	for (size_t i = p->run_count; i-- > 0;) {
		const struct pollfd *polled = &p->polled[1 + FDS_PER_RUN * i];

		if (polled[0].revents)
			hear(&p->runs[i]);
		if (polled[1].revents && reap(&p->runs[i]))
			p->runs[i] = p->runs[--p->run_count];
	}
}

/* ---- requests ---- */

/* A request as it came. Its descriptors are closed by close_fds(). */
struct asked {
	struct runner_request request;
	int fds[REQUEST_FDS_MAX];
	size_t fd_count;
};

static void close_fds(struct asked *a)
{
	for (size_t i = 0; i < a->fd_count; i++)
		if (a->fds[i] >= 0)
			close(a->fds[i]);
}

/* "NAME=value": nothing in it may mean anything to a shell, a library or a loader. */
static bool is_variable(const struct runner_program *program, const char variable[RUNNER_VARIABLE_SIZE])
{
	size_t name_len = strlen(program->variable);

	if (!memchr(variable, 0, RUNNER_VARIABLE_SIZE) || strncmp(variable, program->variable, name_len) != 0)
		return false;
	return variable[name_len + strspn(variable + name_len, "0123456789.:%abcdefghijklmnopqrstuvwxyz"
							       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == 0;
}

static bool is_of_type(int fd, mode_t type)
{
	struct stat facts;

	return fstat(fd, &facts) == 0 && (facts.st_mode & S_IFMT) == type;
}

static bool is_sound(const struct process *p, const struct asked *a)
{
	const struct runner_program *program;

	if (a->request.program >= p->program_count)
		return false;
	program = &p->programs[a->request.program];
	if (!is_variable(program, a->request.variable) || a->fd_count != 1 + program->fd_count ||
	    !is_of_type(a->fds[0], S_IFSOCK))
		return false;
	for (size_t i = 1; i < a->fd_count; i++)
		if (!is_of_type(a->fds[i], S_IFIFO))
			return false;
	return true;
}

/* The first of those that came; more than there is room for have cut the packet, which ends us. */
static void take_fds(struct msghdr *message, struct asked *a)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(message);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	a->fd_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (a->fd_count > REQUEST_FDS_MAX)
		a->fd_count = REQUEST_FDS_MAX;
	memcpy(a->fds, CMSG_DATA(c), a->fd_count * sizeof(int));
}

/* False: there is none now. */
static bool receive(struct process *p, struct asked *a)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(REQUEST_FDS_MAX * sizeof(int))];
	} control;
	struct iovec piece = { &a->request, sizeof(a->request) };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(SOCKET, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	a->fd_count = 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		end(p, RUNNER_EXIT_LEFT);
	take_fds(&message, a);
	if (n != sizeof(a->request) || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !is_sound(p, a))
		end(p, RUNNER_EXIT_NONSENSE);
	return true;
}

/* ---- starting ---- */

static char *unconst(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* The pipes come to lie where none of them is in the way of another. False: errno tells. */
static bool place_pipes(struct child_spawn *spawn, const struct runner_program *program, struct asked *a)
{
	for (size_t i = 0; i < program->fd_count; i++) {
		a->fds[1 + i] = child_fd_move_up(a->fds[1 + i]);
		if (a->fds[1 + i] < 0)
			return false;
		spawn->moves[i] = (struct child_move){ .from = a->fds[1 + i], .to = program->fds[i] };
	}
	spawn->move_count = program->fd_count;
	return true;
}

static void spawn_program(struct child_spawn *spawn, const struct runner_program *program, struct asked *a)
{
	char *envp[RUNNER_ENV_MAX + 2];
	size_t count = 0;

	for (; program->envp[count]; count++)
		envp[count] = unconst(program->envp[count]);
	envp[count++] = a->request.variable;
	envp[count] = NULL;
	*spawn = (struct child_spawn){ .argv = (char **)(uintptr_t)program->argv, .envp = envp, .directory = "/" };
	if (place_pipes(spawn, program, a)) {
		child_spawn(spawn);
	} else {
		spawn->error = errno;
		spawn->what = "its descriptors cannot be set up";
	}
	spawn->envp = NULL;
}

static void take_request(struct process *p)
{
	struct asked a;
	struct child_spawn spawn;

	if (!receive(p, &a))
		return;
	if (p->run_count == p->run_max) {
		tell(a.fds[0], RUNNER_BUSY, 0, "");
		close_fds(&a);
		return;
	}
	spawn_program(&spawn, &p->programs[a.request.program], &a);
	if (spawn.pid > 0) {
		tell(a.fds[0], RUNNER_STARTED, 0, "");
		p->runs[p->run_count++] =
			(struct run){ .pid = spawn.pid, .pidfd = spawn.pidfd, .socket = a.fds[0] };
		a.fds[0] = -1;
	} else {
		tell(a.fds[0], RUNNER_NOT_STARTED, spawn.error, spawn.what);
	}
	close_fds(&a);
}

/* ---- the process ---- */

static void ignore_signals(void)
{
	static const int numbers[] = {
		SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE,
		SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ, SIGWINCH,
	};
	sigset_t none;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * The common socket alone stays open, and standard error, where that is no terminal: sockets, locked files and the
 * pipe to a parent that waits are the daemon's.
 */
static bool keep_descriptors(int socket)
{
	int null = open("/dev/null", O_RDWR | O_NOCTTY);
	bool ok = null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
		  (!isatty(STDERR_FILENO) || dup2(null, STDERR_FILENO) >= 0);

	return ok && dup2(socket, SOCKET) >= 0 && fcntl(SOCKET, F_SETFD, FD_CLOEXEC) == 0 &&
	       close_range(SOCKET + 1, ~0U, 0) == 0;
}

/* As many runs as there are descriptors for. */
static bool make_room(struct process *p)
{
	uint64_t got = fdlimit_raise(FDS_RESERVED + FDS_PER_RUN * RUNNER_RUNS_MAX);

	p->run_max = got > FDS_RESERVED ? (got - FDS_RESERVED) / FDS_PER_RUN : 0;
	if (p->run_max > RUNNER_RUNS_MAX)
		p->run_max = RUNNER_RUNS_MAX;
	if (p->run_max == 0)
		return false;
	p->runs = calloc(p->run_max, sizeof(*p->runs));
	p->polled = calloc(1 + FDS_PER_RUN * p->run_max, sizeof(*p->polled));
	return p->runs && p->polled;
}

static void wait_for_something(struct process *p)
{
	p->polled[0] = (struct pollfd){ .fd = SOCKET, .events = POLLIN };
	for (size_t i = 0; i < p->run_count; i++) {
		const struct run *run = &p->runs[i];
		struct pollfd *polled = &p->polled[1 + FDS_PER_RUN * i];

		polled[0] = (struct pollfd){ .fd = run->has_left ? -1 : run->socket, .events = POLLIN };
		polled[1] = (struct pollfd){ .fd = run->pidfd, .events = POLLIN };
	}
	if (poll(p->polled, 1 + FDS_PER_RUN * p->run_count, -1) >= 0)
		return;
	if (errno != EINTR)
		end(p, RUNNER_EXIT_TROUBLE);
	for (size_t i = 0; i < 1 + FDS_PER_RUN * p->run_count; i++)
		p->polled[i].revents = 0;
}

_Noreturn void runner_process(int socket, const char *name, const struct runner_program *programs,
			      size_t program_count)
{
	struct process p = { .programs = programs, .program_count = program_count };

	ignore_signals();
	/* A session of its own: what a terminal sends is for the daemon. */
	if (prctl(PR_SET_NAME, name, 0, 0, 0) < 0 || setsid() < 0 || chdir("/") < 0 || !keep_descriptors(socket) ||
	    !make_room(&p) || send(SOCKET, "", 1, MSG_NOSIGNAL) != 1)
		_exit(RUNNER_EXIT_TROUBLE);
	for (;;) {
		wait_for_something(&p);
		serve_runs(&p);
		if (p.polled[0].revents)
			take_request(&p);
	}
}
