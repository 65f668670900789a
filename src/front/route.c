#include "front/route.h"

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
	bool has_route = false;

	for (size_t i = 0; i < config->route_count; i++) {
		const struct route_config *r = &config->routes[i];
		const struct backend *b = backends[r->backend - config->backends];

		if (!is_for_listener(r, listener))
			continue;
		has_route = true;
		restrict_offers(&offers, b);
		if (b->fallback)
			restrict_offers(&offers, b->fallback);
	}
	return has_route ? offers : (struct route_offers){ 0 };
}
