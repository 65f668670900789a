/*
 * What the files of the lint share.
 */
#ifndef CONF_LINT_PRIVATE_H
#define CONF_LINT_PRIVATE_H

#include "conf/config.h"
#include "conf/lint.h"

struct lint {
	struct config *config;
	struct err *err;
	bool out_of_memory;
};

void lint_warn(struct lint *l, struct config_place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Returns false. */
bool lint_fail(struct lint *l, struct config_place place, const char *text);

/* Where a key stands at top level. */
struct config_place lint_key_place(const struct config *config, const char *key);

/* Where a key of this listener stands; the listener itself where it has the default. */
struct config_place lint_listener_key_place(const struct listener_config *listener, const char *key);

/* Who may send what (lint_rules.c). False: an error was told. */
bool lint_check_rules(struct lint *l);

/* Keys of backends that contradict one another (lint_backends.c). False: an error was told. */
bool lint_check_backends(struct lint *l);

/* May anybody write to recipients outside of domains? */
bool lint_may_relay(const struct config *config);

#endif
