/*
 * Variables that are looked up by name: those of the process, or a directory
 * with a file for each of them, as envdir of the daemontools reads it. Both are
 * asked anew each time, so nothing is kept and nothing needs to be freed.
 */
#ifndef CONF_ENVIRONMENT_H
#define CONF_ENVIRONMENT_H

#include "base/arena.h"
#include "base/bug.h"
#include "base/err.h"

/* Octets of the longest value that a file may give. */
enum { ENVIRONMENT_VALUE_MAX = 8192 };

struct environment {
	const char *const *variables; /* lent: "NAME=value", and NULL behind the last */
	const char *dir;              /* lent; holds in place of them; NULL: there is none */
};

/* The strings must stay as long as the environment is asked. */
void environment_init(struct environment *e, char *const *variables);

/* False: there is no such directory, or it cannot be looked at. */
MUST_CHECK bool environment_init_dir(struct environment *e, const char *dir, struct err *err);

/*
 * *value is a copy in the arena, or NULL where the variable is not set. False:
 * the file is there, but gives no value; err tells why.
 */
MUST_CHECK bool environment_get(const struct environment *e, const char *name, struct arena *arena,
				const char **value, struct err *err);

#endif
