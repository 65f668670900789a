/*
 * The policy `domains`: we receive for these, whoever sends. Its domains are
 * borrowed from the configuration, which outlives it.
 */
#include "policy/policy.h"

#include <stdlib.h>

struct policy_domains {
	struct policy policy;
	const char *const *domains;
	size_t count;
};

static enum policy_opinion domains_rcpt(const struct policy *p, const struct policy_facts *facts,
					struct policy_verdict *v)
{
	const struct policy_domains *d = (const struct policy_domains *)p;

	(void)v;
	if (smtp_address_is_bare_postmaster(facts->recipient))
		return POLICY_ACCEPT; /* RFC 5321 4.5.1: always */
	for (size_t i = 0; i < d->count; i++)
		if (span_eq(facts->recipient_domain, span_str(d->domains[i])))
			return POLICY_ACCEPT;
	return POLICY_NO_OPINION;
}

static void domains_free(struct policy *p)
{
	free(p);
}

static const struct policy_ops domains_ops = {
	.name = "domains",
	.hooks = { [POLICY_RCPT] = domains_rcpt },
	.free = domains_free,
};

struct policy *policy_domains_new(const char *const *domains, size_t count)
{
	struct policy_domains *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->policy.ops = &domains_ops;
	d->domains = domains;
	d->count = count;
	return &d->policy;
}
