/*
 * The policy `senders`: somebody who has authenticated sends in his or her own
 * name. What that is: the user's name where it is an address, else that local
 * part in any domain of ours; with "listed" also what sender_map has for the
 * user. The null sender is for everybody, because notices need it (RFC 3461 6.1).
 */
#include "policy/policy.h"

#include "conf/place.h"
#include "policy/map_file.h"

#include <stdlib.h>

struct policy_senders {
	struct policy policy;
	const struct config *config;
	struct map_file *file; /* owned; NULL: there is no sender_map */
};

static bool is_ours(const struct config *config, struct span domain)
{
	for (size_t i = 0; i < config->domain_count; i++)
		if (span_eq(domain, span_str(config->domains[i])))
			return true;
	return false;
}

/* Both in normal form, but for the case of letters. */
static bool is_own(const struct config *config, struct span user, struct span local, struct span domain)
{
	size_t at = user.len;

	while (at && user.ptr[at - 1] != '@')
		at--;
	if (at == 0)
		return span_ieq(user, local) && is_ours(config, domain);
	return span_ieq(span_head(user, at - 1), local) && span_ieq(span_from(user, at), domain);
}

/* A value of the map: an address, a local part in domains of ours, "@" and a domain, or "*". */
static bool covers(const struct config *config, struct span value, struct span local, struct span domain)
{
	if (span_eq(value, SPAN_LITERAL("*")))
		return true;
	if (value.ptr[0] == '@')
		return span_ieq(span_from(value, 1), domain);
	return is_own(config, value, local, domain);
}

static bool is_listed(const struct policy_senders *p, struct span user, struct span local, struct span domain)
{
	struct span values = SPAN_LITERAL(""), value;

	if (!p->file || !map_find(map_file_get(p->file), user, &values))
		return false;
	for (value = map_next_value(&values); value.len; value = map_next_value(&values))
		if (covers(p->config, value, local, domain))
			return true;
	return false;
}

static bool may_send(const struct policy_senders *p, const struct policy_facts *facts)
{
	enum sender_rights rights = facts->listener->session.sender_rights;
	struct span local = smtp_address_local(facts->sender), user;
	char text[MAP_KEY_MAX];
	size_t len;

	if (rights == SENDER_RIGHTS_ANY || smtp_address_is_null(facts->sender))
		return true;
	if (map_normalize(span_str(facts->user), text, &len))
		return false;
	user = span_of(text, len);
	return is_own(p->config, user, local, facts->sender_domain) ||
	       (rights == SENDER_RIGHTS_LISTED && is_listed(p, user, local, facts->sender_domain));
}

static enum policy_opinion senders_mail(const struct policy *p, const struct policy_facts *facts,
					struct policy_verdict *v)
{
	if (!facts->user || may_send((const struct policy_senders *)p, facts))
		return POLICY_NO_OPINION;
	v->reply = smtp_reply(SMTP_REPLY_SENDER_NOT_YOURS);
	return POLICY_REFUSE;
}

static void senders_free(struct policy *p)
{
	map_file_close(&((struct policy_senders *)p)->file);
	free(p);
}

static const struct policy_ops senders_ops = {
	.name = "senders",
	.hooks = { [POLICY_MAIL] = senders_mail },
	.free = senders_free,
};

struct policy *policy_senders_new(const struct config *config, struct loop *loop, struct pool *pool,
				  struct err *err)
{
	struct policy_senders *p = calloc(1, sizeof(*p));

	if (!p) {
		err_set(err, "out of memory");
		return NULL;
	}
	p->policy.ops = &senders_ops;
	p->config = config;
	if (!config->sender_map)
		return &p->policy;
	p->file = map_file_open(config->sender_map, MAP_SENDERS, loop, pool, err);
	if (p->file)
		return &p->policy;
	config_place_tell(err, config_place_of_top(config, "sender_map"), "sender_map");
	err->is_config = true;
	free(p);
	return NULL;
}
