#include "conf/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void environment_init(struct environment *e, char *const *variables)
{
	*e = (struct environment){ .variables = (const char *const *)variables };
}

bool environment_init_dir(struct environment *e, const char *dir, struct err *err)
{
	struct stat st;

	*e = (struct environment){ .dir = dir };
	if (stat(dir, &st) < 0)
		return err_set_errno(err, "%s", dir);
	return S_ISDIR(st.st_mode) || err_set(err, "%s: is not a directory", dir);
}

static bool keep(struct arena *arena, struct span text, const char **value, struct err *err)
{
	*value = arena_dup(arena, text);
	return *value || err_set(err, "out of memory");
}

static bool get_variable(const struct environment *e, const char *name, struct arena *arena,
			 const char **value, struct err *err)
{
	size_t len = strlen(name);

	for (const char *const *v = e->variables; *v; v++)
		if (strncmp(*v, name, len) == 0 && (*v)[len] == '=')
			return keep(arena, span_str(*v + len + 1), value, err);
	return true;
}

/* The beginning of a file; -1: it cannot be read. */
static ssize_t read_head(int fd, char *bytes, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, bytes + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/*
 * The first line counts, without the blanks at its end; NUL stands for a line
 * break. A file without a byte: the variable is not set.
 */
static bool take_file(int fd, const char *path, struct arena *arena, const char **value, struct err *err)
{
	char bytes[ENVIRONMENT_VALUE_MAX + 1];
	ssize_t len = read_head(fd, bytes, sizeof(bytes));
	struct span line;

	if (len < 0)
		return err_set_errno(err, "%s", path);
	if (len == 0)
		return true;
	line = span_of(bytes, (size_t)len);
	line.len = span_find(line, '\n');
	if (line.len > ENVIRONMENT_VALUE_MAX)
		return err_set(err, "%s: the first line has more than %d octets", path,
			       ENVIRONMENT_VALUE_MAX);
	for (size_t i = 0; i < line.len; i++)
		if (bytes[i] == '\0')
			bytes[i] = '\n';
	while (line.len && (bytes[line.len - 1] == ' ' || bytes[line.len - 1] == '\t'))
		line.len--;
	return keep(arena, line, value, err);
}

/* O_NONBLOCK, so that a FIFO cannot hold us up before we see that it is one. */
static bool get_file(const struct environment *e, const char *name, struct arena *arena, const char **value,
		     struct err *err)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", e->dir, name), fd;
	struct stat st;
	bool ok;

	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(err, "%.100s...: the name is too long", e->dir);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT || err_set_errno(err, "%s", path);
	if (fstat(fd, &st) < 0)
		ok = err_set_errno(err, "%s", path);
	else if (!S_ISREG(st.st_mode))
		ok = err_set(err, "%s: is not a regular file", path);
	else
		ok = take_file(fd, path, arena, value, err);
	close(fd);
	return ok;
}

bool environment_get(const struct environment *e, const char *name, struct arena *arena, const char **value,
		     struct err *err)
{
	*value = NULL;
	return e->dir ? get_file(e, name, arena, value, err) : get_variable(e, name, arena, value, err);
}
