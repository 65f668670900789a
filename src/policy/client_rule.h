/*
 * Rules for clients: the first of config->clients that holds for an address or
 * for the name of its host counts. Pure; whoever needs the name looks it up
 * and makes sure that it has the address in turn.
 */
#ifndef POLICY_CLIENT_RULE_H
#define POLICY_CLIENT_RULE_H

#include "conf/config.h"

/* `host` is a confirmed name in any case of letters; NULL: there is none, or it is not known. NULL: no rule. */
const struct client_config *client_rule_find(const struct config *config, const struct addr *client,
					     const char *host);

/* May the answer depend on the host's name? Then, and only then, it is worth a question. */
bool client_rule_needs_host(const struct config *config, const struct addr *client);

#endif
