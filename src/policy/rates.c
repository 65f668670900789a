/*
 * Each rate has a kind of its own in the store for what it is per; which rate
 * of the configuration it is, and what it measures, is in the tag. Sessions are
 * counted when they begin, messages at MAIL, recipients when somebody accepted
 * them, octets when the message was taken: whoever is beyond a rate then is put
 * off at the next MAIL.
 */
#include "policy/rates.h"

#include "policy/bucket.h"

#include <stdlib.h>

enum { KEYS_MAX = 65536 };

/* What is measured. */
enum measure { MEASURE_SESSIONS, MEASURE_MESSAGES, MEASURE_RECIPIENTS, MEASURE_OCTETS, MEASURES };

static const enum smtp_reply_name refusals[MEASURES] = {
	[MEASURE_SESSIONS] = SMTP_REPLY_RATE_OF_SESSIONS,
	[MEASURE_MESSAGES] = SMTP_REPLY_RATE_OF_MESSAGES,
	[MEASURE_RECIPIENTS] = SMTP_REPLY_RATE_OF_RECIPIENTS,
	[MEASURE_OCTETS] = SMTP_REPLY_RATE_OF_OCTETS,
};

static const char *const details[] = {
	[RATE_PER_CLIENT] = "per client",
	[RATE_PER_USER] = "per user",
	[RATE_PER_SENDER_DOMAIN] = "per sender_domain",
	[RATE_PER_LISTENER] = "per listener",
};

struct policy_rates {
	struct policy policy;
	const struct config *config;
	struct store *store; /* NULL: nothing is counted */
};

struct store *rates_store_new(void)
{
	return store_memory_new(RATE_PER_LISTENER + 1, KEYS_MAX);
}

static const struct rate_config *rate_of(const struct rates_config *rates, enum measure measure)
{
	switch (measure) {
	case MEASURE_SESSIONS:
		return &rates->sessions;
	case MEASURE_MESSAGES:
		return &rates->messages;
	case MEASURE_RECIPIENTS:
		return &rates->recipients;
	case MEASURE_OCTETS:
		return &rates->octets;
	case MEASURES:
		break;
	}
	BUG_ON(true);
}

static bool is_exempt(const struct policy_facts *facts, enum rate_per per)
{
	return facts->rule && facts->rule->has_rates && !facts->rule->rates &&
	       (per == RATE_PER_CLIENT || per == RATE_PER_SENDER_DOMAIN);
}

/* The periods are in the tag: a rate that was given another one begins anew. False: it does not count here. */
static bool make_key(const struct policy_rates *p, const struct rates_config *rates, enum measure measure,
		     const struct policy_facts *facts, struct store_key *key)
{
	*key = (struct store_key){
		.kind = (uint8_t)rates->per,
		.tag = (uint32_t)measure << 30 | (rate_of(rates, measure)->period_s & 0x3fffffff),
	};
	if (rate_of(rates, measure)->amount == 0 || is_exempt(facts, rates->per))
		return false;
	switch (rates->per) {
	case RATE_PER_CLIENT:
		key->prefix = addr_prefix_of(facts->client, p->config->client_prefix_ipv4,
					     p->config->client_prefix_ipv6);
		return true;
	case RATE_PER_USER:
		key->name = facts->user ? store_name(p->store, span_str(facts->user)) : 0;
		return facts->user != NULL;
	case RATE_PER_SENDER_DOMAIN:
		key->name = facts->sender ? store_name(p->store, facts->sender_domain) : 0;
		return facts->sender != NULL;
	case RATE_PER_LISTENER:
		key->name = store_name(p->store, span_str(facts->listener->listen));
		return true;
	}
	BUG_ON(true);
}

/* The first rate that has no room for so much more; NULL: all have. */
static const struct rates_config *find_full(const struct policy_rates *p, const struct policy_facts *facts,
					    enum measure measure, uint64_t amount)
{
	for (size_t i = 0; i < p->config->rates_count; i++) {
		const struct rates_config *rates = &p->config->rates[i];
		struct store_key key;

		if (make_key(p, rates, measure, facts, &key) &&
		    !bucket_has_room(p->store, &key, rate_of(rates, measure), amount, facts->now_ms * 1000000))
			return rates;
	}
	return NULL;
}

static void add(const struct policy_rates *p, const struct policy_facts *facts, enum measure measure,
		uint64_t amount)
{
	for (size_t i = 0; i < p->config->rates_count; i++) {
		const struct rates_config *rates = &p->config->rates[i];
		struct store_key key;

		if (make_key(p, rates, measure, facts, &key))
			bucket_add(p->store, &key, rate_of(rates, measure), amount, facts->now_ms * 1000000);
	}
}

static bool is_full(const struct policy_rates *p, const struct policy_facts *facts, enum measure measure,
		    uint64_t amount, struct policy_verdict *v)
{
	const struct rates_config *full = p->store ? find_full(p, facts, measure, amount) : NULL;

	if (!full)
		return false;
	v->reply = smtp_reply(refusals[measure]);
	v->detail = details[full->per];
	return true;
}

static enum policy_opinion count(const struct policy_rates *p, const struct policy_facts *facts,
				 enum measure measure, struct policy_verdict *v)
{
	if (is_full(p, facts, measure, 1, v))
		return POLICY_REFUSE;
	if (p->store && !facts->is_trial)
		add(p, facts, measure, 1);
	return POLICY_NO_OPINION;
}

static enum policy_opinion rates_connect(const struct policy *p, const struct policy_facts *facts,
					 struct policy_verdict *v)
{
	return count((const struct policy_rates *)p, facts, MEASURE_SESSIONS, v);
}

static enum policy_opinion rates_mail(const struct policy *p, const struct policy_facts *facts,
				      struct policy_verdict *v)
{
	const struct policy_rates *r = (const struct policy_rates *)p;

	if (is_full(r, facts, MEASURE_OCTETS, facts->octets ? facts->octets : 1, v))
		return POLICY_REFUSE;
	return count(r, facts, MEASURE_MESSAGES, v);
}

/* One that nobody accepts does not count: it will be refused, and costs its sender more than us. */
static enum policy_opinion rates_rcpt(const struct policy *p, const struct policy_facts *facts,
				      struct policy_verdict *v)
{
	if (!v->is_accepted)
		return POLICY_NO_OPINION;
	return count((const struct policy_rates *)p, facts, MEASURE_RECIPIENTS, v);
}

static void rates_taken(const struct policy *p, const struct policy_facts *facts, uint64_t octets)
{
	const struct policy_rates *r = (const struct policy_rates *)p;

	if (r->store && !facts->is_trial)
		add(r, facts, MEASURE_OCTETS, octets);
}

static void rates_free(struct policy *p)
{
	free(p);
}

static const struct policy_ops rates_ops = {
	.name = "rates",
	.hooks = {
		[POLICY_CONNECT] = rates_connect,
		[POLICY_MAIL] = rates_mail,
		[POLICY_RCPT] = rates_rcpt,
	},
	.taken = rates_taken,
	.free = rates_free,
};

struct policy *policy_rates_new(const struct config *config, struct store *store)
{
	struct policy_rates *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->policy.ops = &rates_ops;
	p->config = config;
	p->store = store;
	return &p->policy;
}
