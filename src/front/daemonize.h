/*
 * Without a supervisor: into the background, and a file that tells the process's
 * number. The parent waits until the daemon is ready or has failed, and ends
 * with the same exit code; what goes wrong is told where it was started.
 */
#ifndef FRONT_DAEMONIZE_H
#define FRONT_DAEMONIZE_H

#include "base/bug.h"
#include "base/err.h"
#include "conf/config.h"

#include <stdbool.h>

/*
 * Where one of the descriptors 0, 1 and 2 is closed it becomes /dev/null, so that no socket and no
 * file gets its number, and then the lines of the log. To be called before anything is opened.
 */
bool daemonize_fill_standard(void);

/*
 * Go on in a child that has no terminal, before there are threads or a loop. Returns in the child only, with a
 * descriptor for daemonize_tell(); -1: err tells why there is no child.
 */
int daemonize(struct err *err);

/* Let the parent end with this code; 0 also takes the terminal away from standard error. Closes the descriptor. */
void daemonize_tell(int *fd, int code);

struct pid_file {
	const char *path; /* NULL: there is none */
	int fd;
};

/*
 * Write the number of this process, and keep the file locked as long as it lives. The path is the configuration's, and lent.
 * False: err tells why; another process that holds it is a reason.
 */
MUST_CHECK bool pid_file_open(struct pid_file *file, const struct config *config, struct err *err);

/* Empty it, and remove it where that is allowed and it is still there. */
void pid_file_close(struct pid_file *file);

#endif
