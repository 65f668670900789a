#include "front/handed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

/* A decimal number, or -1. */
static long number_of(const char *text)
{
	char *end;
	long value;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno || *end ? -1 : value;
}

static bool set_cloexec(const struct handed *handed, struct err *err)
{
	for (size_t i = 0; i < handed->count; i++)
		if (fcntl(handed->first + (int)i, F_SETFD, FD_CLOEXEC) < 0)
			return err_set_errno(err, "LISTEN_FDS: descriptor %d", handed->first + (int)i);
	return true;
}

/* One string for each; "a:b" becomes "a", "b". */
static bool copy_names(struct handed *handed, const char *names, struct err *err)
{
	size_t size, given = 1;

	if (!names)
		names = "";
	size = strlen(names) + handed->count + 1;
	handed->names = calloc(1, size);
	if (!handed->names)
		return err_set(err, "out of memory");
	memcpy(handed->names, names, strlen(names));
	for (char *c = handed->names; *c; c++) {
		given += *c == ':';
		if (*c == ':')
			*c = '\0';
	}
	if (*names && given != handed->count)
		return err_set(err, "LISTEN_FDNAMES has %zu names for %zu descriptors", given, handed->count);
	return true;
}

static bool take_over(struct handed *handed, struct err *err)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	long n = number_of(count);

	if (!pid || !count || number_of(pid) != (long)getpid())
		return true; /* meant for somebody else */
	if (n < 0 || n > HANDED_MAX)
		return err_set(err, "LISTEN_FDS=%.20s is no number up to %d", count, HANDED_MAX);
	handed->count = (size_t)n;
	return set_cloexec(handed, err) && copy_names(handed, getenv("LISTEN_FDNAMES"), err);
}

bool handed_open(struct handed *handed, struct err *err)
{
	bool ok;

	*handed = (struct handed){ .first = FIRST_FD };
	ok = take_over(handed, err);
	if (!ok)
		handed->count = 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ok;
}

void handed_close(struct handed *handed)
{
	for (size_t i = 0; i < handed->count; i++)
		close(handed->first + (int)i);
	free(handed->names);
	*handed = (struct handed){ 0 };
}

const char *handed_name(const struct handed *handed, size_t i)
{
	const char *name = handed->names;

	while (i--)
		name += strlen(name) + 1;
	return *name ? name : "unknown";
}

int handed_dup(const struct handed *handed, size_t i, struct err *err)
{
	int fd = fcntl(handed->first + (int)i, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		err_set_errno(err, "the socket \"%s\" that was handed over", handed_name(handed, i));
	return fd;
}
