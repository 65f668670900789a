/*
 * smtpfrontd --explain: what a session would be told, without one. It asks the
 * policies, rules and routes that sessions ask, and prints each opinion; what
 * only a backend or a peer of ours can know is named and not asked.
 */
#ifndef FRONT_EXPLAIN_H
#define FRONT_EXPLAIN_H

#include "base/bug.h"
#include "conf/config.h"

#include <stdio.h>

/*
 * `arguments` are KEY=VALUE with the keys client (required), host, listener, helo, tls, user, sender and recipient.
 * False: err tells what is wrong with them, or with the files that policies read.
 */
MUST_CHECK bool explain(const struct config *config, char *const *arguments, size_t count, FILE *out,
			struct err *err);

#endif
