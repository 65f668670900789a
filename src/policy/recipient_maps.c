/*
 * The policy `recipient_maps`: each map is asked for the recipient, in order;
 * where one has an alias, its target is asked for in turn. The first that knows
 * the address decides. A map that is complete for its domain makes everybody
 * else in it unknown, but never postmaster where there is one.
 */
#include "policy/policy.h"

#include "base/utf8.h"
#include "conf/place.h"
#include "policy/map_file.h"

#include <stdlib.h>

enum { STEPS_MAX = 10 };

struct recipient_map {
	const struct recipient_map_config *config;
	struct map *listed;    /* owned: what the configuration itself lists */
	struct map_file *file; /* owned; NULL: none */
};

struct policy_recipient_maps {
	struct policy policy;
	const struct config *config;
	struct recipient_map *maps; /* owned; as config->recipient_maps */
};

/* An address on its way through the maps, in normal form. */
struct target {
	char text[MAP_KEY_MAX];
	size_t len, at; /* the @ stands there */
};

enum search { SEARCH_UNKNOWN, SEARCH_KNOWN, SEARCH_ALIAS };

static struct span local_of(const struct target *t)
{
	return span_of(t->text, t->at);
}

static struct span domain_of(const struct target *t)
{
	return span_of(t->text + t->at + 1, t->len - t->at - 1);
}

static bool find_key(const struct recipient_map *m, struct span key, struct span *value)
{
	return map_find(m->listed, key, value) || (m->file && map_find(map_file_get(m->file), key, value));
}

/* By the whole address, by the local part where the map has a domain of its own, by the domain. */
static bool find(const struct recipient_map *m, const struct target *t, size_t local_len, struct span *value)
{
	struct span local = span_head(local_of(t), local_len);
	char key[MAP_KEY_MAX];

	memcpy(key, local.ptr, local.len);
	memcpy(key + local.len, t->text + t->at, t->len - t->at);
	return find_key(m, span_of(key, local.len + t->len - t->at), value) ||
	       (m->config->domain && find_key(m, local, value));
}

static size_t base_len(const struct recipient_map *m, struct span local)
{
	const char *delimiters = m->config->recipient_delimiter;

	for (size_t i = 1; delimiters && i < local.len; i++)
		if (strchr(delimiters, local.ptr[i]))
			return i;
	return local.len;
}

static bool is_for(const struct recipient_map *m, const struct target *t)
{
	return !m->config->domain || span_eq(domain_of(t), span_str(m->config->domain));
}

static enum search search(const struct recipient_map *m, const struct target *t, struct span *value)
{
	size_t base = base_len(m, local_of(t));
	bool is_found = find(m, t, t->at, value) || (base < t->at && find(m, t, base, value)) ||
			find_key(m, span_from(span_of(t->text, t->len), t->at), value);

	if (!is_found)
		return SEARCH_UNKNOWN;
	return value->len ? SEARCH_ALIAS : SEARCH_KNOWN;
}

/* "ben@example.org", "ben" in the same domain, "@example.org" with the same local part. False: too long. */
static bool follow(struct target *t, struct span value)
{
	struct target old = *t;
	struct span local = local_of(&old), domain = domain_of(&old);
	size_t at = value.len;

	while (at && value.ptr[at - 1] != '@')
		at--;
	if (at != 1)
		local = at ? span_head(value, at - 1) : value;
	if (at)
		domain = span_from(value, at);
	if (local.len + 1 + domain.len > sizeof(t->text))
		return false;
	t->at = local.len;
	t->len = local.len + 1 + domain.len;
	memcpy(t->text, local.ptr, local.len);
	t->text[t->at] = '@';
	memcpy(t->text + t->at + 1, domain.ptr, domain.len);
	return true;
}

static bool is_postmaster(const struct policy_recipient_maps *p, const struct target *t)
{
	return p->config->postmaster && span_ieq(local_of(t), SPAN_LITERAL("postmaster"));
}

/* One step: UNKNOWN means that some map says so, KNOWN that nothing speaks against it. */
static enum search ask_maps(const struct policy_recipient_maps *p, const struct target *t, struct span *value)
{
	enum search answer = SEARCH_KNOWN;

	for (size_t i = 0; i < p->config->recipient_map_count; i++) {
		const struct recipient_map *m = &p->maps[i];
		enum search found;

		if (!is_for(m, t))
			continue;
		found = search(m, t, value);
		if (found != SEARCH_UNKNOWN)
			return found;
		if (m->config->complete)
			answer = SEARCH_UNKNOWN;
	}
	return is_postmaster(p, t) ? SEARCH_KNOWN : answer;
}

static bool begin(struct target *t, const struct smtp_address *recipient, struct span domain)
{
	struct span local = smtp_address_local(recipient);

	if (local.len + 1 + domain.len > sizeof(t->text))
		return false;
	t->at = local.len;
	t->len = local.len + 1 + domain.len;
	for (size_t i = 0; i < local.len; i++)
		t->text[i] = ascii_lower(local.ptr[i]);
	t->text[t->at] = '@';
	memcpy(t->text + t->at + 1, domain.ptr, domain.len);
	return true;
}

static enum policy_opinion refuse(struct policy_verdict *v, enum smtp_reply_name name, const char *detail)
{
	v->reply = smtp_reply(name);
	v->detail = detail;
	return POLICY_REFUSE;
}

/* Targets come from maps, which have nothing but what their reader took for names; smtp_address wants more. */
static enum policy_opinion rewrite(const struct target *t, struct policy_verdict *v)
{
	struct span local = local_of(t), domain = domain_of(t);

	if (local.len == 0 || local.len > SMTP_LOCAL_PART_MAX || domain.len > SMTP_DOMAIN_MAX ||
	    t->len > SMTP_PATH_MAX)
		return refuse(v, SMTP_REPLY_MISCONFIGURED, "an alias leads to what is no address");
	v->recipient = (struct smtp_address){
		.local_len = (uint16_t)local.len,
		.domain_len = (uint16_t)domain.len,
		.is_utf8 = !utf8_is_ascii(local),
	};
	memcpy(v->recipient.text, local.ptr, local.len);
	memcpy(v->recipient.text + local.len, domain.ptr, domain.len);
	v->is_rewritten = true;
	return POLICY_NO_OPINION;
}

static enum policy_opinion recipient_maps_rcpt(const struct policy *policy, const struct policy_facts *facts,
					       struct policy_verdict *v)
{
	const struct policy_recipient_maps *p = (const struct policy_recipient_maps *)policy;
	struct target target;
	struct span value;

	if (facts->recipient->domain_len == 0 || !begin(&target, facts->recipient, facts->recipient_domain))
		return POLICY_NO_OPINION;
	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		switch (ask_maps(p, &target, &value)) {
		case SEARCH_UNKNOWN:
			return refuse(v, steps ? SMTP_REPLY_MISCONFIGURED : SMTP_REPLY_UNKNOWN_MAILBOX,
				      steps ? "an alias leads to a recipient that no map has" : NULL);
		case SEARCH_KNOWN:
			return steps ? rewrite(&target, v) : POLICY_NO_OPINION;
		case SEARCH_ALIAS:
			if (!follow(&target, value))
				return refuse(v, SMTP_REPLY_MISCONFIGURED, "an alias leads to too long an address");
			break;
		}
	}
	return refuse(v, SMTP_REPLY_MISCONFIGURED, "aliases lead in a circle, or to each other too often");
}

/* ---- building ---- */

static void recipient_maps_free(struct policy *policy)
{
	struct policy_recipient_maps *p = (struct policy_recipient_maps *)policy;

	for (size_t i = 0; p->maps && i < p->config->recipient_map_count; i++) {
		map_free(&p->maps[i].listed);
		map_file_close(&p->maps[i].file);
	}
	free(p->maps);
	free(p);
}

static const struct policy_ops recipient_maps_ops = {
	.name = "recipient_maps",
	.hooks = { [POLICY_RCPT] = recipient_maps_rcpt },
	.free = recipient_maps_free,
};

static bool add_texts(struct map *map, const struct text_list *list, struct err *err)
{
	for (size_t i = 0; i < list->count; i++)
		if (!map_add(map, span_str(list->texts[i]), err))
			return false;
	return true;
}

static bool fail_at(const struct recipient_map_config *c, const char *key, struct err *err)
{
	config_place_tell(err, config_place_of(OPTION_GROUP_RECIPIENT_MAPS, c->places, key, c->place), key);
	err->is_config = true;
	return false;
}

static bool open_map(struct recipient_map *m, const struct recipient_map_config *c, struct loop *loop,
		     struct pool *pool, struct err *err)
{
	m->config = c;
	m->listed = map_new(MAP_RECIPIENTS);
	if (!m->listed)
		return err_set(err, "out of memory");
	if (!add_texts(m->listed, &c->recipients, err))
		return fail_at(c, "recipients", err);
	if (!add_texts(m->listed, &c->aliases, err))
		return fail_at(c, "aliases", err);
	if (!map_seal(m->listed, err))
		return fail_at(c, "recipients, aliases", err);
	if (c->file)
		m->file = map_file_open(c->file, MAP_RECIPIENTS, loop, pool, err);
	return !c->file || m->file || fail_at(c, "file", err);
}

struct policy *policy_recipient_maps_new(const struct config *config, struct loop *loop, struct pool *pool,
					 struct err *err)
{
	struct policy_recipient_maps *p = calloc(1, sizeof(*p));

	if (p)
		p->maps = calloc(config->recipient_map_count + 1, sizeof(*p->maps));
	if (!p || !p->maps) {
		err_set(err, "out of memory");
		free(p);
		return NULL;
	}
	p->policy.ops = &recipient_maps_ops;
	p->config = config;
	for (size_t i = 0; i < config->recipient_map_count; i++) {
		if (open_map(&p->maps[i], &config->recipient_maps[i], loop, pool, err))
			continue;
		recipient_maps_free(&p->policy);
		return NULL;
	}
	return &p->policy;
}
