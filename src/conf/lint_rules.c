/*
 * Who may send what: rules for clients, networks that relay, senders, maps and
 * rates. What would let everybody relay is an error; what might let more people
 * relay than was meant is a warning.
 */
#include "conf/lint_private.h"

#include "conf/option.h"

#include <stdio.h>

/* Prefixes with fewer bits hold more than somebody may know all of. */
enum { WIDE_BITS4 = 8, WIDE_BITS6 = 16 };

/* Addresses that whatever stands between a client and us may have: proxies, NAT, bridges of containers. */
static const char *const private_networks[] = {
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
};

/* ---- clients ---- */

static bool covers(const struct addr_prefix *a, const struct addr_prefix *b)
{
	struct addr first = { .family = b->family };

	memcpy(first.ip, b->ip, sizeof(first.ip));
	return a->bits <= b->bits && addr_in_prefix(&first, a);
}

/* Do the rules before this one take a prefix that it names? */
static bool is_covered(const struct config *config, size_t rule, const struct addr_prefix *prefix)
{
	for (size_t i = 0; i < rule; i++)
		for (size_t j = 0; j < config->clients[i].addresses.count; j++)
			if (covers(&config->clients[i].addresses.networks[j], prefix))
				return true;
	return false;
}

static void check_client_order(struct lint *l, size_t rule)
{
	const struct client_config *client = &l->config->clients[rule];

	if (client->names.count)
		return;
	for (size_t i = 0; i < client->addresses.count; i++)
		if (!is_covered(l->config, rule, &client->addresses.networks[i]))
			return;
	lint_warn(l, client->place,
	     "this rule of clients is never reached: those before it take all that it would");
}

/* The half of a prefix that has this bit. */
static struct addr_prefix half_of(const struct addr_prefix *prefix, bool bit)
{
	struct addr_prefix half = *prefix;

	if (bit)
		half.ip[prefix->bits / 8] |= (uint8_t)(0x80 >> prefix->bits % 8);
	half.bits++;
	return half;
}

/* Do these networks together hold all of the prefix? */
static bool all_cover(const struct network_list *list, const struct addr_prefix *prefix)
{
	struct addr_prefix lower, upper;
	bool is_divided = false;

	for (size_t i = 0; i < list->count; i++) {
		if (covers(&list->networks[i], prefix))
			return true;
		is_divided |= covers(prefix, &list->networks[i]);
	}
	if (!is_divided)
		return false;
	lower = half_of(prefix, false);
	upper = half_of(prefix, true);
	return all_cover(list, &lower) && all_cover(list, &upper);
}

/* All of IPv4, or all of IPv6; in one network, or in several that add up to it. */
static bool covers_everybody(const struct network_list *list)
{
	const struct addr_prefix all4 = { .family = ADDR_IPV4 }, all6 = { .family = ADDR_IPV6 };

	return all_cover(list, &all4) || all_cover(list, &all6);
}

/* What lenient clients pass on can hide a second message in a first one, so not everybody may be lenient. */
static bool check_lenient_client(struct lint *l, const struct client_config *client)
{
	if (covers_everybody(&client->addresses))
		return lint_fail(l, client->place,
				 "bare_newline: \"lenient\" may not hold for all addresses there are");
	lint_warn(l, client->place,
	     "bare_newline: with \"lenient\", SMTP smuggling is possible from these clients");
	return true;
}

static bool overlaps_private(const struct addr_prefix *network)
{
	for (size_t i = 0; i < sizeof(private_networks) / sizeof(*private_networks); i++) {
		struct addr_prefix private;

		if (addr_parse_prefix(&private, span_str(private_networks[i]), NULL) &&
		    (covers(&private, network) || covers(network, &private)))
			return true;
	}
	return false;
}

/* Networks that relay without authentication. */
static bool check_relay_networks(struct lint *l, struct config_place place, const char *key,
				 const struct network_list *list)
{
	char text[128];

	if (covers_everybody(list)) {
		snprintf(text, sizeof(text), "%s: all addresses there are would make an open relay", key);
		return lint_fail(l, place, text);
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct addr_prefix *network = &list->networks[i];
		unsigned wide = network->family == ADDR_IPV4 ? WIDE_BITS4 : WIDE_BITS6;

		if (network->bits < wide)
			lint_warn(l, place, "%s: a network of /%u makes an open relay for all of it", key,
				  network->bits);
		else if (overlaps_private(network))
			lint_warn(l, place,
				  "%s: what comes through a proxy, NAT or a container may have a private address",
				  key);
	}
	return true;
}

/* Anybody can get a name below a top-level domain. */
static void check_relay_names(struct lint *l, const struct client_config *client)
{
	for (size_t i = 0; i < client->names.count; i++) {
		const char *name = client->names.texts[i];

		if (*name == '.' && !strchr(name + 1, '.'))
			lint_warn(l, client->place, "relayclient: \"%s\" makes an open relay for all of that domain",
				  name);
	}
}

static bool check_client_relay(struct lint *l, const struct client_config *client)
{
	if (!client->relayclient)
		return true;
	check_relay_names(l, client);
	return check_relay_networks(l, client->place, "relayclient", &client->addresses);
}

static void check_idle_keys(struct lint *l, const struct client_config *client)
{
	bool has_limits = client->has_max_sessions || client->has_max_sessions_per_minute;

	if (client->relayclient_suffix && !client->relayclient)
		lint_warn(l, client->place, "relayclient_suffix does nothing without relayclient");
	if (has_limits && client->addresses.count == 0)
		lint_warn(l, client->place,
			  "max_sessions and max_sessions_per_minute do nothing in a rule that has names only");
}

static bool check_clients(struct lint *l)
{
	const struct config *config = l->config;

	for (size_t i = 0; i < config->client_count; i++) {
		if (config->clients[i].bare_newline == CONFIG_BARE_NEWLINE_LENIENT &&
		    !check_lenient_client(l, &config->clients[i]))
			return false;
		if (!check_client_relay(l, &config->clients[i]))
			return false;
		check_idle_keys(l, &config->clients[i]);
		check_client_order(l, i);
	}
	return true;
}

/* ---- listeners ---- */

static bool has_relay_rule(const struct config *config)
{
	for (size_t i = 0; i < config->client_count; i++)
		if (config->clients[i].relayclient)
			return true;
	return false;
}

static bool has_auth(const struct config *config, const struct session_config *session)
{
	return config->auth_count && session->offer_auth;
}

static bool may_relay_at(const struct config *config, const struct session_config *session)
{
	return session->relayclient &&
	       (session->relay_networks.count || has_relay_rule(config) || has_auth(config, session));
}

bool lint_may_relay(const struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++)
		if (may_relay_at(config, &config->listeners[i].session))
			return true;
	return false;
}

/* Those who are believed what they say of the client. */
static void check_proxies(struct lint *l, const struct listener_config *listener)
{
	const struct session_config *session = &listener->session;

	if (covers_everybody(&session->proxy_from))
		lint_warn(l, lint_listener_key_place(listener, "proxy_from"),
			  "proxy_from: with all addresses there are, whoever comes may say to be any client");
	if (covers_everybody(&session->xclient_from))
		lint_warn(l, lint_listener_key_place(listener, "xclient_from"),
			  "xclient_from: with all addresses there are, whoever comes may say to be any client and "
			  "any user");
}

/* Where AUTH cannot be had, require_auth shuts all out that are not listed. */
static void check_auth(struct lint *l)
{
	const struct config *config = l->config;

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *listener = &config->listeners[i];
		const struct session_config *session = &listener->session;
		bool has_tls = session->tls_certfile || session->tls_certificate_count ||
			       session->tls_certificate_dir || session->proxy_from.count;

		if (session->require_auth &&
		    (!has_auth(config, session) || !(has_tls || session->auth_without_tls)))
			lint_warn(l, lint_listener_key_place(listener, "require_auth"),
				  "require_auth: nobody can authenticate here; %s",
				  has_auth(config, session) ? "give tls_certfile" : "give auth, and offer_auth");
		if (session->auth_without_tls && has_auth(config, session))
			lint_warn(l, lint_listener_key_place(listener, "auth_without_tls"),
				  "auth_without_tls: passwords may be sent in plain text");
	}
}

static bool check_relaying(struct lint *l)
{
	const struct config *config = l->config;

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *listener = &config->listeners[i];
		const struct session_config *session = &listener->session;

		if (!check_relay_networks(l, lint_listener_key_place(listener, "relay_networks"), "relay_networks",
					  &session->relay_networks))
			return false;
		if (!session->relayclient && session->relay_networks.count)
			lint_warn(l, lint_listener_key_place(listener, "relayclient"),
				  "relay_networks does nothing where relayclient is false");
		check_proxies(l, listener);
	}
	return true;
}

/* Who may write to anybody, and has nowhere to send it. */
static void check_way_out(struct lint *l)
{
	const struct config *config = l->config;

	for (size_t i = 0; i < config->route_count; i++)
		if (!config->routes[i].domain && !config->routes[i].recipient)
			return;
	for (size_t i = 0; i < config->listener_count; i++) {
		if (!may_relay_at(config, &config->listeners[i].session))
			continue;
		lint_warn(l, lint_listener_key_place(&config->listeners[i], "relayclient"),
			  "relayclient: no route takes recipients outside of domains; give one without domain, or "
			  "set relayclient to false");
		return;
	}
}

/* $RELAYCLIENT names nobody. */
static void check_suffix(struct lint *l)
{
	const struct config *config = l->config;

	if (config->session.relayclient_suffix && !lint_may_relay(config))
		lint_warn(l, lint_key_place(config, "relayclient_suffix"),
			  "relayclient_suffix does nothing: no client is listed in relay_networks or clients");
}

static void check_senders(struct lint *l)
{
	const struct config *config = l->config;
	bool is_used = false;

	for (size_t i = 0; i < config->listener_count; i++) {
		bool is_listed = config->listeners[i].session.sender_rights == SENDER_RIGHTS_LISTED;

		is_used |= is_listed;
		if (is_listed && !config->sender_map)
			lint_warn(l, lint_listener_key_place(&config->listeners[i], "sender_rights"),
				  "sender_rights: \"listed\" is the same as \"own\" without sender_map");
	}
	if (config->sender_map && !is_used)
		lint_warn(l, lint_key_place(config, "sender_map"),
			  "sender_map does nothing: sender_rights is \"listed\" nowhere");
}

/* ---- maps and rates ---- */

static bool check_maps(struct lint *l)
{
	for (size_t i = 0; i < l->config->recipient_map_count; i++) {
		const struct recipient_map_config *map = &l->config->recipient_maps[i];

		if (map->complete && !map->domain)
			return lint_fail(l, map->place, "complete: the map must be for one domain");
		if (!map->recipients.count && !map->aliases.count && !map->file)
			lint_warn(l, map->place, "this map of recipients is empty");
	}
	return true;
}

static bool check_rates(struct lint *l)
{
	for (size_t i = 0; i < l->config->rates_count; i++) {
		const struct rates_config *rates = &l->config->rates[i];

		if (rates->sessions.amount && (rates->per == RATE_PER_USER || rates->per == RATE_PER_SENDER_DOMAIN))
			return lint_fail(l, rates->place,
					 "sessions: when one begins there is no user and no sender yet");
		if (!rates->sessions.amount && !rates->messages.amount && !rates->recipients.amount &&
		    !rates->octets.amount)
			lint_warn(l, rates->place, "this group of rates limits nothing");
	}
	return true;
}

static bool takes_passwords(const struct auth_config *a)
{
	if (a->type == AUTH_TYPE_CERTIFICATE)
		return false;
	for (size_t i = 0; i < a->mechanisms.count; i++)
		if (strcmp(a->mechanisms.texts[i], "PLAIN") == 0 || strcmp(a->mechanisms.texts[i], "LOGIN") == 0)
			return true;
	return a->mechanisms.count == 0;
}

/* Dovecot and programs cannot tell who is unknown to them, so that they decide about everybody. */
static void check_sources(struct lint *l)
{
	const struct config *config = l->config;
	bool is_decided = false;

	for (size_t i = 0; i < config->auth_count; i++) {
		const struct auth_config *a = &config->auth[i];

		if (!takes_passwords(a))
			continue;
		if (is_decided)
			lint_warn(l, a->place, "no password is ever asked of this source: one before it, of type "
				  "\"dovecot\" or \"checkpassword\", decides about all users");
		is_decided |= a->type == AUTH_TYPE_DOVECOT || a->type == AUTH_TYPE_CHECKPASSWORD;
	}
}

bool lint_check_rules(struct lint *l)
{
	if (!check_clients(l) || !check_relaying(l) || !check_maps(l) || !check_rates(l))
		return false;
	check_auth(l);
	check_sources(l);
	check_way_out(l);
	check_suffix(l);
	check_senders(l);
	return true;
}
