/*
 * A password file, read: lines "name:secret" (auth/secret.h). A user may have
 * several lines with secrets of different kinds; the first counts for passwords.
 * Empty lines and those that begin with # are skipped; a line ":{SECRET}base64"
 * holds the secret that the salts of users who are not there are made from.
 *
 * Immutable once read, so that workers may look at it; counted by references,
 * which only the loop's thread may do.
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include "auth/secret.h"

enum { USERS_KEY_SIZE = 32 };

struct user {
	const char *name; /* prepared */
	struct secret secret;
	unsigned line;
};

struct users {
	struct arena arena;
	uint32_t references;
	struct user *users;   /* by name, then by line; owned */
	size_t count;
	unsigned common;      /* kinds that each user has, or a password in plain text that they can be made from */
	bool has_plain;
	bool is_for_all;      /* the file is open to every user of the machine */
	unsigned char key[USERS_KEY_SIZE];
	uint64_t state;       /* see users_state() */
};

/*
 * NULL: err tells file, line and what is wrong. `key` serves where the file has none. A file with {PLAIN} that
 * others may read is refused.
 */
struct users *users_read(const char *path, const unsigned char key[USERS_KEY_SIZE], struct err *err);
struct users *users_get(struct users *users);
void users_put(struct users **users);

/* A number that changes with the file: size, time, inode. 0: it is not there. */
uint64_t users_state(const char *path);

/* The first line of that user with a secret of one of these kinds; NULL: none. */
const struct user *users_find(const struct users *users, const char *name, unsigned kinds);

/*
 * Somebody else, always the same for one name, who costs what this user would if there were one; NULL: nobody has
 * a secret of these kinds.
 */
const struct user *users_stand_in(const struct users *users, const char *name, unsigned kinds);

/* The keys that a user without any seems to have: the same salt and iterations each time, and keys of no password. */
void users_pretend(const struct users *users, const char *name, enum secret_kind kind, struct secret_keys *keys);

#endif
