#include "conf/option.h"

#include "conf/config.h"
#include "conf/suggest.h"

#define KI UINT64_C(1024)
#define MI (1024 * KI)
#define TI (1024 * 1024 * MI)
#define DAY UINT64_C(86400)

enum { ANY_BACKEND = 1u << BACKEND_MAILDIR | 1u << BACKEND_NULL };

#define GLOBAL(name) .key = #name, .scope = OPTION_GLOBAL, .offset = offsetof(struct config, name)
#define SESSION(name, field) \
	.key = #name, .scope = OPTION_SESSION, .offset = offsetof(struct session_config, field)
#define LISTENER(name) \
	.key = #name, .scope = OPTION_LISTENER, .offset = offsetof(struct listener_config, name)
#define BACKEND(name) .key = #name, .scope = OPTION_BACKEND, .offset = offsetof(struct backend_config, name)
#define ROUTE(name) .key = #name, .scope = OPTION_ROUTE, .offset = offsetof(struct route_config, name)
#define COUNT(least, most) .type = OPTION_U32, .unit = UNIT_COUNT, .min = (least), .max = (most)
#define OCTETS(least, most) .type = OPTION_U64, .unit = UNIT_OCTETS, .min = (least), .max = (most)
#define OCTETS32(least, most) .type = OPTION_U32, .unit = UNIT_OCTETS, .min = (least), .max = (most)
#define SECONDS(least, most) .type = OPTION_U32, .unit = UNIT_SECONDS, .min = (least), .max = (most)

/* In the order of the manual. Rows of session keys come before the groups, which start from them. */
const struct option option_table[] = {
	{ GLOBAL(hostname), .type = OPTION_HOSTNAME, .is_reloadable = true, .seed = "${PROTO}LOCALHOST",
	  .default_words = "the machine's name", .example = "\"mx.example.org\"",
	  .help = "The name that stands in the greeting, in the reply to EHLO, in Received fields and in "
		  "the names of message files." },
	{ GLOBAL(domains), .type = OPTION_DOMAINS, .is_reloadable = true,
	  .default_words = "none, so nothing is accepted", .example = "( \"example.org\", \"example.net\" )",
	  .help = "The domains that mail is received for. Recipients in any other domain are refused." },
	{ GLOBAL(postmaster), .type = OPTION_ADDRESS, .is_reloadable = true,
	  .default_words = "none, with a warning", .example = "\"anna@example.org\"",
	  .help = "The address that receives mail for the bare recipient postmaster, and for postmaster "
		  "at each of the domains where no such mailbox exists." },
	{ GLOBAL(max_sessions), COUNT(1, 1000000), .default_text = "1000",
	  .help = "Sessions at one time, over all listeners. A client beyond that is told 421 and may "
		  "come again." },
	{ GLOBAL(max_sessions_per_client), COUNT(1, 1000000), .is_reloadable = true, .default_text = "100",
	  .help = "Sessions at one time from one client: one IPv4 address, or one IPv6 /64 network." },
	{ GLOBAL(spool_memory), OCTETS(KI, TI), .default_text = "256M",
	  .help = "Memory that the messages being received may take all together. Messages beyond it are "
		  "put off with 452; it must hold at least one message of max_message_size." },
	{ GLOBAL(disk_threads), COUNT(1, 256), .default_text = "16",
	  .help = "Threads that write and sync message files. More of them let more messages wait for the "
		  "disk at the same time, which is what makes it fast." },
	{ GLOBAL(listen_backlog), COUNT(1, 65535), .default_text = "1024",
	  .help = "Connections that the kernel keeps waiting for each listener until they are accepted. "
		  "The kernel has a limit of its own, net.core.somaxconn." },
	{ GLOBAL(log_level), .type = OPTION_LOG_LEVEL, .is_reloadable = true, .default_text = "info",
	  .help = "How much is logged: \"error\", \"warning\", \"notice\", \"info\" or \"debug\", each "
		  "with all before it. The usual lines for sessions and messages are \"info\"." },

	{ SESSION(smtpgreeting, smtpgreeting), .type = OPTION_GREETING, .is_reloadable = true,
	  .seed = "$SMTPGREETING",
	  .default_words = "the hostname and the word smtpfrontd",
	  .example = "\"mx.example.org at your service\"",
	  .help = "The text between 220 and ESMTP in the greeting. Each \\n in it begins a further line." },
	{ SESSION(max_message_size, max_message_size), OCTETS(KI, TI), .is_reloadable = true,
	  .seed = "$DATABYTES",
	  .default_text = "50M",
	  .help = "The largest message that is taken, announced as SIZE (RFC 1870) and enforced while "
		  "reading." },
	{ SESSION(max_header_size, max_header_size), OCTETS(KI, 1024 * MI), .is_reloadable = true,
	  .default_text = "1M",
	  .help = "The largest header of a message, all fields together. A message with a larger one is "
		  "refused." },
	{ SESSION(max_hops, max_hops), COUNT(1, 10000), .is_reloadable = true, .seed = "$MAXHOPS",
	  .default_text = "100",
	  .help = "Received fields that a message may have. One with more is going in circles and gets "
		  "554." },
	{ SESSION(max_command_line, max_command_line), OCTETS32(512, 64 * KI), .is_reloadable = true,
	  .default_text = "2048",
	  .help = "Octets of a command line, without its line end. A longer one gets 500." },
	{ SESSION(max_recipients, max_recipients), COUNT(1, 100000), .is_reloadable = true,
	  .seed = "$MAXRCPTS",
	  .default_text = "1000",
	  .help = "Recipients of one message. Those beyond are put off with 452, and the client sends to "
		  "them again later. RFC 5321 asks for 100 at least." },
	{ SESSION(max_messages, max_messages), COUNT(1, 1000000), .is_reloadable = true,
	  .default_text = "10000",
	  .help = "Messages in one session." },
	{ SESSION(max_errors, max_errors), COUNT(1, 10000), .is_reloadable = true, .default_text = "20",
	  .help = "Permanent errors (replies of 500 and above) since the last accepted message. The next "
		  "one closes the connection with 421." },
	{ SESSION(maxnotimpl, maxnotimpl), COUNT(1, 1000000), .may_be_unlimited = true, .is_reloadable = true,
	  .seed = "$MAXNOTIMPL", .default_text = "unlimited",
	  .help = "Unimplemented commands in one session. The next one closes the connection with 421. "
		  "The word \"unlimited\" takes the limit away." },
	{ SESSION(timeout, timeout_s), SECONDS(1, 7 * DAY), .is_reloadable = true, .seed = "$TIMEOUT",
	  .default_text = "20m",
	  .help = "Time without a byte from the client, or taken by it, after which it is told 421 and "
		  "the connection is closed. RFC 5321 asks for 5 minutes at least." },
	{ SESSION(session_timeout, session_timeout_s), SECONDS(1, 365 * DAY), .is_reloadable = true,
	  .seed = "$SESSION_TIMEOUT", .default_text = "1d",
	  .help = "Time since the connection was accepted after which it is closed with 421, whatever it "
		  "is doing." },

	{ GLOBAL(backends), .type = OPTION_BACKENDS, .is_required = true,
	  .example = "{ inbox = { type = \"maildir\"; path = \"/var/vmail/%d/%n\"; }; }",
	  .help = "The places where messages go, each a group with a name of its own. There must be at "
		  "least one." },
	{ GLOBAL(routes), .type = OPTION_ROUTES, .default_words = "the one backend there is, for all domains",
	  .example = "( { domain = \"example.org\"; backend = \"inbox\"; } )",
	  .help = "Which backend takes which recipient: the first route that matches its domain. They can "
		  "be left out where there is only one backend." },
	{ GLOBAL(listeners), .type = OPTION_LISTENERS, .is_required = true,
	  .example = "( { listen = \"[::]:25\"; } )",
	  .help = "The sockets that clients connect to. There must be at least one." },

	{ LISTENER(listen), .type = OPTION_SOCKET, .is_required = true, .example = "\"[::]:25\"",
	  .help = "Address and port, such as \"192.0.2.1:25\", \"[2001:db8::1]:25\" or \"*:25\". With "
		  "\"*\" and \"[::]\" clients are served over IPv6 and IPv4." },

	{ BACKEND(type), .type = OPTION_BACKEND_TYPE, .is_required = true, .backend_types = ANY_BACKEND,
	  .example = "\"maildir\"",
	  .help = "What kind of backend it is: \"maildir\" stores messages in Maildirs, \"null\" accepts "
		  "them and forgets them, which is good for load tests only." },
	{ BACKEND(path), .type = OPTION_PATTERN, .is_required = true, .backend_types = 1u << BACKEND_MAILDIR,
	  .example = "\"/var/vmail/%d/%n\"",
	  .help = "The Maildir of a recipient: an absolute path in which %d is the domain, %n the local "
		  "part, %u the whole address and %% a percent sign." },

	{ ROUTE(domain), .type = OPTION_DOMAIN, .default_words = "any domain", .example = "\"example.org\"",
	  .help = "The domain of the recipients that this route is for." },
	{ ROUTE(backend), .type = OPTION_BACKEND_NAME, .is_required = true, .example = "\"inbox\"",
	  .help = "The name of the backend that takes them." },
};

const size_t option_table_len = sizeof(option_table) / sizeof(*option_table);

bool option_is_in(const struct option *o, enum option_group group)
{
	switch (o->scope) {
	case OPTION_GLOBAL:
		return group == OPTION_GROUP_TOP;
	case OPTION_SESSION:
		return group == OPTION_GROUP_TOP || group == OPTION_GROUP_LISTENERS;
	case OPTION_LISTENER:
		return group == OPTION_GROUP_LISTENERS;
	case OPTION_BACKEND:
		return group == OPTION_GROUP_BACKENDS;
	case OPTION_ROUTE:
		return group == OPTION_GROUP_ROUTES;
	case OPTION_SCOPES:
		break;
	}
	return false;
}

const struct option *option_find(enum option_group group, const char *key)
{
	for (size_t i = 0; i < option_table_len; i++)
		if (option_is_in(&option_table[i], group) && strcmp(option_table[i].key, key) == 0)
			return &option_table[i];
	return NULL;
}

const char *option_suggest(enum option_group group, const char *key)
{
	struct suggest suggest;

	suggest_init(&suggest, key);
	for (size_t i = 0; i < option_table_len; i++)
		if (option_is_in(&option_table[i], group))
			suggest_offer(&suggest, option_table[i].key);
	return suggest.best;
}

const char *option_group_name(enum option_group group)
{
	static const char *const names[] = {
		[OPTION_GROUP_TOP] = "top level",
		[OPTION_GROUP_LISTENERS] = "listeners",
		[OPTION_GROUP_BACKENDS] = "backends",
		[OPTION_GROUP_ROUTES] = "routes",
	};
	_Static_assert(sizeof(names) / sizeof(*names) == OPTION_GROUPS, "a name for each group");

	return names[group];
}

const char *option_find_elsewhere(const char *key)
{
	for (enum option_group group = 0; group < OPTION_GROUPS; group++)
		if (option_find(group, key))
			return option_group_name(group);
	return NULL;
}

const char *option_backend_type_name(unsigned type)
{
	static const char *const names[] = { [BACKEND_MAILDIR] = "maildir", [BACKEND_NULL] = "null" };

	return type < sizeof(names) / sizeof(*names) ? names[type] : NULL;
}
