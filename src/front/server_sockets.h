/*
 * The sockets that a server listens on. They outlive setups: one that an older
 * setup had, too, is kept as it is, with all that waits in it, and serves the
 * newer one. A socket and who is served there are changed together.
 */
#ifndef FRONT_SERVER_SOCKETS_H
#define FRONT_SERVER_SOCKETS_H

#include "front/server.h"
#include "net/listener.h"

/* A listening socket, and the listener of the current setup that it is for. */
struct server_socket {
	struct list link; /* in server.sockets, whose head owns it */
	struct server *server;
	struct listener *listener;      /* owned */
	struct setup_listener *obeys;   /* of server.setup */
	struct setup_listener *next;    /* between prepare and commit: of the setup to come; NULL: none */
	const char *handed_name;        /* in server.handed; NULL: opened here */
	bool is_v6_only;                /* as it was opened */
	bool is_started;
};

/*
 * Find or open a socket, or all that were handed over by that name, for each listener of a setup to come; those opened are in `fresh`, whose head owns them. What
 * needs a privilege that the process no longer has is left out and told, if `may_be_short`. False: err tells why, and
 * nothing has changed but for `fresh`, which server_sockets_close() empties.
 */
MUST_CHECK bool server_sockets_prepare(struct server *server, struct setup *setup, bool may_be_short,
				       listener_accept_fn accept, struct list *fresh, struct err *err);

/* Take the fresh ones over, close those that nobody wants any more, and let the setup be obeyed. */
void server_sockets_commit(struct server *server, struct list *fresh);

/* Tell about each socket that is not accepting yet, and begin. */
void server_sockets_start(struct server *server);

/* Warn of those that were handed over and that nobody accepts from. */
void server_sockets_tell_unused(const struct server *server);

void server_sockets_close(struct list *sockets);

#endif
