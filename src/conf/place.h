/*
 * Where in the configuration a setting stands, for errors that show only when
 * what it names is opened: a file that is missing, a port that is taken.
 */
#ifndef CONF_PLACE_H
#define CONF_PLACE_H

#include "base/err.h"
#include "conf/config_list.h"
#include "conf/option.h"

struct config;

/* Of a key whose group has these places; `otherwise`, which is the group's own, where it has the default. */
struct config_place config_place_of(enum option_group group, const struct config_place *places, const char *key,
				    struct config_place otherwise);

/* Of a key at top level; the file as a whole where it has the default. */
struct config_place config_place_of_top(const struct config *config, const char *key);

/* Put "file:line: " before the error, and "key: " behind that unless key is NULL. Returns false; is_config stays. */
bool config_place_tell(struct err *err, struct config_place place, const char *key);

/* The same for an error that begins with a key of the group: the place is that key's. */
bool config_place_tell_named(struct err *err, enum option_group group, const struct config_place *places,
			     struct config_place otherwise);

/* The same at top level; an error that begins with no key is left as it is. */
bool config_place_tell_top(struct err *err, const struct config *config);

#endif
