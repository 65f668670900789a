/*
 * The source of whatever a program of the checkpassword interface knows: it is run
 * for each password, reads "user NUL password NUL time NUL" from its descriptor 3
 * (512 octets at most), and ends with 0 for a yes, with 1 for a no, and with
 * anything else, 111 among it, when it cannot say. A yes without having read all
 * of that is none. It cannot tell an unknown user from a wrong password.
 */
#ifndef AUTH_CHECKPASSWORD_H
#define AUTH_CHECKPASSWORD_H

#include "base/err.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/runner.h"

struct auth_source;

/* Descriptors that one program needs here at most. */
enum { AUTH_CHECKPASSWORD_FDS = 8 };

struct auth_checkpassword_options {
	const char *const *command;    /* and arguments, NULL behind the last; lent, as is the next one */
	const char *const *mechanisms; /* as struct auth_source has it */
	uint64_t timeout_ms;           /* for the program and for its turn to come */
	unsigned max_children;         /* at a time; ten times as many wait for their turn */
	struct loop *loop;
	struct pool *pool;             /* starts them, unless there is a runner */
	struct runner *runner;         /* NULL: they run as whoever we are */
	unsigned program;              /* which of the runner's it is: see auth_checkpassword_program() */
};

/* What a runner must know of a program. `command` is lent as long as *program is used. */
void auth_checkpassword_program(struct runner_program *program, const char *const *command);

/* Is the program there, as far as can be told now? May block. False: err tells why not. */
MUST_CHECK bool auth_checkpassword_inspect(const char *program, struct err *err);

/* NULL: err tells why. Whether the program is there is found out for each password. */
struct auth_source *auth_checkpassword_new(const struct auth_checkpassword_options *options, struct err *err);

#endif
