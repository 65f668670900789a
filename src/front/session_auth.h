/*
 * AUTH as sessions see it: what is offered, and what becomes of it. For each
 * message of the client the guard against guessing is asked first, then the
 * sources. A failed or successful login is one line "auth" in the log.
 */
#ifndef FRONT_SESSION_AUTH_H
#define FRONT_SESSION_AUTH_H

#include "front/session_steps.h"

struct session_auth;

/* Tell the machine what is offered now: at the begin, and when TLS runs, which also forgets who the client was. */
void session_auth_offer(struct session_shell *sh);

/* Decide AUTH and AUTH_STEP. */
void session_auth_decide(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v);

/* The machine refused a message by itself, or the client is gone: the exchange, if there is one, is over. */
void session_auth_drop(struct session_shell *sh, const char *reason);

/* The source did not answer in time. */
void session_auth_expire(struct session_shell *sh);

/* The session ends. */
void session_auth_free(struct session_shell *sh);

#endif
