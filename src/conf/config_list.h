/*
 * Small things that the configuration is made of: places, lists, rates.
 */
#ifndef CONF_CONFIG_LIST_H
#define CONF_CONFIG_LIST_H

#include "base/addr.h"

/* Where something stands. File NULL: nowhere, it is a default. Line 0: in a variable, such as "$TIMEOUT". */
struct config_place {
	const char *file;
	int line;
};

struct network_list {
	const struct addr_prefix *networks; /* NULL: none was given */
	size_t count;
};

struct text_list {
	const char *const *texts; /* NULL: none was given */
	size_t count;
};

/* Where something of ours listens. */
struct bind_config {
	const char *text; /* as written; NULL: nowhere */
	struct addr addr;
};

/* So much within so long; an amount of 0 is no limit. */
struct rate_config {
	uint64_t amount;
	uint32_t period_s;
};

#endif
