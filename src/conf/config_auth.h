/*
 * The part of the configuration that says where users are known.
 */
#ifndef CONF_CONFIG_AUTH_H
#define CONF_CONFIG_AUTH_H

#include "conf/config_list.h"

enum auth_type {
	AUTH_TYPE_FILE,
	AUTH_TYPE_CERTIFICATE,
	AUTH_TYPE_DOVECOT,
	AUTH_TYPE_CHECKPASSWORD,
	AUTH_TYPE_PAM,
};

/* One of auth. */
struct auth_config {
	enum auth_type type;
	const char *path;            /* file: the password file; dovecot: the socket */
	struct text_list command;    /* checkpassword: the program's path, and arguments */
	uint32_t timeout_s;          /* dovecot, checkpassword */
	uint32_t max_children;       /* checkpassword */
	const char *service;         /* pam */
	const char *pam_directory;   /* pam: NULL: the system's */
	bool set_id;                 /* checkpassword, pam */
	struct text_list mechanisms; /* in upper case; none: those that reach everybody */
	struct config_place place;
	const struct config_place *places;
};

#endif
