/*
 * The policy `refuse`: a rule for clients turns its clients away, with its own
 * words. The reply is of the verdict's own, made for the occasion.
 */
#include "policy/policy.h"

#include <stdlib.h>

static enum policy_opinion refuse_connect(const struct policy *p, const struct policy_facts *facts,
					  struct policy_verdict *v)
{
	(void)p;
	if (!facts->rule || !facts->rule->refuse)
		return POLICY_NO_OPINION;
	v->own = *smtp_reply(SMTP_REPLY_CLIENT_REFUSED);
	v->own.text = facts->rule->refuse;
	v->reply = &v->own;
	return POLICY_REFUSE;
}

static void refuse_free(struct policy *p)
{
	free(p);
}

static const struct policy_ops refuse_ops = {
	.name = "refuse",
	.hooks = { [POLICY_CONNECT] = refuse_connect },
	.free = refuse_free,
};

struct policy *policy_refuse_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->ops = &refuse_ops;
	return p;
}
