/*
 * What the files of the pipe backend share, and nobody else includes.
 */
#ifndef BACKEND_PIPE_PRIVATE_H
#define BACKEND_PIPE_PRIVATE_H

#include "backend/pipe.h"

#include "base/arena.h"
#include "base/list.h"
#include "net/child.h"

enum { PIPE_EXIT_CODES = 256 };

/*
 * What a backend runs, and its turns. Counted by references, so that what was begun goes on when the backend
 * is gone. Strings are in the arena and never change.
 */
struct pipe_program {
	unsigned references;
	struct arena arena;
	const char *name; /* of the backend */
	enum backend_pipe_kind kind;
	const char *const *command;     /* at least one */
	size_t command_count;
	const char *const *environment; /* "NAME=value" each */
	size_t environment_count;
	const struct smtp_reply *replies[PIPE_EXIT_CODES]; /* by exit code; NULL: the usual one */
	uint64_t timeout_ms;
	unsigned max_running, running;
	struct list waiting; /* of struct pipe_delivery, the first to come first */
	struct loop *loop;   /* borrowed */
	struct pool *disk;   /* borrowed */
	struct child_group *group;
};

/* NULL: out of memory. With one reference. */
struct pipe_program *pipe_program_new(const struct backend_pipe_options *options);
struct pipe_program *pipe_program_get(struct pipe_program *program);
void pipe_program_put(struct pipe_program **program);

/* Its arguments and its environment for one message, in the arena; NULL: out of memory. */
const char **pipe_program_argv(const struct pipe_program *program, const struct backend_message *m,
			       struct arena *arena);
const char **pipe_program_envp(const struct pipe_program *program, const struct backend_mail *mail,
			       struct arena *arena);

/* ---- on a worker (pipe_files.c) ---- */

/* The files that a program reads. */
struct pipe_files {
	struct spool content;
	struct span trace;    /* lines that come before it */
	struct span envelope; /* of qmail-queue; empty: there is no such file */
	/* The outcome. */
	int content_fd, envelope_fd; /* at their begin; -1: none */
	uint64_t octets;             /* of the message */
	struct backend_answer answer; /* yes, or why there are no files */
};

void pipe_files_make(struct pipe_files *files);
void pipe_files_close(struct pipe_files *files);

/* On the loop: has all been read that is in them? */
bool pipe_files_were_read(const struct pipe_files *files);

/* The envelope of qmail-queue(8): "Fsender\0", "Trecipient\0" each, and "\0". */
MUST_CHECK bool pipe_envelope_write(struct buf *out, const struct backend_message *m);

/* Is there a program at this path? */
void pipe_program_look(const char *path, struct backend_answer *answer);

/* ---- what is said of it (pipe_answer.c) ---- */

/* How a run ended, in SMTP. `said` is what the program wrote. */
void pipe_answer(struct backend_answer *answer, const struct pipe_program *program,
		 const struct child_run *run, bool was_read, struct span said);

/* Texts of the configuration's own for exit codes. False: out of memory. */
MUST_CHECK bool pipe_replies_keep(struct pipe_program *program, const struct backend_pipe_options *options);

extern const struct smtp_reply pipe_reply_nul, pipe_reply_busy, pipe_reply_sender, pipe_reply_recipient;

#endif
