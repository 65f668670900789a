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

static void init_verdict(struct policy_verdict *v)
{
	v->policy = "none";
	v->reply = NULL;
	v->detail = NULL;
	v->is_accepted = v->is_rewritten = false;
}

static enum policy_opinion ask(const struct policy *p, enum policy_stage stage,
			       const struct policy_facts *facts, struct policy_verdict *v)
{
	enum policy_opinion opinion = POLICY_NO_OPINION;

	if (p->ops->hooks[stage])
		opinion = p->ops->hooks[stage](p, facts, v);
	BUG_ON(opinion == POLICY_REFUSE && !v->reply);
	v->is_accepted |= opinion == POLICY_ACCEPT;
	if (p->ops->hooks[stage] && v->asked)
		v->asked(v->owner, v, p->ops->name, opinion);
	return opinion;
}

const struct smtp_reply *policy_chain_ask(const struct policy_chain *chain, enum policy_stage stage,
					  const struct policy_facts *facts, struct policy_verdict *v)
{
	init_verdict(v);
	for (const struct policy *p = chain->first; p; p = p->next) {
		if (ask(p, stage, facts, v) == POLICY_REFUSE) {
			v->policy = p->ops->name;
			return v->reply;
		}
	}
	if (stage == POLICY_RCPT && !v->is_accepted) {
		v->reply = smtp_reply(SMTP_REPLY_RELAY_DENIED);
		return v->reply;
	}
	v->policy = NULL;
	return NULL;
}

void policy_chain_taken(const struct policy_chain *chain, const struct policy_facts *facts, uint64_t octets)
{
	for (const struct policy *p = chain->first; p; p = p->next)
		if (p->ops->taken)
			p->ops->taken(p, facts, octets);
}
