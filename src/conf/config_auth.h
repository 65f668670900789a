/*
 * The part of the configuration that says where users are known.
 */
#ifndef CONF_CONFIG_AUTH_H
#define CONF_CONFIG_AUTH_H

#include "conf/config_list.h"

enum auth_type {
	AUTH_TYPE_FILE,
	AUTH_TYPE_CERTIFICATE,
};

/* One of auth. */
struct auth_config {
	enum auth_type type;
	const char *path;            /* file: the password file */
	struct text_list mechanisms; /* in upper case; none: those that reach everybody */
	struct config_place place;
	const struct config_place *places;
};

#endif
