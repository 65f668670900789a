#include "net/child.h"

#include "fail_malloc.h"
#include "net_fixture.h"
#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { SOON_MS = 30000 };

static struct pool *pool;
static struct child_group *group;
static struct buf out, errors;
static struct temp_dir dir;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	void *memory = count && size > SIZE_MAX / count ? NULL : __wrap_malloc(count * size);

	if (memory)
		memset(memory, 0, count * size);
	return memory;
}

static void setup(void)
{
	net_setup();
	pool = pool_new(net_loop, "disk", 2, 64, NULL);
	ck_assert_ptr_nonnull(pool);
	group = child_group_new(net_loop, pool, 2, 4, NULL);
	ck_assert_ptr_nonnull(group);
	temp_dir_init(&dir);
}

static void teardown(void)
{
	child_group_free(&group);
	ck_assert_ptr_null(group);
	pool_free(&pool);
	net_teardown();
	buf_fini(&out);
	buf_fini(&errors);
	temp_dir_fini(&dir);
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

static const char *const no_environment[] = { "PATH=/usr/bin:/bin", NULL };

static void start(struct run *run, const struct child_plan *plan)
{
	struct child_plan whole = *plan;

	if (!whole.envp)
		whole.envp = no_environment;
	if (!whole.timeout_ms)
		whole.timeout_ms = SOON_MS;
	*run = (struct run){ .child.op.done = on_done };
	child_start(&run->child, group, &whole);
	ck_assert(!run->is_done);
}

static struct run run_plan(const struct child_plan *plan)
{
	struct run run;

	start(&run, plan);
	NET_UNTIL(run.is_done);
	return run;
}

/* /bin/sh is run like any other program; its arguments are nobody else's. */
static struct run run_script(const char *script, const struct child_fd *fds, size_t fd_count)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct child_plan plan = { .argv = argv, .fds = fds, .fd_count = fd_count };

	return run_plan(&plan);
}

static const struct child_fd to_out = {
	.number = 1, .kind = CHILD_FD_OUTPUT, .output = &out, .output_max = 65536,
};

static struct run run_for_output(const char *script)
{
	return run_script(script, &to_out, 1);
}

static void wait_until_idle(void)
{
	while (child_group_running(group) > 0)
		net_turns(1);
}

static void assert_exit(const struct run *run, int code)
{
	ck_assert_msg(run->child.end == CHILD_EXITED && run->child.status == code, "end %d, status %d: %s",
		      (int)run->child.end, run->child.status, run->child.failure);
}

static void assert_out(const char *expected)
{
	ASSERT_BUF_EQ(&out, expected);
}

/* The number that the program has said. */
static pid_t said_pid(void)
{
	char text[32] = "";

	memcpy(text, buf_span(&out).ptr, buf_len(&out) < 31 ? buf_len(&out) : 31);
	ck_assert_int_gt(atoi(text), 1);
	return atoi(text);
}

/* A process that is no child of ours. */
static void assert_gone(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	ck_assert_msg(poll(&poll_fd, 1, SOON_MS) == 1, "it is still there");
	close(pidfd);
}

/* ---- the end of programs ---- */

static const struct {
	const char *script;
	enum child_end end;
	int status;
	const char *failure;
} ends[] = {
	{ "exit 0", CHILD_EXITED, 0, "" },
	{ "exit 1", CHILD_EXITED, 1, "exit code 1" },
	{ "exit 111", CHILD_EXITED, 111, "exit code 111" },
	{ "exit 255", CHILD_EXITED, 255, "exit code 255" },
	{ "kill -9 $$", CHILD_SIGNALED, SIGKILL, "killed by signal 9: Killed" },
	{ "kill -15 $$", CHILD_SIGNALED, SIGTERM, "killed by signal 15: Terminated" },
	{ "kill -11 $$", CHILD_SIGNALED, SIGSEGV, "killed by signal 11: Segmentation fault" },
};

START_TEST(how_a_program_ends_is_told)
{
	struct run run = run_script(ends[_i].script, NULL, 0);

	ck_assert_int_eq(run.child.end, ends[_i].end);
	ck_assert_int_eq(run.child.status, ends[_i].status);
	ck_assert_str_eq(run.child.failure, ends[_i].failure);
	ck_assert(!op_running(&run.child.op));
	ck_assert_uint_eq(child_group_running(group), 0);
}
END_TEST

static const struct {
	const char *path;
	const char *directory;
	int error;
	const char *says;
} no_programs[] = {
	{ "/nonexistent/program", NULL, ENOENT, "it cannot be executed: No such file or directory" },
	{ "/etc/passwd", NULL, EACCES, "it cannot be executed: Permission denied" },
	{ "/", NULL, EACCES, "it cannot be executed: Permission denied" },
	{ "/bin/true", "/nonexistent", ENOENT, "its directory cannot be used: No such file or directory" },
};

START_TEST(what_cannot_be_started_is_told)
{
	const char *const argv[] = { no_programs[_i].path, NULL };
	const struct child_plan plan = { .argv = argv, .directory = no_programs[_i].directory };
	struct run run = run_plan(&plan);

	ck_assert_int_eq(run.child.end, CHILD_NOT_STARTED);
	ck_assert_int_eq(run.child.status, no_programs[_i].error);
	ck_assert_str_eq(run.child.failure, no_programs[_i].says);
	ck_assert_uint_eq(child_group_running(group), 0);
}
END_TEST

/* A script without #! is no program: no shell guesses. */
START_TEST(a_file_without_a_format_is_no_program)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/script", dir.path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("exit 0\n", file);
	fclose(file);
	ck_assert_int_eq(chmod(path, 0700), 0);
	{
		const char *const argv[] = { path, NULL };
		const struct child_plan plan = { .argv = argv };
		struct run run = run_plan(&plan);

		ck_assert_int_eq(run.child.end, CHILD_NOT_STARTED);
		ck_assert_int_eq(run.child.status, ENOEXEC);
	}
}
END_TEST

/* ---- what a program sees of us ---- */

START_TEST(arguments_arrive_as_they_are)
{
	const char *const argv[] = { "/usr/bin/printf", "%s|", "a b", "",
				     "$(exit 1)", "`x`;&\n\\", "\xc3\xa4*?", NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1 };
	struct run run = run_plan(&plan);

	assert_exit(&run, 0);
	assert_out("a b||$(exit 1)|`x`;&\n\\|\xc3\xa4*?|");
}
END_TEST

START_TEST(the_environment_is_what_was_named_alone)
{
	const char *const argv[] = { "/usr/bin/env", NULL };
	const char *const envp[] = { "A=b c", "EMPTY=", NULL };
	const struct child_plan plan = { .argv = argv, .envp = envp, .fds = &to_out, .fd_count = 1 };
	struct run run;

	ck_assert_int_eq(setenv("OURS", "x", 1), 0);
	run = run_plan(&plan);
	assert_exit(&run, 0);
	assert_out("A=b c\nEMPTY=\n");
}
END_TEST

START_TEST(the_directory_is_the_root_or_what_was_named)
{
	const char *const argv[] = { "/bin/sh", "-c", "pwd", NULL };
	struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1 };

	run_plan(&plan);
	assert_out("/\n");
	plan.directory = "/usr/bin";
	run_plan(&plan);
	assert_out("/\n/usr/bin\n");
}
END_TEST

/* Descriptors of ours, with and without the flag, are not there; ls has one of its own, for the directory. */
START_TEST(no_descriptor_of_ours_is_inherited)
{
	const char *const argv[] = { "/bin/ls", "-l", "/proc/self/fd", NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1 };
	int open_to_all = dup(2);
	struct span said;
	unsigned lines = 0;

	ck_assert_int_ge(open_to_all, 0);
	ck_assert_int_ge(fcntl(open_to_all, F_DUPFD, 100), 100);
	run_plan(&plan);
	said = buf_span(&out);
	for (size_t i = 0; i < said.len; i++)
		lines += said.ptr[i] == '\n';
	ck_assert_msg(lines == 5, "%.*s", (int)said.len, said.ptr); /* "total 0", and 0 to 3 */
}
END_TEST

START_TEST(what_is_not_named_is_dev_null)
{
	struct run run = run_for_output("readlink /proc/$$/fd/0 /proc/$$/fd/2; read -r line; echo $?");

	assert_exit(&run, 0);
	assert_out("/dev/null\n/dev/null\n1\n");
}
END_TEST

/* "ignored" and "blocked" are masks of signals, in hexadecimal. */
START_TEST(signals_are_as_they_were_when_the_machine_was_new)
{
	const char *const argv[] = { "/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status", NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1 };
	unsigned long long blocked, ignored;
	char text[200] = "";
	sigset_t usr1;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	run_plan(&plan);
	ck_assert_uint_lt(buf_len(&out), sizeof(text));
	memcpy(text, buf_span(&out).ptr, buf_len(&out));
	/* 32 and 33 are the C library's own, and stay as whoever started us has them. */
	ck_assert_int_eq(sscanf(text, "SigBlk:\t%llx\nSigIgn:\t%llx\n", &blocked, &ignored), 2);
	ck_assert_uint_eq(blocked, 0);
	ck_assert_uint_eq(ignored & ~(3ULL << 31), 0);
	ck_assert_ptr_eq(signal(SIGPIPE, SIG_IGN), SIG_IGN); /* and ours are as they were */
}
END_TEST

START_TEST(a_program_has_a_session_and_a_group_of_its_own)
{
	int pid = 0, process_group = 0, session = 0;
	char text[200] = "";

	run_for_output("cut -d' ' -f1,5,6 /proc/$$/stat");
	memcpy(text, buf_span(&out).ptr, buf_len(&out));
	ck_assert_int_eq(sscanf(text, "%d %d %d", &pid, &process_group, &session), 3);
	ck_assert_int_eq(pid, process_group);
	ck_assert_int_eq(pid, session);
	ck_assert_int_ne(session, getsid(0));
}
END_TEST

START_TEST(limits_hold)
{
	const char *const argv[] = { "/bin/sh", "-c", "ulimit -v; ulimit -t; ulimit -Ht", NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1,
					 .max_memory = 512 * 1024 * 1024, .max_cpu_s = 7 };

	run_plan(&plan);
	assert_out("524288\n7\n7\n");
}
END_TEST

START_TEST(a_limit_of_ours_that_is_lower_stays)
{
	const char *const argv[] = { "/bin/sh", "-c", "ulimit -t", NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1, .max_cpu_s = 700 };
	const struct rlimit ours = { .rlim_cur = 500, .rlim_max = 600 };

	ck_assert_int_eq(setrlimit(RLIMIT_CPU, &ours), 0);
	run_plan(&plan);
	assert_out("600\n");
}
END_TEST

START_TEST(many_descriptors_are_not_for_programs)
{
	struct rlimit ours;
	long expected;
	char text[32];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &ours), 0);
	ours.rlim_cur = ours.rlim_max < 4096 ? ours.rlim_max : 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &ours), 0);
	expected = ours.rlim_cur < 1024 ? (long)ours.rlim_cur : 1024;
	run_for_output("ulimit -n");
	snprintf(text, sizeof(text), "%ld\n", expected);
	assert_out(text);
}
END_TEST

/* ---- what passes through its descriptors ---- */

START_TEST(a_program_reads_what_it_is_given)
{
	const struct child_fd fds[] = {
		{ .number = 3, .kind = CHILD_FD_BYTES, .bytes = BYTES("user\0password\0") },
		{ .number = 0, .kind = CHILD_FD_BYTES, .bytes = BYTES("") },
		to_out,
	};
	struct run run = run_script("cat <&3; cat", fds, 3);

	assert_exit(&run, 0);
	ck_assert(run.child.has_read_all);
	ASSERT_SPAN_EQ(buf_span(&out), span_of("user\0password\0", 14));
}
END_TEST

START_TEST(the_most_bytes_that_may_be_given_arrive)
{
	static char bytes[CHILD_BYTES_MAX];
	const struct child_fd fds[] = {
		{ .number = CHILD_FD_MAX, .kind = CHILD_FD_BYTES, .bytes = { bytes, sizeof(bytes) } },
		to_out,
	};
	char script[32];

	memset(bytes, 'x', sizeof(bytes));
	snprintf(script, sizeof(script), "wc -c <&%d", CHILD_FD_MAX);
	run_script(script, fds, 2);
	assert_out("4096\n");
}
END_TEST

static const struct {
	const char *script;
	bool has_read_all;
} readers[] = {
	{ "exit 0", false },
	{ "exec 0<&-; exit 0", false },
	{ "head -c 3 >/dev/null; exit 0", false },
	{ "cat >/dev/null; exit 0", true },
	{ "head -c 4 >/dev/null; exit 0", true },
};

START_TEST(what_was_not_read_is_known)
{
	const struct child_fd bytes = { .number = 0, .kind = CHILD_FD_BYTES, .bytes = BYTES("four") };
	struct run run = run_script(readers[_i].script, &bytes, 1);

	assert_exit(&run, 0);
	ck_assert_int_eq(run.child.has_read_all, readers[_i].has_read_all);
}
END_TEST

/* The file's place moves here as well: it is one open file that both have. */
START_TEST(a_file_that_is_given_is_read_as_descriptor_and_stays_ours)
{
	char path[300];
	struct child_fd fds[2] = { { .number = 0, .kind = CHILD_FD_GIVEN }, to_out };
	int fd;

	snprintf(path, sizeof(path), "%s/file", dir.path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(pwrite(fd, "content", 7, 0), 7);
	fds[0].given = fd;
	run_script("cat", fds, 2);
	assert_out("content");
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 7);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Descriptors that lie where others are to go here. */
START_TEST(descriptors_may_change_places)
{
	const struct child_fd fds[] = {
		{ .number = 4, .kind = CHILD_FD_BYTES, .bytes = BYTES("four") },
		{ .number = 5, .kind = CHILD_FD_BYTES, .bytes = BYTES("five") },
		{ .number = 3, .kind = CHILD_FD_BYTES, .bytes = BYTES("three") },
		to_out,
	};

	run_script("cat <&3; cat <&4; cat <&5", fds, 4);
	assert_out("threefourfive");
}
END_TEST

START_TEST(output_of_both_kinds_is_told_apart_or_not)
{
	struct child_fd fds[] = {
		to_out,
		{ .number = 2, .kind = CHILD_FD_OUTPUT, .output = &errors, .output_max = 100 },
	};

	run_script("echo a; echo b >&2", fds, 2);
	assert_out("a\n");
	ASSERT_BUF_EQ(&errors, "b\n");
	fds[1].output = &out;
	fds[1].output_max = 65536;
	run_script("echo c >&2", fds, 2);
	assert_out("a\nc\n");
}
END_TEST

START_TEST(ten_megabytes_of_output_are_read_and_a_bounded_part_is_kept)
{
	const struct child_fd fd = {
		.number = 1, .kind = CHILD_FD_OUTPUT, .output = &out, .output_max = 1000,
	};
	struct run run = run_script("head -c 10000000 /dev/zero && exit 7", &fd, 1);

	assert_exit(&run, 7);
	ck_assert_uint_eq(buf_len(&out), 1000);
}
END_TEST

/* It holds the pipes, and writes: the run ends with the program itself all the same. */
START_TEST(a_process_left_behind_is_neither_waited_for_nor_killed)
{
	struct run run = run_for_output("sleep 1000 & echo $!; exit 3");
	pid_t left = said_pid();
	int pidfd = pidfd_open(left, 0);

	assert_exit(&run, 3);
	ck_assert_int_ge(pidfd, 0);
	ck_assert_uint_eq(child_group_running(group), 0);
	ck_assert_int_eq(kill(left, SIGKILL), 0);
	assert_gone(pidfd);
}
END_TEST

START_TEST(a_process_left_behind_that_never_stops_writing_does_not_hold_us_up)
{
	struct run run = run_for_output("yes & echo $!; exit 0");
	struct span said = buf_span(&out);
	size_t start_of_pid = 0;
	char text[16] = "";

	assert_exit(&run, 0);
	while (start_of_pid < said.len && !ascii_is_digit(said.ptr[start_of_pid]))
		start_of_pid++;
	ck_assert_uint_lt(start_of_pid, said.len);
	memcpy(text, said.ptr + start_of_pid, said.len - start_of_pid < 15 ? said.len - start_of_pid : 15);
	kill(atoi(text), SIGKILL); /* SIGPIPE may have been faster */
}
END_TEST

/* ---- time ---- */

/* Let the deadline pass, and what follows it. */
static void wait_ahead(const struct run *run)
{
	while (!run->is_done) {
		net_clock_ahead_ms += 1000;
		net_turns(1);
	}
}

static struct run run_beyond_deadline(const char *script)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1, .timeout_ms = 20000 };
	struct run run;

	start(&run, &plan);
	while (buf_len(&out) == 0)
		net_turns(1);
	net_clock_ahead_ms += 21000;
	NET_UNTIL(run.is_done);
	return run;
}

START_TEST(a_program_that_hangs_is_ended)
{
	struct run run = run_beyond_deadline("trap 'echo term; exit 0' TERM; echo; "
					     "while :; do sleep 0.05; done");

	ck_assert_int_eq(run.child.end, CHILD_TIMED_OUT);
	ck_assert_str_eq(run.child.failure, "not done in time, and killed");
	assert_out("\nterm\n");
	ck_assert_uint_eq(child_group_running(group), 0);
}
END_TEST

START_TEST(a_program_that_will_not_end_is_killed_with_its_group)
{
	const char *const argv[] = { "/bin/sh", "-c",
				     "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; sleep 1000' & wait; "
				     "sleep 1000",
				     NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1, .timeout_ms = 20000 };
	struct run run;
	int pidfd;

	start(&run, &plan);
	while (buf_len(&out) == 0)
		net_turns(1);
	pidfd = pidfd_open(said_pid(), 0);
	ck_assert_int_ge(pidfd, 0);
	net_clock_ahead_ms += 21000;
	net_turns(3);
	wait_ahead(&run);
	ck_assert_int_eq(run.child.end, CHILD_TIMED_OUT);
	assert_gone(pidfd);
	wait_until_idle();
}
END_TEST

START_TEST(the_deadline_holds_for_the_queue_too)
{
	const char *const argv[] = { "/bin/sleep", "1000", NULL };
	const struct child_plan plan = { .argv = argv };
	const struct child_plan hasty = { .argv = argv, .timeout_ms = 1000 };
	struct run first, second, third;

	start(&first, &plan);
	start(&second, &plan);
	start(&third, &hasty);
	net_clock_ahead_ms += 1500;
	NET_UNTIL(third.is_done);
	ck_assert_int_eq(third.child.end, CHILD_TIMED_OUT);
	ck_assert_str_eq(third.child.failure, "its turn did not come in time");
	ck_assert(!first.is_done && !second.is_done);
	op_cancel(&first.child.op);
	op_cancel(&second.child.op);
	wait_until_idle();
}
END_TEST

/* ---- many ---- */

START_TEST(no_more_run_than_may_and_the_rest_come_in_turn)
{
	const char *const argv[] = { "/bin/sh", "-c", "echo $0; cat", "x", NULL };
	struct run runs[6];
	struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1 };
	int gate[2];
	struct child_fd fds[2] = { to_out, { .number = 0, .kind = CHILD_FD_GIVEN } };

	/* Each goes on until this pipe has no writer. */
	ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
	fds[1].given = gate[0];
	plan.fds = fds;
	plan.fd_count = 2;
	for (size_t i = 0; i < 6; i++)
		start(&runs[i], &plan);
	while (buf_len(&out) < 4)
		net_turns(1);
	ck_assert_uint_eq(child_group_running(group), 2);
	net_turns(5);
	assert_out("x\nx\n");
	{
		struct run seventh = run_plan(&plan); /* there is no room for it, so it is told at once */

		ck_assert_int_eq(seventh.child.end, CHILD_NO_ROOM);
		ck_assert_str_eq(seventh.child.failure, "too many run and wait already");
	}
	close(gate[1]);
	for (size_t i = 0; i < 6; i++) {
		NET_UNTIL(runs[i].is_done);
		assert_exit(&runs[i], 0);
	}
	assert_out("x\nx\nx\nx\nx\nx\n");
	close(gate[0]);
}
END_TEST

START_TEST(a_full_pool_is_told_and_the_next_one_is_tried)
{
	const char *const argv[] = { "/bin/true", NULL };
	const struct child_plan plan = { .argv = argv };
	struct run run;

	pool_free(&pool);
	pool = pool_new(net_loop, "disk", 1, 0, NULL);
	child_group_free(&group);
	group = child_group_new(net_loop, pool, 8, 0, NULL);
	{
		struct run first, second;

		start(&first, &plan);
		start(&second, &plan);
		NET_UNTIL(second.is_done);
		ck_assert_int_eq(second.child.end, CHILD_NO_ROOM);
		ck_assert_str_eq(second.child.failure, "too many are to be started");
		NET_UNTIL(first.is_done);
		assert_exit(&first, 0);
	}
	run = run_plan(&plan);
	assert_exit(&run, 0);
}
END_TEST

/* ---- waiters that go away ---- */

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* While it is started, when it was, while it runs: it is killed, and all of it goes. */
START_TEST(a_program_that_nobody_waits_for_is_killed)
{
	static const char secret[] = "secret";
	const char *const argv[] = { "/bin/sh", "-c", "trap '' TERM; echo $$; sleep 1000", NULL };
	const struct child_fd fds[] = {
		to_out,
		{ .number = 3, .kind = CHILD_FD_BYTES, .bytes = BYTES(secret) },
	};
	const struct child_plan plan = { .argv = argv, .fds = fds, .fd_count = 2 };
	struct run warm_up = run_script("exit 0", NULL, 0);
	int before = count_fds();

	assert_exit(&warm_up, 0);
	for (int stage = 0; stage < 3; stage++) {
		struct run *gone = malloc(sizeof(*gone));

		start(gone, &plan);
		gone->child.op.done = never;
		if (stage == 1)
			net_turns(1);
		while (stage == 2 && buf_len(&out) == 0)
			net_turns(1);
		op_cancel(&gone->child.op);
		free(gone);
		buf_clear(&out);
		wait_until_idle();
		net_turns(1);
		ck_assert_uint_eq(buf_len(&out), 0);
		ck_assert_int_eq(count_fds(), before);
	}
}
END_TEST

START_TEST(one_that_waits_for_its_turn_may_be_cancelled)
{
	const char *const argv[] = { "/bin/sleep", "1000", NULL };
	const struct child_plan plan = { .argv = argv };
	struct run runs[3];

	for (size_t i = 0; i < 3; i++)
		start(&runs[i], &plan);
	for (size_t i = 3; i-- > 0;) {
		runs[i].child.op.done = never;
		op_cancel(&runs[i].child.op);
	}
	wait_until_idle();
}
END_TEST

/* done() is due, and does not come. */
START_TEST(a_failure_that_is_not_told_yet_may_be_cancelled)
{
	const char *const argv[] = { "/bin/true", NULL };
	const struct child_plan plan = { .argv = argv };
	struct run run;

	child_group_free(&group);
	group = child_group_new(net_loop, pool, 1, 0, NULL);
	start(&run, &plan);
	{
		struct run second;

		start(&second, &plan);
		second.child.op.done = never;
		op_cancel(&second.child.op);
		ck_assert(!op_running(&second.child.op));
	}
	NET_UNTIL(run.is_done);
	assert_exit(&run, 0);
}
END_TEST

START_TEST(a_group_may_go_before_its_programs)
{
	const char *const argv[] = { "/bin/true", NULL };
	const struct child_plan plan = { .argv = argv };
	struct run runs[3];

	for (size_t i = 0; i < 3; i++)
		start(&runs[i], &plan);
	child_group_free(&group);
	for (size_t i = 0; i < 3; i++) {
		NET_UNTIL(runs[i].is_done);
		assert_exit(&runs[i], 0);
	}
}
END_TEST

static void end_all(void)
{
	child_group_free(&group);
	pool_free(&pool);
	loop_free(&net_loop);
}

START_TEST(programs_end_with_the_loop)
{
	const char *const argv[] = { "/bin/sh", "-c", "trap '' TERM; echo $$; sleep 1000", NULL };
	const struct child_plan plan = { .argv = argv, .fds = &to_out, .fd_count = 1 };
	struct run runs[3];
	int pidfd;

	for (size_t i = 0; i < 3; i++) /* the third waits */
		start(&runs[i], &plan);
	while (buf_len(&out) == 0)
		net_turns(1);
	pidfd = pidfd_open(said_pid(), 0);
	end_all();
	assert_gone(pidfd);
	for (size_t i = 0; i < 3; i++)
		ck_assert(!op_running(&runs[i].child.op));
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
	setup();
}
END_TEST

/* The pool has started it, or not; the loop was never told. */
START_TEST(programs_being_started_end_with_the_loop)
{
	const char *const argv[] = { "/bin/sleep", "1000", NULL };
	const struct child_plan plan = { .argv = argv };
	struct run run;

	start(&run, &plan);
	end_all();
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	setup();
}
END_TEST

/* Whoever started us had SIGCHLD ignored, so that ends are not told. */
START_TEST(ends_are_known_whatever_we_inherit)
{
	struct run run;

	signal(SIGCHLD, SIG_IGN);
	child_group_free(&group);
	group = child_group_new(net_loop, pool, 1, 0, NULL);
	run = run_script("exit 5", NULL, 0);
	assert_exit(&run, 5);
}
END_TEST

/* It is gone before it could be watched, or while it was. */
START_TEST(an_end_that_somebody_else_has_heard_of_is_no_success)
{
	struct run run;

	signal(SIGCHLD, SIG_IGN);
	run = run_script(_i ? "sleep 0.1; exit 0" : "exit 0", NULL, 0);
	if (run.child.end == CHILD_NOT_STARTED) {
		ck_assert_int_eq(run.child.status, ESRCH);
		ck_assert_str_eq(run.child.failure, "its end cannot be waited for: No such process");
		return;
	}
	ck_assert_int_eq(run.child.end, CHILD_SIGNALED);
	ck_assert_str_eq(run.child.failure, "its end is not known");
}
END_TEST

/* ---- faults ---- */

START_TEST(memory_that_fails_is_told)
{
	const char *const argv[] = { "/bin/cat", NULL };
	const struct child_fd fds[] = {
		{ .number = 0, .kind = CHILD_FD_BYTES, .bytes = BYTES("x") },
		to_out,
	};
	const struct child_plan plan = { .argv = argv, .envp = no_environment, .fds = fds, .fd_count = 2,
					 .timeout_ms = SOON_MS };
	unsigned long failures = 0;
	bool has_failed;

	do {
		struct run run = { .child.op.done = on_done };

		fail_malloc_at(failures + 1);
		child_start(&run.child, group, &plan);
		has_failed = fail_malloc_stop();
		NET_UNTIL(run.is_done);
		if (has_failed) {
			ck_assert_int_eq(run.child.end, CHILD_NOT_STARTED);
			ck_assert_int_eq(run.child.status, ENOMEM);
			failures++;
		} else {
			assert_exit(&run, 0);
		}
	} while (has_failed);
	ck_assert_uint_ge(failures, 2); /* the child, and its arena */
	assert_out("x");
}
END_TEST

START_TEST(descriptors_that_are_short_are_told)
{
	const char *const argv[] = { "/bin/cat", NULL };
	const struct child_fd fds[] = {
		{ .number = 0, .kind = CHILD_FD_BYTES, .bytes = BYTES("x") },
		to_out,
	};
	const struct child_plan plan = { .argv = argv, .fds = fds, .fd_count = 2 };
	struct run warm_up = run_script("exit 0", NULL, 0);
	int before = count_fds();
	struct rlimit limit, less;
	unsigned failures = 0;

	assert_exit(&warm_up, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Whatever there is of descriptors, the first that a program is given is 16. */
	for (less = limit, less.rlim_cur = before > 16 ? (rlim_t)before : 16;; less.rlim_cur++) {
		struct run run;

		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
		run = run_plan(&plan);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		net_turns(1);
		ck_assert_int_eq(count_fds(), before);
		if (run.child.end == CHILD_EXITED)
			break;
		ck_assert_int_eq(run.child.end, CHILD_NOT_STARTED);
		ck_assert(run.child.status == EMFILE || less.rlim_cur == 16);
		failures++;
	}
	ck_assert_uint_ge(failures, 3);
	assert_out("x");
}
END_TEST

static TCase *new_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_ends(Suite *suite)
{
	TCase *tcase = new_case(suite, "ends");

	ADD_ROWS(tcase, how_a_program_ends_is_told, ends);
	ADD_ROWS(tcase, what_cannot_be_started_is_told, no_programs);
	tcase_add_test(tcase, a_file_without_a_format_is_no_program);
	tcase_add_test(tcase, a_program_that_hangs_is_ended);
	tcase_add_test(tcase, a_program_that_will_not_end_is_killed_with_its_group);
	tcase_add_test(tcase, the_deadline_holds_for_the_queue_too);
	tcase_add_test(tcase, a_process_left_behind_is_neither_waited_for_nor_killed);
	tcase_add_test(tcase, a_process_left_behind_that_never_stops_writing_does_not_hold_us_up);
	tcase_add_test(tcase, programs_end_with_the_loop);
	tcase_add_test(tcase, programs_being_started_end_with_the_loop);
	tcase_add_test(tcase, ends_are_known_whatever_we_inherit);
	tcase_add_loop_test(tcase, an_end_that_somebody_else_has_heard_of_is_no_success, 0, 2);
}

static void add_world(Suite *suite)
{
	TCase *tcase = new_case(suite, "world");

	tcase_add_test(tcase, arguments_arrive_as_they_are);
	tcase_add_test(tcase, the_environment_is_what_was_named_alone);
	tcase_add_test(tcase, the_directory_is_the_root_or_what_was_named);
	tcase_add_test(tcase, no_descriptor_of_ours_is_inherited);
	tcase_add_test(tcase, what_is_not_named_is_dev_null);
	tcase_add_test(tcase, signals_are_as_they_were_when_the_machine_was_new);
	tcase_add_test(tcase, a_program_has_a_session_and_a_group_of_its_own);
	tcase_add_test(tcase, limits_hold);
	tcase_add_test(tcase, a_limit_of_ours_that_is_lower_stays);
	if (unit_limits_are_real())
		tcase_add_test(tcase, many_descriptors_are_not_for_programs);
}

static void add_pipes(Suite *suite)
{
	TCase *tcase = new_case(suite, "pipes");

	tcase_add_test(tcase, a_program_reads_what_it_is_given);
	tcase_add_test(tcase, the_most_bytes_that_may_be_given_arrive);
	ADD_ROWS(tcase, what_was_not_read_is_known, readers);
	tcase_add_test(tcase, a_file_that_is_given_is_read_as_descriptor_and_stays_ours);
	tcase_add_test(tcase, descriptors_may_change_places);
	tcase_add_test(tcase, output_of_both_kinds_is_told_apart_or_not);
	tcase_add_test(tcase, ten_megabytes_of_output_are_read_and_a_bounded_part_is_kept);
}

static void add_many(Suite *suite)
{
	TCase *tcase = new_case(suite, "many");

	tcase_add_test(tcase, no_more_run_than_may_and_the_rest_come_in_turn);
	tcase_add_test(tcase, a_full_pool_is_told_and_the_next_one_is_tried);
	tcase_add_test(tcase, a_program_that_nobody_waits_for_is_killed);
	tcase_add_test(tcase, one_that_waits_for_its_turn_may_be_cancelled);
	tcase_add_test(tcase, a_failure_that_is_not_told_yet_may_be_cancelled);
	tcase_add_test(tcase, a_group_may_go_before_its_programs);
	tcase_add_test(tcase, memory_that_fails_is_told);
	tcase_add_test(tcase, descriptors_that_are_short_are_told);
}

int main(void)
{
	Suite *suite = suite_create("child");

	add_ends(suite);
	add_world(suite);
	add_pipes(suite);
	add_many(suite);
	return unit_main(suite);
}
