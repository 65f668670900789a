/*
 * How fast the content of a message comes in, for min_data_rate.
 */
#ifndef FRONT_SESSION_RATE_H
#define FRONT_SESSION_RATE_H

#include "front/session_shell.h"

/* What comes counts from now on. */
void session_rate_start(struct session_shell *sh);

/* It is judged over so long: a minute, or `timeout` where that is shorter. */
uint64_t session_rate_period_ms(const struct session_shell *sh);

/* Inside a message: did less than min_data_rate come in over a whole period? Then another one begins. */
bool session_rate_is_too_low(struct session_shell *sh, uint64_t now_ms);

#endif
