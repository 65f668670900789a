/*
 * The configuration as the program sees it: immutable once read, counted by
 * references, all memory in one arena. Each key, its type, range, default and
 * help is a row of the option table (conf/option.h); this is what the rows fill.
 */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/config_auth.h"
#include "conf/config_backend.h"
#include "conf/config_rules.h"

struct environment;

/* One of tls_certificates. */
struct tls_pair_config {
	const char *certfile;
	const char *keyfile; /* NULL: in certfile */
	struct config_place place;
};

/* Keys that may stand at top level and again in a listener, where they win. */
struct session_config {
	const char *smtpgreeting;   /* NULL: "<hostname> smtpfrontd" */
	uint64_t max_message_size;  /* octets */
	uint64_t max_header_size;   /* octets */
	uint32_t max_hops;
	uint32_t max_command_line;  /* octets */
	uint32_t max_recipients;
	uint32_t max_recipient_domains; /* 0: unlimited */
	uint32_t max_messages;
	uint32_t max_errors;
	uint32_t maxnotimpl;        /* 0: unlimited */
	uint32_t timeout_s;
	uint32_t session_timeout_s;
	enum config_bare_newline bare_newline;
	bool lenient;
	bool rejects_unknown_parameters; /* unknown_parameters = "reject" */
	uint32_t greeting_delay_s;       /* 0: none */
	uint32_t min_data_rate;          /* octets a second; 0: any */
	bool require_auth;
	bool relayclient;                /* who has authenticated or is listed may write to anybody */
	struct network_list relay_networks;
	const char *relayclient_suffix;  /* NULL: none */
	enum sender_rights sender_rights;
	bool submission;                 /* add Date and Message-ID where users left them out */
	bool hide_client;                /* do not tell their addresses in Received */
	uint32_t max_rejected_recipients; /* per session */
	const char *tls_certfile;        /* NULL: no TLS */
	const char *tls_keyfile;         /* NULL: in tls_certfile */
	const char *tls_dh_params;       /* NULL: the built-in groups */
	const char *tls_priority;
	const char *tls_client_ca;       /* NULL: none */
	uint32_t tls_client_verify;      /* enum tls_client_verify */
	uint32_t tls_handshake_timeout_s;
	const struct tls_pair_config *tls_certificates; /* beside tls_certfile */
	size_t tls_certificate_count;
	const char *tls_certificate_dir; /* NULL: none */
	bool tls_immediate;
	bool tls_compat;
	bool tls_required;
	bool tls_tickets;
	bool offer_auth;
	bool auth_without_tls;
	struct network_list proxy_from;  /* peers that begin with a PROXY header */
	struct network_list xclient_from; /* peers that may say XCLIENT */
};

struct listener_config {
	const char *listen; /* as written */
	struct addr addr;        /* of no family where the socket is handed over */
	const char *socket_name; /* of one that is handed over; NULL: it is opened */
	struct session_config session;
	bool reuse_port;
	struct config_place place;
	const struct config_place *places; /* of its keys, by row of the option table; so in all of these */
};

struct backend_config {
	const char *name;
	enum backend_type type;
	const char *path; /* maildir: pattern with %d, %n, %u, %{1n}, %% */
	/* All these: maildir. */
	const char *recipient_delimiter; /* any of these characters; NULL: none */
	bool detail_folders;
	const char *catch_all;           /* a local part or an address; NULL: none */
	bool create;
	struct text_list mailboxes;      /* that create is for: local parts or addresses */
	uint64_t quota;                  /* octets; 0: unlimited */
	uint32_t quota_messages;         /* 0: unlimited */
	bool is_quota_permanent;         /* quota_reply */
	struct relay_config relay;       /* lmtp, smtp */
	struct pipe_config pipe;         /* qmail-queue, sendmail */
	struct config_place place;
	const struct config_place *places;
};

enum route_authenticated { ROUTE_AUTHENTICATED_ANY, ROUTE_AUTHENTICATED_YES, ROUTE_AUTHENTICATED_NO };

/* All of these must hold; NULL: any. Domains are in lower-case A-labels. */
struct route_config {
	const char *listener; /* its `listen` */
	enum route_authenticated authenticated;
	const char *sender_domain;
	const char *domain;    /* of the recipient */
	const char *recipient; /* an address */
	const struct backend_config *backend;
	struct config_place place;
	const struct config_place *places;
};

struct config {
	struct arena arena;
	uint32_t references;
	const char *file;

	const char *hostname;
	const char *const *domains; /* lower-case A-labels */
	const struct config_place *domain_places;
	size_t domain_count;
	const char *postmaster; /* an address, or NULL */
	uint32_t max_sessions;
	uint32_t max_sessions_per_client;
	uint32_t max_sessions_per_minute; /* of one client; 0: unlimited */
	uint32_t max_half_open_per_client; /* 0: unlimited */
	uint32_t auth_max_failures;       /* of one session */
	uint32_t auth_failure_delay_s;
	uint32_t auth_refusal_s;
	struct rate_config auth_client_guesses;
	struct rate_config auth_client_users;
	struct rate_config auth_user_guesses;
	const char *sender_map;           /* NULL: none */
	uint32_t client_prefix_ipv4;      /* bits of an address that make a client */
	uint32_t client_prefix_ipv6;
	uint64_t spool_memory;    /* octets */
	uint64_t spool_threshold; /* octets */
	uint64_t spool_reserve;   /* octets */
	const char *spool_dir;
	uint32_t disk_threads;
	uint32_t listen_backlog;
	enum log_level log_level;
	enum log_format log_format;
	uint32_t trace;           /* bits of enum log_trace */
	bool syslog;
	uint32_t syslog_facility; /* 0 to 23 */
	const char *syslog_tag;
	const char *user;         /* what root becomes; NULL: it stays who it is */
	const char *group;        /* NULL: that of user */
	const char *pid_file;     /* NULL: none */
	uint32_t drain_timeout_s; /* how long a stop waits for messages that are under way */
	uint32_t slow_step_s;     /* what takes longer is logged */
	struct bind_config metrics_listen;
	struct network_list metrics_from; /* empty: this machine */
	struct text_list qmail_queue_replies; /* where a backend has none of its own */
	struct session_config session; /* what listeners start from */

	struct listener_config *listeners;
	size_t listener_count;
	struct backend_config *backends;
	size_t backend_count;
	struct route_config *routes;
	size_t route_count;
	struct client_config *clients; /* the first that matches holds */
	size_t client_count;

	struct auth_config *auth; /* in the order in which they are asked */
	size_t auth_count;
	struct rates_config *rates;
	size_t rates_count;
	struct recipient_map_config *recipient_maps; /* in the order in which they are asked */
	size_t recipient_map_count;

	const struct config_place *places; /* of the top-level keys */

	const char **foreign_variables; /* that are set for mailfront, and that nothing here takes over */
	size_t foreign_variable_count;
	const char **warnings; /* found by the lint; `file:line: text` */
	size_t warning_count;
};

/*
 * Read and check a file; variables of `environment`, which may be NULL, win over
 * its top level. NULL: err tells file, line and key. The result has one reference.
 * A file can neither end the process nor print anything.
 */
struct config *config_load(const char *file, const struct environment *environment, struct err *err);

/* The same from memory, for tests; `name` stands in messages, and @include is refused. */
struct config *config_load_text(const char *name, struct span text, const struct environment *environment,
				struct err *err);

struct config *config_get(struct config *config);
void config_put(struct config **config);

#endif
