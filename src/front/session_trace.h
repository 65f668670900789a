/*
 * What a session tells step by step where somebody traces it (log_trace()). No
 * line holds content of messages or anything of a login but its outcome.
 */
#ifndef FRONT_SESSION_TRACE_H
#define FRONT_SESSION_TRACE_H

#include "front/session_shell.h"

/* The machine gets the answer to what it waits for; NULL: the default success. */
void session_trace_verdict(const struct session_shell *sh, const struct smtp_reply *reply);

/* The handshake is over. */
void session_trace_secured(const struct session_shell *sh);

/* What the policies say to a recipient; `reply` NULL: yes. */
void session_trace_policy(const struct session_shell *sh, const struct smtp_reply *reply);

/* Logs a warning if what was waited for took longer than slow_step, traced or not. */
void session_trace_slow(const struct session_shell *sh);

/* The message is whole, and goes to its backend. */
void session_trace_delivery(const struct session_shell *sh);

#endif
