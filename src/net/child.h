/*
 * Programs that we run: without a shell, with the environment, descriptors and
 * limits that the caller names and nothing of our own, in a session (setsid) of
 * their own. What they are fed and what they say passes through pipes that the
 * loop serves, so that no program can hold it up, and what is kept of their
 * output is bounded.
 *
 * A child_group bounds how many run at a time; more wait their turn, up to a
 * limit. Each run has one deadline, the turn included: then the program and its
 * process group get SIGTERM, CHILD_GRACE_MS later SIGKILL. As long as they live
 * their pipes stay open: nobody takes the end of a killed feeder for the end of
 * a message.
 */
#ifndef NET_CHILD_H
#define NET_CHILD_H

#include "base/buf.h"
#include "net/loop.h"
#include "net/op.h"
#include "net/pool.h"

/* Descriptors in the child are 0 to CHILD_FD_MAX; a plan names at most CHILD_FDS_MAX of them. */
enum { CHILD_FD_MAX = 9, CHILD_FDS_MAX = 6, CHILD_FAILURE_SIZE = 160, CHILD_GRACE_MS = 2000 };

struct child_group;

/*
 * At most max_running programs at a time, max_waiting more in a queue. `pool` starts them: execve() may
 * have to wait for a disk. NULL: err tells why. A group lives on, for its children, after its free.
 */
struct child_group *child_group_new(struct loop *loop, struct pool *pool, unsigned max_running,
				    unsigned max_waiting, struct err *err);

/* Cancels nothing: what was started goes on. */
void child_group_free(struct child_group **group);

/* ---- what a program is fed ---- */

enum child_feed_state {
	CHILD_FEED_PIECE,  /* *piece holds the next bytes, at least one */
	CHILD_FEED_END,    /* there is no more: the program sees end of file */
	CHILD_FEED_WAIT,   /* not now; child_feed_ready() will be called */
	CHILD_FEED_FAILED, /* there will never be more: the program is killed, and sees no end of file */
};

/* Embedded in the caller, and his until done() or op_cancel(). */
struct child_feed {
	/* The next piece, lent until next() is called again. Called from the loop, never from a function of this header. */
	enum child_feed_state (*next)(struct child_feed *feed, struct span *piece);
	struct child_pipe *pipe; /* private; NULL: no program wants it any more */
};

/* After CHILD_FEED_WAIT: ask again. From anywhere on the loop; without effect when nobody waits. */
void child_feed_ready(struct child_feed *feed);

/* ---- how to run it ---- */

enum child_fd_kind {
	CHILD_FD_GIVEN,  /* `given`, an open descriptor, which stays the caller's (a copy is made) */
	CHILD_FD_BYTES,  /* the program reads `bytes`, which are copied */
	CHILD_FD_FEED,   /* the program reads what `feed` has to give */
	CHILD_FD_OUTPUT, /* what it writes is appended to *output, up to output_max bytes; the rest is thrown away */
};

struct child_fd {
	int number; /* in the program: 0 to CHILD_FD_MAX. Of 0, 1 and 2, what is not named is /dev/null */
	enum child_fd_kind kind;
	int given;
	struct span bytes;
	struct child_feed *feed;
	struct buf *output; /* the caller's; filled until done() or op_cancel(). May be the same for several */
	size_t output_max;
};

/* All of it is copied by child_start(), except feeds and outputs. */
struct child_plan {
	const char *const *argv;   /* argv[0] is the path of the program as well; NULL at the end */
	const char *const *envp;   /* its whole environment, "NAME=value"; NULL at the end */
	const char *directory;     /* NULL: "/" */
	const struct child_fd *fds;
	size_t fd_count;
	uint64_t timeout_ms;       /* from child_start() */
	uint64_t max_memory;       /* octets of address space (RLIMIT_AS); 0: as we have it */
	uint64_t max_cpu_s;        /* RLIMIT_CPU; 0: as we have it */
	uint64_t max_processes;    /* RLIMIT_NPROC, which counts all processes of the user; 0: as we have it */
};

enum child_end {
	CHILD_EXITED,      /* `status` is its exit code */
	CHILD_SIGNALED,    /* `status` is the signal */
	CHILD_NOT_STARTED, /* `status` is an errno */
	CHILD_TIMED_OUT,   /* and killed */
	CHILD_FEED_BROKEN, /* a feed failed, and it was killed */
	CHILD_NO_ROOM,     /* the queue of the group, or of its pool, is full */
};

struct child_run {
	struct op op; /* done is set by the waiter */
	/* Valid in done(). */
	enum child_end end;
	int status;
	/*
	 * Everything it was fed it has read. A program that exits with 0 and did not read all has not done what
	 * it was asked to, whatever it says.
	 */
	bool has_read_all;
	char failure[CHILD_FAILURE_SIZE]; /* "exit code 111", "killed by signal 9 (Killed)", ...; never empty */

	struct child *child; /* private */
};

/*
 * Run it. done() follows always, from the loop, unless op_cancel(): that kills the program's process group
 * at once (SIGKILL). A process that leaves its group (setsid) is not killed, and nobody waits for it: the run
 * ends with the program itself, and what it had written by then is kept.
 */
void child_start(struct child_run *run, struct child_group *group, const struct child_plan *plan);

#endif
