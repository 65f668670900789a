/*
 * The policy `relayclient`: who is listed or has authenticated may write to
 * anybody, where the listener has relayclient. For those who are listed the
 * suffix is appended to each recipient, as mailfront does with $RELAYCLIENT.
 */
#include "policy/policy.h"

#include <stdlib.h>

bool policy_is_listed(const struct policy_facts *facts)
{
	const struct network_list *list = &facts->listener->session.relay_networks;

	if (facts->rule && facts->rule->has_relayclient)
		return facts->rule->relayclient;
	for (size_t i = 0; i < list->count; i++)
		if (addr_in_prefix(facts->client, &list->networks[i]))
			return true;
	return false;
}

/* The suffix of a listed client; NULL: none. */
static const char *suffix_of(const struct policy_facts *facts)
{
	const struct session_config *session = &facts->listener->session;

	if (facts->rule && facts->rule->has_relayclient && facts->rule->relayclient_suffix)
		return facts->rule->relayclient_suffix;
	return session->relayclient_suffix;
}

/*
 * a@b and ".x" make a@b.x; a@b and "@x" make "a@b"@x. The result must be an address like others; that of bare
 * postmaster stays as it is.
 */
static bool append(struct smtp_address *to, const struct smtp_address *from, struct span suffix)
{
	size_t len = (size_t)from->local_len + from->domain_len, at = span_find(suffix, '@');
	size_t local_len = from->local_len;
	bool moves = at < suffix.len;

	*to = *from;
	if (from->domain_len == 0)
		return true;
	if (len + suffix.len + 1 > sizeof(to->text))
		return false;
	if (moves) {
		memmove(to->text + local_len + 1, to->text + local_len, from->domain_len);
		to->text[local_len] = '@';
		len++;
		memcpy(to->text + len, suffix.ptr, at);
		local_len = len + at;
		len = local_len;
		suffix = span_from(suffix, at + 1);
	}
	memcpy(to->text + len, suffix.ptr, suffix.len);
	to->local_len = (uint16_t)local_len;
	to->domain_len = (uint16_t)(len + suffix.len - local_len);
	to->is_literal = false;
	return local_len <= SMTP_LOCAL_PART_MAX && to->domain_len <= SMTP_DOMAIN_MAX &&
	       local_len + to->domain_len < SMTP_PATH_MAX && (moves || !from->is_literal);
}

static enum policy_opinion relayclient_rcpt(const struct policy *p, const struct policy_facts *facts,
					    struct policy_verdict *v)
{
	const struct smtp_address *recipient = v->is_rewritten ? &v->recipient : facts->recipient;
	struct smtp_address appended;
	const char *suffix;

	(void)p;
	if (!facts->listener->session.relayclient)
		return POLICY_NO_OPINION;
	if (!policy_is_listed(facts))
		return facts->user ? POLICY_ACCEPT : POLICY_NO_OPINION;
	suffix = suffix_of(facts);
	if (!suffix || !*suffix)
		return POLICY_ACCEPT;
	if (!append(&appended, recipient, span_str(suffix))) {
		v->reply = smtp_reply(SMTP_REPLY_BAD_RECIPIENT);
		v->detail = "with relayclient_suffix it would be no address";
		return POLICY_REFUSE;
	}
	v->recipient = appended;
	v->is_rewritten = true;
	return POLICY_ACCEPT;
}

static void relayclient_free(struct policy *p)
{
	free(p);
}

static const struct policy_ops relayclient_ops = {
	.name = "relayclient",
	.hooks = { [POLICY_RCPT] = relayclient_rcpt },
	.free = relayclient_free,
};

struct policy *policy_relayclient_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->ops = &relayclient_ops;
	return p;
}
