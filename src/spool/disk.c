#define _GNU_SOURCE 1 /* O_TMPFILE */

#include "spool/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	FILE_MODE = 0600,
	WRITE_PIECES = 64,
	/* Octets written between two looks at the free space. */
	LOOK_EACH = 4 * 1024 * 1024,
};

/* A file with a name that is taken away at once, where the file system knows no others. */
static int open_named(const char *dir)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/smtpfrontd-XXXXXX", dir), fd;

	if (len < 0 || (size_t)len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0 && unlink(path) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int open_nameless(const char *dir)
{
	int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, FILE_MODE);

	/* ENOENT comes from some that know no O_TMPFILE; where the directory is missing we get it again. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
		fd = open_named(dir);
	return fd;
}

bool spool_disk_try(const char *dir, struct err *err)
{
	int fd = open_nameless(dir);

	if (fd < 0)
		return err_set_errno(err, "spool_dir: cannot make a file in \"%s\"", dir);
	close(fd);
	return true;
}

struct spool_disk *spool_disk_new(const char *dir, uint64_t reserve_octets, struct pool *pool,
				  struct err *err)
{
	struct spool_disk *disk;

	if (!spool_disk_try(dir, err))
		return NULL;
	disk = calloc(1, sizeof(*disk));
	if (disk) {
		disk->dir = strdup(dir);
		disk->reserve_octets = reserve_octets;
		disk->pool = pool;
		disk->max_files = UINT_MAX;
	}
	if (!disk || !disk->dir) {
		free(disk);
		err_set(err, "out of memory");
		return NULL;
	}
	return disk;
}

void spool_disk_free(struct spool_disk **disk)
{
	if (*disk)
		free((*disk)->dir);
	free(*disk);
	*disk = NULL;
}

static bool failed(const struct spool_disk *disk, const char *what, char reason[SPOOL_REASON_SIZE])
{
	snprintf(reason, SPOOL_REASON_SIZE, "spool_dir: %s: %s: %.64s", what, strerror(errno), disk->dir);
	return false;
}

bool spool_disk_has_room(const struct spool_disk *disk, int fd, uint64_t octets,
			 char reason[SPOOL_REASON_SIZE])
{
	struct statvfs st;
	uint64_t free_octets;

	if (fd >= 0 ? fstatvfs(fd, &st) < 0 : statvfs(disk->dir, &st) < 0)
		return failed(disk, "statvfs", reason);
	if (st.f_blocks == 0) /* a file system without a size, such as a tmpfs without a limit */
		return true;
	free_octets = (uint64_t)st.f_bavail * st.f_frsize;
	if (free_octets >= octets && free_octets - octets >= disk->reserve_octets)
		return true;
	snprintf(reason, SPOOL_REASON_SIZE, "spool_dir: %llu octets are free, spool_reserve is %llu: %.64s",
		 (unsigned long long)free_octets, (unsigned long long)disk->reserve_octets, disk->dir);
	return false;
}

int spool_disk_open(const struct spool_disk *disk, uint64_t octets, char reason[SPOOL_REASON_SIZE])
{
	int fd = open_nameless(disk->dir);

	if (fd < 0) {
		failed(disk, "open", reason);
		return -1;
	}
	if (spool_disk_has_room(disk, fd, octets, reason))
		return fd;
	close(fd);
	return -1;
}

/* ---- files ---- */

static void close_run(struct pool_job *job)
{
	spool_file_close(LIST_OWNER(job, struct spool_file, closing));
}

static void close_free(struct pool_job *job)
{
	struct spool_file *file = LIST_OWNER(job, struct spool_file, closing);

	spool_file_close(file);
	file->disk->files--;
	free(file);
}

bool spool_disk_has_file(const struct spool_disk *disk)
{
	return disk->files < disk->max_files;
}

struct spool_file *spool_file_new(struct spool_disk *disk)
{
	struct spool_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->closing.run = close_run;
	file->closing.free = close_free;
	file->disk = disk;
	disk->files++;
	file->references = 1;
	file->fd = -1;
	return file;
}

/* Giving the blocks of a big file back takes its time, so a worker does it, unless there is none to do it. */
void spool_file_put(struct spool_file **file_ptr)
{
	struct spool_file *file = *file_ptr;

	*file_ptr = NULL;
	if (!file || --file->references)
		return;
	if (file->fd < 0 || !pool_submit(file->disk->pool, &file->closing, NULL))
		close_free(&file->closing);
}

void spool_file_close(struct spool_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* Up to WRITE_PIECES chunks, however many calls it takes. Returns the first that is left; NULL: none. */
static const struct spool_chunk *write_some(struct spool_file *file, const struct spool_chunk *chunk,
					    bool *is_written)
{
	struct iovec pieces[WRITE_PIECES], *piece = pieces;
	int count = 0;

	/* pwritev() does not change what it is given. */
	for (; chunk && count < WRITE_PIECES; chunk = chunk->next)
		pieces[count++] = (struct iovec){ (void *)(uintptr_t)chunk->bytes, chunk->len };
	*is_written = false;
	while (count > 0) {
		ssize_t n = pwritev(file->fd, piece, count, (off_t)file->octets);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return NULL;
		file->octets += (uint64_t)n;
		for (; count > 0 && (size_t)n >= piece->iov_len; piece++, count--)
			n -= (ssize_t)piece->iov_len;
		if (count > 0) {
			piece->iov_base = (char *)piece->iov_base + n;
			piece->iov_len -= (size_t)n;
		}
	}
	*is_written = true;
	return chunk;
}

bool spool_file_write(struct spool_file *file, const struct spool_chunk *chunks,
		      const _Atomic bool *is_abandoned, char reason[SPOOL_REASON_SIZE])
{
	bool is_written = true;
	uint64_t octets = 0;

	for (const struct spool_chunk *c = chunks; c; c = c->next)
		octets += c->len;
	if (file->fd < 0) {
		file->fd = open_nameless(file->disk->dir);
		if (file->fd < 0)
			return failed(file->disk, "open", reason);
	}
	if (file->octets >= file->look_at) {
		if (!spool_disk_has_room(file->disk, file->fd, octets, reason))
			return false;
		file->look_at = file->octets + LOOK_EACH;
	}
	while (chunks && is_written && !*is_abandoned)
		chunks = write_some(file, chunks, &is_written);
	return is_written || failed(file->disk, "write", reason);
}
