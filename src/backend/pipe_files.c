/*
 * The files that a program reads, made on a worker. A message that was kept in
 * memory stays there (memfd); one that went to disk goes to a second file
 * without a name beside the first, because our own lines must stand before it.
 */
#define _GNU_SOURCE 1 /* memfd_create() */
#include "backend/pipe_private.h"

#include "base/fd.h"
#include "spool/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_SIZE = 64 * 1024 };

static bool failed(struct pipe_files *files, const char *what)
{
	bool is_full = errno == ENOSPC || errno == EDQUOT || errno == ENOMEM;

	backend_answer_no(&files->answer, is_full ? SMTP_REPLY_NO_STORAGE : SMTP_REPLY_LOCAL_ERROR,
			  "%s: %s", what, strerror(errno));
	return false;
}

/* A program that works with C strings would see the half of it, and think it is all. */
static bool has_no_nul(struct pipe_files *files, struct span piece)
{
	if (!piece.len || !memchr(piece.ptr, 0, piece.len))
		return true;
	backend_answer_yes(&files->answer);
	files->answer.reply = pipe_reply_nul;
	return false;
}

static bool copy_content(struct pipe_files *files)
{
	char buffer[PIECE_SIZE];
	struct spool_reader reader;
	struct span piece;

	spool_reader_init(&reader, &files->content);
	do {
		if (!spool_read(&reader, buffer, sizeof(buffer), &piece))
			return failed(files, "read from the spool");
		if (!has_no_nul(files, piece))
			return false;
		if (!fd_write_all(files->content_fd, piece))
			return failed(files, "write of the message");
	} while (piece.len > 0);
	return true;
}

static bool open_content(struct pipe_files *files)
{
	char reason[SPOOL_REASON_SIZE];

	files->octets = files->trace.len + files->content.octets;
	if (!files->content.file) {
		files->content_fd = memfd_create("message", MFD_CLOEXEC);
		return files->content_fd >= 0 || failed(files, "memory for the message");
	}
	files->content_fd = spool_disk_open(files->content.budget->disk, files->octets, reason);
	if (files->content_fd < 0)
		backend_answer_no(&files->answer, SMTP_REPLY_NO_STORAGE, "%s", reason);
	return files->content_fd >= 0;
}

static bool make_content(struct pipe_files *files)
{
	if (!open_content(files))
		return false;
	if (!fd_write_all(files->content_fd, files->trace))
		return failed(files, "write of the message");
	if (!copy_content(files))
		return false;
	return lseek(files->content_fd, 0, SEEK_SET) == 0 || failed(files, "seek in the message");
}

static bool make_envelope(struct pipe_files *files)
{
	if (files->envelope.len == 0)
		return true;
	files->envelope_fd = memfd_create("envelope", MFD_CLOEXEC);
	return (files->envelope_fd >= 0 && fd_write_all(files->envelope_fd, files->envelope) &&
		lseek(files->envelope_fd, 0, SEEK_SET) == 0) || failed(files, "memory for the envelope");
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void pipe_files_make(struct pipe_files *files)
{
	backend_answer_yes(&files->answer);
	if (!make_content(files) || !make_envelope(files))
		pipe_files_close(files);
	spool_close_file(&files->content);
}

void pipe_files_close(struct pipe_files *files)
{
	close_fd(&files->content_fd);
	close_fd(&files->envelope_fd);
}

/* The program has the same open file, so that its place in it is ours. */
static bool was_read(int fd, uint64_t octets)
{
	return fd < 0 || lseek(fd, 0, SEEK_CUR) == (off_t)octets;
}

bool pipe_files_were_read(const struct pipe_files *files)
{
	return was_read(files->content_fd, files->octets) &&
	       was_read(files->envelope_fd, files->envelope.len);
}

/* Without quoting, as qmail has addresses; the parser lets no control character into one. */
static bool write_address(struct buf *out, char letter, const struct smtp_address *address)
{
	struct span domain = smtp_address_domain(address);

	return buf_add(out, &letter, 1) && buf_add_span(out, smtp_address_local(address)) &&
	       (domain.len == 0 || (buf_add_str(out, "@") && buf_add_span(out, domain))) &&
	       buf_add(out, "", 1);
}

bool pipe_envelope_write(struct buf *out, const struct backend_message *m)
{
	if (!write_address(out, 'F', m->mail->sender))
		return false;
	for (size_t i = 0; i < m->recipient_count; i++)
		if (!write_address(out, 'T', m->recipients[i].address))
			return false;
	return buf_add(out, "", 1);
}

void pipe_program_look(const char *path, struct backend_answer *answer)
{
	struct stat st;
	bool is_there = stat(path, &st) == 0 && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;

	if (is_there && !S_ISREG(st.st_mode)) {
		errno = EACCES;
		is_there = false;
	}
	backend_answer_yes(answer);
	if (is_there)
		return;
	backend_answer_no(answer, SMTP_REPLY_LOCAL_ERROR, "%.100s: %s", path, strerror(errno));
	answer->is_down = true;
}
