/*
 * The source of whom the system's PAM knows. A conversation is synchronous, so it
 * runs whole in the pool of hashing workers, which bounds how many there are; what a
 * module waits for cannot be cut short: after a while its worker is given up
 * (pool_give_up()), and the client is told 454. The
 * delay that modules ask for after a failure is left out: front has its own, which
 * keeps no worker.
 */
#ifndef AUTH_PAM_H
#define AUTH_PAM_H

#include "base/err.h"
#include "net/pool.h"

struct auth_source;

struct auth_pam_options {
	const char *service;           /* the name of a file in the directory; lent, as are the next two */
	const char *directory;         /* NULL: the system's */
	const char *const *mechanisms; /* as struct auth_source has it */
	uint64_t timeout_ms;           /* of one login; what hangs longer keeps its thread */
	struct loop *loop;
	struct pool *pool;             /* that may lose threads (pool_may_lose()) */
};

/* NULL: err tells why. Only where this is built with PAM (WITH_PAM). */
struct auth_source *auth_pam_new(const struct auth_pam_options *options, struct err *err);

#endif
