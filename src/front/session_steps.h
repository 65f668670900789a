/*
 * What the events of a session mean: the questions to policies and backends.
 * Each step either knows its verdict at once or starts an op and comes back by
 * session_shell_decided().
 */
#ifndef FRONT_SESSION_STEPS_H
#define FRONT_SESSION_STEPS_H

#include "front/session_shell.h"

/* Room for a verdict that is made for the occasion. */
struct step_verdict {
	bool is_pending;                /* an op was started */
	const struct smtp_reply *reply; /* NULL: the default success */
	struct smtp_reply own;
	char status[BACKEND_STATUS_SIZE], text[BACKEND_TEXT_SIZE];
};

/* Decide an event that waits for a verdict. */
void session_step_decide(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *verdict);

/* The next content of the message. False: it was taken, but no more before session_shell_resume(). */
MUST_CHECK bool session_step_body(struct session_shell *sh, struct span content);

/* How long the op that is waited for may take, in ms. */
uint64_t session_step_deadline_ms(const struct session_shell *sh);

/* It took too long: 451. */
void session_step_expire(struct session_shell *sh);

/* The transaction is over. */
void session_step_reset(struct session_shell *sh);

#endif
