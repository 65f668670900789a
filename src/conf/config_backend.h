/*
 * The parts of the configuration that are about single kinds of backends: see
 * conf/config.h.
 */
#ifndef CONF_CONFIG_BACKEND_H
#define CONF_CONFIG_BACKEND_H

#include "conf/config_relay.h"

enum backend_type {
	BACKEND_MAILDIR,
	BACKEND_NULL,
	BACKEND_LMTP,
	BACKEND_SMTP,
	BACKEND_QMAIL_QUEUE,
	BACKEND_SENDMAIL,
};

/* Keys of qmail-queue and sendmail. */
struct pipe_config {
	struct text_list command;     /* the program's path, and arguments; empty: as the type has it */
	struct text_list environment; /* "NAME": as we have it; "NAME=value" */
	struct text_list replies;     /* qmail-queue only; see conf/exit_reply.h */
	uint32_t timeout_s;
	uint32_t max_children;
	bool set_id;
};

struct config;

/*
 * Does a backend or a source of users run a program that is set-user-ID or set-group-ID, or may one of its run such?
 * Then no_new_privs would take from it what it needs. Programs that check passwords do not count where they are apart,
 * in a process that keeps what they need.
 */
bool config_runs_set_id(const struct config *config, bool are_checks_apart);

#endif
