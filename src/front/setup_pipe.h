/*
 * The qmail-queue and sendmail backends of a setup, as the configuration has them.
 */
#ifndef FRONT_SETUP_PIPE_H
#define FRONT_SETUP_PIPE_H

#include "backend/backend.h"
#include "conf/config.h"

struct server;

/* Before the start: is the program of this backend there? True for backends without one. False: err tells. */
bool setup_pipe_inspect(const struct backend_config *b, struct err *err);

/* NULL: err tells why. */
struct backend *setup_pipe_new(struct server *server, const struct config *config,
			       const struct backend_config *b, struct err *err);

/* Descriptors that all their programs may need at the same time. */
uint64_t setup_pipe_descriptors(const struct config *config);

#endif
