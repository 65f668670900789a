/*
 * The policy `refuse`: a rule for clients turns its clients away, with its own
 * words. At MAIL it is asked again, for clients that came by XCLIENT: there the
 * connection is a proxy's, and goes on. The reply is the verdict's own.
 */
#include "policy/policy.h"

#include <stdlib.h>

static enum policy_opinion refuse_client(const struct policy *p, const struct policy_facts *facts,
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
	.hooks = { [POLICY_CONNECT] = refuse_client, [POLICY_MAIL] = refuse_client },
	.free = refuse_free,
};

struct policy *policy_refuse_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->ops = &refuse_ops;
	return p;
}
