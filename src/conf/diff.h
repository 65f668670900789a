/*
 * What differs between two configurations, key by key, for the log of a reload.
 * Both are compared as they are dumped (conf/dump.h), so that a key which can be
 * dumped can be compared, and values read as one would write them.
 */
#ifndef CONF_DIFF_H
#define CONF_DIFF_H

#include "base/bug.h"
#include "conf/config.h"

struct config_change {
	/* "timeout", "backends.inbox.quota", "listeners[[::]:25].timeout", "routes[0].domain"; or of a whole group */
	const char *path;
	/*
	 * NULL: it is not there. A whole group has the keys that were given in it, "{ path = \"/m\"; }", and long lists
	 * only have the members that differ, "( ..., \"new.example\", ... )". About 500 octets of a list or a group at most.
	 */
	const char *before, *after;
	bool is_reloadable;         /* what the option table says; whole groups are */
};

/* Calls tell() for each, ordered by path; what it is given is lent for the call. False: out of memory. */
MUST_CHECK bool config_diff(const struct config *before, const struct config *after,
			    void (*tell)(void *owner, const struct config_change *change), void *owner);

/*
 * Are these two written the same, as they are dumped? Not what keys elsewhere come to in them (hostname). False
 * for want of memory, too.
 */
bool config_backend_is_same(const struct backend_config *a, const struct backend_config *b);

#endif
