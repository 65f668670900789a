/*
 * Routes: the first one all of whose conditions hold says which backend takes
 * a recipient. Pure: it is asked of a configuration and of what is known.
 */
#ifndef FRONT_ROUTE_H
#define FRONT_ROUTE_H

#include "backend/backend.h"
#include "conf/config.h"

/* Domains are in lower-case A-labels. */
struct route_facts {
	const char *listener; /* its `listen` */
	bool is_authenticated;
	struct span sender_domain; /* empty: the null sender */
	struct span recipient_local;
	struct span recipient_domain;
};

/* NULL: no route. */
const struct route_config *route_find(const struct config *config, const struct route_facts *facts);

/*
 * Who is asked instead of a backend that is down, though not when its own is; NULL: nobody. In both of these
 * `backends` are those of the configuration, in its order.
 */
struct backend *route_fallback(const struct config *config, struct backend *const *backends, const struct backend *b);

/*
 * What EHLO may offer, because every route that a listener's clients can come to ends where it is taken. One
 * that stands behind a wider one, or is for users where nobody can log in, takes nothing away.
 */
struct route_offers {
	bool dsn, binarymime, requiretls, prdr;
};

struct route_offers route_offers_of(const struct config *config, struct backend *const *backends,
				    const char *listener);

#endif
