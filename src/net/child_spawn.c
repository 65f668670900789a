#define _GNU_SOURCE 1 /* close_range(), pipe2() */
#include "net/child_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Programs of old close all descriptors that they may have, one by one: we have made room for many. */
enum { DESCRIPTORS_MAX = 1024, EXIT_NOT_STARTED = 127 };

/* What may fail behind vfork(). */
enum step { STEP_SESSION, STEP_LIMITS, STEP_DIRECTORY, STEP_DESCRIPTORS, STEP_EXECUTE, STEPS };

static const char *const step_names[] = {
	[STEP_SESSION] = "no session of its own",
	[STEP_LIMITS] = "its limits cannot be set",
	[STEP_DIRECTORY] = "its directory cannot be used",
	[STEP_DESCRIPTORS] = "its descriptors cannot be set up",
	[STEP_EXECUTE] = "it cannot be executed",
};
_Static_assert(sizeof(step_names) / sizeof(step_names[0]) == STEPS, "a name for each step");

/* What the new process has to tell when it cannot become the program. */
struct failure {
	int error;
	enum step step;
};

int child_fd_move_up(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_FD_BASE);
	int error = errno;

	close(fd);
	errno = error;
	return up;
}

/* ---- in the new process: system calls only, and no memory but what is there ---- */

/* Ignored signals stay ignored behind execve(), and handlers are of the process that is left here. */
static void reset_signals(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &act, NULL); /* fails for SIGKILL, SIGSTOP and those of the C library */
}

static bool set_limits(const struct child_spawn *spawn)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	if (limit.rlim_cur > DESCRIPTORS_MAX)
		limit.rlim_cur = DESCRIPTORS_MAX;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	for (size_t i = 0; i < spawn->limit_count; i++) {
		const struct child_limit *wanted = &spawn->limits[i];

		/* Ours may be lower already. */
		if (getrlimit(wanted->resource, &limit) < 0)
			return false;
		if (limit.rlim_max > wanted->most)
			limit.rlim_max = wanted->most;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(wanted->resource, &limit) < 0)
			return false;
	}
	return true;
}

/* Every descriptor of ours has the flag already, or should: here it has. */
static bool set_descriptors(const struct child_spawn *spawn, int null_fd)
{
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return false;
	for (int number = 0; number <= 2; number++)
		if (dup2(null_fd, number) < 0)
			return false;
	for (size_t i = 0; i < spawn->move_count; i++)
		if (dup2(spawn->moves[i].from, spawn->moves[i].to) < 0)
			return false;
	return true;
}

static enum step become(const struct child_spawn *spawn, int null_fd)
{
	sigset_t none;

	reset_signals();
	if (setsid() < 0)
		return STEP_SESSION;
	if (!set_limits(spawn))
		return STEP_LIMITS;
	if (chdir(spawn->directory) < 0)
		return STEP_DIRECTORY;
	if (!set_descriptors(spawn, null_fd))
		return STEP_DESCRIPTORS;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	execve(spawn->argv[0], spawn->argv, spawn->envp);
	return STEP_EXECUTE;
}

static _Noreturn void run_program(const struct child_spawn *spawn, int null_fd, int tell_fd)
{
	struct failure failure;
	ssize_t n;

	failure.step = become(spawn, null_fd);
	failure.error = errno;
	do
		n = write(tell_fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	_exit(EXIT_NOT_STARTED);
}

/* ---- in this process ---- */

/*
 * A process of its own memory would cost a copy of all our page tables. So this thread, a worker, stands
 * still until the other one has become the program; handlers of ours must not run there meanwhile.
 */
static pid_t start_process(const struct child_spawn *spawn, int null_fd, int tell_fd)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = vfork();
	if (pid == 0)
		run_program(spawn, null_fd, tell_fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void fail(struct child_spawn *spawn, const char *what, int error)
{
	spawn->pid = 0;
	spawn->error = error;
	spawn->what = what;
}

/* It runs, but nobody would hear of its end. */
static void give_up(struct child_spawn *spawn, int error)
{
	/* ESRCH: it has ended, and somebody has reaped it, so that the pid may be another's already. */
	if (error != ESRCH) {
		kill(spawn->pid, SIGKILL);
		reap(spawn->pid);
	}
	fail(spawn, "its end cannot be waited for", error);
}

/* The pipe closes when the program begins; anything else that comes from it is why it does not. */
static void hear_of_start(struct child_spawn *spawn, int hear_fd)
{
	struct failure failure;
	ssize_t n;

	do
		n = read(hear_fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(failure)) {
		reap(spawn->pid);
		fail(spawn, step_names[failure.step], failure.error);
		return;
	}
	spawn->pidfd = pidfd_open(spawn->pid, 0);
	if (spawn->pidfd < 0)
		give_up(spawn, errno);
}

static void spawn_with(struct child_spawn *spawn, int null_fd, const int tell[2])
{
	if (null_fd < 0 || tell[0] < 0 || tell[1] < 0) {
		fail(spawn, "no descriptors for it", errno);
		return;
	}
	spawn->pid = start_process(spawn, null_fd, tell[1]);
	if (spawn->pid < 0)
		fail(spawn, "no process for it", errno);
}

void child_spawn(struct child_spawn *spawn)
{
	int tell[2] = { -1, -1 };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	spawn->pid = 0;
	spawn->pidfd = -1;
	if (null_fd >= 0)
		null_fd = child_fd_move_up(null_fd);
	if (null_fd >= 0 && pipe2(tell, O_CLOEXEC) == 0)
		tell[1] = child_fd_move_up(tell[1]);
	spawn_with(spawn, null_fd, tell);
	if (tell[1] >= 0)
		close(tell[1]);
	if (spawn->pid > 0)
		hear_of_start(spawn, tell[0]);
	if (tell[0] >= 0)
		close(tell[0]);
	if (null_fd >= 0)
		close(null_fd);
}
