/*
 * The lmtp and smtp backends of a setup, as the configuration has them.
 */
#include "front/setup_relay.h"

#include "backend/relay.h"
#include "conf/diff.h"
#include "conf/place.h"
#include "front/server.h"

#include <stdlib.h>

static uint32_t offers_of(const struct relay_config *c)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} offers[] = {
		{ "BINARYMIME", SMTP_OFFER_BINARYMIME | SMTP_OFFER_CHUNKING },
		{ "DSN", SMTP_OFFER_DSN },
		{ "REQUIRETLS", SMTP_OFFER_REQUIRETLS },
	};
	uint32_t bits = 0;

	for (size_t i = 0; i < c->offers.count; i++)
		for (size_t j = 0; j < sizeof(offers) / sizeof(*offers); j++)
			if (strcmp(c->offers.texts[i], offers[j].name) == 0)
				bits |= offers[j].bits;
	return bits;
}

static enum relay_tls tls_of(enum config_relay_tls configured)
{
	switch (configured) {
	case CONFIG_RELAY_TLS_NEVER:
		return RELAY_TLS_NEVER;
	case CONFIG_RELAY_TLS_MAY:
		return RELAY_TLS_MAY;
	case CONFIG_RELAY_TLS_ENCRYPT:
		return RELAY_TLS_ENCRYPT;
	case CONFIG_RELAY_TLS_VERIFY:
		return RELAY_TLS_VERIFY;
	case CONFIG_RELAY_TLS_IMMEDIATE:
		return RELAY_TLS_IMMEDIATE;
	}
	BUG_ON(true);
}

static uint64_t ms(uint32_t seconds)
{
	return 1000ULL * seconds;
}

static void fill_options(struct relay_options *o, const struct relay_config *c)
{
	o->max_connections = c->max_connections;
	o->max_messages = c->max_messages;
	o->idle_ms = ms(c->idle_time_s);
	o->wait_ms = ms(c->wait_timeout_s);
	o->connect_ms = ms(c->connect_timeout_s);
	o->greeting_ms = ms(c->greeting_timeout_s);
	o->command_ms = ms(c->command_timeout_s);
	o->data_ms = ms(c->data_timeout_s);
	o->block_ms = ms(c->block_timeout_s);
	o->final_ms = ms(c->final_timeout_s);
	o->tls = tls_of(c->tls);
	o->tls_name = c->tls_name;
	o->tls_cafile = c->tls_cafile;
	o->tls_certfile = c->tls_certfile;
	o->tls_keyfile = c->tls_keyfile;
	o->user = c->user;
	o->password_file = c->password_file;
	o->auth_without_tls = c->auth_without_tls;
	o->sends_xclient = c->xclient;
	o->sends_xforward = c->xforward;
	o->streams = c->stream;
	o->offers = offers_of(c);
}

static struct endpoint *parse_hosts(const struct relay_config *c, struct err *err)
{
	struct endpoint *hosts = calloc(c->hosts.count, sizeof(*hosts));

	if (!hosts)
		err_set(err, "out of memory");
	for (size_t i = 0; hosts && i < c->hosts.count; i++) {
		if (endpoint_parse(&hosts[i], span_str(c->hosts.texts[i]), 0, err))
			continue;
		free(hosts);
		return NULL;
	}
	return hosts;
}

static bool blame(const struct backend_config *b, struct err *err)
{
	config_place_tell_named(err, OPTION_GROUP_BACKENDS, b->places, b->place);
	err->is_config = true;
	return false;
}

/* All but the hosts and the server's part. */
static struct relay_options options_of(const struct config *config, const struct backend_config *b)
{
	struct relay_options options = {
		.name = b->name,
		.is_lmtp = b->type == BACKEND_LMTP,
		.helo = b->relay.helo ? b->relay.helo : config->hostname,
		.host_count = b->relay.hosts.count,
	};

	fill_options(&options, &b->relay);
	return options;
}

/* All but the server's part; the hosts are the caller's to free. False: err tells why. */
static bool make_options(struct relay_options *options, const struct config *config, const struct backend_config *b,
			 struct err *err)
{
	*options = options_of(config, b);
	options->hosts = parse_hosts(&b->relay, err);
	return options->hosts != NULL;
}

struct backend *setup_relay_new(struct server *server, const struct config *config,
				const struct backend_config *b, struct err *err)
{
	struct relay_options options;
	struct backend *backend;

	if (!make_options(&options, config, b, err))
		return NULL;
	options.all = &server->relays;
	options.loop = server->loop;
	options.disk = server->disk;
	options.resolver = server->resolver;
	backend = backend_relay_new(&options, err);
	if (!backend)
		blame(b, err);
	free((struct endpoint *)options.hosts);
	return backend;
}

bool setup_relay_try(const struct config *config, const struct backend_config *b, struct err *err)
{
	struct relay_options options;
	bool is_good;

	if (!make_options(&options, config, b, err))
		return false;
	is_good = backend_relay_try(&options, err) || blame(b, err);
	free((struct endpoint *)options.hosts);
	return is_good;
}

static bool is_relay(const struct backend_config *b)
{
	return b->type == BACKEND_LMTP || b->type == BACKEND_SMTP;
}

bool setup_relay_is_same(const struct backend *backend, const struct config *before,
			 const struct backend_config *old, const struct config *config,
			 const struct backend_config *b)
{
	const struct relay_options options = options_of(config, b);

	return is_relay(old) && is_relay(b) && config_backend_is_same(old, b) &&
	       strcmp(options.helo, options_of(before, old).helo) == 0 &&
	       backend_relay_is_current(backend, &options);
}

uint64_t setup_relay_descriptors(const struct config *config)
{
	uint64_t count = 0;

	for (size_t i = 0; i < config->backend_count; i++)
		if (is_relay(&config->backends[i]))
			count += config->backends[i].relay.max_connections;
	return count;
}
