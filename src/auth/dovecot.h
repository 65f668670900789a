/*
 * The source of Dovecot's users: whatever its auth service says over the socket of
 * its auth-client protocol (version 1), in all mechanisms that it has. The connection
 * is made at once and made again when it is lost; while there is none, the answer is
 * AUTH_UNAVAILABLE, and what was offered stays offered.
 *
 * Dovecot is trusted to say who is who, and in nothing else: lines and what waits are
 * bounded, each request has a deadline, and only an OK to a request that waits for an
 * answer, with a name that a user can have, is a yes.
 */
#ifndef AUTH_DOVECOT_H
#define AUTH_DOVECOT_H

#include "net/loop.h"

struct auth_chain;
struct auth_source;
struct err;

struct auth_dovecot_options {
	const char *path;              /* of the socket; lent, as is the next one */
	const char *const *mechanisms; /* as struct auth_source has it */
	uint64_t timeout_ms;           /* for each answer, and for the connection to be made */
	struct loop *loop;
	const struct auth_chain *older; /* whose place this will take, or NULL: what it has learned is taken over */
};

/* NULL: err tells why. Whether Dovecot is there does not matter now. */
struct auth_source *auth_dovecot_new(const struct auth_dovecot_options *options, struct err *err);

#endif
