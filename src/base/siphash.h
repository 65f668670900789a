/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a hash that nobody who does not
 * know the key can aim at a value. For tables whose keys strangers choose.
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/span.h"

struct siphash_key {
	uint64_t low, high;
};

uint64_t siphash(const struct siphash_key *key, struct span text);

/* The same of the text in small letters (ASCII only), without a copy of it. */
uint64_t siphash_lower(const struct siphash_key *key, struct span text);

#endif
