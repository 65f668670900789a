/*
 * What read(2) and write(2) leave to whoever calls them. Files only: it waits.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include "base/bug.h"
#include "base/span.h"

#include <stdbool.h>

/* Write all of it, as often as it takes. False: errno tells, and how much was written is not known. */
MUST_CHECK bool fd_write_all(int fd, struct span bytes);

#endif
