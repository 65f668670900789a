/*
 * What backends are told that contradicts itself or can hardly be meant. What
 * cannot be done is an error; what does nothing, or leads mail in a circle, is a
 * warning.
 */
#include "base/endpoint.h"
#include "conf/lint_private.h"
#include "conf/place.h"

#include <stdio.h>
#include <strings.h>

static const struct backend_config *find_backend(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->backend_count; i++)
		if (strcmp(config->backends[i].name, name) == 0)
			return &config->backends[i];
	return NULL;
}

/* Where a key of this backend stands; the backend itself where it has the default. */
static struct config_place key_place(const struct backend_config *b, const char *key)
{
	return config_place_of(OPTION_GROUP_BACKENDS, b->places, key, b->place);
}

static bool is_unix(const char *host)
{
	return strncmp(host, "unix:", strlen("unix:")) == 0 || host[0] == '/';
}

static bool has_only_unix_hosts(const struct relay_config *relay)
{
	for (size_t i = 0; i < relay->hosts.count; i++)
		if (!is_unix(relay->hosts.texts[i]))
			return false;
	return true;
}

/* What is asked for and cannot be had. */
static bool check_relay(struct lint *l, const struct backend_config *b)
{
	const struct relay_config *relay = &b->relay;
	const struct {
		bool is_wrong;
		const char *key, *text;
	} rules[] = {
		{ relay->hosts.count == 0, "hosts", "hosts: there must be at least one" },
		{ relay->tls_keyfile && !relay->tls_certfile, "tls_keyfile",
		  "tls_keyfile: there is a key, but no tls_certfile" },
		{ relay->user && !relay->password_file, "user", "user: there is no password_file" },
		{ relay->password_file && !relay->user, "password_file", "password_file: there is no user" },
		{ relay->user && !relay->auth_without_tls && relay->tls < CONFIG_RELAY_TLS_MAY, "user",
		  "user: without TLS the password is not sent; see tls and auth_without_tls" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].is_wrong)
			return lint_fail(l, key_place(b, rules[i].key), rules[i].text);
	if (relay->user && relay->auth_without_tls && !has_only_unix_hosts(relay))
		lint_warn(l, key_place(b, "auth_without_tls"),
		     "auth_without_tls: the password may go over the network in plain text");
	if (relay->user && !relay->auth_without_tls && relay->tls == CONFIG_RELAY_TLS_MAY)
		lint_warn(l, key_place(b, "tls"),
		     "tls: with \"may\" the password goes to whoever answers; \"verify\" sends it to the right one");
	return true;
}

/* ---- hosts ---- */

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ENDPOINT_UNIX)
		return strcmp(a->name, b->name) == 0;
	return a->addr.port == b->addr.port && a->addr.family == b->addr.family &&
	       memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip)) == 0 &&
	       (a->kind == ENDPOINT_ADDR || strcasecmp(a->name, b->name) == 0);
}

static bool is_loopback(const struct addr *addr)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	return addr->family == ADDR_IPV4 ? addr->ip[0] == 127 : memcmp(addr->ip, loopback6, sizeof(loopback6)) == 0;
}

/* Does the listener serve this address? Which ones the machine has beside the loopback is not known here. */
static bool listens_at(const struct config *config, const struct listener_config *listener, const struct addr *addr)
{
	static const uint8_t unspecified[16];
	const struct addr *own = &listener->addr;

	if (memcmp(own->ip, unspecified, sizeof(unspecified)) != 0)
		return own->family == addr->family && memcmp(own->ip, addr->ip, sizeof(own->ip)) == 0;
	if (!is_loopback(addr))
		return false;
	for (size_t i = 0; own->family == ADDR_IPV6 && addr->family == ADDR_IPV4 && i < config->listener_count; i++)
		if (config->listeners[i].addr.family == ADDR_IPV4 && config->listeners[i].addr.port == own->port)
			return false;
	return own->family == ADDR_IPV6 || addr->family == ADDR_IPV4;
}

static bool leads_to(const struct config *config, const struct endpoint *host, const struct listener_config *listener)
{
	if (listener->socket_name || host->kind == ENDPOINT_UNIX || !host->addr.port ||
	    host->addr.port != listener->addr.port)
		return false;
	if (host->kind == ENDPOINT_ADDR)
		return listens_at(config, listener, &host->addr);
	if (strcasecmp(host->name, "localhost") == 0) {
		const struct addr loopback = { .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } };

		return listens_at(config, listener, &loopback) ||
		       (listener->addr.family == ADDR_IPV6 && is_loopback(&listener->addr));
	}
	return strcasecmp(host->name, config->hostname) == 0 && !is_loopback(&listener->addr);
}

static void check_own_listeners(struct lint *l, const struct backend_config *b, size_t i, const struct endpoint *host)
{
	for (size_t j = 0; j < l->config->listener_count; j++) {
		const struct listener_config *listener = &l->config->listeners[j];

		if (!leads_to(l->config, host, listener))
			continue;
		lint_warn(l, key_place(b, "hosts"),
			  "hosts: \"%.70s\" is our own listener \"%.70s\"; mail goes in a circle unless routes for "
			  "that listener lead elsewhere", b->relay.hosts.texts[i], listener->listen);
		return;
	}
}

static void check_hosts(struct lint *l, const struct backend_config *b)
{
	const struct text_list *hosts = &b->relay.hosts;

	for (size_t i = 0; i < hosts->count; i++) {
		struct endpoint host, other;

		if (!endpoint_parse(&host, span_str(hosts->texts[i]), 0, NULL))
			continue;
		for (size_t j = 0; j < i; j++)
			if (endpoint_parse(&other, span_str(hosts->texts[j]), 0, NULL) && same_endpoint(&host, &other))
				lint_warn(l, key_place(b, "hosts"), "hosts: \"%.200s\" is given twice",
					  hosts->texts[i]);
		check_own_listeners(l, b, i, &host);
	}
}

/* ---- TLS ---- */

static void check_idle_tls(struct lint *l, const struct backend_config *b)
{
	const struct relay_config *relay = &b->relay;
	const struct {
		const char *value, *key;
	} keys[] = {
		{ relay->tls_name, "tls_name" },
		{ relay->tls_cafile, "tls_cafile" },
		{ relay->tls_certfile, "tls_certfile" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].value && relay->tls == CONFIG_RELAY_TLS_NEVER)
			lint_warn(l, key_place(b, keys[i].key), "%s does nothing where tls is \"never\"",
				  keys[i].key);
}

static bool offers_requiretls(const struct backend_config *b)
{
	for (size_t i = 0; i < b->relay.offers.count; i++)
		if (strcmp(b->relay.offers.texts[i], "REQUIRETLS") == 0)
			return true;
	return false;
}

static bool is_for_listener(const struct route_config *route, const struct listener_config *listener)
{
	return !route->listener || strcmp(route->listener, listener->listen) == 0;
}

/* Does a route of this listener lead to the backend? With `b` NULL: to one that was told to offer REQUIRETLS. */
static bool has_route_to(const struct config *config, const struct listener_config *listener,
			 const struct backend_config *b)
{
	for (size_t i = 0; i < config->route_count; i++) {
		const struct backend_config *its = config->routes[i].backend;

		if (is_for_listener(&config->routes[i], listener) &&
		    (b ? its == b : offers_requiretls(its) && its->relay.tls >= CONFIG_RELAY_TLS_VERIFY))
			return true;
	}
	return false;
}

/* RFC 8689 4.2.1: it goes to verified hosts only, and is offered where all routes of a listener lead to such. */
static void check_requiretls(struct lint *l, const struct backend_config *b)
{
	const struct config *config = l->config;

	if (offers_requiretls(b) && b->relay.tls < CONFIG_RELAY_TLS_VERIFY)
		lint_warn(l, key_place(b, "offers"),
			  "offers: REQUIRETLS is not offered unless tls is \"verify\" or \"immediate\"");
	for (size_t i = 0; i < config->listener_count && b->relay.tls == CONFIG_RELAY_TLS_NEVER; i++) {
		const struct listener_config *listener = &config->listeners[i];

		if (!has_route_to(config, listener, b) || !has_route_to(config, listener, NULL))
			continue;
		lint_warn(l, key_place(b, "tls"),
			  "tls: \"never\" keeps the listener \"%.70s\" from offering REQUIRETLS, which another of its "
			  "backends is to offer", listener->listen);
		return;
	}
}

/* ---- the rest ---- */

static bool check_pipe(struct lint *l, const struct backend_config *b)
{
	const struct text_list *command = &b->pipe.command;

	if (command->texts && (command->count == 0 || command->texts[0][0] != '/'))
		return lint_fail(l, key_place(b, "command"),
			       "command: the first must be the absolute path of a program");
	return true;
}

static bool check_fallback(struct lint *l, const struct backend_config *b)
{
	const struct backend_config *fallback =
		b->relay.fallback ? find_backend(l->config, b->relay.fallback) : NULL;
	char text[320];

	if (b->relay.fallback && !fallback) {
		snprintf(text, sizeof(text), "fallback: there is no backend \"%.250s\"", b->relay.fallback);
		return lint_fail(l, key_place(b, "fallback"), text);
	}
	if (fallback == b)
		return lint_fail(l, key_place(b, "fallback"),
			       "fallback: a backend cannot stand in for itself");
	if (fallback && fallback->relay.fallback)
		lint_warn(l, key_place(b, "fallback"),
		     "fallback: \"%s\" has a fallback of its own, which is not asked then", fallback->name);
	return true;
}

bool lint_check_backends(struct lint *l)
{
	for (size_t i = 0; i < l->config->backend_count; i++) {
		const struct backend_config *b = &l->config->backends[i];
		bool is_relay = b->type == BACKEND_LMTP || b->type == BACKEND_SMTP;

		if ((is_relay && !check_relay(l, b)) || !check_pipe(l, b) || !check_fallback(l, b))
			return false;
		if (is_relay) {
			check_hosts(l, b);
			check_idle_tls(l, b);
			check_requiretls(l, b);
		}
	}
	return true;
}
