/*
 * Values that are lists.
 */
#include "base/bug.h"
#include "conf/exit_reply.h"
#include "conf/reader_private.h"

#include <stdio.h>

/*
 * How many domains there may be, which are compared pair by pair; how many addresses a
 * rule for clients may have, how many certificates a listener, and how many names other lists.
 */
enum { DOMAINS_MAX = 10000, NETWORKS_MAX = 1000, CERTIFICATES_MAX = 1000, TEXTS_MAX = 100000 };

bool reader_domains(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	int count = config_setting_length(s);
	const char **domains;
	struct config_place *places;

	if (!reader_is_list(s))
		return reader_fail_type(r, o, s, "a list such as ( \"example.org\" )");
	if (count > DOMAINS_MAX)
		return reader_fail(r, s, "%s: more than %d", o->key, DOMAINS_MAX);
	domains = arena_alloc(&r->config->arena, ((size_t)count + 1) * sizeof(*domains));
	places = arena_alloc(&r->config->arena, ((size_t)count + 1) * sizeof(*places));
	if (!domains || !places)
		return reader_fail_memory(r);
	for (int i = 0; i < count; i++) {
		const config_setting_t *element = config_setting_get_elem(s, (unsigned)i);

		if (!reader_kept_string(r, o, element, &domains[i]))
			return false;
		places[i] = reader_place(r, element);
	}
	*(const char *const **)field = domains;
	r->config->domain_places = places;
	r->config->domain_count = (size_t)count;
	return true;
}

bool reader_texts(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	struct text_list *list = field;
	bool is_alone = o->type == OPTION_HOST_PATTERNS && config_setting_type(s) == CONFIG_TYPE_STRING;
	int count = is_alone ? 1 : config_setting_length(s);
	const char **texts;
	char wanted[160];

	if (!reader_is_list(s) && !is_alone) {
		snprintf(wanted, sizeof(wanted), "a list such as %s", o->example);
		return reader_fail_type(r, o, s, wanted);
	}
	if (count > TEXTS_MAX)
		return reader_fail(r, s, "%s: more than %d", o->key, TEXTS_MAX);
	texts = arena_alloc(&r->config->arena, ((size_t)count + 1) * sizeof(*texts));
	if (!texts)
		return reader_fail_memory(r);
	for (int i = 0; i < count; i++)
		if (!reader_kept_string(r, o, is_alone ? s : config_setting_get_elem(s, (unsigned)i), &texts[i]))
			return false;
	list->texts = texts;
	list->count = (size_t)count;
	return true;
}

/* One text for a code: of two, one would never be said. */
bool reader_exit_replies(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	const struct text_list *list = field;
	bool is_there[EXIT_REPLY_CODE_MAX + 1] = { false };
	struct exit_reply reply;

	if (!reader_texts(r, o, s, field))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		BUG_ON(exit_reply_parse(&reply, span_str(list->texts[i])) != NULL);
		if (is_there[reply.exit_code])
			return reader_fail(r, config_setting_get_elem(s, (unsigned)i),
					   "%s: there are two texts for exit code %u", o->key, reply.exit_code);
		is_there[reply.exit_code] = true;
	}
	return true;
}

static bool read_network(struct reader *r, const struct option *o, const config_setting_t *s,
			struct addr_prefix *network)
{
	const char *text = reader_string(r, o, s);
	struct err err;

	if (!text)
		return false;
	return addr_parse_prefix(network, span_str(text), &err) ||
	       reader_fail(r, s, "%s: %s", o->key, err.text);
}

/* A list, or one alone. */
bool reader_networks(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	struct network_list *list = field;
	int count = reader_is_list(s) ? config_setting_length(s) : 1;
	struct addr_prefix *networks;

	if (count == 0)
		return reader_fail(r, s, "%s: there must be at least one", o->key);
	if (count > NETWORKS_MAX)
		return reader_fail(r, s, "%s: more than %d", o->key, NETWORKS_MAX);
	networks = arena_alloc(&r->config->arena, (size_t)count * sizeof(*networks));
	if (!networks)
		return reader_fail_memory(r);
	for (int i = 0; i < count; i++) {
		if (!read_network(r, o, reader_is_list(s) ? config_setting_get_elem(s, (unsigned)i) : s,
				 &networks[i]))
			return false;
	}
	list->networks = networks;
	list->count = (size_t)count;
	return true;
}

static bool read_certificate(struct reader *r, const config_setting_t *s, struct tls_pair_config *pair)
{
	struct config_place *places = arena_alloc(&r->config->arena, option_table_len * sizeof(*places));

	if (!places)
		return reader_fail_memory(r);
	pair->place = reader_place(r, s);
	return reader_group(r, s, OPTION_GROUP_CERTIFICATES, OPTION_CERTIFICATE, "certificate", pair, places);
}

enum { CERTIFICATES_OFFSET = offsetof(struct session_config, tls_certificates) };

bool reader_certificates(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	struct session_config *session = (void *)((char *)field - CERTIFICATES_OFFSET);
	int count = config_setting_length(s);
	struct tls_pair_config *pairs;

	if (!reader_is_list(s))
		return reader_fail_type(r, o, s, "a list such as ( { certfile = \"...\"; } )");
	if (count > CERTIFICATES_MAX)
		return reader_fail(r, s, "%s: more than %d", o->key, CERTIFICATES_MAX);
	pairs = arena_alloc(&r->config->arena, ((size_t)count + 1) * sizeof(*pairs));
	if (!pairs)
		return reader_fail_memory(r);
	for (int i = 0; i < count; i++)
		if (!read_certificate(r, config_setting_get_elem(s, (unsigned)i), &pairs[i]))
			return false;
	session->tls_certificates = pairs;
	session->tls_certificate_count = (size_t)count;
	return true;
}
