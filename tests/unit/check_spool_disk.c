/*
 * Spools that go to disk, with a real loop, real worker threads and real files:
 * what goes in comes out in its order, memory stays bounded however slow the
 * disk is, what fails is told, and a spool may end at any moment. System calls
 * are wrapped at link time, so that they can be slow, short or failing.
 */
#define _GNU_SOURCE 1 /* O_TMPFILE */

#include "fail_malloc.h"
#include "spool/disk.h"
#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

enum { THRESHOLD = 64 * 1024, MEMORY = 4 * 1024 * 1024, CHUNK = 64 * 1024, FIRST_CHUNK = 8 * 1024 };

/* ---- system calls ---- */

int __real_open(const char *path, int flags, ...);
ssize_t __real_pwritev(int fd, const struct iovec *pieces, int count, off_t offset);
ssize_t __real_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t len, unsigned flags);
int __real_fstatvfs(int fd, struct statvfs *st);
int __real_statvfs(const char *path, struct statvfs *st);
int __real_sync_file_range(int fd, off_t offset, off_t len, unsigned flags);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_pwritev(int fd, const struct iovec *pieces, int count, off_t offset);
ssize_t __wrap_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t len, unsigned flags);
int __wrap_fstatvfs(int fd, struct statvfs *st);
int __wrap_statvfs(const char *path, struct statvfs *st);
int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned flags);
void *__wrap_calloc(size_t count, size_t size);

static struct {
	atomic_uint writes, writers; /* calls of pwritev() so far, and under way */
	atomic_long written;         /* where the next one must begin */
	bool is_shared;              /* by several spools, so that no order can be told */
	unsigned fail_write;         /* the n-th fails; 0: none */
	int error;
	size_t write_max;            /* octets of one write; 0: no limit */
	bool interrupts;             /* every other write gets EINTR */
	atomic_bool is_gated;        /* each write waits for the gate, and tells that it does */
	sem_t gate, at_gate;
	bool no_tmpfile;
	int copy_error;
	int sync_error;
	uint64_t free_octets;        /* what the file system tells; 0: the truth */
	int stat_error;
	atomic_uint stats;
} sys;

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if ((flags & O_TMPFILE) == O_TMPFILE && sys.no_tmpfile) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_open(path, flags, mode);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	struct iovec piece = pieces[0];
	unsigned nth = atomic_fetch_add(&sys.writes, 1) + 1;
	ssize_t n = -1;

	if (sys.is_gated) {
		sem_post(&sys.at_gate);
		while (sem_wait(&sys.gate) < 0)
			;
	}
	/* One job at a time, each going on where the one before ended. */
	ck_assert(atomic_fetch_add(&sys.writers, 1) == 0 || sys.is_shared);
	ck_assert(offset == atomic_load(&sys.written) || sys.is_shared);
	if (sys.write_max && piece.iov_len > sys.write_max)
		piece.iov_len = sys.write_max;
	if (nth == sys.fail_write)
		errno = sys.error;
	else if (sys.interrupts && nth % 2)
		errno = EINTR;
	else
		n = __real_pwritev(fd, sys.write_max ? &piece : pieces, sys.write_max ? 1 : count, offset);
	if (n > 0)
		atomic_fetch_add(&sys.written, n);
	atomic_fetch_sub(&sys.writers, 1);
	return n;
}

ssize_t __wrap_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t len, unsigned flags)
{
	if (sys.copy_error) {
		errno = sys.copy_error;
		return -1;
	}
	if (sys.write_max && len > sys.write_max)
		len = sys.write_max;
	return __real_copy_file_range(from, from_at, to, to_at, len, flags);
}

static int tell_room(int result, struct statvfs *st)
{
	atomic_fetch_add(&sys.stats, 1);
	if (sys.stat_error) {
		errno = sys.stat_error;
		return -1;
	}
	if (sys.free_octets) {
		st->f_blocks = 1;
		st->f_frsize = 1;
		st->f_bavail = sys.free_octets;
	}
	return result;
}

int __wrap_fstatvfs(int fd, struct statvfs *st)
{
	return tell_room(__real_fstatvfs(fd, st), st);
}

int __wrap_statvfs(const char *path, struct statvfs *st)
{
	return tell_room(__real_statvfs(path, st), st);
}

int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned flags)
{
	if (!sys.sync_error)
		return __real_sync_file_range(fd, offset, len, flags);
	errno = sys.sync_error;
	return -1;
}

void *__wrap_calloc(size_t count, size_t size)
{
	void *ptr = __wrap_malloc(count * size);

	return ptr ? memset(ptr, 0, count * size) : NULL;
}

/* ---- a loop, a pool, a disk, a spool ---- */

static struct temp_dir root;
static struct loop *loop;
static struct pool *pool;
static struct spool_disk *disk;
static struct spool_budget budget;
static struct spool spool;
static struct op op;
static unsigned done_count;
static unsigned descriptors;

static void on_done(struct op *finished)
{
	ck_assert_ptr_eq(finished, &op);
	done_count++;
	loop_stop(loop);
}

static void setup_pool(unsigned threads, unsigned queue)
{
	struct err err = { .text = "" };

	pool = pool_new(loop, "disk", threads, queue, &err);
	ck_assert_msg(pool != NULL, "%s", err.text);
	disk = spool_disk_new(root.path, 1024, pool, &err);
	ck_assert_msg(disk != NULL, "%s", err.text);
	budget = (struct spool_budget){ .max_bytes = MEMORY, .threshold_octets = THRESHOLD, .disk = disk };
	spool_init(&spool, &budget);
	descriptors = open_descriptors();
}

static void setup(void)
{
	struct err err = { .text = "" };

	memset(&sys, 0, sizeof(sys));
	sem_init(&sys.gate, 0, 0);
	sem_init(&sys.at_gate, 0, 0);
	temp_dir_init(&root);
	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	setup_pool(4, 64);
	op.done = on_done;
}

static void teardown(void)
{
	spool_fini(&spool);
	pool_free(&pool);
	spool_disk_free(&disk);
	ck_assert_uint_eq(budget.used_bytes, 0);
	loop_free(&loop);
	ck_assert_uint_eq(files_in(root.path), 0);
	temp_dir_fini(&root);
}

/* Until nothing of it is being written. */
static void rest_of(struct spool *s)
{
	unsigned before = done_count;

	if (!spool_wait_start(s, &op))
		return;
	loop_run(loop);
	ck_assert_uint_eq(done_count, before + 1);
	ck_assert(!op_running(&op));
}

static void rest(void)
{
	rest_of(&spool);
}

/* Jobs that nobody waits for end, too. */
static void drain_pool(void)
{
	pool_free(&pool);
	ck_assert_uint_eq(open_descriptors() + 1, descriptors); /* the pool's eventfd */
}

static char *pattern_new(size_t len)
{
	char *bytes = malloc(len + 1);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 31 + i / 251 + i / 65537);
	return bytes;
}

/* As a session does it: no more while the spool is busy. */
static void append_all(const char *bytes, size_t len, size_t part)
{
	for (size_t at = 0; at < len; at += part) {
		switch (spool_append(&spool, span_head(span_of(bytes + at, len - at), part))) {
		case SPOOL_OK:
			break;
		case SPOOL_BUSY:
			rest();
			break;
		default:
			ck_abort_msg("%s", spool.reason);
		}
	}
	ck_assert_uint_eq(spool.octets, len);
}

static void assert_content(const char *bytes, size_t len, size_t buffer_size)
{
	struct spool_reader reader;
	struct span piece;
	size_t at = 0;
	char *buffer = malloc(buffer_size);

	ck_assert_ptr_nonnull(buffer);
	spool_reader_init(&reader, &spool);
	do {
		ck_assert(spool_read(&reader, buffer, buffer_size, &piece));
		ck_assert_uint_le(piece.len, len - at);
		ck_assert_int_eq(memcmp(piece.ptr, bytes + at, piece.len), 0);
		at += piece.len;
	} while (piece.len > 0);
	ck_assert_uint_eq(at, len);
	free(buffer);
}

/* By spool_copy_file(), behind what is in the file already, and the chunks behind it. */
static bool copy_out(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool is_copied;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "head", 4), 4);
	is_copied = spool_copy_file(&spool, fd);
	for (const struct spool_chunk *c = spool.first; is_copied && c; c = c->next)
		ck_assert_int_eq(write(fd, c->bytes, c->len), c->len);
	close(fd);
	return is_copied;
}

static void assert_copy(const char *bytes, size_t len)
{
	struct file_bytes file;
	char path[300];

	snprintf(path, sizeof(path), "%s/copy", root.path);
	ck_assert(copy_out(path));
	file = file_bytes(path);
	ck_assert_uint_eq(file.len, len + 4);
	ck_assert_int_eq(memcmp(file.bytes, "head", 4), 0);
	ck_assert_int_eq(memcmp(file.bytes + 4, bytes, len), 0);
	free(file.bytes);
	ck_assert_int_eq(unlink(path), 0);
}

/* ---- what goes in comes out ---- */

static const struct {
	size_t len, part;
} contents[] = {
	{ THRESHOLD + 1, 1 },     { 100000, 77 },         { 100000, 100000 },         { 1000000, 998 },
	{ 5000000, CHUNK },       { 3 * CHUNK, CHUNK },   { THRESHOLD + 1, 1000000 }, { 10000000, 1 << 20 },
	{ 8000000, CHUNK - 1 },
};

START_TEST(big_content_comes_out_as_it_went_in)
{
	size_t len = contents[_i].len;
	char *bytes = pattern_new(len);

	append_all(bytes, len, contents[_i].part);
	rest();
	ck_assert(!spool.is_failed);
	assert_content(bytes, len, 1000);
	assert_content(bytes, len, 1 << 20);
	assert_copy(bytes, len);
	ck_assert_uint_eq(budget.used_bytes, spool.allocated);
	/* Most of it is not in memory, nor has it a name. */
	ck_assert_uint_le(spool.allocated, SPOOL_PENDING_MAX + contents[_i].part + CHUNK);
	ck_assert_uint_eq(files_in(root.path), 0);
	free(bytes);
}
END_TEST

START_TEST(short_and_interrupted_writes_lose_nothing)
{
	char *bytes = pattern_new(300000);

	sys.write_max = 777;
	sys.interrupts = true;
	append_all(bytes, 300000, 5000);
	rest();
	ck_assert_uint_gt(sys.writes, 300);
	assert_content(bytes, 300000, 4096);
	assert_copy(bytes, 300000);
	free(bytes);
}
END_TEST

static const int copy_errors[] = { EXDEV, EINVAL, ENOSYS, EOPNOTSUPP };

START_TEST(what_the_kernel_cannot_copy_is_copied_by_hand)
{
	char *bytes = pattern_new(300000);

	append_all(bytes, 300000, 5000);
	rest();
	sys.copy_error = copy_errors[_i];
	assert_copy(bytes, 300000);
	free(bytes);
}
END_TEST

START_TEST(without_nameless_files_nothing_is_left_behind_either)
{
	char *bytes = pattern_new(300000);

	sys.no_tmpfile = true;
	append_all(bytes, 300000, 5000);
	rest();
	ck_assert_uint_eq(files_in(root.path), 0);
	ck_assert_ptr_nonnull(spool.file);
	assert_content(bytes, 300000, 4096);
	free(bytes);
}
END_TEST

START_TEST(message_up_to_the_threshold_stays_in_memory)
{
	char *bytes = pattern_new(THRESHOLD);

	append_all(bytes, THRESHOLD, 1000);
	ck_assert_ptr_null(spool.file);
	ck_assert_uint_eq(sys.writes, 0);
	assert_content(bytes, THRESHOLD, 1);
	/* The next octet that needs memory makes it go. */
	ck_assert_int_ne(spool_append(&spool, span_of(bytes, THRESHOLD)), SPOOL_FAILED);
	ck_assert_ptr_nonnull(spool.file);
	free(bytes);
}
END_TEST

START_TEST(moved_content_takes_its_file_along)
{
	char *bytes = pattern_new(300000);
	struct spool other;

	append_all(bytes, 300000, 5000);
	rest();
	spool_move(&other, &spool);
	ck_assert_ptr_null(spool.file);
	append_all(bytes, 1000, 1000);
	spool_fini(&spool);
	spool_move(&spool, &other);
	assert_content(bytes, 300000, 4096);
	free(bytes);
}
END_TEST

/* ---- memory is bounded ---- */

START_TEST(spool_is_busy_while_the_disk_is_behind)
{
	char *bytes = pattern_new(CHUNK);
	enum spool_result result = SPOOL_OK;
	uint64_t octets = 0;

	sys.is_gated = true;
	while (result == SPOOL_OK) {
		result = spool_append(&spool, span_of(bytes, 1000));
		octets += 1000;
		ck_assert_uint_le(spool.allocated, SPOOL_PENDING_MAX + CHUNK);
		ck_assert_uint_le(octets, 2 * SPOOL_PENDING_MAX);
	}
	ck_assert_int_eq(result, SPOOL_BUSY);
	ck_assert_uint_eq(spool.octets, octets); /* all was taken */
	ck_assert(spool_wait_start(&spool, &op));
	sys.is_gated = false;
	sem_post(&sys.gate);
	loop_run(loop);
	ck_assert_uint_eq(done_count, 1);
	ck_assert_uint_lt(spool.allocated, SPOOL_PENDING_MAX);
	ck_assert_int_eq(spool_append(&spool, span_of(bytes, 1000)), SPOOL_OK);
	free(bytes);
}
END_TEST

START_TEST(without_memory_left_a_message_gets_through_all_the_same)
{
	struct spool hog;
	char *bytes = pattern_new(1000000);

	budget.max_bytes = FIRST_CHUNK;
	spool_init(&hog, &budget);
	ck_assert_int_eq(spool_append(&hog, span_of(bytes, 1)), SPOOL_OK);
	for (size_t at = 0; at < 1000000; at += 1000) {
		enum spool_result result = spool_append(&spool, span_of(bytes + at, 1000));

		ck_assert(result == SPOOL_OK || result == SPOOL_BUSY);
		/* From hand to mouth: one chunk being written, one being filled. */
		ck_assert_uint_le(spool.allocated, 2 * FIRST_CHUNK);
		if (result == SPOOL_BUSY)
			rest();
	}
	rest();
	assert_content(bytes, 1000000, 4096);
	spool_fini(&hog);
	free(bytes);
}
END_TEST

START_TEST(many_messages_keep_to_the_memory_they_share)
{
	enum { COUNT = 20, PART = 10000, ROUNDS = 30 };
	struct spool all[COUNT];
	char *bytes = pattern_new(PART);

	sys.is_shared = true;
	budget.max_bytes = 4 * CHUNK;
	for (unsigned i = 0; i < COUNT; i++)
		spool_init(&all[i], &budget);
	for (unsigned n = 0; n < COUNT * ROUNDS; n++) {
		enum spool_result result = spool_append(&all[n % COUNT], span_of(bytes, PART));

		ck_assert(result == SPOOL_OK || result == SPOOL_BUSY);
		ck_assert_uint_le(budget.used_bytes, budget.max_bytes + COUNT * (PART + 2 * FIRST_CHUNK));
		if (result == SPOOL_BUSY)
			rest_of(&all[n % COUNT]);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(all[i].octets, PART * ROUNDS);
		ck_assert(!all[i].is_failed);
		spool_fini(&all[i]);
	}
	free(bytes);
}
END_TEST

/* ---- what fails ---- */

static const struct {
	int error;
	unsigned nth;
} write_faults[] = { { ENOSPC, 1 }, { EDQUOT, 1 }, { EIO, 2 }, { EFBIG, 3 }, { ENOSPC, 4 } };

/* Until it fails, or more was taken than should have been. */
static enum spool_result append_until_failed(const char *bytes, size_t len)
{
	enum spool_result result = SPOOL_OK;

	for (unsigned i = 0; i < 100 && (result == SPOOL_OK || result == SPOOL_BUSY); i++) {
		result = spool_append(&spool, span_of(bytes, len));
		rest();
	}
	return result;
}

START_TEST(failed_write_is_told_with_its_reason)
{
	char *bytes = pattern_new(CHUNK);

	sys.fail_write = write_faults[_i].nth;
	sys.error = write_faults[_i].error;
	ck_assert_int_eq(append_until_failed(bytes, CHUNK), SPOOL_FAILED);
	ck_assert(spool.is_failed);
	ck_assert_ptr_nonnull(strstr(spool.reason, strerror(sys.error)));
	ck_assert_ptr_nonnull(strstr(spool.reason, root.path));
	/* It stays so, until the spool is emptied. */
	ck_assert_int_eq(spool_append(&spool, span_of(bytes, 1)), SPOOL_FAILED);
	spool_fini(&spool);
	ck_assert_uint_eq(budget.used_bytes, 0);
	atomic_store(&sys.written, 0);
	append_all(bytes, CHUNK, 1000);
	free(bytes);
}
END_TEST

START_TEST(failure_of_the_last_write_is_known_when_it_rests)
{
	char *bytes = pattern_new(THRESHOLD + 10000);

	sys.fail_write = 1;
	sys.error = ENOSPC;
	ck_assert_int_eq(spool_append(&spool, span_of(bytes, THRESHOLD + 10000)), SPOOL_OK);
	rest();
	ck_assert(spool.is_failed);
	free(bytes);
}
END_TEST

START_TEST(no_more_files_are_open_than_there_are_descriptors_for)
{
	char *bytes = pattern_new(2 * THRESHOLD);
	struct spool other;

	disk->max_files = 1;
	append_all(bytes, 2 * THRESHOLD, CHUNK);
	rest();
	ck_assert_uint_eq(disk->files, 1);
	spool_init(&other, &budget);
	for (size_t at = 0; at < 2 * THRESHOLD && !other.is_failed; at += CHUNK)
		ck_assert_int_ne(spool_append(&other, span_of(bytes, CHUNK)), SPOOL_BUSY);
	ck_assert(other.is_failed);
	ck_assert_str_eq(other.reason, "no descriptor is left for a file");
	spool_fini(&other);
	spool_fini(&spool);
	drain_pool();
	ck_assert_uint_eq(disk->files, 0);
	free(bytes);
}
END_TEST

START_TEST(reserve_of_the_disk_is_left_alone)
{
	char *bytes = pattern_new(CHUNK);

	sys.free_octets = disk->reserve_octets + 1000;
	ck_assert_int_eq(append_until_failed(bytes, CHUNK), SPOOL_FAILED);
	ck_assert_ptr_nonnull(strstr(spool.reason, "spool_reserve"));
	ck_assert_uint_eq(sys.writes, 0);
	free(bytes);
}
END_TEST

START_TEST(free_space_is_looked_at_again_and_again)
{
	char *bytes = pattern_new(20000000);

	append_all(bytes, 20000000, CHUNK);
	rest();
	ck_assert_uint_ge(sys.stats, 4);
	ck_assert_uint_le(sys.stats, 20);
	sys.free_octets = 1;
	ck_assert_int_eq(append_until_failed(bytes, CHUNK), SPOOL_FAILED);
	free(bytes);
}
END_TEST

START_TEST(free_space_that_cannot_be_known_is_none)
{
	char *bytes = pattern_new(CHUNK);

	sys.stat_error = EIO;
	ck_assert_int_eq(append_until_failed(bytes, CHUNK), SPOOL_FAILED);
	free(bytes);
}
END_TEST

START_TEST(full_queue_is_a_failure)
{
	char *bytes = pattern_new(2 * THRESHOLD);
	struct spool others[2];

	spool_fini(&spool);
	pool_free(&pool);
	spool_disk_free(&disk);
	setup_pool(1, 1);
	sys.is_gated = sys.is_shared = true;
	for (unsigned i = 0; i < 2; i++) {
		spool_init(&others[i], &budget);
		ck_assert_int_eq(spool_append(&others[i], span_of(bytes, THRESHOLD + 10000)), SPOOL_OK);
	}
	ck_assert_int_eq(spool_append(&spool, span_of(bytes, 2 * THRESHOLD)), SPOOL_FAILED);
	ck_assert_ptr_nonnull(strstr(spool.reason, "queue"));
	sem_post(&sys.gate);
	sem_post(&sys.gate);
	for (unsigned i = 0; i < 2; i++) {
		rest_of(&others[i]);
		ck_assert(!others[i].is_failed);
		spool_fini(&others[i]);
	}
	free(bytes);
}
END_TEST

START_TEST(content_that_never_reached_the_disk_is_not_read)
{
	char *bytes = pattern_new(300000), buffer[4096];
	struct spool_reader reader;
	struct span piece = { 0 };
	char path[300];
	bool is_read = true;

	append_all(bytes, 300000, 5000);
	rest();
	sys.sync_error = EIO;
	spool_reader_init(&reader, &spool);
	do
		is_read = spool_read(&reader, buffer, sizeof(buffer), &piece);
	while (is_read && piece.len > 0);
	ck_assert(!is_read);
	snprintf(path, sizeof(path), "%s/copy", root.path);
	ck_assert(!copy_out(path));
	sys.sync_error = ENOSYS; /* who cannot tell is believed */
	ck_assert(copy_out(path));
	ck_assert_int_eq(unlink(path), 0);
	free(bytes);
}
END_TEST

START_TEST(file_that_was_cut_is_an_error)
{
	char *bytes = pattern_new(300000);
	char path[300];

	append_all(bytes, 300000, 5000);
	rest();
	ck_assert_int_eq(ftruncate(spool.file->fd, 100), 0);
	snprintf(path, sizeof(path), "%s/copy", root.path);
	ck_assert(!copy_out(path));
	ck_assert_int_eq(unlink(path), 0);
	free(bytes);
}
END_TEST

START_TEST(each_allocation_may_fail)
{
	char *bytes = pattern_new(CHUNK);
	bool has_failed = true;

	for (unsigned long n = 1; has_failed; n++) {
		enum spool_result result = SPOOL_OK;

		ck_assert_uint_lt(n, 100);
		for (unsigned i = 0; i < 8 && (result == SPOOL_OK || result == SPOOL_BUSY); i++) {
			sys.is_gated = true; /* or the worker would allocate, too */
			fail_malloc_at(n > i ? n - i : 0);
			result = spool_append(&spool, span_of(bytes, CHUNK));
			has_failed = fail_malloc_stop();
			sys.is_gated = false;
			sem_post(&sys.gate);
			rest();
			while (sem_trywait(&sys.gate) == 0)
				;
		}
		ck_assert(!has_failed || result == SPOOL_NO_MEMORY);
		spool_fini(&spool);
		ck_assert_uint_eq(budget.used_bytes, 0);
		atomic_store(&sys.written, 0);
	}
	free(bytes);
}
END_TEST

START_TEST(directory_that_takes_no_files_is_told)
{
	struct err err = { .text = "" };
	char path[300];

	snprintf(path, sizeof(path), "%s/missing", root.path);
	ck_assert_ptr_null(spool_disk_new(path, 1024, pool, &err));
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_ptr_nonnull(strstr(err.text, "spool_dir"));
	touch(path);
	ck_assert_ptr_null(spool_disk_new(path, 1024, pool, &err));
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* ---- the end may come at any time ---- */

/* Fill a spool so that a write is under way and stuck, or done and not told. */
static void begin_write(const char *bytes)
{
	sys.is_gated = true;
	ck_assert_int_eq(spool_append(&spool, span_of(bytes, THRESHOLD + 10000)), SPOOL_OK);
	while (sem_wait(&sys.at_gate) < 0)
		;
}

START_TEST(spool_may_end_while_it_is_written)
{
	char *bytes = pattern_new(THRESHOLD + 10000);

	begin_write(bytes);
	if (_i)
		ck_assert(spool_wait_start(&spool, &op));
	spool_fini(&spool);
	ck_assert(!op_running(&op));
	ck_assert_uint_gt(budget.used_bytes, 0); /* the worker has it still */
	sys.is_gated = false;
	sem_post(&sys.gate);
	drain_pool();
	ck_assert_uint_eq(done_count, 0);
	ck_assert_uint_eq(budget.used_bytes, 0);
	free(bytes);
}
END_TEST

/* One worker, whom another spool keeps busy. */
static void begin_queued_write(struct spool *blocker, const char *bytes)
{
	spool_fini(&spool);
	pool_free(&pool);
	spool_disk_free(&disk);
	setup_pool(1, 4);
	sys.is_shared = true;
	sys.is_gated = true;
	spool_init(blocker, &budget);
	ck_assert_int_eq(spool_append(blocker, span_of(bytes, THRESHOLD + 10000)), SPOOL_OK);
	while (sem_wait(&sys.at_gate) < 0)
		;
	ck_assert_int_eq(spool_append(&spool, span_of(bytes, THRESHOLD + 10000)), SPOOL_OK);
	ck_assert_ptr_nonnull(spool.write);
}

START_TEST(spool_may_end_before_its_write_begins)
{
	char *bytes = pattern_new(THRESHOLD + 10000);
	struct spool blocker;

	begin_queued_write(&blocker, bytes);
	spool_fini(&spool);
	ck_assert_uint_eq(budget.used_bytes, blocker.allocated);
	sem_post(&sys.gate);
	rest_of(&blocker);
	ck_assert_uint_eq(sys.writes, 1);
	spool_fini(&blocker);
	drain_pool();
	free(bytes);
}
END_TEST

START_TEST(pool_may_end_before_a_write_begins)
{
	char *bytes = pattern_new(THRESHOLD + 10000);
	struct spool blocker;

	begin_queued_write(&blocker, bytes);
	ck_assert(spool_wait_start(&spool, &op));
	sem_post(&sys.gate);
	sem_post(&sys.gate);
	pool_free(&pool);
	ck_assert_uint_eq(done_count, 0);
	ck_assert_ptr_null(spool.write);
	ck_assert(!op_running(&op));
	/* There is nobody any more who could close the files of those that are left. */
	spool_close_file(&spool);
	spool_close_file(&blocker);
	spool_fini(&spool);
	spool_fini(&blocker);
	ck_assert_uint_eq(budget.used_bytes, 0);
	free(bytes);
}
END_TEST

START_TEST(file_is_closed_by_a_worker)
{
	char *bytes = pattern_new(300000);

	append_all(bytes, 300000, 5000);
	rest();
	ck_assert_uint_eq(open_descriptors(), descriptors + 1);
	spool_close_file(&spool);
	ck_assert_uint_eq(open_descriptors(), descriptors);
	spool_fini(&spool);
	atomic_store(&sys.written, 0);
	append_all(bytes, 300000, 5000);
	rest();
	spool_fini(&spool);
	drain_pool();
	free(bytes);
}
END_TEST

START_TEST(waiting_may_be_given_up)
{
	char *bytes = pattern_new(THRESHOLD + 10000);

	begin_write(bytes);
	ck_assert(spool_wait_start(&spool, &op));
	op_cancel(&op);
	ck_assert(spool_wait_start(&spool, &op));
	sys.is_gated = false;
	sem_post(&sys.gate);
	loop_run(loop);
	ck_assert_uint_eq(done_count, 1);
	free(bytes);
}
END_TEST

/* ---- is there room? ---- */

static struct spool_room room;

static void on_room_done(struct op *finished)
{
	ck_assert_ptr_eq(finished, &room.op);
	done_count++;
	loop_stop(loop);
}

static bool ask_room(uint64_t octets)
{
	memset(&room, 0, sizeof(room));
	room.op.done = on_room_done;
	return spool_room_start(&budget, octets, &room);
}

START_TEST(small_message_has_room_at_once)
{
	ck_assert(!ask_room(THRESHOLD));
	ck_assert(room.fits);
	ck_assert_uint_eq(sys.stats, 0);
}
END_TEST

static const struct {
	uint64_t octets, free_octets;
	bool fits;
} rooms[] = {
	{ THRESHOLD + 1, 1 << 30, true },
	{ 100000, 101024, true },
	{ 100000, 101023, false },
	{ UINT64_MAX, 1 << 30, false },
	{ 100000, 1023, false },
};

START_TEST(big_message_has_room_if_the_disk_has)
{
	sys.free_octets = rooms[_i].free_octets;
	ck_assert(ask_room(rooms[_i].octets));
	loop_run(loop);
	ck_assert_int_eq(room.fits, rooms[_i].fits);
	ck_assert(room.fits || strstr(room.reason, "spool_reserve"));
}
END_TEST

START_TEST(small_message_asks_the_disk_when_memory_is_used_up)
{
	budget.max_bytes = 1000;
	sys.free_octets = 1;
	ck_assert(ask_room(2000));
	loop_run(loop);
	ck_assert(!room.fits);
	budget.disk = NULL;
	ck_assert(!ask_room(2000));
	ck_assert(!room.fits);
	ck_assert_uint_gt(strlen(room.reason), 0);
}
END_TEST

START_TEST(question_may_be_taken_back)
{
	ck_assert(ask_room(THRESHOLD + 1));
	op_cancel(&room.op);
	drain_pool();
	ck_assert_uint_eq(done_count, 0);
}
END_TEST

START_TEST(question_without_memory_is_answered_no)
{
	fail_malloc_at(1);
	ck_assert(!ask_room(THRESHOLD + 1));
	ck_assert(fail_malloc_stop());
	ck_assert(!room.fits);
}
END_TEST

static TCase *content_tests(void)
{
	TCase *tcase = tcase_create("content");

	ADD_ROWS(tcase, big_content_comes_out_as_it_went_in, contents);
	tcase_add_test(tcase, short_and_interrupted_writes_lose_nothing);
	ADD_ROWS(tcase, what_the_kernel_cannot_copy_is_copied_by_hand, copy_errors);
	tcase_add_test(tcase, without_nameless_files_nothing_is_left_behind_either);
	tcase_add_test(tcase, message_up_to_the_threshold_stays_in_memory);
	tcase_add_test(tcase, moved_content_takes_its_file_along);
	tcase_add_test(tcase, spool_is_busy_while_the_disk_is_behind);
	tcase_add_test(tcase, without_memory_left_a_message_gets_through_all_the_same);
	tcase_add_test(tcase, many_messages_keep_to_the_memory_they_share);
	return tcase;
}

static TCase *failure_tests(void)
{
	TCase *tcase = tcase_create("failure");

	ADD_ROWS(tcase, failed_write_is_told_with_its_reason, write_faults);
	tcase_add_test(tcase, failure_of_the_last_write_is_known_when_it_rests);
	tcase_add_test(tcase, no_more_files_are_open_than_there_are_descriptors_for);
	tcase_add_test(tcase, reserve_of_the_disk_is_left_alone);
	tcase_add_test(tcase, free_space_is_looked_at_again_and_again);
	tcase_add_test(tcase, free_space_that_cannot_be_known_is_none);
	tcase_add_test(tcase, full_queue_is_a_failure);
	tcase_add_test(tcase, content_that_never_reached_the_disk_is_not_read);
	tcase_add_test(tcase, file_that_was_cut_is_an_error);
	tcase_add_test(tcase, each_allocation_may_fail);
	tcase_add_test(tcase, directory_that_takes_no_files_is_told);
	return tcase;
}

static TCase *end_tests(void)
{
	TCase *tcase = tcase_create("end");

	tcase_add_loop_test(tcase, spool_may_end_while_it_is_written, 0, 2);
	tcase_add_test(tcase, spool_may_end_before_its_write_begins);
	tcase_add_test(tcase, pool_may_end_before_a_write_begins);
	tcase_add_test(tcase, file_is_closed_by_a_worker);
	tcase_add_test(tcase, waiting_may_be_given_up);
	tcase_add_test(tcase, small_message_has_room_at_once);
	ADD_ROWS(tcase, big_message_has_room_if_the_disk_has, rooms);
	tcase_add_test(tcase, small_message_asks_the_disk_when_memory_is_used_up);
	tcase_add_test(tcase, question_may_be_taken_back);
	tcase_add_test(tcase, question_without_memory_is_answered_no);
	return tcase;
}

int main(void)
{
	TCase *tcases[] = { content_tests(), failure_tests(), end_tests() };
	Suite *suite = suite_create("spool_disk");

	for (unsigned i = 0; i < sizeof(tcases) / sizeof(tcases[0]); i++) {
		tcase_add_checked_fixture(tcases[i], setup, teardown);
		tcase_set_timeout(tcases[i], 60);
		suite_add_tcase(suite, tcases[i]);
	}
	return unit_main(suite);
}
