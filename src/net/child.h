/*
 * Programs that we run: without a shell, with the environment, descriptors and
 * limits that the caller names and nothing of our own, in a session (setsid) of
 * their own. Workers start them, since execve() may have to wait for a disk; the
 * loop hears of their end from the kernel (pidfd) and takes what they write, of
 * which a bounded part is kept.
 *
 * A child_group bounds how many run at a time; more wait their turn, up to a
 * limit. Each run has one deadline, its turn included: then the program and its
 * process group get SIGTERM, CHILD_GRACE_MS later SIGKILL.
 *
 * A group may be apart: then another process starts its one program, with other
 * privileges than ours (net/runner.h), and all else is the same.
 */
#ifndef NET_CHILD_H
#define NET_CHILD_H

#include "base/buf.h"
#include "net/loop.h"
#include "net/op.h"
#include "net/pool.h"

enum {
	CHILD_FD_MAX = 9,      /* descriptors in the program are 0 to this */
	CHILD_FDS_MAX = 6,     /* a plan names at most so many of them */
	CHILD_BYTES_MAX = 4096, /* of CHILD_FD_BYTES: what fits into a pipe at once */
	CHILD_FAILURE_SIZE = 160,
	CHILD_GRACE_MS = 2000,
};

struct child_group;
struct runner;

/*
 * At most max_running programs at a time, max_waiting more in a queue. `pool` starts them. NULL: err tells
 * why. A group lives on, for what it has started, after child_group_free(), which stops nothing.
 */
struct child_group *child_group_new(struct loop *loop, struct pool *pool, unsigned max_running,
				    unsigned max_waiting, struct err *err);

/* The same for the program of that number, which the runner starts; it is lent until the loop ends. */
struct child_group *child_group_new_apart(struct loop *loop, struct runner *runner, unsigned program,
					  unsigned max_running, unsigned max_waiting, struct err *err);
void child_group_free(struct child_group **group);

/* Programs that run; those that nobody waits for any more, too. */
unsigned child_group_running(const struct child_group *group);

enum child_fd_kind {
	CHILD_FD_GIVEN,  /* `given`, an open descriptor, which stays the caller's (a copy is made) */
	CHILD_FD_BYTES,  /* the program reads `bytes`, then end of file */
	CHILD_FD_OUTPUT, /* what it writes is appended to *output, up to output_max bytes; the rest is lost */
};

struct child_fd {
	int number; /* in the program: 0 to CHILD_FD_MAX. Of 0, 1 and 2, what is not named is /dev/null */
	enum child_fd_kind kind;
	int given;
	struct span bytes;  /* may be secret: copied, and overwritten when the program has them */
	struct buf *output; /* the caller's; filled until done() or op_cancel(). Several may share it */
	size_t output_max;  /* of all that is in *output */
};

/*
 * All of it is copied by child_start(), except outputs. Of a group apart only the variable, the descriptors
 * (in the order of the runner's program, and none of them CHILD_FD_GIVEN) and the deadline are looked at.
 */
struct child_plan {
	const char *const *argv;  /* argv[0] is the path of the program as well; NULL at the end */
	const char *const *envp;  /* its environment, "NAME=value"; NULL at the end */
	const char *variable;     /* one more string of the environment; NULL: none */
	const char *directory;    /* NULL: "/" */
	const struct child_fd *fds;
	size_t fd_count;
	uint64_t timeout_ms;      /* from child_start() */
	uint64_t max_memory;      /* octets of address space (RLIMIT_AS); 0: as we have it */
	uint64_t max_cpu_s;       /* RLIMIT_CPU; 0: as we have it */
};

enum child_end {
	CHILD_EXITED,      /* `status` is its exit code */
	CHILD_SIGNALED,    /* `status` is the signal */
	CHILD_NOT_STARTED, /* `status` is an errno */
	CHILD_NO_ROOM,     /* too many run and wait already */
	CHILD_TIMED_OUT,   /* and was killed */
};

struct child_run {
	struct op op; /* done is set by the waiter */
	/* Valid in done(). */
	enum child_end end;
	int status;
	/*
	 * It has read all of the bytes it was given by CHILD_FD_BYTES. One that exits with 0 and did not has
	 * not done what it was asked to, whatever it says.
	 */
	bool has_read_all;
	char failure[CHILD_FAILURE_SIZE]; /* "exit code 111", "killed by signal 9: Killed"; "": exit code 0 */

	/* Private. */
	struct loop *loop;
	struct child *child;         /* NULL: it could not even be tried */
	struct loop_deferred report; /* done() is due */
};

/*
 * Run it. done() follows always, from the loop, unless op_cancel(): that kills the program's process group
 * at once (SIGKILL). The run ends with the program itself: a process that it leaves behind, as some mailers
 * do on purpose, is neither waited for nor killed, and what it writes later is lost.
 */
void child_start(struct child_run *run, struct child_group *group, const struct child_plan *plan);

#endif
