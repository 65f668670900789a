/*
 * The source of a password file (auth/users.h). Passwords are hashed, and SCRAM and
 * CRAM-MD5 are spoken, on a pool of workers, which is full sooner than those who
 * guess can keep the machine busy. The file is read again when it changes; one that
 * is wrong changes nothing, and the log says so.
 */
#ifndef AUTH_FILE_H
#define AUTH_FILE_H

#include "auth/users.h"
#include "net/loop.h"
#include "net/pool.h"

struct auth_source;
struct auth_chain;

struct auth_file_options {
	const char *path;                /* lent, as is the next one */
	const char *const *mechanisms;   /* as struct auth_source has it */
	unsigned char key[USERS_KEY_SIZE]; /* where the file has none: see users_read() */
	struct loop *loop;
	struct pool *pool;
	const struct auth_chain *older;  /* whose place this will take, or NULL: what it has read is shared */
};

/* NULL: err tells file, line and what is wrong. */
struct auth_source *auth_file_new(const struct auth_file_options *options, struct err *err);

#endif
