#include "front/server_tls.h"

#include "conf/place.h"
#include "front/metrics.h"
#include "net/tls.h"

#include <stdlib.h>

enum {
	/* Files are taken when they were the same at two looks, so that nothing half written is. */
	WATCH_MS = 5 * 1000,
	REMIND_MS = 24 * 60 * 60 * 1000,
};

struct server_tls {
	struct server *server;
	struct loop_timer timer;
	uint64_t remind_ms;    /* when what is wrong with certificates is told again */
};

_Static_assert((int)TLS_CLIENT_VERIFY_OFF == 0 && (int)TLS_CLIENT_VERIFY_ASK == 1 &&
		       (int)TLS_CLIENT_VERIFY_REQUIRE == 2,
	       "the option table has these numbers");

/* ---- from the configuration to tls_options ---- */

bool server_tls_is_configured(const struct session_config *session)
{
	return session->tls_certfile || session->tls_certificate_count || session->tls_certificate_dir;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_certificates(const struct session_config *a, const struct session_config *b)
{
	return same_text(a->tls_certfile, b->tls_certfile) && same_text(a->tls_keyfile, b->tls_keyfile) &&
	       same_text(a->tls_certificate_dir, b->tls_certificate_dir) &&
	       a->tls_certificates == b->tls_certificates;
}

/* Has a listener before this one the same certificates? Then they need not be told again. */
static bool is_told(const struct config *config, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (same_certificates(&config->listeners[j].session, &config->listeners[i].session))
			return true;
	return false;
}

/* Certificates named in the configuration, in the order of preference. NULL: out of memory. */
static struct tls_pair *make_pairs(const struct session_config *session, size_t *count)
{
	struct tls_pair *pairs = calloc(session->tls_certificate_count + 1, sizeof(*pairs));

	*count = 0;
	if (pairs && session->tls_certfile)
		pairs[(*count)++] = (struct tls_pair){ session->tls_certfile, session->tls_keyfile, NULL };
	for (size_t i = 0; pairs && i < session->tls_certificate_count; i++)
		pairs[(*count)++] = (struct tls_pair){
			.certfile = session->tls_certificates[i].certfile,
			.keyfile = session->tls_certificates[i].keyfile,
			.setting = "tls_certificates",
		};
	return pairs;
}

/* To be given back with free_options(). False: out of memory. */
static bool make_options(struct tls_options *o, const struct config *config, size_t i)
{
	const struct session_config *session = &config->listeners[i].session;

	*o = (struct tls_options){
		.pair_dir = session->tls_certificate_dir,
		.dh_params = session->tls_dh_params,
		.priority = session->tls_priority,
		.compat = session->tls_compat,
		.tickets = session->tls_tickets ? 1 : 0,
		.client_ca = session->tls_client_ca,
		.client_verify = (enum tls_client_verify)session->tls_client_verify,
		.session_scope = config->listeners[i].listen,
		.is_quiet = is_told(config, i),
	};
	o->pairs = make_pairs(session, &o->pair_count);
	return o->pairs != NULL;
}

static void free_options(struct tls_options *o)
{
	free((struct tls_pair *)o->pairs);
}

/* ---- loading ---- */

/* The context of a listener that has certificates. NULL: err tells why. *state is that of its files. */
static struct tls_context *load(const struct config *config, size_t i, uint64_t *state, struct err *err)
{
	struct tls_context *context = NULL;
	struct tls_options options;

	if (!make_options(&options, config, i)) {
		err_set(err, "TLS: out of memory");
		return NULL;
	}
	/* Before they are read: what changes meanwhile is seen at the next look. */
	*state = tls_options_state(&options);
	context = tls_context_new(&options, err);
	if (!context) {
		config_place_tell_named(err, OPTION_GROUP_LISTENERS, config->listeners[i].places,
					config->listeners[i].place);
		err->is_config = true;
	}
	free_options(&options);
	return context;
}

bool front_tls_check(const struct config *config, struct err *err)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		struct tls_context *context;
		uint64_t state;

		if (!server_tls_is_configured(&config->listeners[i].session))
			continue;
		context = load(config, i, &state, err);
		if (!context)
			return false;
		tls_context_put(&context);
	}
	return true;
}

static void say_compat(const struct listener_config *listener)
{
	if (!listener->session.tls_compat)
		return;
	log_begin(LOG_LEVEL_NOTICE, NULL, "tls_compat");
	log_str("listener", listener->listen);
	log_str("text", "old protocol versions, legacy renegotiation and weak suites are allowed");
	log_end();
}

static bool is_at(const struct config *config, size_t i, const char *listen)
{
	return strcmp(config->listeners[i].listen, listen) == 0;
}

/* The listener of the older setup whose place this one takes, or NULL. With one address: in their order. */
static const struct setup_listener *find_older(const struct setup *older, const struct config *config, size_t of)
{
	const char *listen = config->listeners[of].listen;
	size_t before = 0;

	for (size_t i = 0; i < of; i++)
		before += is_at(config, i, listen);
	for (size_t i = 0; older && i < older->config->listener_count; i++)
		if (is_at(older->config, i, listen) && before-- == 0)
			return &older->listeners[i];
	return NULL;
}

static bool load_listener(struct setup *setup, size_t i, const struct setup *older, struct err *err)
{
	struct setup_listener *l = &setup->listeners[i];
	const struct setup_listener *before = find_older(older, setup->config, i);

	if (!server_tls_is_configured(&l->config->session))
		return true;
	l->tls = load(setup->config, i, &l->tls_tried, err);
	if (!l->tls)
		return false;
	l->tls_seen = l->tls_tried;
	if (before && before->tls)
		tls_context_inherit(l->tls, before->tls);
	say_compat(l->config);
	return true;
}

bool server_tls_load(struct setup *setup, const struct setup *older, struct err *err)
{
	for (size_t i = 0; i < setup->config->listener_count; i++)
		if (!load_listener(setup, i, older, err))
			return false;
	return true;
}

/* ---- loading again ---- */

/* False: the old one stays. */
static bool reload_listener(struct setup *setup, size_t i)
{
	struct setup_listener *l = &setup->listeners[i];
	struct err err;
	struct tls_context *context = load(setup->config, i, &l->tls_tried, &err);

	l->tls_seen = l->tls_tried;
	if (!context) {
		/* The same for every listener that has them: the log then tells it once. */
		log_text(LOG_LEVEL_WARNING, "trouble", "the TLS certificates are kept as they were: %s",
			 err.text);
		return false;
	}
	tls_context_inherit(context, l->tls);
	tls_context_put(&l->tls);
	l->tls = context;
	return true;
}

/* How a round of reloads ended. */
struct outcome {
	unsigned listeners, kept;
};

static void reload_and_count(struct setup *setup, size_t i, struct outcome *outcome)
{
	if (reload_listener(setup, i))
		outcome->listeners++;
	else
		outcome->kept++;
}

static void log_outcome(const struct server *s, const struct outcome *outcome)
{
	s->metrics->tls_reloads += outcome->listeners;
	s->metrics->failed_tls_reloads += outcome->kept;
	log_begin(LOG_LEVEL_NOTICE, NULL, "tls_reload");
	log_u64("listeners", outcome->listeners);
	log_u64("kept", outcome->kept);
	log_end();
}

/* Have the files changed since they were loaded, and rest now? */
static bool is_due(struct setup *setup, size_t i)
{
	struct setup_listener *l = &setup->listeners[i];
	struct tls_options options;
	uint64_t now, before = l->tls_seen;

	if (!make_options(&options, setup->config, i))
		return false;
	now = tls_options_state(&options);
	free_options(&options);
	l->tls_seen = now;
	return now == before && now != l->tls_tried;
}

static void remind(struct server_tls *tls)
{
	const struct server *s = tls->server;
	const struct setup *setup = s->setup;

	if (loop_now_ms(s->loop) < tls->remind_ms)
		return;
	tls->remind_ms = loop_now_ms(s->loop) + REMIND_MS;
	for (size_t i = 0; i < setup->config->listener_count; i++)
		if (setup->listeners[i].tls && !is_told(setup->config, i))
			tls_context_log_trouble(setup->listeners[i].tls);
}

static void look(struct loop_timer *timer)
{
	struct server_tls *tls = LIST_OWNER(timer, struct server_tls, timer);
	struct server *s = tls->server;
	struct setup *setup = s->setup;
	struct outcome outcome = { 0 };

	for (size_t i = 0; i < setup->config->listener_count; i++)
		if (setup->listeners[i].tls && is_due(setup, i))
			reload_and_count(setup, i, &outcome);
	if (outcome.listeners + outcome.kept)
		log_outcome(s, &outcome);
	remind(tls);
	loop_timer_start(s->loop, timer, WATCH_MS, look);
}

/* ---- opening and closing ---- */

bool server_tls_open(struct server *s, struct err *err)
{
	struct server_tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return err_set(err, "TLS: out of memory");
	s->tls = tls;
	tls->server = s;
	tls->remind_ms = loop_now_ms(s->loop) + REMIND_MS;
	loop_timer_start(s->loop, &tls->timer, WATCH_MS, look);
	return true;
}

void server_tls_close(struct server *s)
{
	if (s->tls)
		loop_timer_stop(s->loop, &s->tls->timer);
	free(s->tls);
	s->tls = NULL;
}
