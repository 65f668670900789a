#include "policy/policy.h"

#include <stddef.h>

void policy_chain_init(struct policy_chain *chain)
{
	chain->first = NULL;
	chain->end = &chain->first;
}

void policy_chain_fini(struct policy_chain *chain)
{
	while (chain->first) {
		struct policy *p = chain->first;

		chain->first = p->next;
		p->ops->free(p);
	}
	chain->end = &chain->first;
}

void policy_chain_add(struct policy_chain *chain, struct policy *p)
{
	p->next = NULL;
	*chain->end = p;
	chain->end = &p->next;
}

const struct smtp_reply *policy_chain_rcpt(const struct policy_chain *chain, const struct policy_facts *facts,
					   const char **policy)
{
	bool is_accepted = false;

	for (const struct policy *p = chain->first; p; p = p->next) {
		const struct smtp_reply *reply = NULL;

		*policy = p->ops->name;
		switch (p->ops->rcpt ? p->ops->rcpt(p, facts, &reply) : POLICY_NO_OPINION) {
		case POLICY_REFUSE:
			return reply;
		case POLICY_ACCEPT:
			is_accepted = true;
			break;
		case POLICY_NO_OPINION:
			break;
		}
	}
	*policy = "none";
	return is_accepted ? NULL : smtp_reply(SMTP_REPLY_RELAY_DENIED);
}
