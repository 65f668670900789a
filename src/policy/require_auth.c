/*
 * The policy `require_auth`: RFC 4954 6, 530 to MAIL of whoever has not
 * authenticated and is not listed. A rule for clients that has the key wins
 * over the listener, and over the lists, in either direction.
 */
#include "policy/policy.h"

#include <stdlib.h>

static bool is_required(const struct policy_facts *facts)
{
	if (facts->rule && facts->rule->has_require_auth)
		return facts->rule->require_auth;
	return facts->listener->session.require_auth && !policy_is_listed(facts);
}

static enum policy_opinion require_auth_mail(const struct policy *p, const struct policy_facts *facts,
					     struct policy_verdict *v)
{
	(void)p;
	if (facts->user || !is_required(facts))
		return POLICY_NO_OPINION;
	v->reply = smtp_reply(SMTP_REPLY_AUTH_FIRST);
	return POLICY_REFUSE;
}

static void require_auth_free(struct policy *p)
{
	free(p);
}

static const struct policy_ops require_auth_ops = {
	.name = "require_auth",
	.hooks = { [POLICY_MAIL] = require_auth_mail },
	.free = require_auth_free,
};

struct policy *policy_require_auth_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->ops = &require_auth_ops;
	return p;
}
