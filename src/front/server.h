/*
 * The server: what lives as long as the process. The loop, worker pools, spools,
 * sockets, counts of clients, and the list of sessions. What may change while
 * it runs is in a setup (front/setup.h), of which it holds the current one.
 */
#ifndef FRONT_SERVER_H
#define FRONT_SERVER_H

#include "front/handed.h"
#include "front/setup.h"
#include "net/loop.h"
#include "net/pool.h"
#include "policy/client_table.h"
#include "spool/spool.h"

struct checker;
struct metrics;
struct metrics_http;
struct server_tls;

struct server {
	struct loop *loop;
	struct setup *setup; /* holds a reference: what new sessions begin with */
	const struct config *start_config; /* holds a reference: for what only a restart can change */
	struct pool *disk;
	struct pool *resolver; /* looks names up */
	struct list relays;    /* all lmtp and smtp backends that there are still: see backend/relay.h */
	_Atomic unsigned unsynced_mailboxes; /* for maildir backends of all setups */
	struct spool_budget spool_budget;
	struct handed handed; /* sockets that were there before us */
	struct list sockets; /* of server_socket.link (front/server_sockets.h); owned */
	unsigned sockets_due; /* listeners of the last setup that need a restart for what they want */
	struct server_tls *tls; /* owned */
	struct metrics *metrics;           /* owned */
	struct metrics_http *metrics_http; /* owned; NULL: nobody may ask */

	struct list gates;    /* of proxy_gate's: connections that wait for their PROXY header */
	struct list sessions; /* of session_shell.link */
	struct client_table *clients;
	struct pool *hashing;      /* owned: for passwords */
	struct auth_guard *auth_guard; /* owned */
	const struct checker *checker; /* lent */
	unsigned char auth_key[32]; /* for salts of users that there are not, where a password file has none */
	struct store *rates; /* owned: what the policy of that name has counted */
	uint32_t session_count;
	uint64_t accepted; /* messages, since the start */
	uint32_t max_sessions; /* what the descriptors allow of the configured one */
	uint32_t disk_threads; /* likewise */
	uint32_t max_spool_files; /* likewise: messages in files at one time */
	uint64_t next_session; /* for ids */
	struct throttle *idle_work; /* owned: bytes that are thrown away, and refusals, of all sessions */
	bool is_stopping;
	bool traces_all;         /* whatever the configuration says */
	uint32_t report_round;   /* of server_report(): sessions that know it were told */
	bool is_reporting;
	struct loop_timer report;
	struct loop_timer stop_timer;
};

/*
 * Build everything and bind; nothing is accepted yet. NULL: err tells why. Takes a reference of config; the checker
 * outlives the server.
 */
struct server *server_new(struct loop *loop, struct config *config, const struct checker *checker, struct err *err);
void server_start(struct server *server);

/*
 * For those who build a server or change it: make this configuration's setup the current one, with its sockets, which
 * accept nothing before server_sockets_start(). All or nothing; see server_sockets_prepare() about `may_be_short`.
 */
MUST_CHECK bool server_adopt(struct server *server, struct config *config, bool may_be_short, struct err *err);

/*
 * Let another configuration be obeyed from now on; sessions end with the one that they began with. What has changed is
 * logged, and what needs a restart. All or nothing. False: err tells why not, and nothing has changed.
 */
MUST_CHECK bool server_reload(struct server *server, struct config *config, struct err *err);

/* The log as the configuration wants it. False: err tells why there is no syslog. */
MUST_CHECK bool server_open_log(const struct config *config, struct err *err);

/*
 * Stop accepting, end idle sessions, wait for messages that are under way (up to drain_timeout) and for deliveries that
 * have begun, then stop the loop. Again: at once.
 */
void server_stop(struct server *server);
void server_free(struct server **server);

/* A reload was tried, and this came of it: for the metrics, also where there was no configuration to be read. */
void server_reload_ended(struct server *server, bool is_ok);

struct proxy_facts;

/*
 * For proxy_gate: a connection counted in session_count is no longer waiting; and one whose header is
 * read is admitted like any other. The descriptor is taken over.
 */
void server_unreserve(struct server *server);
void server_admit(struct server *server, struct setup *setup, const struct setup_listener *listener, int fd,
		  const struct addr *peer, const struct proxy_facts *proxy);
/* Write all sessions to the log, a few in each turn; while it goes on, another call changes nothing. */
void server_report(struct server *server);

/* Trace what the configuration says, or everything after server_switch_trace(). */
void server_apply_trace(struct server *server);

/* Trace everything, or, if that is so already, only what the configuration says. */
void server_switch_trace(struct server *server);

/*
 * A session is another client's from here on, as if it had just come, unless the limits speak against it.
 * SMTP_REPLY_OK, or why not; then nothing has changed.
 */
enum smtp_reply_name server_session_moved(struct server *server, const struct addr *from, bool is_settled,
					  const struct addr *to);

/*
 * Called by sessions: one has said HELO (settled); one begins a handshake (unsettled; false: its client has too many of
 * those already); one ended, which was settled or not.
 */
void server_session_settled(struct server *server, const struct addr *client);
MUST_CHECK bool server_session_unsettled(struct server *server, const struct addr *client);
void server_session_gone(struct server *server, const struct addr *client, bool is_settled);

#endif
