#include "backend/relay_private.h"
#include "net/tls_file.h"

#include <stdio.h>
#include <stdlib.h>

/* Answers of ours may be a little later than the last deadline of the hop's. */
enum { MARGIN_MS = 5 * 1000 };

/* ---- what hosts offer ---- */

/* Do all hosts offer this, as far as is known? Of those that were not asked yet, `unknown` tells. */
static bool all_offer(const struct relay *relay, uint32_t bits, uint32_t unknown)
{
	for (size_t i = 0; i < relay->host_count; i++) {
		uint32_t offered = relay->hosts[i].is_known ? relay->hosts[i].offer.bits : unknown;

		if ((offered & bits) != bits)
			return false;
	}
	return true;
}

/*
 * What a client would have to do without is offered to it only when it is known that it can be had; what
 * it may need anyway is refused when it is known that it cannot.
 */
void relay_learn_offers(struct relay *relay)
{
	struct backend *b = &relay->backend;
	uint32_t offers = relay->options.offers;

	b->takes_smtputf8 = all_offer(relay, SMTP_OFFER_SMTPUTF8, SMTP_OFFER_SMTPUTF8);
	b->takes_8bitmime = all_offer(relay, SMTP_OFFER_8BITMIME, SMTP_OFFER_8BITMIME);
	b->takes_binarymime = all_offer(relay, SMTP_OFFER_BINARYMIME | SMTP_OFFER_CHUNKING, offers);
	b->takes_dsn = all_offer(relay, SMTP_OFFER_DSN, offers);
	/* RFC 8689 4.2.1: over TLS with a certificate that was verified. */
	b->takes_requiretls = relay->options.tls >= RELAY_TLS_VERIFY &&
			      all_offer(relay, SMTP_OFFER_REQUIRETLS, offers);
}

/* ---- the end ---- */

static void relay_reap(struct loop_garbage *garbage)
{
	struct relay *relay = LIST_OWNER(garbage, struct relay, garbage);
	struct arena arena = relay->arena;

	tls_client_context_put(&relay->tls);
	arena_fini(&arena);
	free(relay);
}

static void relay_end(struct relay *relay)
{
	list_remove(&relay->link);
	loop_defer_cancel(&relay->serve);
	loop_reap(relay->loop, &relay->garbage, relay_reap);
}

void relay_put(struct relay *relay)
{
	if (relay->is_freed && list_empty(&relay->transactions))
		relay_end(relay);
}

void relay_free(struct backend *b)
{
	struct relay *relay = LIST_OWNER(b, struct relay, backend);

	relay->is_freed = true;
	relay_pool_fini(relay);
	relay_put(relay);
}

void backend_relay_abandon(struct list *all)
{
	for (struct list *link = all->next, *next; link != all; link = next) {
		next = link->next;
		relay_transactions_abandon(LIST_OWNER(link, struct relay, link));
	}
}

/* ---- the begin ---- */

/* A copy of a text that may be NULL. *is_kept becomes false where memory runs out. */
static const char *keep_text(struct relay *relay, const char *text, bool *is_kept)
{
	const char *copy = text ? arena_dup(&relay->arena, span_str(text)) : NULL;

	*is_kept = *is_kept && (copy || !text);
	return copy;
}

static void name_host(const struct relay *relay, struct relay_host *host)
{
	const char *name = relay->options.tls_name;
	char ip[ADDR_TEXT_SIZE];

	if (!name && host->endpoint.kind == ENDPOINT_NAME)
		name = host->endpoint.name;
	else if (!name && host->endpoint.kind == ENDPOINT_ADDR)
		name = addr_format_ip(&host->endpoint.addr, ip);
	snprintf(host->name, sizeof(host->name), "%s", name ? name : "localhost");
}

static bool keep_hosts(struct relay *relay)
{
	const struct relay_options *o = &relay->options;

	relay->hosts = arena_alloc(&relay->arena, o->host_count * sizeof(*relay->hosts));
	if (!relay->hosts)
		return false;
	relay->host_count = o->host_count;
	for (size_t i = 0; i < o->host_count; i++) {
		relay->hosts[i].endpoint = o->hosts[i];
		endpoint_format(&o->hosts[i], relay->hosts[i].text);
		name_host(relay, &relay->hosts[i]);
	}
	relay->options.hosts = NULL; /* the caller's */
	return true;
}

static enum smtp_client_tls starttls_of(enum relay_tls tls)
{
	switch (tls) {
	case RELAY_TLS_NEVER:
	case RELAY_TLS_IMMEDIATE:
		return SMTP_CLIENT_TLS_NEVER;
	case RELAY_TLS_MAY:
		return SMTP_CLIENT_TLS_MAY;
	case RELAY_TLS_ENCRYPT:
	case RELAY_TLS_VERIFY:
		return SMTP_CLIENT_TLS_MUST;
	}
	BUG_ON(true);
}

static bool keep_options(struct relay *relay, const struct relay_options *options)
{
	struct relay_options *o = &relay->options;
	bool is_kept = true;

	*o = *options;
	o->name = keep_text(relay, options->name, &is_kept);
	o->helo = keep_text(relay, options->helo, &is_kept);
	o->user = keep_text(relay, options->user, &is_kept);
	o->tls_name = keep_text(relay, options->tls_name, &is_kept);
	relay->client_options = (struct smtp_client_options){
		.hostname = o->helo,
		.user = o->user,
		.starttls = starttls_of(o->tls),
		.is_lmtp = o->is_lmtp,
		.auth_without_tls = o->auth_without_tls,
		.sends_xclient = o->sends_xclient,
		.sends_xforward = o->sends_xforward,
	};
	return is_kept && keep_hosts(relay);
}

static struct tls_client_options tls_options_of(const struct relay_options *o)
{
	return (struct tls_client_options){
		.ca_file = o->tls_cafile,
		.verify = o->tls >= RELAY_TLS_VERIFY,
		.certfile = o->tls_certfile,
		.keyfile = o->tls_keyfile,
		.priority = o->tls_priority,
	};
}

static uint64_t files_state_of(const struct relay_options *o)
{
	const struct tls_client_options tls = tls_options_of(o);
	uint64_t state = o->tls == RELAY_TLS_NEVER ? 0 : tls_client_files_state(&tls);

	return tls_file_state(o->password_file, state);
}

bool backend_relay_is_current(const struct backend *backend, const struct relay_options *options)
{
	return LIST_OWNER(backend, struct relay, backend)->files_state == files_state_of(options);
}

bool backend_relay_count(const struct backend *backend, struct relay_counts *counts)
{
	const struct relay *relay = LIST_OWNER(backend, struct relay, backend);

	if (backend->ops != &relay_lmtp_ops && backend->ops != &relay_smtp_ops)
		return false;
	*counts = (struct relay_counts){ .waiting = relay->ticket_count, .hosts = (unsigned)relay->host_count };
	for (size_t i = 0; i < relay->host_count; i++)
		counts->down += relay->hosts[i].failures > 0;
	for (const struct list *link = relay->idle.next; link != &relay->idle; link = link->next)
		counts->idle++;
	counts->in_use = relay->hop_count - counts->idle;
	return true;
}

static bool make_tls(struct relay *relay, const struct relay_options *o, struct err *err)
{
	const struct tls_client_options tls = tls_options_of(o);

	if (o->tls == RELAY_TLS_NEVER)
		return true;
	relay->tls = tls_client_context_new(&tls, err);
	return relay->tls != NULL;
}

static void fill_backend(struct relay *relay)
{
	const struct relay_options *o = &relay->options;

	relay->backend = (struct backend){
		.ops = o->is_lmtp ? &relay_lmtp_ops : &relay_smtp_ops,
		.name = o->name,
		.answers_each = o->is_lmtp,
		.streams = o->streams,
		.check_deadline_ms = o->wait_ms + o->command_ms + MARGIN_MS,
		.commit_deadline_ms = o->data_ms + o->block_ms + o->final_ms + MARGIN_MS,
	};
	relay_learn_offers(relay);
}

/* With all that its options name read. NULL: err tells why. */
static struct relay *load(const struct relay_options *options, struct err *err)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	/* Before they are read: one that changes meanwhile will be found to have. */
	if (relay)
		relay->files_state = files_state_of(options);
	if (!relay || !keep_options(relay, options)) {
		err_set(err, "out of memory");
	} else if (make_tls(relay, options, err) &&
		   (!options->password_file || relay_read_password(relay, options->password_file, err))) {
		relay->client_options.password = relay->options.password;
		return relay;
	}
	if (relay)
		relay_reap(&relay->garbage);
	return NULL;
}

bool backend_relay_try(const struct relay_options *options, struct err *err)
{
	struct relay *relay = load(options, err);

	if (!relay)
		return false;
	relay_reap(&relay->garbage);
	return true;
}

struct backend *backend_relay_new(const struct relay_options *options, struct err *err)
{
	struct relay *relay = load(options, err);

	if (!relay)
		return NULL;
	relay->loop = options->loop;
	list_init(&relay->hops);
	list_init(&relay->idle);
	list_init(&relay->tickets);
	list_init(&relay->transactions);
	list_append(options->all, &relay->link);
	fill_backend(relay);
	return &relay->backend;
}
