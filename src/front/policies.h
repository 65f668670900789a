/*
 * The chain of policies that a configuration asks for: the one place where their
 * order is decided, for sessions as for smtpfrontd --explain.
 */
#ifndef FRONT_POLICIES_H
#define FRONT_POLICIES_H

#include "policy/policy.h"

struct store;

/*
 * Fill a chain that is empty; the configuration and the store of rates are borrowed. With pool and store NULL files
 * are read once, and nothing is counted. False: err tells why, and the chain is to be given back all the same.
 */
MUST_CHECK bool policies_build(struct policy_chain *chain, const struct config *config, struct loop *loop,
			       struct pool *pool, struct store *store, struct err *err);

/* Read the files that policies name, and forget them again. False: err tells what is wrong. */
MUST_CHECK bool policies_check(const struct config *config, struct err *err);

#endif
