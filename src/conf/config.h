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

/* Where something stands; line 0: it is not in the file. */
struct config_place {
	const char *file;
	int line;
};

/* In the order of enum smtp_bare_newline. */
enum config_bare_newline {
	CONFIG_BARE_NEWLINE_AUTO,
	CONFIG_BARE_NEWLINE_REJECT,
	CONFIG_BARE_NEWLINE_LENIENT, /* in a rule for listed clients only */
};

/* Keys that may stand at top level and again in a listener, where they win. */
struct session_config {
	const char *smtpgreeting;   /* NULL: "<hostname> smtpfrontd" */
	uint64_t max_message_size;  /* octets */
	uint64_t max_header_size;   /* octets */
	uint32_t max_hops;
	uint32_t max_command_line;  /* octets */
	uint32_t max_recipients;
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
};

struct listener_config {
	const char *listen; /* as written */
	struct addr addr;
	struct session_config session;
	bool reuse_port;
	struct config_place place;
};

/* A rule for listed clients. */
struct client_config {
	const struct addr_prefix *addresses;
	size_t address_count;
	bool has_bare_newline;
	enum config_bare_newline bare_newline;
	struct config_place place;
};

enum backend_type { BACKEND_MAILDIR, BACKEND_NULL };

struct backend_config {
	const char *name;
	enum backend_type type;
	const char *path; /* maildir: pattern with %d, %n, %u, %% */
	struct config_place place;
};

struct route_config {
	const char *domain; /* lower case; NULL: any */
	const struct backend_config *backend;
	struct config_place place;
};

struct config {
	struct arena arena;
	uint32_t references;
	const char *file;

	const char *hostname;
	const char *const *domains; /* lower case */
	const struct config_place *domain_places;
	size_t domain_count;
	const char *postmaster; /* an address, or NULL */
	uint32_t max_sessions;
	uint32_t max_sessions_per_client;
	uint32_t max_sessions_per_minute; /* of one client; 0: unlimited */
	uint32_t client_prefix_ipv4;      /* bits of an address that make a client */
	uint32_t client_prefix_ipv6;
	uint64_t spool_memory; /* octets */
	uint32_t disk_threads;
	uint32_t listen_backlog;
	enum log_level log_level;
	enum log_format log_format;
	bool syslog;
	uint32_t syslog_facility; /* 0 to 23 */
	const char *syslog_tag;
	uint32_t slow_step_s;     /* what takes longer is logged */
	struct session_config session; /* what listeners start from */

	struct listener_config *listeners;
	size_t listener_count;
	struct backend_config *backends;
	size_t backend_count;
	struct route_config *routes;
	size_t route_count;
	struct client_config *clients; /* the first that matches holds */
	size_t client_count;

	struct config_place *places; /* of the top-level keys, by row of the option table */

	const char **warnings; /* found by the lint; `file:line: text` */
	size_t warning_count;
};

/*
 * Read and check a file. NULL: err tells file, line and key. The result has one
 * reference. A file can neither end the process nor print anything. The name is
 * libconfig's too: it is hidden so that neither library nor program takes the
 * other's for its own.
 */
__attribute__((visibility("hidden"))) struct config *config_read(const char *file, struct err *err);

/* The same from memory, for tests; `name` stands in messages, and @include is refused. */
struct config *config_read_text(const char *name, struct span text, struct err *err);

struct config *config_get(struct config *config);
void config_put(struct config **config);

#endif
