/*
 * The option table: one row for each key of the configuration, with type,
 * range, default and help. Reading, range errors, "did you mean", the dump and
 * the manual's list of options all come from these rows and from nothing else.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "conf/unit.h"

/* The structures of a file in which keys stand. */
enum option_group {
	OPTION_GROUP_TOP,
	OPTION_GROUP_LISTENERS,
	OPTION_GROUP_BACKENDS,
	OPTION_GROUP_ROUTES,
	OPTION_GROUP_CLIENTS,
	OPTION_GROUP_CERTIFICATES,
	OPTION_GROUP_RATES,
	OPTION_GROUP_AUTH,
	OPTION_GROUP_RECIPIENT_MAPS,
	OPTION_GROUPS
};

/* Where a key may stand, and which struct of conf/config.h its field is in. */
enum option_scope {
	OPTION_GLOBAL,   /* struct config */
	OPTION_SESSION,  /* struct session_config: top level, and in a listener, where it wins */
	OPTION_LISTENER, /* struct listener_config */
	OPTION_BACKEND,  /* struct backend_config */
	OPTION_ROUTE,    /* struct route_config */
	OPTION_CLIENT,   /* struct client_config */
	OPTION_CERTIFICATE, /* struct tls_pair_config */
	OPTION_RATES_ROW, /* struct rates_config */
	OPTION_AUTH,      /* struct auth_config */
	OPTION_RECIPIENT_MAP, /* struct recipient_map_config */
	OPTION_SCOPES
};

enum option_type {
	OPTION_GREETING,     /* const char * */
	OPTION_TAG,          /* const char * */
	OPTION_HOSTNAME,     /* const char * */
	OPTION_DOMAIN,       /* const char *, lower-case A-labels */
	OPTION_DOMAINS,      /* config.domains */
	OPTION_ADDRESS,      /* const char * */
	OPTION_SOCKET,       /* const char *listener_config.listen, and addr */
	OPTION_BIND,         /* struct bind_config */
	OPTION_PATTERN,      /* const char * */
	OPTION_PATH,         /* const char * */
	OPTION_PRIORITY,     /* const char * */
	OPTION_TEXT,         /* const char *: printable, not empty */
	OPTION_DELIMITERS,   /* const char * */
	OPTION_MAILBOX,      /* const char * */
	OPTION_MAILBOXES,    /* struct text_list */
	OPTION_HOSTS,        /* struct text_list */
	OPTION_MECHANISMS,   /* struct text_list */
	OPTION_OFFERS,       /* struct text_list */
	OPTION_COMMAND,      /* struct text_list */
	OPTION_VARIABLES,    /* struct text_list */
	OPTION_EXIT_REPLIES, /* struct text_list: "31: 5.7.1 Text", see conf/exit_reply.h */
	OPTION_U32,          /* uint32_t */
	OPTION_U64,          /* uint64_t */
	OPTION_BOOL,         /* bool: true or false, or one of two words */
	OPTION_WORD,         /* an enum or a uint32_t: one of some words */
	OPTION_WORDS,        /* uint32_t: the values of some words, which are bits; 0: none */
	OPTION_NETWORKS,     /* struct network_list */
	OPTION_HOST_PATTERNS, /* struct text_list: names of hosts, or of domains with a dot in front */
	OPTION_ALIASES,      /* struct text_list: "info: anna@example.org" */
	OPTION_SUFFIX,       /* const char *: what may be appended to an address */
	OPTION_RATE,         /* struct rate_config */
	OPTION_CERTIFICATES, /* session_config.tls_certificates */
	OPTION_BACKEND_NAME, /* const struct backend_config * */
	OPTION_LISTENERS,    /* the groups themselves */
	OPTION_BACKENDS,
	OPTION_ROUTES,
	OPTION_CLIENTS,
	OPTION_RATES,
	OPTION_AUTHS,
	OPTION_RECIPIENT_MAPS,
	OPTION_TYPES
};

/* Lists of them end in a NULL. */
struct option_word {
	const char *word;
	unsigned value;
};

struct option {
	const char *key;
	enum option_scope scope;
	enum option_type type;
	enum unit unit;             /* of numbers */
	uint64_t min, max;          /* of numbers */
	bool may_be_unlimited;      /* numbers: the word "unlimited" is taken, and stored as 0 */
	const char *zero_means;     /* numbers: what 0 does, whatever the range; NULL: 0 is like others */
	const struct option_word *words; /* that may stand here */
	bool is_required;
	bool is_reloadable;         /* may change without a restart */
	unsigned backend_types;     /* keys of a backend: bits of enum backend_type */
	unsigned auth_types;        /* keys of a source of users: bits of enum auth_type; 0: all */
	size_t offset;              /* of the field in its struct */
	const char *default_text;   /* as one would write it, without quotes; NULL: there is none */
	const char *default_words;  /* for the manual: what holds where default_text is NULL */
	const char *seed;           /* the setting of mailfront that it takes over; NULL: none */
	const char *example;        /* as one would write it, quotes and all; NULL: the default will do */
	const char *help;           /* one or two sentences */
};

extern const struct option option_table[];
extern const size_t option_table_len;

/* May this key stand in this kind of group? */
bool option_is_in(const struct option *o, enum option_group group);

/* NULL: there is no such key there. */
const struct option *option_find(enum option_group group, const char *key);

/* The key that is nearest to a mistyped one; NULL: none is near. */
const char *option_suggest(enum option_group group, const char *key);

/* Some group in which this key does stand; NULL: there is none. */
const char *option_find_elsewhere(const char *key);

/* The word for a value in a list of them; NULL: there is none. */
const char *option_word_find(const struct option_word *words, unsigned value);

/* The word for a value of this row; it must be one that can stand there. */
const char *option_word_of(const struct option *o, unsigned value);

/* The other group where a key of the same name takes this word; NULL: there is none. */
const char *option_find_word_elsewhere(const struct option *o, const char *word);

/* "top level", "listeners", "backends", "routes", "clients", "tls_certificates", ... */
const char *option_group_name(enum option_group group);

/* Names of enum backend_type; NULL behind the last. */
const char *option_backend_type_name(unsigned type);

#endif
