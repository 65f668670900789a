/*
 * The settings of mailfront, which are variables, as keys of the configuration:
 * each row of the option table names the variable that it takes over. They count
 * like keys at top level, where they win over the file.
 */
#ifndef CONF_SEED_H
#define CONF_SEED_H

#include "conf/config.h"
#include "conf/environment.h"

#include <libconfig.h>

/*
 * Add a key to `group`, the root of an empty tree, for each variable that is set;
 * seed_variable() tells which it was. Notes in the configuration the variables
 * that nothing takes over. False: err names the variable.
 */
MUST_CHECK bool seed_read(struct config *config, const struct environment *environment,
			  config_setting_t *group, struct err *err);

/* "$TIMEOUT", as long as the configuration lives; NULL: the setting stands in a file. */
const char *seed_variable(const config_setting_t *setting);

#endif
