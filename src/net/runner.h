/*
 * A process that runs programs for us with the privileges that we had when it
 * was forked, because we are about to give them up. It knows the programs from
 * then on and takes no others: whoever gets hold of this process can have those
 * run, with pipes of his own, and nothing else. It reads nothing of what passes
 * through those pipes.
 *
 * child_group_new_apart() is how to use it. It ends when we do, or when it is asked
 * for what it does not do, and kills what it runs then. Nobody can start it again.
 */
#ifndef NET_RUNNER_H
#define NET_RUNNER_H

#include "base/err.h"
#include "net/loop.h"

#include <sys/types.h>

enum {
	RUNNER_RUNS_MAX = 1024, /* programs at one time, of all groups together */
	RUNNER_FDS_MAX = 4,     /* descriptors of one program */
	RUNNER_ENV_MAX = 8,     /* strings in the environment of one program, but for the variable */
};

struct runner;

struct runner_program {
	const char *const *argv; /* argv[0] is the path of the program as well; NULL at the end */
	const char *const *envp; /* "NAME=value", RUNNER_ENV_MAX at most; NULL at the end */
	const char *variable;    /* "NAME=": each run adds it, with a value of ASCII letters, digits and ".:%" */
	size_t fd_count;
	int fds[RUNNER_FDS_MAX]; /* numbers in the program, for pipes that each run brings, in this order */
};

struct runner_options {
	const char *name; /* of the process, 15 octets at most */
	struct loop *loop;
	const struct runner_program *programs; /* lent for the call */
	size_t program_count;
	/* It has ended by itself, which `how` tells; each run fails from now on. From the loop. */
	void (*ended)(void *owner, const char *how);
	void *owner;
};

/*
 * Fork it, and wait until it is ready, at most ten seconds. For the start, when there are no threads. NULL: err
 * tells why.
 */
struct runner *runner_new(const struct runner_options *options, struct err *err);

/* Before the loop's end. Waits for the end of the process, at most a second; what it ran is killed. */
void runner_free(struct runner **runner);

pid_t runner_pid(const struct runner *runner);

#endif
