#include "policy/client_rule.h"

static bool holds_addr(const struct client_config *rule, const struct addr *client)
{
	for (size_t i = 0; i < rule->addresses.count; i++)
		if (addr_in_prefix(client, &rule->addresses.networks[i]))
			return true;
	return false;
}

/* ".example.org" is for all that ends so, and not for example.org itself. */
static bool holds_name(const char *name, struct span host)
{
	struct span wanted = span_str(name);

	if (host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	if (wanted.ptr[0] != '.')
		return span_ieq(wanted, host);
	return host.len > wanted.len && span_ieq(wanted, span_from(host, host.len - wanted.len));
}

static bool holds_host(const struct client_config *rule, struct span host)
{
	for (size_t i = 0; i < rule->names.count; i++)
		if (holds_name(rule->names.texts[i], host))
			return true;
	return false;
}

const struct client_config *client_rule_find(const struct config *config, const struct addr *client,
					     const char *host)
{
	for (size_t i = 0; i < config->client_count; i++) {
		const struct client_config *rule = &config->clients[i];

		if (holds_addr(rule, client) || (host && holds_host(rule, span_str(host))))
			return rule;
	}
	return NULL;
}

bool client_rule_needs_host(const struct config *config, const struct addr *client)
{
	for (size_t i = 0; i < config->client_count; i++) {
		if (holds_addr(&config->clients[i], client))
			return false;
		if (config->clients[i].names.count)
			return true;
	}
	return false;
}
