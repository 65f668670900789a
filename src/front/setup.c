#include "front/setup.h"

#include "front/metrics.h"
#include "front/policies.h"
#include "front/server.h"
#include "front/server_tls.h"
#include "front/setup_pipe.h"
#include "front/setup_auth.h"
#include "front/setup_relay.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- building ---- */

struct backend_maildir_options setup_maildir_options(const struct config *config,
						     const struct backend_config *b)
{
	return (struct backend_maildir_options){
		.name = b->name,
		.path = b->path,
		.hostname = config->hostname,
		.postmaster = config->postmaster,
		.recipient_delimiter = b->recipient_delimiter,
		.detail_folders = b->detail_folders,
		.catch_all = b->catch_all,
		.creates = b->create,
		.mailboxes = b->mailboxes.texts,
		.mailbox_count = b->mailboxes.count,
		.quota_octets = b->quota,
		.quota_messages = b->quota_messages,
		.is_quota_permanent = b->is_quota_permanent,
	};
}

static struct backend *new_backend(struct server *server, const struct config *config,
				   const struct backend_config *b, struct err *err)
{
	struct backend_maildir_options maildir = setup_maildir_options(config, b);

	maildir.unsynced_mailboxes = &server->unsynced_mailboxes;
	maildir.disk = server->disk;
	maildir.loop = server->loop;
	switch (b->type) {
	case BACKEND_MAILDIR:
		return backend_maildir_new(&maildir, err);
	case BACKEND_NULL:
		return backend_null_new(b->name, server->loop, err);
	case BACKEND_LMTP:
	case BACKEND_SMTP:
		return setup_relay_new(server, config, b, err);
	case BACKEND_QMAIL_QUEUE:
	case BACKEND_SENDMAIL:
		return setup_pipe_new(server, config, b, err);
	}
	BUG_ON(true);
}

/*
 * The backend of this name of an older setup, with a reference, where it is a next hop's and nothing about it has
 * changed: its connections go on, and so does what is known of its hosts. NULL: there is none.
 */
static struct backend *take_over(const struct setup *older, const struct config *config,
				 const struct backend_config *b)
{
	for (size_t i = 0; older && i < older->config->backend_count; i++)
		if (strcmp(older->config->backends[i].name, b->name) == 0 &&
		    setup_relay_is_same(older->backends[i], older->config, &older->config->backends[i], config, b))
			return backend_get(older->backends[i]);
	return NULL;
}

static bool build_backends(struct setup *setup, struct server *server, const struct setup *older, struct err *err)
{
	setup->backends = calloc(setup->config->backend_count, sizeof(struct backend *));
	if (!setup->backends)
		return err_set(err, "out of memory");
	for (size_t i = 0; i < setup->config->backend_count; i++) {
		const struct backend_config *b = &setup->config->backends[i];

		setup->backends[i] = take_over(older, setup->config, b);
		if (!setup->backends[i])
			setup->backends[i] = new_backend(server, setup->config, b, err);
		if (!setup->backends[i])
			return false;
		setup->backends[i]->metrics = metrics_backend(server->metrics, b->name);
	}
	return true;
}

static bool build_policies(struct setup *setup, struct server *server, struct err *err)
{
	if (!policies_build(&setup->policies, setup->config, server->loop, server->disk, server->rates, err))
		return false;
	if (setup->config->postmaster) {
		const char *text = setup->config->postmaster;

		if (!smtp_address_parse(&setup->postmaster, SMTP_CHARSET_ASCII, span_str(text)))
			return err_set(err, "postmaster: \"%s\" is no address", text);
		setup->has_postmaster = true;
	}
	return true;
}

static char *make_greeting(const struct config *config, const struct session_config *session)
{
	char *text;

	if (session->smtpgreeting)
		return strdup(session->smtpgreeting);
	return asprintf(&text, "%s smtpfrontd", config->hostname) < 0 ? NULL : text;
}

static enum smtp_bare_newline bare_newline_of(enum config_bare_newline configured)
{
	switch (configured) {
	case CONFIG_BARE_NEWLINE_AUTO:
		return SMTP_BARE_NEWLINE_AUTO;
	case CONFIG_BARE_NEWLINE_REJECT:
		return SMTP_BARE_NEWLINE_REJECT;
	case CONFIG_BARE_NEWLINE_LENIENT:
		return SMTP_BARE_NEWLINE_LENIENT;
	}
	BUG_ON(true);
}

static bool fill_options(struct setup_listener *l, const struct config *config, struct err *err)
{
	const struct session_config *c = &l->config->session;

	l->options = (struct smtp_session_options){
		.hostname = config->hostname,
		.greeting = make_greeting(config, c),
		.max_message_size = c->max_message_size,
		.max_header_size = c->max_header_size,
		.max_hops = c->max_hops,
		.max_command_line = c->max_command_line,
		.max_recipients = c->max_recipients,
		.max_recipient_domains = c->max_recipient_domains,
		.max_messages = c->max_messages,
		.max_errors = c->max_errors,
		.maxnotimpl = c->maxnotimpl,
		.bare_newline = bare_newline_of(c->bare_newline),
		.is_lenient = c->lenient,
		.rejects_unknown_parameters = c->rejects_unknown_parameters,
		.offers_starttls = server_tls_is_configured(c) && !c->tls_immediate,
		.requires_tls = c->tls_required,
		.offers_auth = c->offer_auth && config->auth_count > 0,
		.auth_without_tls = c->auth_without_tls,
	};
	return l->options.greeting || err_set(err, "out of memory");
}

static bool build_listeners(struct setup *setup, struct server *server, struct err *err)
{
	const struct config *config = setup->config;

	setup->listeners = calloc(config->listener_count, sizeof(*setup->listeners));
	if (!setup->listeners)
		return err_set(err, "out of memory");
	for (size_t i = 0; i < config->listener_count; i++) {
		setup->listeners[i].config = &config->listeners[i];
		setup->listeners[i].metrics = metrics_listener(server->metrics, config->listeners[i].listen);
		if (!fill_options(&setup->listeners[i], config, err))
			return false;
	}
	return true;
}

struct setup *setup_new(struct server *server, struct config *config, const struct setup *older,
			struct err *err)
{
	struct setup *setup = calloc(1, sizeof(*setup));

	if (!setup) {
		err_set(err, "out of memory");
		return NULL;
	}
	setup->references = 1;
	setup->number = older ? older->number + 1 : 1;
	setup->config = config_get(config);
	policy_chain_init(&setup->policies);
	if (!setup_auth_build(&setup->auth, server, config, err) || !build_backends(setup, server, older, err) ||
	    !build_policies(setup, server, err) ||
	    !build_listeners(setup, server, err) || !server_tls_load(setup, older, err))
		setup_put(&setup);
	return setup;
}

/* ---- references ---- */

struct setup *setup_get(struct setup *setup)
{
	setup->references++;
	return setup;
}

static void fini_listener(struct setup_listener *l)
{
	tls_context_put(&l->tls);
	free((char *)l->options.greeting);
}

static void free_setup(struct setup *setup)
{
	struct config *config = (struct config *)setup->config;

	for (size_t i = 0; setup->listeners && i < config->listener_count; i++)
		fini_listener(&setup->listeners[i]);
	free(setup->listeners);
	policy_chain_fini(&setup->policies);
	auth_chain_fini(&setup->auth);
	for (size_t i = 0; setup->backends && i < config->backend_count; i++)
		backend_put(&setup->backends[i]);
	free(setup->backends);
	config_put(&config);
	free(setup);
}

void setup_put(struct setup **setup)
{
	if (*setup && --(*setup)->references == 0)
		free_setup(*setup);
	*setup = NULL;
}

/* ---- answers ---- */

struct backend *setup_route(const struct setup *setup, const struct route_facts *facts)
{
	const struct route_config *r = route_find(setup->config, facts);

	return r ? setup->backends[r->backend - setup->config->backends] : NULL;
}

struct smtp_session_options setup_options_for(const struct setup *setup, const struct setup_listener *l,
					      const struct client_config *rule)
{
	struct smtp_session_options options = l->options;
	struct route_offers offers = route_offers_of(setup->config, setup->backends, l->config->listen);

	options.offers_binarymime = offers.binarymime;
	options.offers_dsn = offers.dsn;
	options.offers_requiretls = offers.requiretls;
	options.offers_prdr = offers.prdr;
	if (rule && rule->has_bare_newline)
		options.bare_newline = bare_newline_of(rule->bare_newline);
	if (rule && rule->has_tls_required)
		options.requires_tls = rule->tls_required;
	return options;
}
