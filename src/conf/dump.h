/*
 * The effective configuration as a configuration file: every key with the value
 * that holds, defaults included. Reading it back gives the same configuration.
 */
#ifndef CONF_DUMP_H
#define CONF_DUMP_H

#include "conf/config.h"

#include <stdio.h>

/*
 * With `with_places` a comment behind each value tells where it comes from:
 * "# default", "# file:line" or "# $TIMEOUT". False: writing failed; errno tells why.
 */
bool config_dump(const struct config *config, bool with_places, FILE *out);

/* One backend of it, without places. */
bool config_dump_backend(const struct backend_config *backend, FILE *out);

#endif
