/*
 * TLS of a setup: a context for each listener that has a certificate; and of the
 * server: it is made anew when its files change. A new one is taken only when all
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

/*
 * Fill in the contexts of the setup's listeners; `older` (or NULL) has those whose tickets stay
 * good. False: err tells where and what; those that were made are the setup's to free.
 */
MUST_CHECK bool server_tls_load(struct setup *setup, const struct setup *older, struct err *err);

/* Begin to watch the files of the current setup. False: err tells why. */
MUST_CHECK bool server_tls_open(struct server *server, struct err *err);
void server_tls_close(struct server *server);

#endif
