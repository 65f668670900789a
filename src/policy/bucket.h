/*
 * Rates: so much of something within some time. A key's bucket drains evenly
 * and holds what may come at once, which is all of one period. The store keeps
 * the moment at which it will be empty: an empty bucket takes no memory.
 */
#ifndef POLICY_BUCKET_H
#define POLICY_BUCKET_H

#include "conf/config.h"
#include "policy/store.h"

/* Would `amount` more go in? More than a whole bucket goes into an empty one. A rate of 0 has no limit. */
bool bucket_has_room(struct store *store, const struct store_key *key, const struct rate_config *rate,
		     uint64_t amount, uint64_t now_ns);

/* Put it in, room or not; a bucket is never fuller than twice what it holds. */
void bucket_add(struct store *store, const struct store_key *key, const struct rate_config *rate,
		uint64_t amount, uint64_t now_ns);

/* What is in it, rounded up. */
uint64_t bucket_level(struct store *store, const struct store_key *key, const struct rate_config *rate,
		      uint64_t now_ns);

#endif
