/*
 * Listening sockets that whoever started us has handed over, as systemd does
 * (sd_listen_fds(3)): descriptors from 3 on, told of in LISTEN_PID, LISTEN_FDS
 * and LISTEN_FDNAMES. They stay open as long as the process, used or not, so
 * that a listener may come back to one; the server is given duplicates.
 */
#ifndef FRONT_HANDED_H
#define FRONT_HANDED_H

#include "base/bug.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { HANDED_MAX = 64 };

struct handed {
	int first;
	size_t count;
	char *names; /* owned: strings, one behind the other; NULL: none are handed over */
};

/* Takes them over and forgets the variables, so that no child believes it was meant. False: err tells what is wrong. */
MUST_CHECK bool handed_open(struct handed *handed, struct err *err);
void handed_close(struct handed *handed);

/* "unknown" where it was told none. */
const char *handed_name(const struct handed *handed, size_t i);

/* A duplicate that is the caller's. -1: err tells why. */
int handed_dup(const struct handed *handed, size_t i, struct err *err);

#endif
