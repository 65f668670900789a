/*
 * TLS of the server: a context for each listener that has a certificate, made
 * anew when its files change, or on demand. A new one is taken only when all
 * of it is good; otherwise the old one stays, and the log says why. Sessions
 * keep the context that they began with.
 */
#ifndef FRONT_SERVER_TLS_H
#define FRONT_SERVER_TLS_H

#include "front/server.h"

/* Does the listener have TLS at all? */
bool server_tls_is_configured(const struct session_config *session);

/* Load everything that the configuration names, and forget it again. False: err tells where and what. */
MUST_CHECK bool front_tls_check(const struct config *config, struct err *err);

/* Fill in the listeners, and begin to watch files. False: err tells why, and server_tls_close() cleans up. */
MUST_CHECK bool server_tls_open(struct server *server, struct err *err);
void server_tls_close(struct server *server);

/* Load the certificates of all listeners again, whether they have changed or not. */
void server_tls_reload(struct server *server);

#endif
