#include "front/policies.h"

#include "policy/rates.h"

/* Takes over what a policy's _new() returned; false: that was NULL for want of memory. */
static bool add(struct policy_chain *chain, struct policy *p, struct err *err)
{
	if (!p)
		return err_set(err, "out of memory");
	policy_chain_add(chain, p);
	return true;
}

/* The same, where _new() has told why. */
static bool add_told(struct policy_chain *chain, struct policy *p)
{
	if (p)
		policy_chain_add(chain, p);
	return p != NULL;
}

/*
 * What refuses stands before what accepts, and what counts comes last, when it is known whether anybody
 * accepts. Aliases are followed before a suffix is appended.
 */
bool policies_build(struct policy_chain *chain, const struct config *config, struct loop *loop,
		    struct pool *pool, struct store *store, struct err *err)
{
	return add(chain, policy_refuse_new(), err) && add(chain, policy_require_auth_new(), err) &&
	       add_told(chain, policy_senders_new(config, loop, pool, err)) &&
	       add(chain, policy_local_parts_new(), err) &&
	       add_told(chain, policy_recipient_maps_new(config, loop, pool, err)) &&
	       add(chain, policy_domains_new(config->domains, config->domain_count), err) &&
	       add(chain, policy_relayclient_new(), err) && add(chain, policy_rates_new(config, store), err);
}

bool policies_check(const struct config *config, struct err *err)
{
	struct policy_chain chain;
	bool ok;

	policy_chain_init(&chain);
	ok = policies_build(&chain, config, NULL, NULL, NULL, err);
	policy_chain_fini(&chain);
	return ok;
}
