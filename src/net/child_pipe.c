/*
 * The pipes of a program that we run. What it is to read is in the pipe before
 * it starts, and the reading end is kept open here as well: when the program has
 * ended, what is still in it was never read. What it writes is read on, beyond
 * what is kept, so that it never waits for us.
 */
#define _GNU_SOURCE 1 /* pipe2() */
#include "net/child_private.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Read from one pipe of a program that has ended: as much as the biggest pipe holds, usually. */
enum { LEFT_MAX = 1024 * 1024 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- the plan ---- */

static bool plan_fd(struct child *child, struct child_end_fd *fd, const struct child_fd *planned)
{
	char *copy;

	BUG_ON(planned->number < 0 || planned->number > CHILD_FD_MAX);
	*fd = (struct child_end_fd){ .number = planned->number, .kind = planned->kind,
				     .theirs = -1, .ours = -1,
				     .output = planned->output, .output_max = planned->output_max };
	switch (planned->kind) {
	case CHILD_FD_GIVEN:
		fd->theirs = fcntl(planned->given, F_DUPFD_CLOEXEC, CHILD_FD_BASE);
		return fd->theirs >= 0;
	case CHILD_FD_BYTES:
		BUG_ON(planned->bytes.len > CHILD_BYTES_MAX);
		copy = arena_dup(&child->arena, planned->bytes);
		if (!copy)
			errno = ENOMEM;
		fd->bytes = span_of(copy, copy ? planned->bytes.len : 0);
		return copy != NULL;
	case CHILD_FD_OUTPUT:
		return true;
	}
	BUG_ON(true);
}

bool child_pipe_plan(struct child *child, const struct child_plan *plan)
{
	BUG_ON(plan->fd_count > CHILD_FDS_MAX);
	for (; child->fd_count < plan->fd_count; child->fd_count++)
		if (!plan_fd(child, &child->fds[child->fd_count], &plan->fds[child->fd_count]))
			return false;
	return true;
}

/* ---- opening ---- */

static void wipe(struct child_end_fd *fd)
{
	if (fd->bytes.len)
		explicit_bzero((char *)fd->bytes.ptr, fd->bytes.len);
	fd->bytes = SPAN_LITERAL("");
}

/* The new pipe is empty, and takes CHILD_BYTES_MAX in one piece. */
static bool fill(struct child_end_fd *fd, int write_fd)
{
	ssize_t n = 0;

	if (fd->bytes.len)
		do
			n = write(write_fd, fd->bytes.ptr, fd->bytes.len);
		while (n < 0 && errno == EINTR);
	if (n >= 0 && (size_t)n != fd->bytes.len)
		errno = EIO;
	return n == (ssize_t)fd->bytes.len;
}

/* What the program reads: its end is copied, and the writing end closed. */
static bool open_bytes(struct child_end_fd *fd, const int ends[2])
{
	bool is_filled = fill(fd, ends[1]);
	int error = errno;

	wipe(fd);
	close(ends[1]);
	fd->ours = ends[0];
	errno = error;
	if (is_filled)
		fd->theirs = fcntl(fd->ours, F_DUPFD_CLOEXEC, CHILD_FD_BASE);
	return is_filled && fd->theirs >= 0;
}

static bool open_output(struct child_end_fd *fd, const int ends[2])
{
	fd->ours = ends[0];
	fd->theirs = child_fd_move_up(ends[1]);
	/* Ours alone: the program may count on a pipe that blocks. */
	return fd->theirs >= 0 && fcntl(fd->ours, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_pipe(struct child_end_fd *fd)
{
	int ends[2];

	if (fd->kind == CHILD_FD_GIVEN)
		return true;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	return fd->kind == CHILD_FD_BYTES ? open_bytes(fd, ends) : open_output(fd, ends);
}

bool child_pipe_open(struct child *child)
{
	for (size_t i = 0; i < child->fd_count; i++) {
		struct child_end_fd *fd = &child->fds[i];

		if (!open_pipe(fd))
			return false;
		child->spawn.moves[i] = (struct child_move){ .from = fd->theirs, .to = fd->number };
	}
	child->spawn.move_count = child->fd_count;
	return true;
}

void child_pipe_close_theirs(struct child *child)
{
	for (size_t i = 0; i < child->fd_count; i++)
		close_fd(&child->fds[i].theirs);
}

/* ---- output ---- */

static void keep(struct child_end_fd *fd, const char *bytes, size_t len)
{
	size_t room;

	if (!fd->output || buf_len(fd->output) >= fd->output_max)
		return;
	room = fd->output_max - buf_len(fd->output);
	/* Without memory what it says is lost, which is no worse than what is beyond the limit. */
	if (!buf_add(fd->output, bytes, len < room ? len : room))
		fd->output = NULL;
}

/* A piece of output. 0: there is none now; -1: there will be no more. */
static ssize_t take(struct child_end_fd *fd)
{
	char *scratch = loop_scratch(fd->loop);
	ssize_t n = read(fd->ours, scratch, LOOP_SCRATCH_SIZE);

	if (n > 0)
		keep(fd, scratch, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n > 0 ? n : -1;
}

static void stop_listening(struct child_end_fd *fd)
{
	if (fd->kind != CHILD_FD_OUTPUT || !fd->loop)
		return;
	event_del(&fd->event);
	fd->loop = NULL;
}

static void on_output(evutil_socket_t read_fd, short what, void *arg)
{
	struct child_end_fd *fd = arg;

	(void)read_fd;
	(void)what;
	if (take(fd) >= 0)
		return;
	stop_listening(fd);
	close_fd(&fd->ours);
}

bool child_pipe_listen(struct child *child)
{
	struct loop *loop = child->run ? child->run->loop : NULL;
	bool is_ok = true;

	for (size_t i = 0; loop && i < child->fd_count; i++) {
		struct child_end_fd *fd = &child->fds[i];

		if (fd->kind != CHILD_FD_OUTPUT)
			continue;
		event_assign(&fd->event, loop_base(loop), fd->ours, EV_READ | EV_PERSIST, on_output, fd);
		if (event_add(&fd->event, NULL) == 0)
			fd->loop = loop;
		else
			is_ok = false;
	}
	return is_ok;
}

void child_pipe_forget(struct child *child)
{
	for (size_t i = 0; i < child->fd_count; i++)
		child->fds[i].output = NULL;
}

/* ---- the end ---- */

/* Others may have the pipe still, and write on: it ends with the first read that finds nothing. */
static void take_rest(struct child_end_fd *fd)
{
	ssize_t left = LEFT_MAX, n;

	while (fd->loop && left > 0 && (n = take(fd)) > 0)
		left -= n;
}

static bool was_read(const struct child_end_fd *fd)
{
	int left = 0;

	return ioctl(fd->ours, FIONREAD, &left) == 0 && left == 0;
}

bool child_pipe_finish(struct child *child)
{
	bool has_read_all = true;

	for (size_t i = 0; i < child->fd_count; i++) {
		struct child_end_fd *fd = &child->fds[i];

		if (fd->kind == CHILD_FD_OUTPUT)
			take_rest(fd);
		else if (fd->kind == CHILD_FD_BYTES && !was_read(fd))
			has_read_all = false;
	}
	return has_read_all;
}

void child_pipe_close(struct child *child)
{
	for (size_t i = 0; i < child->fd_count; i++) {
		struct child_end_fd *fd = &child->fds[i];

		stop_listening(fd);
		wipe(fd);
		close_fd(&fd->theirs);
		close_fd(&fd->ours);
	}
}
