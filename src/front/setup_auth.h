/*
 * The sources of users of a configuration, and what guards them.
 */
#ifndef FRONT_SETUP_AUTH_H
#define FRONT_SETUP_AUTH_H

#include "auth/auth.h"
#include "conf/config.h"
#include "policy/auth_guard.h"

struct server;

/* Fill the chain, which is empty. False: err tells why; what was added is the caller's to free. */
MUST_CHECK bool setup_auth_build(struct auth_chain *chain, struct server *server, const struct config *config,
				 struct err *err);

/* Put before the error that a password file gave where its path is configured. Returns false. */
bool setup_auth_blame_file(const struct auth_config *a, struct err *err);

/* Descriptors that all the sources may need at the same time. */
uint64_t setup_auth_descriptors(const struct config *config);

struct auth_guard_limits setup_auth_limits(const struct config *config);

#endif
