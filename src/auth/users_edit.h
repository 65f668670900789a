/*
 * Changes of a password file (auth/users.h): the whole file is written anew beside
 * the old one, synced, and put in its place, so that nobody ever sees half of it.
 * Owner and mode stay; who else changes it meanwhile waits.
 */
#ifndef AUTH_USERS_EDIT_H
#define AUTH_USERS_EDIT_H

#include "auth/users.h"

struct users_change {
	const char *user;    /* prepared; without a colon, and not beginning with # */
	unsigned kinds;      /* lines of this user with secrets of these kinds go */
	const char *secret;  /* and this comes instead; NULL: nothing */
	bool may_create;     /* the file need not be there */
};

/* *removed: how many lines went. False: err tells why, and the file is as it was. */
MUST_CHECK bool users_edit(const char *path, const struct users_change *change, size_t *removed, struct err *err);

/* NULL: a user may be called so in a password file. Otherwise why not. */
const char *users_check_name(struct span name);

#endif
