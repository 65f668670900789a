/*
 * The worker's side of the maildir backend, on real directories: what arrives,
 * in which order it gets to disk, and that nothing arrives when anything fails.
 * System calls are wrapped at link time, so that any of them can fail.
 */
#define _GNU_SOURCE 1 /* O_TMPFILE */

#include "backend/maildir_job.h"

#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <regex.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

/* ---- system calls that can fail ---- */

int __real_fsync(int fd);
int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __real_mkdirat(int fd, const char *path, mode_t mode);
int __real_openat(int fd, const char *path, int flags, ...);
ssize_t __real_writev(int fd, const struct iovec *pieces, int count);
int __wrap_fsync(int fd);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_mkdirat(int fd, const char *path, mode_t mode);
int __wrap_openat(int fd, const char *path, int flags, ...);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count);

/*
 * Each call leaves a letter: T a nameless file, C a named one, W a write, F fsync of
 * a file, D fsync of a directory, L a link, M a mkdir.
 */
static struct {
	char log[4096];
	size_t len;
	char call;      /* the one that fails, by its letter; 0: none */
	unsigned nth;   /* counted from 1 */
	unsigned times; /* how often in a row */
	int error;
	unsigned seen;
	size_t write_max; /* bytes per write; 0: no limit */
	bool interrupts;  /* every other write and fsync gets EINTR */
	unsigned interrupted;
} calls;

static void calls_reset(void)
{
	memset(&calls, 0, sizeof(calls));
}

static void calls_fail(char call, unsigned nth, unsigned times, int error)
{
	calls_reset();
	calls.call = call;
	calls.nth = nth;
	calls.times = times;
	calls.error = error;
}

static bool call_fails(char call)
{
	ck_assert_uint_lt(calls.len + 1, sizeof(calls.log));
	calls.log[calls.len++] = call;
	if (call != calls.call)
		return false;
	calls.seen++;
	if (calls.seen < calls.nth || calls.seen >= calls.nth + calls.times)
		return false;
	errno = calls.error;
	return true;
}

static bool call_interrupted(void)
{
	if (!calls.interrupts || calls.interrupted++ % 2 == 1)
		return false;
	errno = EINTR;
	return true;
}

int __wrap_fsync(int fd)
{
	struct stat st;

	if (call_interrupted())
		return -1;
	ck_assert_int_eq(fstat(fd, &st), 0);
	return call_fails(S_ISDIR(st.st_mode) ? 'D' : 'F') ? -1 : __real_fsync(fd);
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return call_fails('L') ? -1 : __real_linkat(from_fd, from, to_fd, to, flags);
}

int __wrap_mkdirat(int fd, const char *path, mode_t mode)
{
	return call_fails('M') ? -1 : __real_mkdirat(fd, path, mode);
}

int __wrap_openat(int fd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if ((flags & __O_TMPFILE) == __O_TMPFILE && call_fails('T'))
		return -1;
	if ((flags & O_CREAT) && call_fails('C'))
		return -1;
	return __real_openat(fd, path, flags, mode);
}

ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
	struct iovec piece = pieces[0];

	if (call_interrupted())
		return -1;
	if (call_fails('W'))
		return -1;
	if (!calls.write_max)
		return __real_writev(fd, pieces, count);
	if (piece.iov_len > calls.write_max)
		piece.iov_len = calls.write_max;
	return __real_writev(fd, &piece, 1);
}

/* ---- a delivery to mailboxes m0, m1, ... of a private directory ---- */

enum { BOXES_MAX = 130 };

static struct temp_dir root;
static struct spool_budget budget = { .max_bytes = 64 * 1024 * 1024 };
static struct maildir_delivery delivery;
static struct maildir_mailbox mailboxes[BOXES_MAX];
static char box_paths[BOXES_MAX][300];
static char box_headers[BOXES_MAX][64];

static const char return_path[] = "Return-Path: <bert@example.net>\n";
static const char trace[] = "Received: from there\n\tby here; some day\n";
static const char body[] = "Subject: x\n\nhello\n";

static void box_name(char *path, size_t size, unsigned box, const char *below)
{
	snprintf(path, size, "%.255s/m%u%s", root.path, box, below);
}

static unsigned box_count(unsigned box, const char *subdir)
{
	char path[300];

	box_name(path, sizeof(path), box, subdir);
	return files_in(path);
}

static void setup(void)
{
	calls_reset();
	temp_dir_init(&root);
	memset(&delivery, 0, sizeof(delivery));
	delivery.store = maildir_store_new("mx.example.org");
	ck_assert_ptr_nonnull(delivery.store);
	delivery.mailboxes = mailboxes;
	delivery.return_path = span_str(return_path);
	delivery.trace = span_str(trace);
	spool_init(&delivery.content, &budget);
}

static void teardown(void)
{
	calls_reset();
	spool_fini(&delivery.content);
	ck_assert_uint_eq(budget.used_bytes, 0);
	maildir_store_put(&delivery.store);
	temp_dir_fini(&root);
}

/* The next message; cur, new and tmp of its mailboxes are left to the delivery. */
static void prepare(unsigned boxes, struct span content)
{
	for (unsigned i = 0; i < boxes; i++) {
		box_name(box_paths[i], sizeof(box_paths[i]), i, "");
		ck_assert(mkdir(box_paths[i], 0700) == 0 || errno == EEXIST);
		snprintf(box_headers[i], sizeof(box_headers[i]), "Delivered-To: m%u@example.org\n", i);
		maildir_mailbox_init(&mailboxes[i], box_paths[i], span_str(box_headers[i]));
	}
	delivery.mailbox_count = boxes;
	spool_fini(&delivery.content);
	ck_assert_int_eq(spool_append(&delivery.content, content), SPOOL_OK);
}

static void make_subdirs(unsigned boxes)
{
	static const char *const names[] = { "/cur", "/new", "/tmp" };
	char path[300];

	for (unsigned i = 0; i < boxes; i++) {
		for (unsigned s = 0; s < 3; s++) {
			box_name(path, sizeof(path), i, names[s]);
			ck_assert_int_eq(mkdir(path, 0700), 0);
		}
	}
}

static void assert_kept(void)
{
	ck_assert_msg(delivery.answer.reply.code == 0, "answer is %u %s", delivery.answer.reply.code,
		      delivery.answer.detail);
}

static size_t head_octets(unsigned box)
{
	return strlen(return_path) + strlen(box_headers[box]) + strlen(trace);
}

/* The mailbox has this one message, whole, and nothing else. */
static void assert_message(unsigned box, struct span content)
{
	size_t head = head_octets(box);
	char path[NAME_MAX + 310], name[NAME_MAX + 1], expected[512];
	struct file_bytes file;

	box_name(path, sizeof(path), box, "/new");
	only_file_in(path, name);
	snprintf(path, sizeof(path), "%.255s/m%u/new/%s", root.path, box, name);
	file = file_bytes(path);
	ck_assert_uint_eq(file.len, head + content.len);
	snprintf(expected, sizeof(expected), "%s%s%s", return_path, box_headers[box], trace);
	ck_assert_int_eq(memcmp(file.bytes, expected, head), 0);
	ck_assert_int_eq(memcmp(file.bytes + head, content.ptr, content.len), 0);
	free(file.bytes);
	ck_assert_uint_eq(box_count(box, "/tmp"), 0);
	ck_assert_uint_eq(box_count(box, "/cur"), 0);
}

static void assert_nothing_arrived(void)
{
	for (unsigned i = 0; i < delivery.mailbox_count; i++) {
		ck_assert_uint_eq(box_count(i, "/new"), 0);
		ck_assert_uint_eq(box_count(i, "/tmp"), 0);
	}
}

/* ---- what arrives ---- */

/* More than 64 chunks of 64 KiB are written in several pieces. */
static const size_t content_sizes[] = { 0, 1, 8168, 8169, 100000, 5000000 };

static char *awkward_content(size_t len)
{
	char *bytes = malloc(len + 1);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < len; i++) /* NUL, CR, LF and 8-bit bytes among them */
		bytes[i] = (char)(i * 7 + i / 255);
	return bytes;
}

START_TEST(message_arrives_byte_for_byte)
{
	size_t len = content_sizes[_i];
	char *bytes = awkward_content(len);

	prepare(2, span_of(bytes, len));
	maildir_deliver(&delivery);
	assert_kept();
	assert_message(0, span_of(bytes, len));
	assert_message(1, span_of(bytes, len));
	ck_assert_uint_eq(delivery.octets, head_octets(0) + len);
	free(bytes);
}
END_TEST

START_TEST(short_and_interrupted_writes_lose_nothing)
{
	char *bytes = awkward_content(100000);

	prepare(1, span_of(bytes, 100000));
	calls.write_max = 99;
	calls.interrupts = true;
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_uint_gt(calls.interrupted, 1000);
	assert_message(0, span_of(bytes, 100000));
	free(bytes);
}
END_TEST

START_TEST(file_name_has_the_form_of_a_maildir)
{
	static const char form[] = "^[0-9]{10}\\.M[0-9]{1,6}P[0-9]+Q[0-9]+_[0-9a-f]{16}"
				   "\\.mx\\\\0571\\\\072x,S=([0-9]+)$";
	char path[300], name[NAME_MAX + 1];
	regmatch_t match[2];
	regex_t regex;

	maildir_store_put(&delivery.store);
	delivery.store = maildir_store_new("mx/1:x");
	prepare(1, span_str(body));
	maildir_deliver(&delivery);
	assert_kept();
	box_name(path, sizeof(path), 0, "/new");
	only_file_in(path, name);
	ck_assert_int_eq(regcomp(&regex, form, REG_EXTENDED), 0);
	ck_assert_msg(regexec(&regex, name, 2, match, 0) == 0, "the name is %s", name);
	ck_assert_uint_eq(strtoull(name + match[1].rm_so, NULL, 10), delivery.octets);
	regfree(&regex);
}
END_TEST

START_TEST(long_host_name_is_cut_to_fit)
{
	char host[600];

	memset(host, ':', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	maildir_store_put(&delivery.store);
	delivery.store = maildir_store_new(host);
	delivery.store->has_proc = false;
	prepare(1, span_str(body));
	maildir_deliver(&delivery);
	assert_kept();
	assert_message(0, span_str(body));
}
END_TEST

static unsigned mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(modes_do_not_depend_on_the_umask)
{
	char path[NAME_MAX + 310], name[NAME_MAX + 1];
	mode_t old = umask(_i ? 0377 : 0);

	delivery.store->has_proc = _i < 2; /* also for files with names */
	prepare(1, span_str(body));
	chmod(box_paths[0], 0700);
	maildir_deliver(&delivery);
	umask(old);
	assert_kept();
	box_name(path, sizeof(path), 0, "/cur");
	ck_assert_uint_eq(mode_of(path), 0700);
	box_name(path, sizeof(path), 0, "/tmp");
	ck_assert_uint_eq(mode_of(path), 0700);
	box_name(path, sizeof(path), 0, "/new");
	ck_assert_uint_eq(mode_of(path), 0700);
	only_file_in(path, name);
	snprintf(path, sizeof(path), "%.255s/m0/new/%s", root.path, name);
	ck_assert_uint_eq(mode_of(path), 0600);
}
END_TEST

START_TEST(many_mailboxes_need_few_descriptors)
{
	struct rlimit limit;

	prepare(BOXES_MAX, span_str(body));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 3 + open_descriptors() + MAILDIR_DELIVERY_FDS;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	maildir_deliver(&delivery);
	assert_kept();
	for (unsigned i = 0; i < BOXES_MAX; i++)
		assert_message(i, span_str(body));
}
END_TEST

/* ---- the order of things ---- */

START_TEST(files_are_synced_before_the_first_link)
{
	prepare(3, span_str(body));
	make_subdirs(3);
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_str_eq(calls.log, "TWTWTWFFFLLLDDD");
}
END_TEST

START_TEST(new_subdirectories_are_synced)
{
	prepare(1, span_str(body));
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_str_eq(calls.log, "MMMDTWFLD");
	ck_assert_uint_eq(atomic_load(delivery.store->unsynced_mailboxes), 0);
}
END_TEST

START_TEST(missing_subdirectory_alone_is_made)
{
	char path[300];

	prepare(1, span_str(body));
	make_subdirs(1);
	box_name(path, sizeof(path), 0, "/new");
	ck_assert_int_eq(rmdir(path), 0);
	maildir_deliver(&delivery);
	assert_kept();
	assert_message(0, span_str(body));
}
END_TEST

/* Another worker made them and has not synced them yet. */
START_TEST(subdirectories_of_another_worker_are_synced)
{
	prepare(1, span_str(body));
	make_subdirs(1);
	atomic_store(delivery.store->unsynced_mailboxes, 1);
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_str_eq(calls.log, "DTWFLD");
	ck_assert_uint_eq(atomic_load(delivery.store->unsynced_mailboxes), 1);
}
END_TEST

START_TEST(order_holds_for_mailboxes_that_are_not_kept_open)
{
	const char *first_link, *last_link;

	prepare(BOXES_MAX, span_str(body));
	make_subdirs(BOXES_MAX);
	maildir_deliver(&delivery);
	assert_kept();
	first_link = strchr(calls.log, 'L');
	last_link = strrchr(calls.log, 'L');
	ck_assert_uint_eq(strspn(calls.log, "TCWF"), (size_t)(first_link - calls.log));
	ck_assert_uint_eq(strspn(first_link, "L"), BOXES_MAX);
	ck_assert_uint_eq(strspn(last_link + 1, "D"), BOXES_MAX);
	ck_assert_uint_eq((size_t)(first_link - calls.log), 3 * BOXES_MAX); /* create, write, sync */
	ck_assert_str_eq(last_link + 1 + BOXES_MAX, "");
}
END_TEST

/* ---- when something fails ---- */

static const struct {
	char call;
	unsigned nth;
	int error;
	unsigned code;
	const char *detail;
} faults[] = {
	{ 'T', 1, ENOSPC, 452, "open in tmp: No space" },
	{ 'T', 3, EMFILE, 451, "open in tmp: Too many open files" },
	{ 'C', 2, EDQUOT, 452, "create in tmp" },
	{ 'C', 1, EACCES, 451, "create in tmp" },
	{ 'C', 100, EIO, 451, "create in tmp" },
	{ 'W', 1, ENOSPC, 452, "write: No space" },
	{ 'W', 2, EDQUOT, 452, "write" },
	{ 'W', 3, EIO, 451, "write: Input/output error" },
	{ 'W', 100, ENOSPC, 452, "write" },
	{ 'W', 1, EFBIG, 451, "write" },
	{ 'F', 1, EIO, 451, "fsync of the file: Input/output error" },
	{ 'F', 3, ENOSPC, 452, "fsync of the file" },
	{ 'F', 100, EIO, 451, "fsync of the file" },
	{ 'L', 1, EIO, 451, "link into new: Input/output error" },
	{ 'L', 2, ENOSPC, 452, "link into new" },
	{ 'L', 3, EDQUOT, 452, "link into new" },
	{ 'L', 100, EIO, 451, "link into new" },
	{ 'D', 1, EIO, 451, "fsync of new: Input/output error" },
	{ 'D', 3, ENOSPC, 452, "fsync of new" },
	{ 'D', 100, EIO, 451, "fsync of new" },
};

static void assert_fault_leaves_nothing(unsigned row)
{
	unsigned boxes = faults[row].nth < 100 ? 3 : BOXES_MAX;
	unsigned descriptors = open_descriptors();
	char *bytes = awkward_content(20000);

	prepare(boxes, span_of(bytes, 20000));
	make_subdirs(boxes);
	calls_fail(faults[row].call, faults[row].nth, 1, faults[row].error);
	maildir_deliver(&delivery);
	free(bytes);
	ck_assert_uint_eq(calls.seen, faults[row].nth);
	ck_assert_uint_eq(delivery.answer.reply.code, faults[row].code);
	ck_assert_msg(strstr(delivery.answer.detail, faults[row].detail) == delivery.answer.detail,
		      "detail is \"%s\"", delivery.answer.detail);
	ck_assert_msg(boxes > 3 || strstr(delivery.answer.detail, root.path), "no path in \"%s\"",
		      delivery.answer.detail);
	assert_nothing_arrived();
	ck_assert_uint_eq(open_descriptors(), descriptors);
}

START_TEST(failure_leaves_nothing_behind)
{
	/* Only the mailboxes that are not kept open have named files. */
	if (faults[_i].call == 'C' && faults[_i].nth < 100)
		delivery.store->has_proc = false;
	if (faults[_i].call == 'C' && faults[_i].nth == 100)
		return; /* there are 66 of them: for the next test */
	assert_fault_leaves_nothing((unsigned)_i);
}
END_TEST

START_TEST(failure_with_named_files_leaves_nothing_behind)
{
	delivery.store->has_proc = false;
	if (faults[_i].call != 'T')
		assert_fault_leaves_nothing((unsigned)_i);
}
END_TEST

START_TEST(mailbox_whose_new_is_a_file_fails_the_whole_message)
{
	char path[300];

	prepare(3, span_str(body));
	box_name(path, sizeof(path), 1, "/new");
	touch(path);
	maildir_deliver(&delivery);
	ck_assert_uint_eq(delivery.answer.reply.code, 451);
	ck_assert_ptr_nonnull(strstr(delivery.answer.detail, box_paths[1]));
	assert_nothing_arrived();
	ck_assert_int_eq(unlink(path), 0);
	/* Mended, it goes through: the client's next try. */
	prepare(3, span_str(body));
	maildir_deliver(&delivery);
	assert_kept();
	for (unsigned i = 0; i < 3; i++)
		assert_message(i, span_str(body));
}
END_TEST

START_TEST(mailbox_that_vanished_is_not_made)
{
	prepare(2, span_str(body));
	ck_assert_int_eq(rmdir(box_paths[1]), 0);
	maildir_deliver(&delivery);
	ck_assert_uint_eq(delivery.answer.reply.code, 451);
	ck_assert_ptr_nonnull(strstr(delivery.answer.detail, "No such file"));
	ck_assert_int_eq(access(box_paths[1], F_OK), -1);
	assert_nothing_arrived();
}
END_TEST

START_TEST(file_size_limit_is_local_trouble)
{
	char *bytes = awkward_content(50000);
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 10000;
	prepare(2, span_of(bytes, 50000));
	signal(SIGXFSZ, SIG_IGN); /* then write() tells */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	maildir_deliver(&delivery);
	ck_assert_uint_eq(delivery.answer.reply.code, 451);
	assert_nothing_arrived();
	free(bytes);
}
END_TEST

static const struct {
	char call;
	unsigned nth;
	int error;
	unsigned code;
	unsigned unsynced; /* afterwards */
} making_faults[] = {
	{ 'M', 1, ENOSPC, 452, 0 },
	{ 'M', 3, EACCES, 451, 0 },
	{ 'D', 1, EIO, 451, 1 }, /* nobody knows what is on disk: all sync from now on */
};

START_TEST(subdirectories_that_cannot_be_made_fail_all)
{
	prepare(1, span_str(body));
	calls_fail(making_faults[_i].call, making_faults[_i].nth, 1, making_faults[_i].error);
	maildir_deliver(&delivery);
	ck_assert_uint_eq(delivery.answer.reply.code, making_faults[_i].code);
	ck_assert_uint_eq(atomic_load(delivery.store->unsynced_mailboxes), making_faults[_i].unsynced);
	assert_nothing_arrived();
}
END_TEST

START_TEST(name_that_is_taken_is_changed)
{
	prepare(1, span_str(body));
	calls_fail('L', 1, 3, EEXIST);
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_uint_eq(calls.seen, 4);
	assert_message(0, span_str(body));
}
END_TEST

START_TEST(names_that_are_always_taken_end_in_an_error)
{
	delivery.store->has_proc = _i == 0;
	prepare(1, span_str(body));
	calls_fail(_i == 2 ? 'C' : 'L', 1, 1000, EEXIST);
	maildir_deliver(&delivery);
	ck_assert_uint_eq(delivery.answer.reply.code, 451);
	ck_assert_uint_le(calls.seen, 20);
	assert_nothing_arrived();
}
END_TEST

/* ---- files with names, and what is left of them ---- */

static const int refusals[] = { EOPNOTSUPP, EISDIR, EINVAL, ENOENT };

START_TEST(file_has_a_name_where_the_system_wants_one)
{
	prepare(2, span_str(body));
	make_subdirs(2);
	calls_fail('T', 1, 2, refusals[_i]);
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_str_eq(calls.log, "TCWTCWFFLLDD");
	assert_message(0, span_str(body));
	assert_message(1, span_str(body));
}
END_TEST

START_TEST(without_proc_files_have_names)
{
	delivery.store->has_proc = false;
	prepare(1, span_str(body));
	make_subdirs(1);
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_str_eq(calls.log, "CWFLD");
	assert_message(0, span_str(body));
}
END_TEST

/* A process that existed and does not any more. */
static pid_t dead_process(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void tmp_file_make(const char *name, unsigned hours_old)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - hours_old * 3600L } };
	char path[NAME_MAX + 310];

	times[1] = times[0];
	snprintf(path, sizeof(path), "%.255s/m0/tmp/%s", root.path, name);
	touch(path);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void tmp_name(char *name, long pid, const char *boot_id, const char *host)
{
	snprintf(name, NAME_MAX, "smtpfrontd_%ld_%s_1.M2P3Q4_0123456789abcdef.%s", pid, boot_id, host);
}

static const char other_boot[] = "01234567-89ab-cdef-0123-456789abcdef";

/* pid 0: a dead one; boot NULL: the present one. */
static const struct {
	const char *why;
	long pid;
	const char *boot, *host;
	unsigned hours_old;
	bool is_removed;
} leftovers[] = {
	{ "another boot", 1, other_boot, "mx.example.org", 37, true },
	{ "a dead process", 0, NULL, "mx.example.org", 37, true },
	{ "another boot, young", 1, other_boot, "mx.example.org", 35, false },
	{ "a dead process, young", 0, NULL, "mx.example.org", 35, false },
	{ "a live process", 1, NULL, "mx.example.org", 1000, false },
	{ "another host", 1, other_boot, "my.example.org", 1000, false },
	{ "a host whose name ends in ours", 1, other_boot, "xmx.example.org", 1000, false },
	{ "no process", -5, other_boot, "mx.example.org", 1000, false },
};

START_TEST(only_old_leftovers_of_our_own_are_removed)
{
	long pid = leftovers[_i].pid ? leftovers[_i].pid : (long)dead_process();
	char name[NAME_MAX + 1];

	prepare(1, span_str(body));
	make_subdirs(1);
	tmp_name(name, pid, leftovers[_i].boot ? leftovers[_i].boot : delivery.store->boot_id,
		 leftovers[_i].host);
	tmp_file_make(name, leftovers[_i].hours_old);
	tmp_file_make("1.M2P3Q4.mx.example.org", 1000); /* somebody else's */
	delivery.store->has_proc = false;
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_msg(box_count(0, "/tmp") == (leftovers[_i].is_removed ? 1 : 2), "%s", leftovers[_i].why);
}
END_TEST

START_TEST(name_of_our_own_is_known_as_a_leftover)
{
	char name[MAILDIR_NAME_SIZE];
	int fd;

	prepare(1, span_str(body));
	make_subdirs(1);
	maildir_store_name_tmp(delivery.store, name);
	ck_assert_int_eq(strncmp(name, "tmp/", 4), 0);
	tmp_file_make(name + 4, 37);
	fd = open(box_paths[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_uint_eq(maildir_store_sweep(delivery.store, fd, (uint64_t)time(NULL)), 1);
	ck_assert_uint_eq(box_count(0, "/tmp"), 0);
	close(fd);
}
END_TEST

START_TEST(leftovers_are_looked_for_once_an_hour_where_names_are_needed)
{
	char name[NAME_MAX + 1];

	prepare(1, span_str(body));
	make_subdirs(1);
	tmp_name(name, 1, other_boot, "mx.example.org");
	tmp_file_make(name, 37);
	maildir_deliver(&delivery);
	assert_kept();
	ck_assert_uint_eq(box_count(0, "/tmp"), 1); /* nameless files need no broom */
	ck_assert(maildir_store_sweep_is_due(delivery.store, "/v/m", 3600 * 1000));
	ck_assert(!maildir_store_sweep_is_due(delivery.store, "/v/m", 3600 * 1000 + 3599));
	ck_assert(maildir_store_sweep_is_due(delivery.store, "/v/m", 3600 * 1001));
}
END_TEST

START_TEST(sweep_is_bounded)
{
	char name[NAME_MAX + 1];
	unsigned removed;
	int fd;

	prepare(1, span_str(body));
	make_subdirs(1);
	for (unsigned i = 0; i < 1100; i++) {
		tmp_name(name, 1 + i, other_boot, "mx.example.org");
		tmp_file_make(name, 37);
	}
	fd = open(box_paths[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	removed = maildir_store_sweep(delivery.store, fd, (uint64_t)time(NULL));
	ck_assert_uint_ge(removed, 990);
	ck_assert_uint_le(removed, 1000);
	ck_assert_uint_eq(box_count(0, "/tmp"), 1100 - removed);
	close(fd);
}
END_TEST

/* ---- is there a mailbox? ---- */

static unsigned check_code(const char *below)
{
	struct backend_answer answer;
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", root.path, below);
	maildir_check(path, strlen(root.path) + 1, &answer);
	ck_assert((answer.reply.code == 0) == (answer.detail[0] == '\0'));
	return answer.reply.code;
}

START_TEST(mailbox_that_is_there_is_told_from_one_that_is_not)
{
	char path[300], overlong[400];

	prepare(1, span_str(body));
	ck_assert_uint_eq(check_code("m0"), 0);
	ck_assert_uint_eq(check_code("m1"), 550);
	ck_assert_uint_eq(check_code("m1/deeper"), 550);
	box_name(path, sizeof(path), 2, "");
	touch(path);
	ck_assert_uint_eq(check_code("m2/deeper"), 550);
	memset(overlong, 'x', sizeof(overlong) - 1);
	overlong[sizeof(overlong) - 1] = '\0';
	ck_assert_uint_eq(check_code(overlong), 550);
}
END_TEST

START_TEST(mailbox_that_cannot_be_used_is_a_temporary_error)
{
	char path[300];

	box_name(path, sizeof(path), 2, "");
	touch(path);
	ck_assert_uint_eq(check_code("m2"), 451);
	box_name(path, sizeof(path), 3, "");
	ck_assert_int_eq(symlink("m3", path), 0);
	ck_assert_uint_eq(check_code("m3"), 451); /* ELOOP */
}
END_TEST

/* As when it is another volume's, or another machine's, that is not there now. */
START_TEST(symbolic_link_to_nothing_is_a_temporary_error)
{
	char path[300];

	box_name(path, sizeof(path), 2, "");
	ck_assert_int_eq(symlink("/nonexistent/m2", path), 0);
	ck_assert_uint_eq(check_code("m2"), 451);
	ck_assert_uint_eq(check_code("m2/anna"), 451);
	ck_assert_uint_eq(check_code("m2/anna/deeper"), 451);
	ck_assert_uint_eq(check_code("m1/anna"), 550);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink(".", path), 0);
	ck_assert_uint_eq(check_code("m2/anna"), 550);
}
END_TEST

START_TEST(missing_directory_of_all_mailboxes_is_a_temporary_error)
{
	struct backend_answer answer;
	char path[300];

	snprintf(path, sizeof(path), "%s/volume/anna", root.path);
	maildir_check(path, strlen(root.path) + strlen("/volume/"), &answer);
	ck_assert_uint_eq(answer.reply.code, 451);
	ck_assert_str_eq(answer.reply.status, "4.3.0");
	ck_assert_ptr_nonnull(strstr(answer.detail, "directory of all mailboxes: No such file"));
	ck_assert_ptr_null(strstr(answer.detail, "anna"));
	/* Is a file in its place, the same holds. */
	path[strlen(root.path) + strlen("/volume")] = '\0';
	touch(path);
	path[strlen(root.path) + strlen("/volume")] = '/';
	maildir_check(path, strlen(root.path) + strlen("/volume/"), &answer);
	ck_assert_uint_eq(answer.reply.code, 451);
	/* Where it is no part that stays, it is nobody's mailbox. */
	maildir_check(path, strlen(root.path) + 1, &answer);
	ck_assert_uint_eq(answer.reply.code, 550);
}
END_TEST

START_TEST(mailbox_of_another_user_is_a_temporary_error)
{
	struct backend_answer answer;

	prepare(1, span_str(body));
	ck_assert_int_eq(chmod(root.path, 0755), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(seteuid(65534), 0);
		maildir_check(box_paths[0], strlen(root.path) + 1, &answer);
		ck_assert_int_eq(seteuid(0), 0);
	} else {
		ck_assert_int_eq(chmod(box_paths[0], 0), 0);
		maildir_check(box_paths[0], strlen(root.path) + 1, &answer);
		ck_assert_int_eq(chmod(box_paths[0], 0700), 0);
	}
	ck_assert_uint_eq(answer.reply.code, 451);
	ck_assert_str_eq(answer.reply.reason, "mailbox_unavailable");
	ck_assert_ptr_nonnull(strstr(answer.detail, "Permission denied"));
}
END_TEST

static TCase *arrival_tests(void)
{
	TCase *tcase = tcase_create("arrival");

	ADD_ROWS(tcase, message_arrives_byte_for_byte, content_sizes);
	tcase_add_test(tcase, short_and_interrupted_writes_lose_nothing);
	tcase_add_test(tcase, file_name_has_the_form_of_a_maildir);
	tcase_add_test(tcase, long_host_name_is_cut_to_fit);
	tcase_add_loop_test(tcase, modes_do_not_depend_on_the_umask, 0, 3);
	tcase_add_test(tcase, many_mailboxes_need_few_descriptors);
	tcase_add_test(tcase, files_are_synced_before_the_first_link);
	tcase_add_test(tcase, new_subdirectories_are_synced);
	tcase_add_test(tcase, missing_subdirectory_alone_is_made);
	tcase_add_test(tcase, subdirectories_of_another_worker_are_synced);
	tcase_add_test(tcase, order_holds_for_mailboxes_that_are_not_kept_open);
	return tcase;
}

static TCase *failure_tests(void)
{
	TCase *tcase = tcase_create("failure");

	ADD_ROWS(tcase, failure_leaves_nothing_behind, faults);
	ADD_ROWS(tcase, failure_with_named_files_leaves_nothing_behind, faults);
	tcase_add_test(tcase, mailbox_whose_new_is_a_file_fails_the_whole_message);
	tcase_add_test(tcase, mailbox_that_vanished_is_not_made);
	tcase_add_test(tcase, file_size_limit_is_local_trouble);
	ADD_ROWS(tcase, subdirectories_that_cannot_be_made_fail_all, making_faults);
	tcase_add_test(tcase, name_that_is_taken_is_changed);
	tcase_add_loop_test(tcase, names_that_are_always_taken_end_in_an_error, 0, 3);
	return tcase;
}

static TCase *name_tests(void)
{
	TCase *tcase = tcase_create("names");

	ADD_ROWS(tcase, file_has_a_name_where_the_system_wants_one, refusals);
	tcase_add_test(tcase, without_proc_files_have_names);
	ADD_ROWS(tcase, only_old_leftovers_of_our_own_are_removed, leftovers);
	tcase_add_test(tcase, name_of_our_own_is_known_as_a_leftover);
	tcase_add_test(tcase, leftovers_are_looked_for_once_an_hour_where_names_are_needed);
	tcase_add_test(tcase, sweep_is_bounded);
	tcase_add_test(tcase, mailbox_that_is_there_is_told_from_one_that_is_not);
	tcase_add_test(tcase, mailbox_that_cannot_be_used_is_a_temporary_error);
	tcase_add_test(tcase, symbolic_link_to_nothing_is_a_temporary_error);
	tcase_add_test(tcase, missing_directory_of_all_mailboxes_is_a_temporary_error);
	tcase_add_test(tcase, mailbox_of_another_user_is_a_temporary_error);
	return tcase;
}

int main(void)
{
	TCase *tcases[] = { arrival_tests(), failure_tests(), name_tests() };
	Suite *suite = suite_create("maildir");

	for (unsigned i = 0; i < sizeof(tcases) / sizeof(tcases[0]); i++) {
		tcase_add_checked_fixture(tcases[i], setup, teardown);
		tcase_set_timeout(tcases[i], 60);
		suite_add_tcase(suite, tcases[i]);
	}
	return unit_main(suite);
}
