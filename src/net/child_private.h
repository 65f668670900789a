/*
 * What child.c, child_apart.c and child_pipe.c share, and nobody else includes.
 */
#ifndef NET_CHILD_PRIVATE_H
#define NET_CHILD_PRIVATE_H

#include "net/child.h"

#include "base/arena.h"
#include "net/child_spawn.h"
#include "net/runner_private.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum child_stage {
	CHILD_WAITING,  /* for its turn */
	CHILD_STARTING, /* a worker has it, or the runner */
	CHILD_RUNNING,
	CHILD_ENDING,   /* SIGTERM was sent */
	CHILD_KILLED,   /* SIGKILL was sent */
};

/* One descriptor of the program, and our end of it. */
struct child_end_fd {
	int number;
	enum child_fd_kind kind;
	int theirs;         /* CHILD_FD_BASE or more; -1: not there yet, or theirs alone by now */
	int ours;           /* OUTPUT: what we read; BYTES: see child_pipe.c; -1: none */
	struct span bytes;  /* BYTES: in the arena, until they are in the pipe */
	struct buf *output; /* OUTPUT: borrowed; NULL: nobody wants it any more */
	size_t output_max;
	struct loop *loop;
	struct event event; /* OUTPUT: added while ours is open and the program runs */
};

struct child {
	struct child_group *group; /* a reference */
	struct child_run *run;     /* borrowed; NULL: nobody waits any more */
	enum child_stage stage;
	bool is_timed_out;
	struct list link;          /* among those that wait for their turn */
	struct arena arena;        /* of all that was copied from the plan */
	struct child_end_fd fds[CHILD_FDS_MAX];
	size_t fd_count;
	struct child_spawn spawn;  /* not of a group apart; what came of it is looked at when it starts only */
	struct pool_job job;       /* while CHILD_STARTING */
	struct op started;         /* of the job */
	struct runner *runner;     /* the group's; NULL: it runs here */
	struct runner_call call;   /* apart: while CHILD_STARTING */
	int end_fd;                /* owned; tells of its end: the pidfd, or apart the run's socket; -1: none */
	struct event exited;       /* on end_fd */
	struct loop_timer timer;
	struct loop_garbage garbage;
};

/* What child.c knows of the end of a process; apart the process is somebody else's. */
struct child_finish {
	enum child_end end; /* EXITED, SIGNALED */
	int status;         /* -1: nobody knows how it has ended */
};

/* child_apart.c: the same as in child.c, for those that the runner starts. */

/* Ask for it. False: errno tells why not. */
MUST_CHECK bool child_apart_start(struct child *child, unsigned program, event_callback_fn heard);

/* True: nobody was asked yet, and nobody will be. */
bool child_apart_withdraw(struct child *child);

/* What has come of the start: RUNNER_HEARD_END when it runs nowhere, and then the refusal tells why. */
struct child_refusal {
	enum child_end end;
	int error;
	char what[RUNNER_WHAT_SIZE];
};
enum runner_heard child_apart_hear_start(struct child *child, struct child_refusal *refusal);

/* SIGTERM or SIGKILL for its process group. */
void child_apart_signal(const struct child *child, int number);

/* True: it has ended. */
MUST_CHECK bool child_apart_hear_end(struct child *child, struct child_finish *finish);

/* Copy what the plan says about descriptors. False: errno tells. */
MUST_CHECK bool child_pipe_plan(struct child *child, const struct child_plan *plan);

/* Before it starts: make the pipes, fill those that it reads. False: errno tells. */
MUST_CHECK bool child_pipe_open(struct child *child);

/* It has started, or will never be: let go of its ends. */
void child_pipe_close_theirs(struct child *child);

/* Take what it writes from now on. False: out of memory. */
MUST_CHECK bool child_pipe_listen(struct child *child);

/* It has ended: take what is still there. True: it has read all that it was given. */
MUST_CHECK bool child_pipe_finish(struct child *child);

/* Nobody wants its output any more; it is read all the same, so that it does not stand still. */
void child_pipe_forget(struct child *child);

/* Close whatever is open; secrets are overwritten. */
void child_pipe_close(struct child *child);

#endif
