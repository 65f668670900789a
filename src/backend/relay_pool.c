/*
 * The connections of a relay: those that are kept idle, those that are being
 * made, and the tickets of those who wait for one. Hosts take turns; one whose
 * connection failed rests, and is then tried by one connection at a time until one
 * succeeds. When nobody is left to be tried, all who wait are told at once.
 */
#include "backend/relay_private.h"

#include "base/log.h"

#include <stdio.h>

static const struct relay_hop_ops pool_ops;

static void serve_soon(struct relay *relay);

static void log_host(enum log_level level, const struct relay *relay, const struct relay_host *host,
		     const char *event, const char *failure, uint64_t rests_ms)
{
	log_begin(level, NULL, event);
	log_str("backend", relay->backend.name);
	log_str("host", host->text);
	log_str("error", failure);
	if (rests_ms)
		log_u64("rests_ms", rests_ms);
	log_end();
}

/* ---- health ---- */

void relay_pool_blame(struct relay_hop *hop)
{
	struct relay *relay = hop->relay;
	struct relay_host *host = hop->host;
	uint64_t rest_ms = RELAY_REST_MS;

	snprintf(relay->failure, sizeof(relay->failure), "%.180s: %.70s", host->text, hop->failure);
	/* Several connections that were dialed together fail together: that is one failure. */
	if (host->failures != hop->dialed_failures)
		return;
	for (unsigned i = 0; i < host->failures && rest_ms < RELAY_REST_MAX_MS; i++)
		rest_ms *= 2;
	if (rest_ms > RELAY_REST_MAX_MS)
		rest_ms = RELAY_REST_MAX_MS;
	host->failures++;
	host->rests_until_ms = loop_now_ms(relay->loop) + rest_ms;
	log_host(LOG_LEVEL_WARNING, relay, host, "hop_down", hop->failure, rest_ms);
}

static void praise(struct relay_hop *hop)
{
	struct relay_host *host = hop->host;

	if (host->failures)
		log_host(LOG_LEVEL_NOTICE, hop->relay, host, "hop_up", NULL, 0);
	host->failures = hop->dialed_failures = 0;
	host->rests_until_ms = 0;
	host->offer = *smtp_client_offer(hop->client);
	host->is_known = true;
	relay_learn_offers(hop->relay);
}

static bool may_be_dialed(const struct relay *relay, const struct relay_host *host)
{
	return loop_now_ms(relay->loop) >= host->rests_until_ms && (host->failures == 0 || host->connecting == 0);
}

/* ---- who is served, and by whom ---- */

static struct relay_hop *idle_of(struct relay *relay, const struct relay_host *host)
{
	for (struct list *link = relay->idle.prev; link != &relay->idle; link = link->prev) {
		struct relay_hop *hop = LIST_OWNER(link, struct relay_hop, link);

		if (!host || hop->host == host)
			return hop;
	}
	return NULL;
}

static void take_from_idle(struct relay_hop *hop)
{
	list_remove(&hop->link);
	list_append(&hop->relay->hops, &hop->link);
	hop->is_idle = false;
	hop->has_moved = true;
	loop_timer_stop(hop->relay->loop, &hop->timer);
}

static void end_ticket(struct relay_ticket *ticket, struct relay_hop *hop)
{
	struct relay *relay = ticket->relay;

	list_remove(&ticket->link);
	relay->ticket_count--;
	loop_timer_stop(relay->loop, &ticket->timer);
	ticket->done(ticket, hop);
}

static struct relay_ticket *first_ticket(struct relay *relay)
{
	return list_empty(&relay->tickets) ? NULL : LIST_OWNER(relay->tickets.next, struct relay_ticket, link);
}

static bool dial(struct relay *relay, struct relay_host *host)
{
	struct relay_hop *hop = relay_hop_new(relay, host, &pool_ops, relay);

	if (!hop) {
		snprintf(relay->failure, sizeof(relay->failure), "out of memory");
		return false;
	}
	list_append(&relay->hops, &hop->link);
	relay->hop_count++;
	relay->connecting_count++;
	host->connecting++;
	return true;
}

/* The next host in turn that lies idle or may be dialed; NULL: none. */
static struct relay_host *next_host(struct relay *relay)
{
	for (size_t i = 0; i < relay->host_count; i++) {
		struct relay_host *host = &relay->hosts[(relay->next_host + i) % relay->host_count];

		if (idle_of(relay, host) ||
		    (relay->hop_count < relay->options.max_connections && may_be_dialed(relay, host))) {
			relay->next_host = (size_t)(host - relay->hosts) + 1;
			return host;
		}
	}
	return NULL;
}

/* One step for those who wait. False: there is nothing to be done for them now. */
static bool serve_next(struct relay *relay)
{
	struct relay_host *host = next_host(relay);
	struct relay_hop *hop = host ? idle_of(relay, host) : NULL;

	if (!host)
		return false;
	if (!hop)
		return dial(relay, host);
	take_from_idle(hop);
	end_ticket(first_ticket(relay), hop);
	return true;
}

static bool is_somebody_waiting(const struct relay *relay)
{
	return relay->ticket_count > relay->connecting_count + relay->returning_count;
}

/* Who holds a connection and does not use it gives it up: slow clients must not keep all others out. */
static bool make_yield(struct relay *relay)
{
	for (struct list *link = relay->hops.next; link != &relay->hops; link = link->next) {
		struct relay_hop *hop = LIST_OWNER(link, struct relay_hop, link);

		if (hop->ops->yield && hop->ops->yield(hop->owner, hop))
			return true;
	}
	return false;
}

static void look(struct loop_timer *timer)
{
	struct relay *relay = LIST_OWNER(timer, struct relay, look);

	while (is_somebody_waiting(relay) && make_yield(relay))
		continue;
	serve_soon(relay);
}

static void run_serve(struct loop_deferred *deferred)
{
	struct relay *relay = LIST_OWNER(deferred, struct relay, serve);

	while (is_somebody_waiting(relay) && serve_next(relay))
		continue;
	if (is_somebody_waiting(relay) && !list_linked(&relay->look.link))
		loop_timer_start(relay->loop, &relay->look, RELAY_LOOK_MS, look);
	/* Nobody is there, nobody will come: all know it at once. */
	while (relay->hop_count == 0 && first_ticket(relay))
		end_ticket(first_ticket(relay), NULL);
}

static void serve_soon(struct relay *relay)
{
	if (!relay->is_freed)
		loop_defer(relay->loop, &relay->serve, run_serve);
}

static void expire_ticket(struct loop_timer *timer)
{
	struct relay_ticket *ticket = LIST_OWNER(timer, struct relay_ticket, timer);
	struct relay *relay = ticket->relay;

	snprintf(relay->failure, sizeof(relay->failure), "no connection was to be had in time (%u of %u in use)",
		 relay->hop_count - relay->connecting_count, relay->options.max_connections);
	end_ticket(ticket, NULL);
}

void relay_pool_ask(struct relay *relay, struct relay_ticket *ticket)
{
	ticket->relay = relay;
	list_append(&relay->tickets, &ticket->link);
	relay->ticket_count++;
	loop_timer_start(relay->loop, &ticket->timer, relay->options.wait_ms, expire_ticket);
	serve_soon(relay);
}

void relay_pool_cancel(struct relay_ticket *ticket)
{
	if (!list_linked(&ticket->link))
		return;
	list_remove(&ticket->link);
	ticket->relay->ticket_count--;
	loop_timer_stop(ticket->relay->loop, &ticket->timer);
}

/* ---- connections that nobody uses ---- */

void relay_pool_retire(struct relay_hop *hop)
{
	if (hop->is_idle)
		take_from_idle(hop);
	hop->is_quitting = true;
	smtp_client_quit(hop->client);
	relay_hop_poke(hop);
}

static bool is_worn_out(const struct relay_hop *hop)
{
	const struct relay_options *o = &hop->relay->options;

	return (o->max_messages && hop->messages >= o->max_messages) || !smtp_client_is_reusable(hop->client);
}

static void rest(struct relay_hop *hop)
{
	struct relay *relay = hop->relay;

	list_remove(&hop->link);
	list_append(&relay->idle, &hop->link);
	hop->is_idle = hop->was_idle = true;
	smtp_client_trim(hop->client);
}

static void pool_ready(struct relay_hop *hop)
{
	struct relay *relay = hop->relay;
	struct relay_ticket *ticket = first_ticket(relay);

	if (hop->is_quitting)
		return;
	if (is_worn_out(hop))
		relay_pool_retire(hop);
	else if (ticket)
		end_ticket(ticket, hop);
	else
		rest(hop);
}

static void no_longer_connecting(struct relay_hop *hop)
{
	hop->relay->connecting_count--;
	hop->host->connecting--;
}

static void no_longer_returning(struct relay_hop *hop)
{
	if (hop->is_returning)
		hop->relay->returning_count--;
	hop->is_returning = false;
}

static void pool_event(void *owner, struct relay_hop *hop, const struct smtp_client_event *event)
{
	(void)owner;
	if (event->type != SMTP_CLIENT_READY)
		return;
	if (!hop->is_known) {
		hop->is_known = true;
		no_longer_connecting(hop);
		praise(hop);
	}
	no_longer_returning(hop);
	pool_ready(hop);
}

static void pool_gone(void *owner, struct relay_hop *hop)
{
	struct relay *relay = owner;

	if (!hop->is_known)
		relay_pool_blame(hop);
	serve_soon(relay);
}

static const struct relay_hop_ops pool_ops = {
	.event = pool_event,
	.gone = pool_gone,
};

void relay_pool_give_back(struct relay_hop *hop)
{
	hop->messages++;
	if (hop->relay->is_freed) {
		relay_hop_close(hop);
		return;
	}
	hop->is_returning = true;
	hop->relay->returning_count++;
	relay_hop_own(hop, &pool_ops, hop->relay);
	relay_hop_poke(hop);
}

void relay_pool_drop_idle(struct relay *relay, const struct relay_host *host)
{
	struct relay_hop *hop;

	while ((hop = idle_of(relay, host)))
		relay_hop_close(hop);
}

void relay_pool_forget(struct relay_hop *hop)
{
	struct relay *relay = hop->relay;

	if (!hop->is_known)
		no_longer_connecting(hop);
	no_longer_returning(hop);
	list_remove(&hop->link);
	relay->hop_count--;
	serve_soon(relay);
}

void relay_pool_fini(struct relay *relay)
{
	while (!list_empty(&relay->tickets))
		relay_pool_cancel(first_ticket(relay));
	relay_pool_drop_idle(relay, NULL);
	for (struct list *link = relay->hops.next, *next; link != &relay->hops; link = next) {
		struct relay_hop *hop = LIST_OWNER(link, struct relay_hop, link);

		next = link->next;
		if (hop->ops == &pool_ops)
			relay_hop_close(hop);
	}
	loop_defer_cancel(&relay->serve);
	loop_timer_stop(relay->loop, &relay->look);
}
