/*
 * From the configuration of an lmtp or smtp backend to the backend.
 */
#ifndef FRONT_SETUP_RELAY_H
#define FRONT_SETUP_RELAY_H

#include "backend/backend.h"
#include "conf/config.h"

struct server;

/* NULL: err tells why. */
struct backend *setup_relay_new(struct server *server, const struct config *config,
				const struct backend_config *b, struct err *err);

/* Could it be made: are certificates and the password there, and right? False: err tells why. */
bool setup_relay_try(const struct config *config, const struct backend_config *b, struct err *err);

/*
 * Would this backend, which was made of `old`, come out the same if it were made of `b` now? Its files are looked at,
 * too.
 */
bool setup_relay_is_same(const struct backend *backend, const struct config *before,
			 const struct backend_config *old, const struct config *config,
			 const struct backend_config *b);

/* Connections to next hops that a configuration may have at the same time. */
uint64_t setup_relay_descriptors(const struct config *config);

#endif
