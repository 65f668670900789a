/*
 * The policy `rates`: how much may come within a time, per client, user, domain
 * of the sender, and listener. What was counted is in a store that outlives the
 * configuration, so that a reload forgets nothing.
 */
#ifndef POLICY_RATES_H
#define POLICY_RATES_H

#include "policy/policy.h"
#include "policy/store.h"

/* The store for all rates of the process. NULL: out of memory. */
struct store *rates_store_new(void);

/* Configuration and store are borrowed; with no store nothing is counted, and no rate is exceeded. NULL: out of memory. */
struct policy *policy_rates_new(const struct config *config, struct store *store);

#endif
