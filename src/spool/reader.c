/* Reading a spool's content, on whatever thread has it. */
#define _GNU_SOURCE 1 /* copy_file_range(), sync_file_range() */

#include "base/fd.h"
#include "spool/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { COPY_SIZE = 64 * 1024 };

void spool_reader_init(struct spool_reader *reader, const struct spool *spool)
{
	BUG_ON(spool->write);
	*reader = (struct spool_reader){ .spool = spool, .chunk = spool->first };
}

/*
 * What was written but could not be brought to disk is lost from memory some
 * time, silently but for this: has any of it failed so far? Starts no writing.
 */
static bool file_is_sound(const struct spool_file *file)
{
	return sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) == 0 ||
	       (errno != EIO && errno != ENOSPC && errno != EDQUOT);
}

/* Bytes of the file at `offset`; fewer than there are is an error. */
static bool file_read(const struct spool_file *file, uint64_t offset, char *buffer, size_t size,
		      struct span *piece)
{
	uint64_t left = file->octets - offset;
	ssize_t n;

	do
		n = pread(file->fd, buffer, left < size ? (size_t)left : size, (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = EIO;
	if (n <= 0)
		return false;
	*piece = span_of(buffer, (size_t)n);
	return offset + (uint64_t)n < file->octets || file_is_sound(file);
}

bool spool_read(struct spool_reader *reader, char *buffer, size_t size, struct span *piece)
{
	const struct spool_file *file = reader->spool->file;

	*piece = SPAN_LITERAL("");
	if (file && reader->offset < file->octets) {
		if (!file_read(file, reader->offset, buffer, size, piece))
			return false;
		reader->offset += piece->len;
	} else if (reader->chunk) {
		*piece = span_of(reader->chunk->bytes, reader->chunk->len);
		reader->chunk = reader->chunk->next;
	}
	return true;
}

/* Between two file systems, and where the kernel cannot do it: by hand, from *offset on. */
static bool copy_by_hand(const struct spool_file *file, uint64_t offset, int to_fd)
{
	char buffer[COPY_SIZE];
	struct span piece;

	for (; offset < file->octets; offset += piece.len)
		if (!file_read(file, offset, buffer, sizeof(buffer), &piece) || !fd_write_all(to_fd, piece))
			return false;
	return true;
}

bool spool_copy_file(const struct spool *spool, int to_fd)
{
	const struct spool_file *file = spool->file;
	uint64_t offset = 0;

	while (file && offset < file->octets) {
		off_t from = (off_t)offset;
		ssize_t n = copy_file_range(file->fd, &from, to_fd, NULL, (size_t)(file->octets - offset), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
			return false;
		if (n <= 0)
			return copy_by_hand(file, offset, to_fd);
		offset += (uint64_t)n;
	}
	return !file || file_is_sound(file);
}

void spool_close_file(struct spool *spool)
{
	if (spool->file)
		spool_file_close(spool->file);
}
