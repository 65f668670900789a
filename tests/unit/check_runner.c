#define _GNU_SOURCE 1 /* pipe2(), pidfd_open() */
#include "net/child.h"
#include "net/fdlimit.h"
#include "net/runner_private.h"

#include "net_fixture.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { SOON_MS = 30000, SCRIPT_FDS = 2 };

/* What each program is: a script with a variable, that reads from 3 and writes to 2. */
static const char *const environment[] = { "PATH=/usr/bin:/bin", "FIXED=yes", NULL };

#define SCRIPT(text) { .argv = (const char *const[]){ "/bin/sh", "-c", text, NULL }, .envp = environment, \
		       .variable = "CLIENT=", .fd_count = SCRIPT_FDS, .fds = { 3, 2 } }

enum script { READS, REFUSES, TELLS_ALL, KILLED, HANGS, WILL_NOT_END, MISSING, READS_NOTHING, SCRIPTS };

static const struct runner_program programs[SCRIPTS] = {
	[READS] = SCRIPT("cat <&3 >&2; exit 0"),
	[REFUSES] = SCRIPT("cat <&3 >/dev/null; exit 1"),
	[TELLS_ALL] = SCRIPT("echo $CLIENT $FIXED $HOME $0 $# >&2; pwd >&2; ls /proc/self/fd | tr '\\n' ' ' >&2; "
			     "echo $(readlink /proc/$$/fd/0 /proc/$$/fd/1) >&2"),
	[KILLED] = SCRIPT("kill -9 $$"),
	[HANGS] = SCRIPT("echo $$ >&2; exec sleep 1000"),
	[WILL_NOT_END] = SCRIPT("trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >&2; exec sleep 1000' & wait; sleep 1000"),
	[MISSING] = { .argv = (const char *const[]){ "/nonexistent/program", NULL }, .envp = environment,
		      .variable = "CLIENT=", .fd_count = SCRIPT_FDS, .fds = { 3, 2 } },
	[READS_NOTHING] = SCRIPT("exit 0"),
};

static struct runner *runner;
static struct child_group *groups[SCRIPTS];
static struct buf out;
static char told[200]; /* how the runner has ended */
static unsigned told_times;

static void on_ended(void *owner, const char *how)
{
	ck_assert_ptr_eq(owner, &runner);
	snprintf(told, sizeof(told), "%s", how);
	told_times++;
	net_stop();
}

static void setup(void)
{
	const struct runner_options options = {
		.name = "runner-of-tests", .programs = programs, .program_count = SCRIPTS,
		.ended = on_ended, .owner = &runner,
	};
	struct runner_options whole = options;
	struct err err = { .text = "" };

	net_setup();
	whole.loop = net_loop;
	runner = runner_new(&whole, &err);
	ck_assert_msg(runner != NULL, "%s", err.text);
	for (unsigned i = 0; i < SCRIPTS; i++) {
		groups[i] = child_group_new_apart(net_loop, runner, i, 1000, 1000, &err);
		ck_assert_ptr_nonnull(groups[i]);
	}
}

static void teardown(void)
{
	for (unsigned i = 0; i < SCRIPTS; i++)
		child_group_free(&groups[i]);
	runner_free(&runner);
	net_teardown();
	buf_fini(&out);
}

/* ---- a run ---- */

struct run {
	struct child_run child;
	bool is_done;
};

static void on_done(struct op *op)
{
	struct child_run *child = LIST_OWNER(op, struct child_run, op);

	LIST_OWNER(child, struct run, child)->is_done = true;
	net_stop();
}

static void never(struct op *op)
{
	(void)op;
	ck_abort_msg("done() of what was cancelled");
}

static void start_within(struct run *run, enum script script, uint64_t timeout_ms)
{
	const struct child_fd fds[SCRIPT_FDS] = {
		{ .number = 3, .kind = CHILD_FD_BYTES, .bytes = BYTES("secret") },
		{ .number = 2, .kind = CHILD_FD_OUTPUT, .output = &out, .output_max = 4096 },
	};
	const struct child_plan plan = { .variable = "CLIENT=192.0.2.1", .fds = fds, .fd_count = SCRIPT_FDS,
					 .timeout_ms = timeout_ms };

	*run = (struct run){ .child.op.done = on_done };
	child_start(&run->child, groups[script], &plan);
	ck_assert(!run->is_done);
}

static void start(struct run *run, enum script script)
{
	start_within(run, script, SOON_MS);
}

static struct run run_script(enum script script)
{
	struct run run;

	start(&run, script);
	NET_UNTIL(run.is_done);
	return run;
}

static void wait_until_idle(void)
{
	for (unsigned i = 0; i < SCRIPTS; i++)
		while (child_group_running(groups[i]) > 0)
			net_turns(1);
}

/* Of a program that says its number. */
static pid_t wait_for_pid(void)
{
	char text[32] = "";

	while (buf_len(&out) == 0)
		net_turns(1);
	memcpy(text, buf_span(&out).ptr, buf_len(&out) < 31 ? buf_len(&out) : 31);
	ck_assert_int_gt(atoi(text), 1);
	return atoi(text);
}

static int wait_for_pidfd(void)
{
	int pidfd = pidfd_open(wait_for_pid(), 0);

	ck_assert_int_ge(pidfd, 0);
	return pidfd;
}

static void assert_gone(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	ck_assert_msg(poll(&poll_fd, 1, SOON_MS) == 1, "it is still there");
	close(pidfd);
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* ---- an honest daemon ---- */

static const struct {
	enum script script;
	enum child_end end;
	int status;
	bool has_read_all;
	const char *failure;
} ends[] = {
	{ READS, CHILD_EXITED, 0, true, "" },
	{ READS_NOTHING, CHILD_EXITED, 0, false, "" },
	{ REFUSES, CHILD_EXITED, 1, true, "exit code 1" },
	{ KILLED, CHILD_SIGNALED, SIGKILL, false, "killed by signal 9: Killed" },
	{ MISSING, CHILD_NOT_STARTED, ENOENT, false, "it cannot be executed: No such file or directory" },
};

START_TEST(how_a_program_ends_is_told)
{
	int before = count_fds();
	struct run run = run_script(ends[_i].script);

	ck_assert_int_eq(run.child.end, ends[_i].end);
	ck_assert_int_eq(run.child.status, ends[_i].status);
	ck_assert_int_eq(run.child.has_read_all, ends[_i].has_read_all);
	ck_assert_str_eq(run.child.failure, ends[_i].failure);
	wait_until_idle();
	ck_assert_int_eq(count_fds(), before);
	ck_assert_uint_eq(told_times, 0);
}
END_TEST

START_TEST(a_program_reads_what_it_is_given)
{
	run_script(READS);
	ASSERT_BUF_EQ(&out, "secret");
}
END_TEST

/* ls has a descriptor of its own, for the directory. */
START_TEST(a_program_sees_what_was_fixed_and_one_variable)
{
	struct run run;

	ck_assert_int_eq(setenv("HOME", "/ours", 1), 0);
	run = run_script(TELLS_ALL);
	ck_assert_int_eq(run.child.end, CHILD_EXITED);
	ASSERT_BUF_EQ(&out, "192.0.2.1 yes /bin/sh 0\n/\n0 1 2 3 4 /dev/null /dev/null\n");
}
END_TEST

START_TEST(a_program_that_hangs_is_ended_at_its_deadline)
{
	struct run run;
	int pidfd;

	start_within(&run, HANGS, 20000);
	pidfd = wait_for_pidfd();
	net_clock_ahead_ms += 21000;
	NET_UNTIL(run.is_done);
	ck_assert_int_eq(run.child.end, CHILD_TIMED_OUT);
	ck_assert_str_eq(run.child.failure, "not done in time, and killed");
	assert_gone(pidfd);
	wait_until_idle();
}
END_TEST

START_TEST(a_program_that_will_not_end_is_killed_with_its_group)
{
	struct run run;
	int pidfd;

	start_within(&run, WILL_NOT_END, 20000);
	pidfd = wait_for_pidfd();
	net_clock_ahead_ms += 21000;
	while (!run.is_done) {
		net_turns(1);
		net_clock_ahead_ms += 1000;
	}
	ck_assert_int_eq(run.child.end, CHILD_TIMED_OUT);
	assert_gone(pidfd);
	wait_until_idle();
}
END_TEST

/* While it is asked for, when it was, while it runs. */
START_TEST(a_program_that_nobody_waits_for_is_killed)
{
	int before = count_fds();

	for (int stage = 0; stage < 3; stage++) {
		struct run *gone = malloc(sizeof(*gone));
		int pidfd = -1;

		start(gone, WILL_NOT_END);
		gone->child.op.done = never;
		if (stage == 1)
			net_turns(1);
		if (stage == 2)
			pidfd = wait_for_pidfd();
		op_cancel(&gone->child.op);
		free(gone);
		wait_until_idle();
		if (stage == 2)
			assert_gone(pidfd);
		buf_clear(&out);
		net_turns(1);
		ck_assert_int_eq(count_fds(), before);
	}
}
END_TEST

enum { MANY = 600 };

/* More requests than its socket holds: they wait here, and reach it in their order. */
START_TEST(requests_wait_while_the_process_stands_still)
{
	static struct run runs[MANY];

	ck_assert_uint_ge(fdlimit_raise(8 * MANY), 8 * MANY);
	kill(runner_pid(runner), SIGSTOP);
	for (size_t i = 0; i < MANY; i++)
		start_within(&runs[i], i % 2 ? REFUSES : READS_NOTHING, 20 * SOON_MS);
	net_turns(3);
	kill(runner_pid(runner), SIGCONT);
	for (size_t i = 0; i < MANY; i++) {
		NET_UNTIL(runs[i].is_done);
		ck_assert_msg(runs[i].child.end == CHILD_EXITED && runs[i].child.status == (int)(i % 2), "%zu: %s", i,
			      runs[i].child.failure);
	}
	ck_assert_uint_eq(told_times, 0);
}
END_TEST

START_TEST(requests_that_wait_are_taken_back_when_time_is_up_or_nobody_waits)
{
	static struct run runs[MANY];
	int before = count_fds();

	ck_assert_uint_ge(fdlimit_raise(8 * MANY), 8 * MANY);
	kill(runner_pid(runner), SIGSTOP);
	for (size_t i = 0; i < MANY; i++)
		start_within(&runs[i], HANGS, i % 2 ? 20000 : SOON_MS);
	for (size_t i = 0; i < MANY; i += 2) {
		runs[i].child.op.done = never;
		op_cancel(&runs[i].child.op);
	}
	net_clock_ahead_ms += 21000;
	for (size_t i = 1; i < MANY; i += 2) {
		NET_UNTIL(runs[i].is_done);
		ck_assert_int_eq(runs[i].child.end, CHILD_TIMED_OUT);
		ck_assert_str_eq(runs[i].child.failure, "not started in time");
	}
	/* What had reached it is started, and killed. */
	ck_assert_uint_lt(child_group_running(groups[HANGS]), MANY);
	ck_assert_uint_gt(child_group_running(groups[HANGS]), 0);
	kill(runner_pid(runner), SIGCONT);
	wait_until_idle();
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* ---- the end of the process ---- */

START_TEST(when_it_dies_its_runs_fail_and_it_is_told_once)
{
	struct run run, later;
	pid_t left;
	int pidfd;

	start(&run, HANGS);
	left = wait_for_pid();
	pidfd = wait_for_pidfd();
	kill(runner_pid(runner), SIGKILL);
	NET_UNTIL(run.is_done);
	ck_assert_int_eq(run.child.end, CHILD_SIGNALED);
	ck_assert_str_eq(run.child.failure, "its end is not known");
	NET_UNTIL(told_times == 1);
	ck_assert_str_eq(told, "killed by signal 9: Killed");
	later = run_script(READS);
	ck_assert_int_eq(later.child.end, CHILD_NOT_STARTED);
	ck_assert_str_eq(later.child.failure, "the process that is to run it does not answer");
	ck_assert_uint_eq(told_times, 1);
	/* What it ran is left to itself. */
	ck_assert_int_eq(kill(left, SIGKILL), 0);
	assert_gone(pidfd);
}
END_TEST

START_TEST(requests_that_wait_fail_when_it_dies)
{
	static struct run runs[MANY];

	ck_assert_uint_ge(fdlimit_raise(8 * MANY), 8 * MANY);
	kill(runner_pid(runner), SIGSTOP);
	for (size_t i = 0; i < MANY; i++)
		start(&runs[i], READS);
	kill(runner_pid(runner), SIGKILL);
	for (size_t i = 0; i < MANY; i++) {
		NET_UNTIL(runs[i].is_done);
		ck_assert_int_eq(runs[i].child.end, CHILD_NOT_STARTED);
	}
	NET_UNTIL(told_times == 1);
}
END_TEST

START_TEST(it_ends_with_us_and_kills_what_it_runs)
{
	struct run run;
	int pidfd, process = pidfd_open(runner_pid(runner), 0);

	start(&run, WILL_NOT_END);
	pidfd = wait_for_pidfd();
	run.child.op.done = never;
	runner_free(&runner);
	assert_gone(pidfd);
	assert_gone(process);
	op_cancel(&run.child.op);
}
END_TEST

START_TEST(the_loop_may_end_while_programs_run)
{
	static struct run runs[3];
	int pidfd;

	start(&runs[0], HANGS);
	pidfd = wait_for_pidfd();
	start(&runs[1], HANGS);
	kill(runner_pid(runner), SIGSTOP);
	start(&runs[2], HANGS);
	kill(runner_pid(runner), SIGCONT);
	for (size_t i = 0; i < 3; i++)
		runs[i].child.op.done = never;
	teardown();
	assert_gone(pidfd);
	setup();
}
END_TEST

static const struct {
	struct runner_report report;
	size_t len;
	bool is_known;
} reports[] = {
	{ { .word = RUNNER_STARTED }, sizeof(struct runner_report), true },
	{ { .word = RUNNER_UNKNOWN }, sizeof(struct runner_report), true },
	{ { .word = 0 }, sizeof(struct runner_report), false },
	{ { .word = RUNNER_UNKNOWN + 1 }, sizeof(struct runner_report), false },
	{ { .word = RUNNER_STARTED }, sizeof(struct runner_report) - 1, false },
	{ { .word = RUNNER_STARTED }, sizeof(struct runner_report) + 1, false },
	{ { .word = RUNNER_NOT_STARTED, .what = "0123456789012345678901234567890123456789012345678901234567890123" },
	  sizeof(struct runner_report), false },
};

START_TEST(nonsense_is_not_believed_and_ends_it)
{
	struct { struct runner_report report; char more; } sent = { .report = reports[_i].report };
	struct runner_report report;
	int ends_of[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_of), 0);
	ck_assert_int_eq(runner_hear(runner, ends_of[0], &report), RUNNER_HEARD_NOTHING);
	ck_assert_int_eq(send(ends_of[1], &sent, reports[_i].len, 0), (ssize_t)reports[_i].len);
	if (reports[_i].is_known) {
		ck_assert_int_eq(runner_hear(runner, ends_of[0], &report), RUNNER_HEARD_REPORT);
		ck_assert_uint_eq(report.word, reports[_i].report.word);
		close(ends_of[1]);
		ck_assert_int_eq(runner_hear(runner, ends_of[0], &report), RUNNER_HEARD_END);
		net_turns(2);
		ck_assert_uint_eq(told_times, 0);
	} else {
		ck_assert_int_eq(runner_hear(runner, ends_of[0], &report), RUNNER_HEARD_END);
		NET_UNTIL(told_times == 1);
		ck_assert_str_eq(told, "what it said made no sense");
		close(ends_of[1]);
	}
	close(ends_of[0]);
}
END_TEST

/* ---- a daemon that somebody has got hold of ---- */

static pid_t process;
static int common;

/* Without the capability a process cannot raise its hard limit. */
static void keep_limit(rlim_t descriptors)
{
	const struct rlimit limit = { descriptors, descriptors };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &header, data) < 0)
		_exit(1);
	data[0].permitted &= ~(UINT32_C(1) << CAP_SYS_RESOURCE);
	data[0].effective &= data[0].permitted;
	if (syscall(SYS_capset, &header, data) < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(1);
}

/* 0: as many descriptors as it wants. */
static void start_raw(rlim_t descriptors)
{
	int ends_of[2];
	char octet;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_of), 0);
	process = fork();
	if (process == 0) {
		if (descriptors)
			keep_limit(descriptors);
		runner_process(ends_of[1], "raw", programs, SCRIPTS);
	}
	close(ends_of[1]);
	common = ends_of[0];
	ck_assert_int_eq(recv(common, &octet, 1, 0), 1);
}

static void raw_setup(void)
{
	start_raw(0);
}

static void raw_teardown(void)
{
	if (common >= 0)
		close(common);
	if (process > 0)
		waitpid(process, NULL, 0);
	process = 0;
}

static int wait_for_exit(void)
{
	int status = 0;

	ck_assert_int_eq(waitpid(process, &status, 0), process);
	process = 0;
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void send_raw(const void *bytes, size_t len, const int *fds, size_t fd_count)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec piece = { (void *)(uintptr_t)bytes, len };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (fd_count) {
		struct cmsghdr *c;

		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(common, &message, MSG_NOSIGNAL), (ssize_t)len);
}

/* Our end of a new run's socket. */
static int ask_raw(enum script script)
{
	const struct runner_request request = { .program = script, .variable = "CLIENT=192.0.2.1" };
	int ends_of[2], a_pipe[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_of), 0);
	ck_assert_int_eq(pipe2(a_pipe, O_CLOEXEC), 0);
	send_raw(&request, sizeof(request), (const int[]){ ends_of[1], a_pipe[0], a_pipe[1] }, 3);
	close(ends_of[1]);
	close(a_pipe[0]);
	close(a_pipe[1]);
	return ends_of[0];
}

static enum runner_word hear_raw(int fd)
{
	struct runner_report report;

	ck_assert_int_eq(recv(fd, &report, sizeof(report), 0), (ssize_t)sizeof(report));
	return report.word;
}

/* A program that hangs, and the number it says; the run's socket is left open to the end of the test. */
static int start_raw_victim(void)
{
	struct runner_request request = { .program = HANGS, .variable = "CLIENT=192.0.2.1" };
	int ends_of[2], said[2], empty[2], pidfd;
	char text[32] = "";

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_of), 0);
	ck_assert_int_eq(pipe2(said, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(empty, O_CLOEXEC), 0);
	send_raw(&request, sizeof(request), (const int[]){ ends_of[1], empty[0], said[1] }, 3);
	close(ends_of[1]);
	close(said[1]);
	ck_assert_int_gt(read(said[0], text, sizeof(text) - 1), 0);
	pidfd = pidfd_open(atoi(text), 0);
	ck_assert_int_ge(pidfd, 0);
	return pidfd;
}

enum fds { RIGHT, NONE, SOCKET_ONLY, ONE_TOO_MANY, NINE, A_FILE, A_DIRECTORY, A_SOCKET, PIPE_FIRST, FD_CASES };

static const struct {
	const char *name;
	uint32_t program;
	const char *variable;
	int more; /* octets, or fewer */
	enum fds fds;
} attacks[] = {
	{ "a program that it does not know", SCRIPTS, "CLIENT=192.0.2.1", 0, RIGHT },
	{ "a negative number", UINT32_MAX, "CLIENT=192.0.2.1", 0, RIGHT },
	{ "too short", READS, "CLIENT=192.0.2.1", -1, RIGHT },
	{ "too long", READS, "CLIENT=192.0.2.1", 1, RIGHT },
	{ "far too long", READS, "CLIENT=192.0.2.1", 60000, RIGHT },
	{ "another variable", READS, "LD_PRELOAD=x", 0, RIGHT },
	{ "a variable that only begins so", READS, "CLIENT", 0, RIGHT },
	{ "a path", READS, "CLIENT=/tmp/x", 0, RIGHT },
	{ "a function of shells", READS, "CLIENT=() { :; }; id", 0, RIGHT },
	{ "a substitution", READS, "CLIENT=$(id)", 0, RIGHT },
	{ "a line break", READS, "CLIENT=1\nLD_PRELOAD=x", 0, RIGHT },
	{ "a second sign", READS, "CLIENT=a=b", 0, RIGHT },
	{ "a variable without an end", READS, NULL, 0, RIGHT },
	{ "no descriptors", READS, "CLIENT=192.0.2.1", 0, NONE },
	{ "too few", READS, "CLIENT=192.0.2.1", 0, SOCKET_ONLY },
	{ "one too many", READS, "CLIENT=192.0.2.1", 0, ONE_TOO_MANY },
	{ "more than there is room for", READS, "CLIENT=192.0.2.1", 0, NINE },
	{ "a file instead of a pipe", READS, "CLIENT=192.0.2.1", 0, A_FILE },
	{ "a directory instead of a pipe", READS, "CLIENT=192.0.2.1", 0, A_DIRECTORY },
	{ "a socket instead of a pipe", READS, "CLIENT=192.0.2.1", 0, A_SOCKET },
	{ "a pipe instead of the socket", READS, "CLIENT=192.0.2.1", 0, PIPE_FIRST },
};

static void send_attack(int i)
{
	static char bytes[sizeof(struct runner_request) + 65536];
	struct runner_request request = { .program = attacks[i].program };
	int ends_of[2], a_pipe[2], file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_of), 0);
	ck_assert_int_eq(pipe2(a_pipe, O_CLOEXEC), 0);
	{
		const int s = ends_of[1], p = a_pipe[0];
		const struct { size_t count; int fds[9]; } cases[FD_CASES] = {
			[RIGHT] = { 3, { s, p, p } },
			[NONE] = { 0, { -1 } },
			[SOCKET_ONLY] = { 1, { s } },
			[ONE_TOO_MANY] = { 4, { s, p, p, p } },
			[NINE] = { 9, { s, p, p, p, p, p, p, p, p } },
			[A_FILE] = { 3, { s, file, p } },
			[A_DIRECTORY] = { 3, { s, p, directory } },
			[A_SOCKET] = { 3, { s, s, p } },
			[PIPE_FIRST] = { 3, { p, p, p } },
		};

		if (attacks[i].variable)
			snprintf(request.variable, sizeof(request.variable), "%s", attacks[i].variable);
		else
			memcpy(memset(request.variable, '1', sizeof(request.variable)), "CLIENT=", 7);
		memcpy(bytes, &request, sizeof(request));
		send_raw(bytes, (size_t)((long)sizeof(request) + attacks[i].more), cases[attacks[i].fds].fds,
			 cases[attacks[i].fds].count);
	}
}

START_TEST(what_no_honest_daemon_asks_for_ends_it_and_all_that_it_runs)
{
	int victim = start_raw_victim();

	send_attack(_i);
	ck_assert_msg(wait_for_exit() == RUNNER_EXIT_NONSENSE, "%s", attacks[_i].name);
	assert_gone(victim);
}
END_TEST

START_TEST(an_empty_packet_is_taken_for_the_end)
{
	int victim = start_raw_victim();

	ck_assert_int_eq(send(common, "", 0, 0), 0);
	ck_assert_int_eq(wait_for_exit(), RUNNER_EXIT_LEFT);
	assert_gone(victim);
}
END_TEST

START_TEST(the_end_of_the_daemon_is_its_own_and_that_of_all_it_runs)
{
	int victim = start_raw_victim();

	close(common);
	common = -1;
	ck_assert_int_eq(wait_for_exit(), RUNNER_EXIT_LEFT);
	assert_gone(victim);
}
END_TEST

/* Nobody is there to read how a program ends: the next one runs all the same. */
START_TEST(a_run_whose_socket_is_gone_is_killed_and_forgotten)
{
	for (int i = 0; i < 20; i++)
		close(ask_raw(HANGS));
	close(start_raw_victim());
	close(common);
	common = -1;
	ck_assert_int_eq(wait_for_exit(), RUNNER_EXIT_LEFT);
}
END_TEST

/* 32 descriptors are its own, and each run takes two; the place of one that has ended is free. */
START_TEST(more_than_there_is_room_for_are_turned_away)
{
	int runs[5];

	raw_teardown();
	start_raw(40);
	for (size_t i = 0; i < 4; i++) {
		runs[i] = ask_raw(HANGS);
		ck_assert_int_eq(hear_raw(runs[i]), RUNNER_STARTED);
	}
	runs[4] = ask_raw(HANGS);
	ck_assert_int_eq(hear_raw(runs[4]), RUNNER_BUSY);
	shutdown(runs[2], SHUT_WR);
	ck_assert_int_eq(hear_raw(runs[2]), RUNNER_SIGNALED);
	runs[4] = ask_raw(READS_NOTHING);
	ck_assert_int_eq(hear_raw(runs[4]), RUNNER_STARTED);
	ck_assert_int_eq(hear_raw(runs[4]), RUNNER_EXITED);
}
END_TEST

START_TEST(without_room_for_any_it_does_not_start)
{
	int ends_of[2], status = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_of), 0);
	close(common);
	common = -1;
	waitpid(process, NULL, 0);
	process = fork();
	if (process == 0) {
		keep_limit(33);
		runner_process(ends_of[1], "raw", programs, SCRIPTS);
	}
	ck_assert_int_eq(waitpid(process, &status, 0), process);
	process = 0;
	ck_assert_int_eq(WEXITSTATUS(status), RUNNER_EXIT_TROUBLE);
}
END_TEST

static TCase *new_case(Suite *suite, const char *name, void (*before)(void), void (*after)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, before, after);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_honest(Suite *suite)
{
	TCase *tcase = new_case(suite, "honest", setup, teardown);

	ADD_ROWS(tcase, how_a_program_ends_is_told, ends);
	tcase_add_test(tcase, a_program_reads_what_it_is_given);
	tcase_add_test(tcase, a_program_sees_what_was_fixed_and_one_variable);
	tcase_add_test(tcase, a_program_that_hangs_is_ended_at_its_deadline);
	tcase_add_test(tcase, a_program_that_will_not_end_is_killed_with_its_group);
	tcase_add_test(tcase, a_program_that_nobody_waits_for_is_killed);
	tcase_add_test(tcase, requests_wait_while_the_process_stands_still);
	tcase_add_test(tcase, requests_that_wait_are_taken_back_when_time_is_up_or_nobody_waits);
}

static void add_ends(Suite *suite)
{
	TCase *tcase = new_case(suite, "ends", setup, teardown);

	tcase_add_test(tcase, when_it_dies_its_runs_fail_and_it_is_told_once);
	tcase_add_test(tcase, requests_that_wait_fail_when_it_dies);
	tcase_add_test(tcase, it_ends_with_us_and_kills_what_it_runs);
	tcase_add_test(tcase, the_loop_may_end_while_programs_run);
	ADD_ROWS(tcase, nonsense_is_not_believed_and_ends_it, reports);
}

static void add_hostile(Suite *suite)
{
	TCase *tcase = new_case(suite, "hostile", raw_setup, raw_teardown);

	ADD_ROWS(tcase, what_no_honest_daemon_asks_for_ends_it_and_all_that_it_runs, attacks);
	tcase_add_test(tcase, an_empty_packet_is_taken_for_the_end);
	tcase_add_test(tcase, the_end_of_the_daemon_is_its_own_and_that_of_all_it_runs);
	tcase_add_test(tcase, a_run_whose_socket_is_gone_is_killed_and_forgotten);
	if (!unit_limits_are_real())
		return;
	tcase_add_test(tcase, more_than_there_is_room_for_are_turned_away);
	tcase_add_test(tcase, without_room_for_any_it_does_not_start);
}

int main(void)
{
	Suite *suite = suite_create("runner");

	add_honest(suite);
	add_ends(suite);
	add_hostile(suite);
	return unit_main(suite);
}
