#include "policy/bucket.h"

static uint64_t period_ns(const struct rate_config *rate)
{
	return rate->period_s * UINT64_C(1000000000);
}

/* How long it takes to drain so much; UINT64_MAX at most. */
static uint64_t cost_ns(const struct rate_config *rate, uint64_t amount)
{
	unsigned __int128 cost = (unsigned __int128)amount * period_ns(rate);

	cost = (cost + rate->amount - 1) / rate->amount;
	return cost > UINT64_MAX ? UINT64_MAX : (uint64_t)cost;
}

/* How long it takes until it is empty. */
static uint64_t fill_ns(struct store *store, const struct store_key *key, uint64_t now_ns)
{
	uint64_t until_ns = store_get(store, key, now_ns);

	return until_ns > now_ns ? until_ns - now_ns : 0;
}

bool bucket_has_room(struct store *store, const struct store_key *key, const struct rate_config *rate,
		     uint64_t amount, uint64_t now_ns)
{
	uint64_t fill, cost;

	if (rate->amount == 0)
		return true;
	fill = fill_ns(store, key, now_ns);
	cost = cost_ns(rate, amount);
	return fill == 0 || (cost <= period_ns(rate) && fill <= period_ns(rate) - cost);
}

void bucket_add(struct store *store, const struct store_key *key, const struct rate_config *rate,
		uint64_t amount, uint64_t now_ns)
{
	uint64_t fill, cost, most = 2 * period_ns(rate);

	if (rate->amount == 0)
		return;
	fill = fill_ns(store, key, now_ns);
	cost = cost_ns(rate, amount);
	fill = fill > most || cost > most - fill ? most : fill + cost;
	store_set(store, key, now_ns + fill, now_ns);
}

uint64_t bucket_level(struct store *store, const struct store_key *key, const struct rate_config *rate,
		      uint64_t now_ns)
{
	unsigned __int128 level;

	if (rate->amount == 0)
		return 0;
	level = (unsigned __int128)fill_ns(store, key, now_ns) * rate->amount;
	return (uint64_t)((level + period_ns(rate) - 1) / period_ns(rate));
}
