/*
 * Where metrics are asked for: a socket of its own that speaks as much HTTP/1 as
 * Prometheus needs, one request a connection. It is the server's, counts as no
 * session, and is bounded by itself: connections at a time, bytes of a request,
 * time. It goes from setup to setup as listeners' sockets do, and closes with them
 * when the server stops.
 */
#ifndef FRONT_METRICS_HTTP_H
#define FRONT_METRICS_HTTP_H

#include "front/server.h"

enum {
	METRICS_HTTP_CONNECTIONS_MAX = 8,
	/* With the socket itself, and what is opened to look at the process. */
	METRICS_HTTP_FDS = METRICS_HTTP_CONNECTIONS_MAX + 2,
};

struct metrics_http;

/*
 * Open what the configuration wants, in *fresh, if that is not there already; NULL otherwise. False: err tells why, and
 * nothing has changed. A port that needs a privilege which the process no longer has is told, if `may_be_short`, and
 * what was there stays.
 */
MUST_CHECK bool metrics_http_prepare(struct server *server, const struct config *config, bool may_be_short,
				     struct metrics_http **fresh, struct err *err);

/* Take it over, and close the one before where it is no longer wanted. The configuration is the current setup's. */
void metrics_http_commit(struct server *server, const struct config *config, struct metrics_http **fresh);

/* Begin to accept, and tell so; once. */
void metrics_http_start(struct server *server);

/* Stop to accept; requests that have begun are answered. */
void metrics_http_stop(struct server *server);

/* Close all connections, too. */
void metrics_http_free(struct metrics_http **http);

#endif
