/*
 * What limits remember: for each key one moment, until which it means something
 * (policy/bucket.h makes rates of that). The interface lets another store take
 * the place of the one in memory; all of them answer at once and never fail.
 * The one in memory holds so many keys of each kind and no more: beyond that the
 * one whose moment is nearest is dropped, which is the one that tells the least.
 * A flood of keys of one kind takes nothing away from the others.
 */
#ifndef POLICY_STORE_H
#define POLICY_STORE_H

#include "base/addr.h"
#include "base/bug.h"
#include "base/siphash.h"

/* Without gaps, and zero where there is nothing: keys are compared as octets. */
struct store_key {
	uint64_t name; /* of store_name(); 0: none */
	struct addr_prefix prefix;
	uint8_t kind; /* what counts; from 0 on, below the store's number of kinds */
	uint8_t unused;
	uint32_t tag;
};
_Static_assert(sizeof(struct store_key) == 32, "no gaps in a key");

struct store;

struct store_ops {
	const char *name;
	/* The moment of a key, in nanoseconds; 0: none, or it is past. */
	uint64_t (*get)(struct store *store, const struct store_key *key, uint64_t now_ns);
	/* Remember it; a moment that is past forgets the key. */
	void (*set)(struct store *store, const struct store_key *key, uint64_t until_ns, uint64_t now_ns);
	void (*free)(struct store *store);
};

struct store {
	const struct store_ops *ops;
	struct siphash_key secret;
};

/*
 * Memory for all keys is reserved here, and used as they come. NULL: out of memory, or the system
 * has no random numbers.
 */
struct store *store_memory_new(unsigned kinds, uint32_t max_keys_per_kind);

/* How many keys of a kind are remembered; for the store in memory only. */
uint32_t store_memory_count(const struct store *store, unsigned kind);

static inline uint64_t store_get(struct store *store, const struct store_key *key, uint64_t now_ns)
{
	return store->ops->get(store, key, now_ns);
}

static inline void store_set(struct store *store, const struct store_key *key, uint64_t until_ns,
			     uint64_t now_ns)
{
	store->ops->set(store, key, until_ns, now_ns);
}

static inline void store_free(struct store **store)
{
	if (*store)
		(*store)->ops->free(*store);
	*store = NULL;
}

/* A name of any length as a key has it; letters of ASCII are the same in both cases. Never 0. */
uint64_t store_name(const struct store *store, struct span name);

#endif
