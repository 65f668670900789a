/*
 * Backends that hand each message to a program: qmail-queue, by its own
 * interface (message on descriptor 0, envelope on descriptor 1), or sendmail
 * (`sendmail -i -f sender -- recipient ...`, message on descriptor 0). 250 is said
 * when the program has exited with 0 and has read all that it was given.
 *
 * What it reads are files without names, whole before it starts: a daemon that
 * is killed leaves nobody with half a message that looks like a whole one.
 */
#ifndef BACKEND_PIPE_H
#define BACKEND_PIPE_H

#include "backend/backend.h"
#include "net/loop.h"

enum backend_pipe_kind { BACKEND_PIPE_QMAIL_QUEUE, BACKEND_PIPE_SENDMAIL };

/* What is said when the program ends with this exit code; the reply's own code follows from that. */
struct backend_pipe_reply {
	unsigned exit_code; /* 1 to 255 */
	struct span status; /* enhanced status code; empty: x.3.0 */
	struct span text;
};

/* All of it is copied. */
struct backend_pipe_options {
	const char *name;
	enum backend_pipe_kind kind;
	const char *const *command;     /* path and arguments */
	size_t command_count;           /* 0: the usual path */
	const char *const *environment; /* "NAME": as we have it, "NAME=value" */
	size_t environment_count;
	const struct backend_pipe_reply *replies; /* qmail-queue: of two for a code the first holds */
	size_t reply_count;
	uint64_t timeout_ms;   /* for the program, and for its turn to come */
	unsigned max_children; /* at a time */
	struct loop *loop;
	struct pool *disk;     /* makes the files, and starts the programs */
};

/* Most descriptors that one program needs here. */
enum { BACKEND_PIPE_FDS = 12 };

/*
 * Octets of recipients that go to sendmail at most, with what they cost beside: the kernel takes 128 KiB of
 * arguments and environment in any case (execve(2)).
 */
enum { BACKEND_PIPE_ARGUMENTS_MAX = 64 * 1024 };

/* Before the start: is the program there? False: err tells why not. */
bool backend_pipe_inspect(const struct backend_pipe_options *options, struct err *err);

/* NULL: out of memory, as err tells. Whether the program is there is found out for each message. */
struct backend *backend_pipe_new(const struct backend_pipe_options *options, struct err *err);

#endif
