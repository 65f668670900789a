#include "front/daemonize.h"

#include "conf/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* The parent: nothing of what it inherited is its to clean up. */
static _Noreturn void wait_for_child(int fd)
{
	unsigned char code;
	ssize_t n;

	do
		n = read(fd, &code, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? code : EX_SOFTWARE); /* it died without a word */
}

static bool replace(int fd, int flags)
{
	int null = open("/dev/null", flags | O_CLOEXEC | O_NOCTTY);
	bool ok = null >= 0 && dup2(null, fd) == fd;

	if (null >= 0)
		close(null);
	return ok;
}

bool daemonize_fill_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int daemonize(struct err *err)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		err_set_errno(err, "cannot go into the background");
		return -1;
	}
	child = fork();
	if (child > 0) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	if (child == 0 && setsid() >= 0 && chdir("/") == 0 && replace(STDIN_FILENO, O_RDONLY) &&
	    replace(STDOUT_FILENO, O_WRONLY))
		return fds[1];
	err_set_errno(err, "cannot go into the background");
	close(fds[1]);
	return -1;
}

void daemonize_tell(int *fd, int code)
{
	unsigned char byte = (unsigned char)code;

	if (*fd < 0)
		return;
	if (code == 0 && isatty(STDERR_FILENO))
		replace(STDERR_FILENO, O_WRONLY);
	while (write(*fd, &byte, 1) < 0 && errno == EINTR)
		;
	close(*fd);
	*fd = -1;
}

static bool write_number(int fd)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len;
}

static bool open_and_lock(struct pid_file *file, const char *path, struct err *err)
{
	*file = (struct pid_file){ path, -1 };
	if (!path)
		return true;
	file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
	if (file->fd < 0)
		return err_set_errno(err, "pid_file: %s", path);
	if (flock(file->fd, LOCK_EX | LOCK_NB) == 0 && write_number(file->fd))
		return true;
	if (errno == EWOULDBLOCK)
		err_set(err, "pid_file: %s is locked: another process runs", path);
	else
		err_set_errno(err, "pid_file: %s", path);
	close(file->fd);
	file->fd = -1;
	return false;
}

bool pid_file_open(struct pid_file *file, const struct config *config, struct err *err)
{
	return open_and_lock(file, config->pid_file, err) || config_place_tell_top(err, config);
}

/* Or has somebody put another one in its place, which may be that of a process that runs? */
static bool is_in_its_place(const struct pid_file *file)
{
	struct stat ours, there;

	return fstat(file->fd, &ours) == 0 && lstat(file->path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

void pid_file_close(struct pid_file *file)
{
	if (file->fd < 0)
		return;
	/* The directory may be root's, who we are no longer: then an empty file stays. */
	if (!is_in_its_place(file) || unlink(file->path) < 0)
		(void)!ftruncate(file->fd, 0);
	close(file->fd);
	file->fd = -1;
}
