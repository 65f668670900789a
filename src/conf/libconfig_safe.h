/*
 * libconfig.h without its config_read(): that name is taken by conf/config.h,
 * and reading from a FILE is what libconfig must never do here, because its
 * scanner ends the process when reading fails.
 */
#ifndef CONF_LIBCONFIG_SAFE_H
#define CONF_LIBCONFIG_SAFE_H

#define config_read libconfig_config_read
#include <libconfig.h>
#undef config_read

#endif
