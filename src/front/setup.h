/*
 * A setup is all that follows from one configuration and can be exchanged while
 * the process runs: policies, routes, backends, TLS, what sessions obey. It is
 * built whole or not at all, never changes afterwards (but for certificates,
 * see server_tls), and is counted by references: each session holds the one it
 * began with, and the server the one for new sessions. When the last session of
 * an older setup has ended, its policies and backends are freed; see
 * backend_put() about deliveries that are still under way then. Backends of next
 * hops that are the same in the next setup are its backends, too.
 *
 * What outlives it (loop, pools, spools, sockets, clients) is the server's.
 */
#ifndef FRONT_SETUP_H
#define FRONT_SETUP_H

#include "auth/auth.h"
#include "backend/maildir.h"
#include "conf/config.h"
#include "front/route.h"
#include "policy/policy.h"
#include "proto/session.h"

struct metrics_listener;
struct server;
struct tls_context;

/* One listener of the configuration, and what its sessions obey. */
struct setup_listener {
	const struct listener_config *config;
	struct smtp_session_options options; /* lent to the sessions */
	struct metrics_listener *metrics;    /* of the server, which has one for each name */
	struct tls_context *tls;      /* holds a reference; NULL: no TLS here */
	uint64_t tls_tried, tls_seen; /* for server_tls: states of its files (tls_options_state()) */
};

struct setup {
	uint32_t references;
	uint32_t number;                /* of setups of this process; the first is 1 */
	const struct config *config;    /* holds a reference */
	struct auth_chain auth;
	struct policy_chain policies;
	struct backend **backends;      /* as config->backends; a reference to each */
	struct setup_listener *listeners; /* as config->listeners; owned */
	struct smtp_address postmaster;
	bool has_postmaster;
};

/*
 * Build it for this server, whose pools it uses. Takes a reference of config; the result has one.
 * NULL: err tells why, and nothing has changed. `older` (or NULL) is the one whose place it will
 * take: TLS sessions of its listeners may be resumed, and connections to next hops are used again.
 */
struct setup *setup_new(struct server *server, struct config *config, const struct setup *older,
			struct err *err);
struct setup *setup_get(struct setup *setup);
void setup_put(struct setup **setup);

/* The backend of the first route that fits; NULL: no route. */
struct backend *setup_route(const struct setup *setup, const struct route_facts *facts);

/* What a maildir backend is told, but for the pool and the loop. */
struct backend_maildir_options setup_maildir_options(const struct config *config,
						     const struct backend_config *b);

/* What a session of this client obeys, with what next hops take as far as it is known now. */
struct smtp_session_options setup_options_for(const struct setup *setup, const struct setup_listener *listener,
					      const struct client_config *rule);

#endif
