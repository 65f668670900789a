/*
 * The lines of the log that each session has, and what the metrics count with them: one for each error reply (see
 * session_shell_log_refusal()), and one at its end.
 */
#ifndef FRONT_SESSION_LOG_H
#define FRONT_SESSION_LOG_H

#include "front/session_shell.h"

/* It has begun, on a connection with this peer. */
void session_log_begin(const struct session_shell *sh, const struct addr *peer);

/* The session ends; `error` is an errno, or 0. */
void session_log_disconnect(const struct session_shell *sh, const char *reason, int error);

#endif
