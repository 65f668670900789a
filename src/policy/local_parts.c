/*
 * The policy `local_parts`. Old mailers read user%domain@host, host!user and
 * "user@domain"@host as "send on to there": whoever stands in front of one, as
 * we do, must not take such recipients in good faith, not even for domains of
 * ours (RFC 5321 App. C and F.2). Source routes were stripped before.
 */
#include "policy/policy.h"

#include <stdlib.h>

static enum policy_opinion local_parts_rcpt(const struct policy *p, const struct policy_facts *facts,
					    struct policy_verdict *v)
{
	struct span local = smtp_address_local(facts->recipient);

	(void)p;
	for (size_t i = 0; i < local.len; i++) {
		if (local.ptr[i] == '%' || local.ptr[i] == '!' || local.ptr[i] == '@') {
			v->reply = smtp_reply(SMTP_REPLY_ROUTED_RECIPIENT);
			return POLICY_REFUSE;
		}
	}
	return POLICY_NO_OPINION;
}

static void local_parts_free(struct policy *p)
{
	free(p);
}

static const struct policy_ops local_parts_ops = {
	.name = "local_parts",
	.hooks = { [POLICY_RCPT] = local_parts_rcpt },
	.free = local_parts_free,
};

struct policy *policy_local_parts_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->ops = &local_parts_ops;
	return p;
}
