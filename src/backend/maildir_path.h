/*
 * Where a recipient's Maildir is: the path pattern of a maildir backend, filled
 * in with parts of an address. Nothing in an address can lead out of the
 * directory that the pattern names: what would is simply no mailbox.
 */
#ifndef BACKEND_MAILDIR_PATH_H
#define BACKEND_MAILDIR_PATH_H

#include "base/bug.h"
#include "base/err.h"
#include "proto/address.h"

#include <limits.h>

/* Longest path, with its NUL. */
enum { MAILDIR_PATH_SIZE = PATH_MAX };

/*
 * %d is the domain, %n the local part, %u both with an @, %{2n} the first two
 * characters of %n (likewise up to 9, and of %d and %u), all in lower case, and %%
 * a percent sign. Lower case is that of ASCII letters; a domain should be in A-labels
 * already. The pattern must begin with "/". False: err tells what is wrong.
 */
MUST_CHECK bool maildir_path_check_pattern(const char *pattern, struct err *err);

/*
 * The path for a recipient; `path` has MAILDIR_PATH_SIZE bytes. The pattern must have
 * been checked. False: there can be no such mailbox.
 */
MUST_CHECK bool maildir_path_expand(char *path, const char *pattern, const struct smtp_address *recipient);

#endif
