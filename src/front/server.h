/*
 * The server: what lives as long as the process. The loop, worker pools, spools,
 * sockets, counts of clients, and the list of sessions. What may change while
 * it runs is in a setup (front/setup.h), of which it holds the current one.
 */
#ifndef FRONT_SERVER_H
#define FRONT_SERVER_H

#include "front/setup.h"
#include "net/loop.h"
#include "net/pool.h"
#include "policy/client_table.h"
#include "spool/spool.h"

struct server;
struct server_tls;

/* A listening socket, and the listener of the current setup that it is for. */
struct server_socket {
	struct list link; /* in server.sockets, whose head owns it */
	struct server *server;
	struct listener *listener;       /* owned */
	struct setup_listener *obeys;    /* of server.setup */
};

struct server {
	struct loop *loop;
	struct setup *setup; /* holds a reference: what new sessions begin with */
	const struct config *start_config; /* holds a reference: for what only a restart can change */
	struct pool *disk;
	struct pool *resolver; /* looks names up */
	struct list relays;    /* all lmtp and smtp backends that there are still: see backend/relay.h */
	struct spool_budget spool_budget;
	struct list sockets; /* of server_socket.link; in the order of the configuration */
	struct server_tls *tls; /* owned */

	struct list sessions; /* of session_shell.link */
	struct client_table *clients;
	uint32_t session_count;
	uint32_t max_sessions; /* what the descriptors allow of the configured one */
	uint32_t disk_threads; /* likewise */
	uint32_t max_spool_files; /* likewise: messages in files at one time */
	uint64_t next_session; /* for ids */
	uint64_t discard_tick; /* of the loop's time, and how much was thrown away in it: see server_may_discard() */
	uint64_t discarded_bytes;
	bool is_stopping;
	struct loop_timer stop_timer;
};

/* Build everything and bind; nothing is accepted yet. NULL: err tells why. Takes a reference of config. */
struct server *server_new(struct loop *loop, struct config *config, struct err *err);
void server_start(struct server *server);

/* Stop accepting, end idle sessions, wait for commits that have begun, then stop the loop. Again: at once. */
void server_stop(struct server *server);
void server_free(struct server **server);

/*
 * Called by sessions: one has said HELO (settled); one begins a handshake (unsettled; false: its client has too many of
 * those already); one ended, which was settled or not.
 */
void server_session_settled(struct server *server, const struct addr *client);
MUST_CHECK bool server_session_unsettled(struct server *server, const struct addr *client);
void server_session_gone(struct server *server, const struct addr *client, bool is_settled);

/*
 * Count content that a session throws away, and tell whether more may come in this tick of the loop. What
 * nobody will keep is read slowly, so that those who are served do not wait for it.
 */
bool server_may_discard(struct server *server, uint64_t bytes);

#endif
