/*
 * The parts of the configuration that say who may send what: rules for clients,
 * rates, maps of recipients.
 */
#ifndef CONF_CONFIG_RULES_H
#define CONF_CONFIG_RULES_H

#include "conf/config_list.h"

/* In the order of enum smtp_bare_newline. */
enum config_bare_newline {
	CONFIG_BARE_NEWLINE_AUTO,
	CONFIG_BARE_NEWLINE_REJECT,
	CONFIG_BARE_NEWLINE_LENIENT, /* in a rule for listed clients only */
};

/* In whose name a user may send. */
enum sender_rights {
	SENDER_RIGHTS_OWN,
	SENDER_RIGHTS_LISTED, /* and what sender_map has */
	SENDER_RIGHTS_ANY,
};

/* A rule for listed clients. */
struct client_config {
	struct network_list addresses;
	struct text_list names; /* of hosts, in small letters; with a dot in front all below that domain */
	/* What has no has_ in front holds if it is set. */
	bool has_bare_newline, has_relayclient, has_require_auth, has_tls_required;
	bool has_max_sessions, has_max_sessions_per_minute, has_rates;
	enum config_bare_newline bare_newline;
	bool relayclient;
	const char *relayclient_suffix;
	bool require_auth;
	bool tls_required;
	const char *refuse; /* the text of a reply */
	uint32_t max_sessions;
	uint32_t max_sessions_per_minute; /* 0: unlimited */
	bool rates;
	struct config_place place;
	const struct config_place *places;
};

/* What a rate counts for itself. */
enum rate_per {
	RATE_PER_CLIENT,
	RATE_PER_USER,
	RATE_PER_SENDER_DOMAIN,
	RATE_PER_LISTENER,
};

/* One of rates. */
struct rates_config {
	enum rate_per per;
	struct rate_config sessions, messages, recipients, octets;
	struct config_place place;
	const struct config_place *places;
};

/* One of recipient_maps. */
struct recipient_map_config {
	const char *domain; /* lower-case A-labels; NULL: any */
	struct text_list recipients;
	struct text_list aliases; /* "info: anna@example.org" */
	const char *file;
	const char *recipient_delimiter;
	bool complete; /* of its domain there are no others */
	struct config_place place;
	const struct config_place *places;
};

#endif
