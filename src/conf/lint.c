#include "conf/lint_private.h"

#include "conf/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/* Warnings are told once; a file that earns more has been told enough. */
enum { LINT_WARNINGS_MAX = 100, RFC_RECIPIENTS_MIN = 100 };

struct config_place lint_key_place(const struct config *config, const char *key)
{
	return config_place_of(OPTION_GROUP_TOP, config->places, key, (struct config_place){ NULL, 0 });
}

static bool is_given(const struct config *config, const char *key)
{
	return lint_key_place(config, key).file != NULL;
}

/* "file:line: ", or the file as a whole for what is not given. Returns the length. */
static int place_text(const struct config *config, struct config_place place, char *text, size_t size)
{
	if (place.line)
		return snprintf(text, size, "%s:%d: ", place.file, place.line);
	return snprintf(text, size, "%s: ", place.file ? place.file : config->file);
}

static bool is_told(const struct config *config, const char *text)
{
	for (size_t i = 0; i < config->warning_count; i++)
		if (strcmp(config->warnings[i], text) == 0)
			return true;
	return false;
}

/* Listeners that have a key from the same place are warned of once. */
void lint_warn(struct lint *l, struct config_place place, const char *format, ...)
{
	struct config *config = l->config;
	char text[512];
	int used = place_text(config, place, text, sizeof(text));
	va_list args;
	char *copy;

	if (config->warning_count == LINT_WARNINGS_MAX)
		return;
	if (used >= 0 && (size_t)used < sizeof(text)) {
		va_start(args, format);
		vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
		va_end(args);
	}
	if (is_told(config, text))
		return;
	copy = arena_dup(&config->arena, span_str(text));
	if (copy)
		config->warnings[config->warning_count++] = copy;
	else
		l->out_of_memory = true;
}

bool lint_fail(struct lint *l, struct config_place place, const char *text)
{
	char where[400];

	place_text(l->config, place, where, sizeof(where));
	return err_set(l->err, "%s%s", where, text);
}

static bool is_ours(const struct config *config, const char *domain)
{
	for (size_t i = 0; i < config->domain_count; i++)
		if (strcasecmp(config->domains[i], domain) == 0)
			return true;
	return false;
}

/* The domain of the recipients that a route is for; NULL: any. */
static const char *domain_of(const struct route_config *route)
{
	return route->recipient ? strrchr(route->recipient, '@') + 1 : route->domain;
}

/* The first route that may be for a domain; NULL: none. */
static const struct route_config *find_route(const struct config *config, const char *domain)
{
	for (size_t i = 0; i < config->route_count; i++) {
		const char *its = domain_of(&config->routes[i]);

		if (!its || strcasecmp(its, domain) == 0)
			return &config->routes[i];
	}
	return NULL;
}

static bool check_domains(struct lint *l)
{
	const struct config *config = l->config;

	for (size_t i = 0; i < config->domain_count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(config->domains[i], config->domains[j]) == 0) {
				char text[320];

				snprintf(text, sizeof(text), "domains: \"%s\" is given twice",
					 config->domains[i]);
				return lint_fail(l, config->domain_places[i], text);
			}
		}
		if (!find_route(config, config->domains[i]))
			lint_warn(l, config->domain_places[i], "domains: no route takes recipients in \"%s\"",
			     config->domains[i]);
	}
	if (config->domain_count == 0)
		lint_warn(l, lint_key_place(config, "domains"), "domains is empty, so every recipient is refused");
	return true;
}

static bool same_socket(const struct addr *a, const struct addr *b)
{
	return a->port && a->port == b->port && a->family == b->family && a->scope_id == b->scope_id &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool same_listener(const struct listener_config *a, const struct listener_config *b)
{
	if (a->socket_name || b->socket_name)
		return a->socket_name && b->socket_name && strcmp(a->socket_name, b->socket_name) == 0;
	return same_socket(&a->addr, &b->addr);
}

static bool has_all_addresses(const struct listener_config *listener)
{
	static const uint8_t unspecified[16];

	return !listener->socket_name && listener->addr.family == ADDR_IPV6 &&
	       memcmp(listener->addr.ip, unspecified, sizeof(unspecified)) == 0;
}

/*
 * "[::]:25" takes IPv4 too, unless an IPv4 listener has that port. Where those are all for this
 * machine itself, nobody else gets in over IPv4, which is hardly meant.
 */
static void check_ipv4(struct lint *l, const struct listener_config *listener)
{
	const struct config *config = l->config;
	const struct listener_config *local = NULL;

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *other = &config->listeners[i];

		if (other->socket_name || other->addr.family != ADDR_IPV4 || !other->addr.port ||
		    other->addr.port != listener->addr.port)
			continue;
		if (other->addr.ip[0] != 127)
			return;
		local = other;
	}
	if (local)
		lint_warn(l, listener->place,
			  "listen: \"%.70s\" serves IPv6 alone, since \"%.70s\" has that port; other IPv4 clients "
			  "need a listener, too", listener->listen, local->listen);
}

static bool check_listeners(struct lint *l)
{
	const struct config *config = l->config;

	for (size_t i = 0; i < config->listener_count; i++) {
		if (has_all_addresses(&config->listeners[i]))
			check_ipv4(l, &config->listeners[i]);
		for (size_t j = 0; j < i; j++) {
			char text[128];

			if (!same_listener(&config->listeners[i], &config->listeners[j]))
				continue;
			snprintf(text, sizeof(text),
				 "listen: \"%.70s\" is the address of another listener too",
				 config->listeners[i].listen);
			return lint_fail(l, config->listeners[i].place, text);
		}
	}
	return true;
}

/* On the same port it could not be opened, which a test of the configuration does not try. */
static bool check_metrics(struct lint *l)
{
	const struct config *config = l->config;
	const struct config_place place = lint_key_place(config, "metrics_listen");
	char text[160];

	for (size_t i = 0; config->metrics_listen.text && i < config->listener_count; i++) {
		if (!same_socket(&config->listeners[i].addr, &config->metrics_listen.addr))
			continue;
		snprintf(text, sizeof(text), "metrics_listen: \"%.70s\" is the address of a listener",
			 config->metrics_listen.text);
		return lint_fail(l, place, text);
	}
	if (config->metrics_from.count && !config->metrics_listen.text)
		lint_warn(l, lint_key_place(config, "metrics_from"), "metrics_from does nothing without metrics_listen");
	return true;
}

static bool check_user(struct lint *l)
{
	const struct config *config = l->config;

	return !config->group || config->user ||
	       lint_fail(l, lint_key_place(config, "group"), "group: it means nothing without user");
}

/* RFC 5321 4.5.3.1.8 */
static void check_recipients(struct lint *l)
{
	const struct config *config = l->config;

	if (config->session.max_recipients < RFC_RECIPIENTS_MIN)
		lint_warn(l, lint_key_place(config, "max_recipients"),
		     "max_recipients is less than 100, the least that RFC 5321 allows");
	for (size_t i = 0; i < config->listener_count; i++) {
		uint32_t most = config->listeners[i].session.max_recipients;

		if (most < RFC_RECIPIENTS_MIN && most != config->session.max_recipients)
			lint_warn(l, config->listeners[i].place,
			     "max_recipients is less than 100, the least that RFC 5321 allows");
	}
}

static void check_hostname(struct lint *l)
{
	const struct config *config = l->config;

	if (!is_given(config, "hostname") && !strchr(config->hostname, '.'))
		lint_warn(l, lint_key_place(config, "hostname"),
		     "hostname is not given, and the machine's name \"%s\" is not fully qualified",
		     config->hostname);
}

static void check_postmaster(struct lint *l)
{
	struct config *config = l->config;
	struct config_place place = lint_key_place(config, "postmaster");
	char domain[256];

	if (!config->postmaster) {
		lint_warn(l, place, "postmaster is not given, but RFC 5321 wants mail for postmaster to arrive");
		return;
	}
	snprintf(domain, sizeof(domain), "%s", strchr(config->postmaster, '@') + 1);
	for (char *c = domain; *c; c++)
		*c = ascii_lower(*c);
	if (!is_ours(config, domain))
		lint_warn(l, place, "postmaster: \"%s\" is in none of our domains", config->postmaster);
	else if (!find_route(config, domain))
		lint_warn(l, place, "postmaster: no route takes \"%s\"", config->postmaster);
}

static bool is_wider(const char *a, const char *b)
{
	return !a || (b && strcasecmp(a, b) == 0);
}

/* Does all that holds for `b` hold for `a`? */
static bool takes_all_of(const struct route_config *a, const struct route_config *b)
{
	return is_wider(a->listener, b->listener) &&
	       (a->authenticated == ROUTE_AUTHENTICATED_ANY || a->authenticated == b->authenticated) &&
	       is_wider(a->sender_domain, b->sender_domain) && is_wider(a->domain, domain_of(b)) &&
	       is_wider(a->recipient, b->recipient);
}

/* The route before this one that takes all that it would; NULL: none. */
static const struct route_config *hidden_by(const struct config *config, size_t i)
{
	const struct route_config *route = &config->routes[i];

	for (size_t j = 0; j < i; j++)
		if (takes_all_of(&config->routes[j], route))
			return &config->routes[j];
	return NULL;
}

/* A route may name what no recipient and no client can be. */
static bool check_route(struct lint *l, const struct route_config *route)
{
	const struct config *config = l->config;
	bool is_known = !route->listener;

	for (size_t i = 0; i < config->listener_count; i++)
		is_known |= route->listener && strcmp(config->listeners[i].listen, route->listener) == 0;
	if (!is_known)
		return lint_fail(l, route->place, "listener: no listener has this address as its key listen");
	if (route->domain && route->recipient && strcasecmp(route->domain, domain_of(route)) != 0)
		return lint_fail(l, route->place, "domain and recipient: the recipient is not in this domain");
	return true;
}

static bool check_routes(struct lint *l)
{
	const struct config *config = l->config;
	/* Aliases may, too. */
	bool may_lead_out = lint_may_relay(config) || config->recipient_map_count;

	for (size_t i = 0; i < config->route_count; i++) {
		const struct route_config *route = &config->routes[i], *before = hidden_by(config, i);

		if (!check_route(l, route))
			return false;
		if (before)
			lint_warn(l, route->place,
			     "this route is never reached: the one at %s:%d takes all that it would",
			     before->place.file, before->place.line);
		else if (!may_lead_out && domain_of(route) && !is_ours(config, domain_of(route)))
			lint_warn(l, route->place, "this route is never reached: \"%s\" is not in domains",
			     domain_of(route));
	}
	return true;
}

static void check_maildir(struct lint *l, const struct backend_config *b)
{
	const struct {
		bool is_idle;
		const char *text;
	} rules[] = {
		{ b->detail_folders && !b->recipient_delimiter,
		  "detail_folders does nothing without recipient_delimiter" },
		{ b->create && b->mailboxes.count == 0, "create does nothing without mailboxes" },
		{ !b->create && b->mailboxes.count, "mailboxes does nothing without create" },
		{ b->is_quota_permanent && !b->quota && !b->quota_messages,
		  "quota_reply does nothing without quota or quota_messages" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].is_idle)
			lint_warn(l, b->place, "in backend \"%.100s\" %s", b->name, rules[i].text);
}

static bool is_fallback(const struct config *config, const struct backend_config *b)
{
	for (size_t i = 0; i < config->backend_count; i++) {
		const char *fallback = config->backends[i].relay.fallback;

		if (fallback && strcmp(fallback, b->name) == 0)
			return true;
	}
	return false;
}

static void check_backends(struct lint *l)
{
	const struct config *config = l->config;

	for (size_t i = 0; i < config->backend_count; i++) {
		bool is_used = is_fallback(config, &config->backends[i]);

		check_maildir(l, &config->backends[i]);
		for (size_t j = 0; j < config->route_count; j++)
			is_used |= config->routes[j].backend == &config->backends[i];
		if (!is_used)
			lint_warn(l, config->backends[i].place, "no route leads to the backend \"%s\"",
			     config->backends[i].name);
	}
}

static void check_lenient(struct lint *l)
{
	static const char text[] = "lenient: commands are taken that RFC 5321 forbids";
	const struct config *config = l->config;
	const size_t row = (size_t)(option_find(OPTION_GROUP_TOP, "lenient") - option_table);
	const struct config_place *top = &config->places[row];

	if (config->session.lenient)
		lint_warn(l, *top, text);
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_place *place = &config->listeners[i].places[row];
		bool is_own = place->file != top->file || place->line != top->line;

		if (config->listeners[i].session.lenient && is_own)
			lint_warn(l, *place, text);
	}
}

/* Where a key of this listener stands; the listener itself where it has the default. */
struct config_place lint_listener_key_place(const struct listener_config *listener, const char *key)
{
	return config_place_of(OPTION_GROUP_LISTENERS, listener->places, key, listener->place);
}

static bool has_certificate(const struct session_config *session)
{
	return session->tls_certfile || session->tls_certificate_count || session->tls_certificate_dir;
}

/* What asks for TLS where there is none would be plain text. */
static bool check_listener_tls(struct lint *l, const struct listener_config *listener)
{
	const struct session_config *session = &listener->session;
	bool is_verifying = session->tls_client_verify != 0;
	const struct {
		bool is_wrong;
		const char *key, *text;
	} rules[] = {
		{ session->tls_keyfile && !session->tls_certfile, "tls_keyfile",
		  "tls_keyfile: there is a key, but no tls_certfile" },
		{ session->tls_immediate && !has_certificate(session), "tls_immediate",
		  "tls_immediate: there is no certificate; give tls_certfile" },
		{ session->tls_required && !has_certificate(session), "tls_required",
		  "tls_required: there is no certificate; give tls_certfile" },
		{ is_verifying && !session->tls_client_ca, "tls_client_verify",
		  "tls_client_verify: there are no authorities to verify with; give tls_client_ca" },
		{ is_verifying && !has_certificate(session), "tls_client_verify",
		  "tls_client_verify: there is no certificate; give tls_certfile" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].is_wrong)
			return lint_fail(l, lint_listener_key_place(listener, rules[i].key), rules[i].text);
	return true;
}

/* At top level; a listener without TLS has them from there, too. */
static void check_idle_tls(struct lint *l)
{
	static const char *const keys[] = { "tls_priority", "tls_dh_params", "tls_client_ca" };
	const struct config *config = l->config;

	for (size_t i = 0; i < config->listener_count; i++)
		if (has_certificate(&config->listeners[i].session))
			return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (is_given(config, keys[i]))
			lint_warn(l, lint_key_place(config, keys[i]), "%s does nothing: no listener has a certificate",
				  keys[i]);
}

static bool check_tls(struct lint *l)
{
	const struct config *config = l->config;

	check_idle_tls(l);

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *listener = &config->listeners[i];
		const struct session_config *session = &listener->session;

		if (!check_listener_tls(l, listener))
			return false;
		if (session->tls_compat && has_certificate(session))
			lint_warn(l, lint_listener_key_place(listener, "tls_compat"),
			     "tls_compat: TLS that is known to be weak is allowed");
		if (session->tls_client_ca && session->tls_client_verify == 0)
			lint_warn(l, lint_listener_key_place(listener, "tls_client_ca"),
			     "tls_client_ca is not used, because tls_client_verify is \"off\"");
	}
	return true;
}

static void check_foreign_variables(struct lint *l)
{
	struct config *config = l->config;

	for (size_t i = 0; i < config->foreign_variable_count; i++)
		lint_warn(l, (struct config_place){ NULL, 0 }, "$%s is set, but nothing here takes it over",
		     config->foreign_variables[i]);
}

bool lint_check(struct config *config, struct err *err)
{
	struct lint l = { .config = config, .err = err };

	config->warnings = arena_alloc(&config->arena, LINT_WARNINGS_MAX * sizeof(*config->warnings));
	if (!config->warnings)
		return err_set(err, "%s: out of memory", config->file);
	if (!check_domains(&l) || !check_listeners(&l) || !check_metrics(&l) || !check_user(&l) || !lint_check_rules(&l) ||
	    !check_tls(&l) || !lint_check_backends(&l))
		return false;
	check_hostname(&l);
	check_postmaster(&l);
	check_recipients(&l);
	if (!check_routes(&l))
		return false;
	check_backends(&l);
	check_lenient(&l);
	check_foreign_variables(&l);
	return !l.out_of_memory || err_set(err, "%s: out of memory", config->file);
}
