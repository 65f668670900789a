/*
 * One connection's session in the world: it runs the protocol machine on the
 * connection's bytes, keeps the clocks, and logs. What the events mean is
 * decided in session_steps. It belongs to the server's list until it ends.
 */
#ifndef FRONT_SESSION_SHELL_H
#define FRONT_SESSION_SHELL_H

#include "front/envelope.h"
#include "front/server.h"
#include "net/conn.h"
#include "net/throttle.h"

enum { SESSION_ID_SIZE = 13, MESSAGE_ID_SIZE = SESSION_ID_SIZE + 11 };

struct session_auth;

struct session_shell {
	struct list link; /* in server.sessions */
	struct server *server;
	struct setup *setup; /* holds a reference: what it began with is what it ends with */
	const struct setup_listener *listener; /* of the setup */
	const struct client_config *rule; /* of the setup's configuration, for this client; NULL: none */
	struct conn *conn;         /* owned; NULL once ended */
	struct addr client;        /* who it is that we serve; a proxy may stand between */
	struct smtp_session *smtp; /* owned */
	struct smtp_session_options options; /* lent to it */
	struct envelope *envelope; /* owned; NULL outside a transaction */
	char *helo_name;           /* owned; NULL before HELO */
	char *user;                /* owned; who has authenticated; NULL: nobody */
	uint32_t rejected_recipients; /* with a permanent error */
	char *auth_mechanisms;     /* owned; lent to the machine; NULL: none */
	struct session_auth *auth; /* owned; NULL before the first AUTH */
	struct op host_op;         /* the name of the client's host is looked up */
	struct loop_timer timer;
	struct throttle_waiter rest; /* waits while is_resting */
	struct loop_garbage garbage;
	uint64_t begun_ms;
	uint64_t active_ms;        /* when the peer last sent or read something */
	uint64_t deciding_since_ms;
	uint64_t handshake_since_ms;
	uint64_t resting_since_ms;
	uint64_t rate_since_ms;    /* the data rate is reckoned from then on, */
	uint64_t rate_bytes;       /* and from so many bytes in */
	const char *last_reason;   /* of the last error reply; NULL: none */
	const char *parting;       /* why the session ends once its last words have left; NULL: it goes on */
	uint32_t messages;         /* that reached a verdict; the next id */
	uint32_t accepted;
	uint32_t errors;           /* error replies */
	uint32_t errors_reckoned;  /* how many of them were, or are being, paid for */
	int lost_error;
	uint32_t report_round;     /* of server_report(), in which it was told last */
	bool is_extended;          /* EHLO */
	bool is_blocked;           /* output waits for the peer to read */
	bool is_eof;               /* the peer sends no more */
	bool is_parting_clean;     /* and nothing that it sent is thrown away */
	bool is_deciding;          /* an op runs; the peer owes nothing */
	bool is_committing;        /* and it must not be cut */
	bool is_lost;              /* and the peer has gone meanwhile, by lost_error */
	bool is_resting;           /* pays for what was in vain: see server.idle_work */
	bool is_greeting_late;     /* greeting_delay runs */
	bool is_settled;           /* has said HELO, and shakes no hands */
	bool is_tls_due;           /* 220 to STARTTLS is on its way; then the handshake */
	bool is_handshaking;
	bool is_tls;               /* here, or between client and proxy */
	bool may_xclient;          /* the peer is listed in xclient_from */
	bool is_proxied;           /* peer of the connection is a proxy, which told who the client is */
	char proxied_tls_version[16], proxied_tls_cipher[64]; /* of TLS that ends at the proxy; "": not told */
	bool is_in_body;           /* content was being sent when the last input had been used */
	char id[SESSION_ID_SIZE];
};

struct proxy_facts;

/*
 * Take over an accepted connection, of which a proxy has told these facts (NULL: there is none between).
 * `listener` is of this setup. False: out of memory; fd is closed. The client was counted already.
 */
MUST_CHECK bool session_shell_start(struct server *server, struct setup *setup, const struct setup_listener *listener,
				    int fd, const struct addr *peer, const struct proxy_facts *proxy);

/* The answer to an event that was waited for; goes on with the session. From an op's done() only. */
void session_shell_decided(struct session_shell *sh, const struct smtp_reply *reply);

/* The content of the message is wanted again: goes on with the session. From an op's done() only. */
void session_shell_resume(struct session_shell *sh);

/* CONNECT was decided, after a wait: refuse, or greet as soon as may be. */
void session_shell_greet(struct session_shell *sh, const struct smtp_reply *reply);

/* This rule for clients, or NULL, is the one that holds from here on. */
void session_shell_take_rule(struct session_shell *sh, const struct client_config *rule);

/* The process stops: 421 and close, unless a commit has begun, or, with patience, anything of a message. */
void session_shell_shut_down(struct session_shell *sh, bool is_patient);

/* The process ends: close at once. */
void session_shell_abandon(struct session_shell *sh);

/* The id of the message that is being received. Returns text. */
const char *session_shell_message_id(const struct session_shell *sh, char text[MESSAGE_ID_SIZE]);

/*
 * The one line for each error reply. `stage` is what was being done, `line` the command as it came
 * (empty: none), `detail` what the system said (NULL or "": nothing).
 */
void session_shell_log_refusal(struct session_shell *sh, const struct smtp_reply *reply, const char *stage,
			       struct span line, const char *detail);

#endif
