/*
 * All metrics of a server as one text: what was counted (front/metrics.h), what
 * is so at this moment, and what the system says of the process.
 */
#ifndef FRONT_SERVER_METRICS_H
#define FRONT_SERVER_METRICS_H

#include "front/server.h"

/* Append them. It takes no longer than a short turn of the loop, whatever there is. False: out of memory. */
MUST_CHECK bool server_metrics_write(const struct server *server, struct buf *out);

#endif
