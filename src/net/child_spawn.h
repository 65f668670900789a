/*
 * Starting a program, on a worker: between vfork() and execve() there is nothing
 * but system calls, because the process has other threads. All memory is the
 * caller's, who leaves it alone until child_spawn() has returned.
 */
#ifndef NET_CHILD_SPAWN_H
#define NET_CHILD_SPAWN_H

#include "net/child.h"

#include <sys/resource.h>
#include <sys/types.h>

/* Descriptors that go to the program are at least this here, so that none lies where another is to go. */
enum { CHILD_FD_BASE = 16 };

struct child_move {
	int from; /* CHILD_FD_BASE or more */
	int to;   /* in the program */
};

struct child_limit {
	int resource; /* RLIMIT_... */
	rlim_t most;
};

struct child_spawn {
	char **argv, **envp;
	const char *directory;
	struct child_move moves[CHILD_FDS_MAX];
	size_t move_count;
	struct child_limit limits[2];
	size_t limit_count;
	/* What came of it. */
	pid_t pid;        /* 0: nothing runs; it leads a session and a process group */
	int pidfd;        /* the caller's to close, when pid is not 0 */
	int error;        /* an errno, when pid is 0 */
	const char *what; /* failed: a constant */
};

void child_spawn(struct child_spawn *spawn);

/* fcntl(F_DUPFD_CLOEXEC) to CHILD_FD_BASE or above; closes fd. -1: errno tells. */
int child_fd_move_up(int fd);

#endif
