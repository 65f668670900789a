/*
 * What passes between us and the process that runs programs (net/runner.h), and
 * nobody but net/ and its tests includes. Both are one binary, so that structs are
 * sent as they are.
 *
 * A request is one packet of the common socket: a struct runner_request, with the
 * run's own socket and the program's pipes as its descriptors. All else is said on
 * that socket: reports there, an octet here for SIGTERM. When our side of it
 * closes, the program and its process group are killed.
 */
#ifndef NET_RUNNER_PRIVATE_H
#define NET_RUNNER_PRIVATE_H

#include "base/bug.h"
#include "base/list.h"
#include "net/runner.h"

#include <stdint.h>

enum {
	RUNNER_VARIABLE_SIZE = 96,
	RUNNER_WHAT_SIZE = 64,
	/* Exit codes of the process, of sysexits.h but for the first. */
	RUNNER_EXIT_LEFT = 0,       /* nobody is there to ask anything */
	RUNNER_EXIT_TROUBLE = 71,   /* EX_OSERR */
	RUNNER_EXIT_NONSENSE = 76,  /* EX_PROTOCOL: it was asked for what it does not do */
};

struct runner_request {
	uint32_t program;                    /* which of those that it knows */
	char variable[RUNNER_VARIABLE_SIZE]; /* "NAME=value" */
};

enum runner_word {
	RUNNER_STARTED = 1,
	RUNNER_NOT_STARTED, /* value: an errno; what */
	RUNNER_BUSY,        /* not started, either: so many run already */
	RUNNER_EXITED,      /* value: the exit code */
	RUNNER_SIGNALED,    /* value: the signal */
	RUNNER_UNKNOWN,     /* it has ended, and nobody knows how */
};

struct runner_report {
	uint32_t word;
	int32_t value;
	char what[RUNNER_WHAT_SIZE];
};

/* The process itself: tells on the socket when it is ready (one octet), and serves it until it ends. */
_Noreturn void runner_process(int socket, const char *name, const struct runner_program *programs,
			      size_t program_count);

/* A request on its way. The pipes are lent until it has left or was withdrawn, the socket is its own. */
struct runner_call {
	struct list link; /* among those that wait until the process takes more */
	int theirs;       /* the run's socket as they get it; -1: it has left, or failed */
	struct runner_request request;
	int fds[RUNNER_FDS_MAX];
	size_t fd_count;
};

/* Make the run's socket: returns our end, to be closed by the caller. -1: errno tells. */
int runner_call_open(struct runner_call *call);

/* Nothing is said about failure here: then the run's socket ends. */
void runner_call_send(struct runner *runner, struct runner_call *call);

/* True: it had not left yet, and is not going to. */
bool runner_call_withdraw(struct runner_call *call);

/* What the process says on a run's socket, which does not block. */
enum runner_heard { RUNNER_HEARD_NOTHING, RUNNER_HEARD_REPORT, RUNNER_HEARD_END };
enum runner_heard runner_hear(struct runner *runner, int fd, struct runner_report *report);

/* It has said what it cannot mean: leave it, so that it ends. */
void runner_condemn(struct runner *runner);

#endif
