/*
 * What no single key can tell: whether the parts of a configuration go together.
 * What cannot work is an error, what is hardly meant is a warning.
 */
#ifndef CONF_LINT_H
#define CONF_LINT_H

#include "conf/config.h"

/* False: err tells where and what. Fills config->warnings. */
bool lint_check(struct config *config, struct err *err);

#endif
