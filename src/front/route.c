#include "front/route.h"

#include <strings.h>

static bool is_for_listener(const struct route_config *r, const char *listener)
{
	return !r->listener || strcmp(r->listener, listener) == 0;
}

static bool is_for_client(const struct route_config *r, bool is_authenticated)
{
	switch (r->authenticated) {
	case ROUTE_AUTHENTICATED_ANY:
		return true;
	case ROUTE_AUTHENTICATED_YES:
		return is_authenticated;
	case ROUTE_AUTHENTICATED_NO:
		return !is_authenticated;
	}
	BUG_ON(true);
}

/* The configuration holds the address with its domain in A-labels. In local parts case says nothing here. */
static bool is_for_recipient(const char *address, const struct route_facts *facts)
{
	const char *at = strrchr(address, '@');

	return span_ieq(span_of(address, (size_t)(at - address)), facts->recipient_local) &&
	       span_ieq(span_str(at + 1), facts->recipient_domain);
}

static bool holds(const struct route_config *r, const struct route_facts *facts)
{
	return is_for_listener(r, facts->listener) && is_for_client(r, facts->is_authenticated) &&
	       (!r->sender_domain || span_eq(span_str(r->sender_domain), facts->sender_domain)) &&
	       (!r->domain || span_eq(span_str(r->domain), facts->recipient_domain)) &&
	       (!r->recipient || is_for_recipient(r->recipient, facts));
}

const struct route_config *route_find(const struct config *config, const struct route_facts *facts)
{
	for (size_t i = 0; i < config->route_count; i++)
		if (holds(&config->routes[i], facts))
			return &config->routes[i];
	return NULL;
}

struct backend *route_fallback(const struct config *config, struct backend *const *backends, const struct backend *b)
{
	const char *name = NULL;

	for (size_t i = 0; i < config->backend_count; i++)
		if (backends[i] == b)
			name = config->backends[i].relay.fallback;
	for (size_t i = 0; name && i < config->backend_count; i++)
		if (strcmp(config->backends[i].name, name) == 0)
			return backends[i];
	return NULL;
}

/* ---- offers ---- */

static bool is_wider(const char *wide, const char *narrow)
{
	return !wide || (narrow && strcasecmp(wide, narrow) == 0);
}

static const char *domain_of(const struct route_config *r)
{
	return r->domain || !r->recipient ? r->domain : strrchr(r->recipient, '@') + 1;
}

/* Of one listener and clients of one kind: does nobody come past `wide` who would come to `narrow`? */
static bool takes_all_of(const struct route_config *wide, const struct route_config *narrow)
{
	return is_wider(wide->sender_domain, narrow->sender_domain) && is_wider(wide->domain, domain_of(narrow)) &&
	       is_wider(wide->recipient, narrow->recipient);
}

static bool is_reached_by(const struct config *config, const struct route_config *r, const char *listener,
			  bool is_authenticated)
{
	if (!is_for_listener(r, listener) || !is_for_client(r, is_authenticated))
		return false;
	for (const struct route_config *before = config->routes; before < r; before++)
		if (is_for_listener(before, listener) && is_for_client(before, is_authenticated) &&
		    takes_all_of(before, r))
			return false;
	return true;
}

/* May a client of this listener log in, or a proxy say that it has (XCLIENT LOGIN)? */
static bool may_authenticate(const struct config *config, const char *listener)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener_config *l = &config->listeners[i];

		if (strcmp(l->listen, listener) == 0 &&
		    ((config->auth_count && l->session.offer_auth) || l->session.xclient_from.count))
			return true;
	}
	return false;
}

static void restrict_offers(struct route_offers *offers, const struct backend *b)
{
	offers->dsn &= b->takes_dsn;
	offers->binarymime &= b->takes_binarymime;
	offers->requiretls &= b->takes_requiretls;
	offers->prdr &= b->answers_each;
}

struct route_offers route_offers_of(const struct config *config, struct backend *const *backends,
				    const char *listener)
{
	struct route_offers offers = { true, true, true, true };
	bool has_users = may_authenticate(config, listener), has_route = false;

	for (size_t i = 0; i < config->route_count; i++) {
		const struct route_config *r = &config->routes[i];
		struct backend *b = backends[r->backend - config->backends], *fallback;

		if (!is_reached_by(config, r, listener, false) &&
		    !(has_users && is_reached_by(config, r, listener, true)))
			continue;
		has_route = true;
		restrict_offers(&offers, b);
		fallback = route_fallback(config, backends, b);
		if (fallback)
			restrict_offers(&offers, fallback);
	}
	return has_route ? offers : (struct route_offers){ 0 };
}
