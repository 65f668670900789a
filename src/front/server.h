/*
 * The server: listeners, limits, and all that sessions share. It owns the
 * configuration's backends and policies and the list of sessions.
 */
#ifndef FRONT_SERVER_H
#define FRONT_SERVER_H

#include "backend/backend.h"
#include "conf/config.h"
#include "net/loop.h"
#include "net/pool.h"
#include "policy/client_table.h"
#include "policy/policy.h"
#include "proto/session.h"

struct server;
struct server_tls;

/* One listener and what its sessions obey. */
struct server_listener {
	struct server *server;
	const struct listener_config *config;
	struct smtp_session_options options; /* lent to the sessions */
	struct smtp_session_options *rule_options; /* owned; the same for clients of each config->clients rule */
	struct tls_context *tls;             /* holds a reference; NULL: no TLS here */
	struct listener *listener;           /* owned; NULL once stopped */
};

struct server {
	struct loop *loop;
	const struct config *config; /* holds a reference */
	struct pool *disk;
	struct spool_budget spool_budget;
	struct policy_chain policies;
	struct backend **backends; /* as config->backends */
	struct server_listener *listeners;
	struct server_tls *tls; /* owned */
	struct smtp_address postmaster;
	bool has_postmaster;

	struct list sessions; /* of session_shell.link */
	struct client_table *clients;
	uint32_t session_count;
	uint32_t max_sessions; /* what the descriptors allow of the configured one */
	uint32_t disk_threads; /* likewise */
	uint32_t max_spool_files; /* likewise: messages in files at one time */
	uint64_t next_session; /* for ids */
	bool is_stopping;
	struct loop_timer stop_timer;
};

/* Build everything and bind; nothing is accepted yet. NULL: err tells why. Takes a reference of config. */
struct server *server_new(struct loop *loop, struct config *config, struct err *err);
void server_start(struct server *server);

/* Stop accepting, end idle sessions, wait for commits that have begun, then stop the loop. Again: at once. */
void server_stop(struct server *server);
void server_free(struct server **server);

/* The backend for recipients of a domain, which is in lower-case A-labels; NULL: no route. */
struct backend *server_route(const struct server *server, struct span domain);

/* What a session of this client obeys. */
const struct smtp_session_options *server_options_for(const struct server_listener *l, const struct addr *client);

/*
 * Called by sessions: one has said HELO (settled); one begins a handshake (unsettled; false: its client has too many of
 * those already); one ended, which was settled or not.
 */
void server_session_settled(struct server *server, const struct addr *client);
MUST_CHECK bool server_session_unsettled(struct server *server, const struct addr *client);
void server_session_gone(struct server *server, const struct addr *client, bool is_settled);

#endif
