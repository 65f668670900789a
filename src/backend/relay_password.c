/*
 * The password that a relay logs in with: the first line of a file that others
 * have no access to. It is read when the backend is made.
 */
#include "backend/relay_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORD_MAX = 1024 };

static bool fail(const char *file, const char *wrong, struct err *err)
{
	return err_set(err, "password_file: %.300s %s", file, wrong);
}

static bool look_at_file(const char *file, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, "password_file: %.300s", file);
	if (!S_ISREG(st.st_mode))
		return fail(file, "is no regular file", err);
	if (st.st_mode & S_IRWXO)
		return fail(file, "is open to everybody; only its owner and group may have access", err);
	return true;
}

static bool take_line(struct relay *relay, const char *file, char *text, size_t len, struct err *err)
{
	struct span line = span_head(span_of(text, len), span_find(span_of(text, len), '\n'));

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0)
		return fail(file, "has no password in its first line", err);
	if (len == PASSWORD_MAX || memchr(line.ptr, '\0', line.len))
		return fail(file, "holds no password: it is too long, or has a NUL in it", err);
	relay->options.password = arena_dup(&relay->arena, line);
	return relay->options.password || err_set(err, "out of memory");
}

bool relay_read_password(struct relay *relay, const char *file, struct err *err)
{
	char text[PASSWORD_MAX];
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = -1;
	bool is_read;

	if (fd < 0)
		return err_set_errno(err, "password_file: %.300s", file);
	is_read = look_at_file(file, fd, err);
	if (is_read) {
		n = read(fd, text, sizeof(text));
		is_read = n >= 0 || err_set_errno(err, "password_file: %.300s", file);
	}
	close(fd);
	is_read = is_read && take_line(relay, file, text, (size_t)n, err);
	explicit_bzero(text, sizeof(text));
	return is_read;
}
