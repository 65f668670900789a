/*
 * TLS as sessions see it: whether it may begin, and what came of it.
 */
#ifndef FRONT_SESSION_TLS_H
#define FRONT_SESSION_TLS_H

#include "front/session_shell.h"
#include "proto/trace.h"

/* Does the listener shake hands before the greeting? */
bool session_tls_is_immediate(const struct setup_listener *listener);

/* Begin the handshake; it ends in the connection's secured() or lost(). False: it cannot be had now. */
MUST_CHECK bool session_tls_start(struct session_shell *sh);

/* TLS has begun, here or at a proxy: count it, and trace it. */
void session_tls_note_secured(const struct session_shell *sh);

/* Add what TLS runs with to the log line that is being made. */
void session_tls_log(const struct session_shell *sh);

/* What Received tells of it. */
void session_tls_trace(const struct session_shell *sh, struct trace_facts *facts);

#endif
