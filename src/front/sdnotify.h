/*
 * What the process tells systemd, or whoever stands in for it, about itself
 * (sd_notify(3)): ready, reloading, stopping, how it is, and that its loop turns.
 * The protocol is a datagram of NAME=value lines to the socket that
 * NOTIFY_SOCKET names; without one all this does nothing. What does not go
 * without waiting is lost, but for what the process is: that is told again.
 */
#ifndef FRONT_SDNOTIFY_H
#define FRONT_SDNOTIFY_H

#include "front/server.h"

struct sdnotify;

/* Reads the variables and forgets them. NULL: err tells why; having no socket to tell is no error. */
struct sdnotify *sdnotify_new(struct server *server, struct err *err);
void sdnotify_free(struct sdnotify **notify);

/* The server accepts. From now on the loop feeds the watchdog, and tells how many sessions there are. */
void sdnotify_ready(struct sdnotify *notify);

/* A reload begins, and is over; `failed` tells why it changed nothing, or is NULL. */
void sdnotify_reloading(struct sdnotify *notify);
void sdnotify_reloaded(struct sdnotify *notify, const char *failed);

/* The server takes no new connections. It asks for time as long as there are sessions. */
void sdnotify_stopping(struct sdnotify *notify);

#endif
