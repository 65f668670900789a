/*
 * Connections of load balancers: before anything else the PROXY header is read,
 * which tells whose session it is going to be. Until then a connection is only a
 * descriptor, a clock and the header's bytes. The proxy itself is limited by
 * max_sessions alone; its clients are limited as if they had come directly.
 */
#ifndef FRONT_PROXY_GATE_H
#define FRONT_PROXY_GATE_H

#include "front/server.h"

/* Must a connection of this peer begin with a PROXY header? */
bool proxy_gate_is_for(const struct setup_listener *listener, const struct addr *peer);

/* Take over such a connection. */
void proxy_gate_start(struct server *server, const struct setup_listener *listener, int fd, const struct addr *peer);

/* Close all that wait for their header. */
void proxy_gate_stop(struct server *server);

#endif
