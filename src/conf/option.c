#include "conf/option.h"

#include "conf/config.h"
#include "conf/option_words.h"

#define KI UINT64_C(1024)
#define MI (1024 * KI)
#define TI (1024 * 1024 * MI)
#define DAY UINT64_C(86400)

enum {
	MAILDIR_ONLY = 1u << BACKEND_MAILDIR,
	RELAYS_ONLY = 1u << BACKEND_LMTP | 1u << BACKEND_SMTP,
	QMAIL_QUEUE_ONLY = 1u << BACKEND_QMAIL_QUEUE,
	PIPES_ONLY = QMAIL_QUEUE_ONLY | 1u << BACKEND_SENDMAIL,
	ANY_BACKEND = MAILDIR_ONLY | 1u << BACKEND_NULL | RELAYS_ONLY | PIPES_ONLY,
};

#define GLOBAL_FIELD(name, field) \
	.key = #name, .scope = OPTION_GLOBAL, .offset = offsetof(struct config, field)
#define GLOBAL(name) GLOBAL_FIELD(name, name)
#define SESSION(name, field) \
	.key = #name, .scope = OPTION_SESSION, .offset = offsetof(struct session_config, field)
#define LISTENER(name) \
	.key = #name, .scope = OPTION_LISTENER, .offset = offsetof(struct listener_config, name)
#define BACKEND(name) \
	.key = #name, .scope = OPTION_BACKEND, .is_reloadable = true, \
	.offset = offsetof(struct backend_config, name)
#define MAILDIR(name, field) \
	.key = #name, .scope = OPTION_BACKEND, .is_reloadable = true, .backend_types = MAILDIR_ONLY, \
	.offset = offsetof(struct backend_config, field)
#define RELAY(name) RELAY_FIELD(name, name)
#define RELAY_FIELD(name, field) \
	.key = #name, .scope = OPTION_BACKEND, .is_reloadable = true, .backend_types = RELAYS_ONLY, \
	.offset = offsetof(struct backend_config, relay.field)
#define PIPE(name) PIPE_FIELD(name, name)
#define PIPE_FIELD(name, field) \
	.key = #name, .scope = OPTION_BACKEND, .is_reloadable = true, .backend_types = PIPES_ONLY, \
	.offset = offsetof(struct backend_config, pipe.field)
#define ROUTE(name) \
	.key = #name, .scope = OPTION_ROUTE, .is_reloadable = true, \
	.offset = offsetof(struct route_config, name)
#define CLIENT(name, field) \
	.key = #name, .scope = OPTION_CLIENT, .is_reloadable = true, .offset = offsetof(struct client_config, field)
#define CERTIFICATE(name) \
	.key = #name, .scope = OPTION_CERTIFICATE, .is_reloadable = true, \
	.offset = offsetof(struct tls_pair_config, name)
#define AUTH(name) AUTH_FIELD(name, name)
#define AUTH_FIELD(name, field) \
	.key = #name, .scope = OPTION_AUTH, .is_reloadable = true, .offset = offsetof(struct auth_config, field)
#define RATES_ROW(name) \
	.key = #name, .scope = OPTION_RATES_ROW, .is_reloadable = true, .offset = offsetof(struct rates_config, name)
#define RECIPIENT_MAP(name) \
	.key = #name, .scope = OPTION_RECIPIENT_MAP, .is_reloadable = true, \
	.offset = offsetof(struct recipient_map_config, name)
#define RATE_OF(what) .type = OPTION_RATE, .unit = (what), .may_be_unlimited = true
#define COUNT(least, most) .type = OPTION_U32, .unit = UNIT_COUNT, .min = (least), .max = (most)
#define OCTETS(least, most) .type = OPTION_U64, .unit = UNIT_OCTETS, .min = (least), .max = (most)
#define OCTETS32(least, most) .type = OPTION_U32, .unit = UNIT_OCTETS, .min = (least), .max = (most)
#define SECONDS(least, most) .type = OPTION_U32, .unit = UNIT_SECONDS, .min = (least), .max = (most)

#define BOOL .type = OPTION_BOOL
#define WORD(list) .type = OPTION_WORD, .words = option_words_##list

/* In the order of the manual. Rows of session keys come before the groups, which start from them. */
const struct option option_table[] = {
	{ GLOBAL(hostname), .type = OPTION_HOSTNAME, .is_reloadable = true, .seed = "${PROTO}LOCALHOST",
	  .default_words = "the machine's name", .example = "\"mx.example.org\"",
	  .help = "The name that stands in the greeting, in the reply to EHLO, in Received fields and in "
		  "the names of message files." },
	{ GLOBAL(domains), .type = OPTION_DOMAINS, .is_reloadable = true,
	  .default_words = "none, so nothing is accepted", .example = "( \"example.org\", \"example.net\" )",
	  .help = "The domains that mail is received for. Recipients in any other domain are refused. "
		  "International names may be written with their own letters or in their xn-- form." },
	{ GLOBAL(postmaster), .type = OPTION_ADDRESS, .is_reloadable = true,
	  .default_words = "none, with a warning", .example = "\"anna@example.org\"",
	  .help = "The address that receives mail for the bare recipient postmaster, and for postmaster "
		  "at each of the domains where no such mailbox exists." },
	{ GLOBAL(max_sessions), COUNT(1, 1000000), .default_text = "1000",
	  .is_reloadable = true,
	  .help = "Sessions at one time, over all listeners. A client beyond that is told 421 and may "
		  "come again." },
	{ GLOBAL(max_sessions_per_client), COUNT(1, 1000000), .is_reloadable = true, .default_text = "100",
	  .help = "Sessions at one time from one client. One beyond that is told 421. What counts as one "
		  "client is told by client_prefix_ipv4 and client_prefix_ipv6." },
	{ GLOBAL(max_sessions_per_minute), COUNT(1, 1000000), .may_be_unlimited = true, .is_reloadable = true,
	  .default_text = "unlimited",
	  .help = "Sessions that one client may begin within a minute. One beyond that is told 421. The word "
		  "\"unlimited\" takes the limit away." },
	{ GLOBAL(max_half_open_per_client), COUNT(1, 1000000), .may_be_unlimited = true,
	  .is_reloadable = true, .default_text = "unlimited",
	  .help = "Sessions of one client that have not come to EHLO or HELO yet, or are in a TLS "
		  "handshake. One beyond that is told 421, and 454 where it asks for STARTTLS. With "
		  "\"unlimited\" only max_sessions_per_client bounds them." },
	{ GLOBAL(auth_max_failures), COUNT(1, 1000), .is_reloadable = true, .default_text = "3",
	  .help = "Failed logins in one session. The last of them is told 421 and the connection is closed." },
	{ GLOBAL_FIELD(auth_failure_delay, auth_failure_delay_s), SECONDS(1, 60),
	  .zero_means = "there is no delay", .is_reloadable = true, .default_text = "1s",
	  .help = "How long a client waits for the answer to a login after one that failed. It doubles with "
		  "each failure, up to eight times this." },
	{ GLOBAL(auth_client_guesses), RATE_OF(UNIT_COUNT), .is_reloadable = true, .default_text = "30/h",
	  .help = "Failed logins of one client, all users together. Beyond that it may not log in for "
		  "auth_refusal. An IPv6 client is a /64; a /56 may fail 4 times and a /48 16 times as often. "
		  "The same user and password again does not count." },
	{ GLOBAL(auth_client_users), RATE_OF(UNIT_COUNT), .is_reloadable = true, .default_text = "10/h",
	  .help = "Users for whom logins of one client failed, counted like auth_client_guesses: who tries "
		  "many users with few passwords each is found out by this." },
	{ GLOBAL(auth_user_guesses), RATE_OF(UNIT_COUNT), .is_reloadable = true, .default_text = "30/h",
	  .help = "Passwords that are tried in vain for one user, by all clients together. Beyond that logins "
		  "of this user get 454, but not from networks where the user has logged in within 30 days: "
		  "nobody can lock a user out." },
	{ GLOBAL_FIELD(auth_refusal, auth_refusal_s), SECONDS(1, 30 * DAY), .is_reloadable = true,
	  .default_text = "15m",
	  .help = "How long a client that failed too often may not log in: AUTH gets 421, and so does each "
		  "connection to a listener with require_auth." },
	{ GLOBAL(sender_map), .type = OPTION_PATH, .is_reloadable = true, .default_words = "none",
	  .example = "\"/etc/smtpfrontd/senders\"",
	  .help = "A file with further addresses in whose name users may send where sender_rights is "
		  "\"listed\", a line for each user: the name, a colon, and addresses, local parts, domains "
		  "with an @ in front, or *. It is read again when it changes." },
	{ GLOBAL(client_prefix_ipv4), COUNT(8, 32), .default_text = "32",
	  .help = "How many bits of an IPv4 address make a client: all addresses that begin with the same "
		  "ones share its limits. With 32 each address is a client of its own." },
	{ GLOBAL(client_prefix_ipv6), COUNT(16, 128), .default_text = "64",
	  .help = "The same for IPv6. With 64, what one network may choose freely is one client." },
	{ GLOBAL(spool_memory), OCTETS(KI, TI), .default_text = "256M",
	  .is_reloadable = true,
	  .help = "Memory that the messages being received may take all together. What is beyond it is "
		  "written to spool_dir." },
	{ GLOBAL(spool_threshold), OCTETS(KI, TI), .default_text = "1M",
	  .is_reloadable = true,
	  .help = "A message with more octets than this goes to spool_dir while it is being received, and "
		  "only its end is kept in memory." },
	{ GLOBAL(spool_dir), .type = OPTION_PATH, .default_text = "/var/tmp",
	  .help = "The directory for messages that do not stay in memory. The daemon's user must be able "
		  "to make files in it. They have no names, so that none is ever left over." },
	{ GLOBAL(spool_reserve), OCTETS(KI, TI), .default_text = "100M",
	  .help = "Free space that is left alone on the file system of spool_dir. A message that does not "
		  "find room beside it is put off with 452, at MAIL already if its size is declared." },
	{ GLOBAL(disk_threads), COUNT(1, 256), .default_text = "16",
	  .help = "Threads that write and sync message files. More of them let more messages wait for the "
		  "disk at the same time, which is what makes it fast." },
	{ GLOBAL(listen_backlog), COUNT(1, 65535), .default_text = "1024",
	  .help = "Connections that the kernel keeps waiting for each listener until they are accepted. "
		  "The kernel has a limit of its own, net.core.somaxconn." },
	{ GLOBAL(log_level), WORD(log_levels), .is_reloadable = true, .default_text = "info",
	  .help = "How much is logged, each with all before it. The usual lines for sessions and messages "
		  "are \"info\"." },
	{ GLOBAL(log_format), WORD(log_formats), .is_reloadable = true, .default_text = "text",
	  .help = "How lines of the log look on standard error: words with key=value pairs, or a JSON object "
		  "each." },
	{ GLOBAL(trace), .type = OPTION_WORDS, .words = option_words_traces, .is_reloadable = true,
	  .default_words = "nothing", .example = "( \"smtp\", \"tls\" )",
	  .help = "What is logged step by step, as with log_level \"debug\", which traces everything. SIGUSR2 "
		  "traces everything for a while and, when it comes again, goes back to this." },
	{ GLOBAL(syslog), BOOL, .is_reloadable = true, .default_text = "false",
	  .help = "Send each line of the log to the syslog daemon, too, through /dev/log." },
	{ GLOBAL(syslog_facility), WORD(syslog_facilities), .is_reloadable = true, .default_text = "mail",
	  .help = "The facility under which syslog gets them." },
	{ GLOBAL(syslog_tag), .type = OPTION_TAG, .is_reloadable = true, .default_text = "smtpfrontd",
	  .help = "The name of the program that syslog gets: letters, digits and any of \"-._/\", 32 at "
		  "most." },
	{ GLOBAL(user), .type = OPTION_TEXT, .default_words = "none", .example = "\"smtpfrontd\"",
	  .help = "The user that the daemon becomes when it is started as root: all but the ports is opened by "
		  "this user, and no privilege is left afterwards. Started as anybody else it must be this user "
		  "already." },
	{ GLOBAL(group), .type = OPTION_TEXT, .default_words = "that of user", .example = "\"smtpfrontd\"",
	  .help = "The group that it is in then. It is in no other." },
	{ GLOBAL(pid_file), .type = OPTION_PATH, .default_words = "none", .example = "\"/run/smtpfrontd.pid\"",
	  .help = "A file with the number of the process, locked as long as it runs. It is written before the "
		  "user changes; where that user may not remove it from its directory, it stays there empty." },
	{ GLOBAL_FIELD(drain_timeout, drain_timeout_s), SECONDS(1, 3600), .zero_means = "nobody is waited for", .is_reloadable = true,
	  .default_text = "30s",
	  .help = "How long a stop (SIGTERM) waits for messages that are being received. Sessions without one "
		  "are told 421 at once, the others when theirs is done or this time is over. Deliveries that have "
		  "begun are waited for in any case." },
	{ GLOBAL_FIELD(slow_step, slow_step_s), SECONDS(1, 3600), .is_reloadable = true,
	  .default_text = "5s",
	  .help = "A step of a session, such as a delivery, that takes longer is logged as slow." },
	{ GLOBAL(metrics_listen), .type = OPTION_BIND, .is_reloadable = true, .default_words = "none",
	  .example = "\"127.0.0.1:9925\"",
	  .help = "Address and port where Prometheus asks for metrics (GET /metrics, HTTP without TLS); see "
		  "smtpfrontd(8)." },
	{ GLOBAL(metrics_from), .type = OPTION_NETWORKS, .is_reloadable = true, .default_words = "this machine alone",
	  .example = "( \"127.0.0.1\", \"192.0.2.7\" )",
	  .help = "Who may ask for metrics. Connections from elsewhere are closed at once." },

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
	{ SESSION(max_recipient_domains, max_recipient_domains), COUNT(1, 1000), .may_be_unlimited = true,
	  .is_reloadable = true, .default_text = "unlimited",
	  .help = "Domains of the recipients of one message, announced as RCPTDOMAINMAX (RFC 9422). Recipients "
		  "in others are put off with 452. The word \"unlimited\" takes the limit away." },
	{ SESSION(max_messages, max_messages), COUNT(1, 1000000), .is_reloadable = true,
	  .seed = "$MAXMSGS", .default_text = "10000",
	  .help = "Messages in one session." },
	{ SESSION(max_errors, max_errors), COUNT(1, 10000), .is_reloadable = true, .default_text = "20",
	  .help = "Permanent errors (replies of 500 and above) since the last accepted message. The next "
		  "one closes the connection with 421. Beyond its third error a session shares 4096 error "
		  "replies a second with all others that are as far." },
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

	{ SESSION(min_data_rate, min_data_rate), .type = OPTION_U32, .unit = UNIT_OCTETS, .min = 1,
	  .max = 1024 * MI, .zero_means = "any rate will do", .is_reloadable = true, .default_text = "100",
	  .help = "Octets a second that a client must send of a message, on the average of a minute, or of "
		  "timeout where that is shorter. One that is slower is told 421 and the connection is "
		  "closed." },
	{ SESSION(greeting_delay, greeting_delay_s), SECONDS(1, 60), .zero_means = "there is no delay",
	  .is_reloadable = true, .default_text = "0",
	  .help = "How long the greeting is held back. A client that does not wait for it, as programs that "
		  "send spam often do, is told 554 and the connection is closed." },
	{ SESSION(bare_newline, bare_newline), WORD(bare_newlines), .is_reloadable = true,
	  .default_text = "auto",
	  .help = "Lines that end in LF without CR. \"auto\" takes them as the first line of a session "
		  "ends, and never lets both kinds end a message. \"reject\" refuses sessions and messages "
		  "that have them." },
	{ SESSION(lenient, lenient), BOOL, .is_reloadable = true, .default_text = "false",
	  .help = "Take commands as mailfront does: MAIL without HELO or within a transaction, HELO "
		  "without a name, arguments where none belong, addresses without angle brackets." },
	{ SESSION(proxy_from, proxy_from), .is_reloadable = true, .type = OPTION_NETWORKS, .default_words = "nobody",
	  .example = "( \"192.0.2.10\", \"192.0.2.11\" )",
	  .help = "Load balancers: a connection from one of these must begin with a header of the PROXY "
		  "protocol, version 1 or 2, before TLS and everything else, and who the header names is the "
		  "client. From others the header is an unknown command." },
	{ SESSION(xclient_from, xclient_from), .type = OPTION_NETWORKS, .is_reloadable = true, .default_words = "nobody",
	  .example = "( \"192.0.2.10\" )",
	  .help = "Proxies that speak SMTP and are trusted to tell with XCLIENT whose session it is: the "
		  "client's address, and who has authenticated." },
	{ SESSION(unknown_parameters, rejects_unknown_parameters), BOOL, .words = option_words_unknown_parameters,
	  .is_reloadable = true, .default_text = "ignore",
	  .help = "Parameters of MAIL and RCPT that belong to no extension we offer. \"reject\" answers 555, "
		  "as RFC 5321 asks for; \"ignore\" takes the command without them." },

	{ SESSION(offer_auth, offer_auth), BOOL, .is_reloadable = true, .default_text = "true",
	  .help = "Let clients log in here, where auth names sources of users." },
	{ SESSION(auth_without_tls, auth_without_tls), BOOL, .is_reloadable = true, .default_text = "false",
	  .help = "Let clients log in without TLS, too, so that everybody on the way can read their passwords." },
	{ SESSION(require_auth, require_auth), BOOL, .is_reloadable = true, .default_text = "false",
	  .help = "Answer 530 to MAIL of clients that have not authenticated, as on port 587. Clients that may "
		  "relay because of their address are not asked." },
	{ SESSION(relayclient, relayclient), BOOL, .is_reloadable = true, .default_text = "true",
	  .help = "Let clients that have authenticated, and those in relay_networks, write to recipients "
		  "anywhere. With false only recipients in domains are taken, whoever sends." },
	{ SESSION(relay_networks, relay_networks), .type = OPTION_NETWORKS, .is_reloadable = true,
	  .default_words = "none, so nobody relays without authentication", .example = "( \"192.0.2.0/28\" )",
	  .help = "Clients that may write to anybody without authentication. Whoever can send from such an "
		  "address, or through a proxy that has one, can send through this server." },
	{ SESSION(relayclient_suffix, relayclient_suffix), .type = OPTION_SUFFIX, .is_reloadable = true,
	  .seed = "$RELAYCLIENT", .default_words = "none", .example = "\".fixup.example.org\"",
	  .help = "What is appended to each recipient of clients that may relay because of their address: more "
		  "of the domain, or an @ and another domain, which makes all before it the local part." },
	{ SESSION(sender_rights, sender_rights), WORD(sender_rights), .is_reloadable = true,
	  .default_text = "own",
	  .help = "In whose name somebody may send who has authenticated. \"own\" is the address that is the "
		  "user's name, or that local part in any of domains; \"listed\" is that and what sender_map "
		  "has; \"any\" is no limit. The null sender <> is for everybody. Others get 553." },
	{ SESSION(submission, submission), BOOL, .is_reloadable = true, .default_text = "true",
	  .help = "Add the fields Date and Message-ID to messages without them (RFC 6409), if the client has "
		  "authenticated or may relay because of its address. Where there is no header at all, an empty line "
		  "goes before the text." },
	{ SESSION(hide_client, hide_client), BOOL, .is_reloadable = true, .default_text = "false",
	  .help = "Leave the name and address of clients that have authenticated out of the Received field." },
	{ SESSION(max_rejected_recipients, max_rejected_recipients), COUNT(1, 1000000),
	  .may_be_unlimited = true, .is_reloadable = true, .default_text = "unlimited",
	  .help = "Recipients that may be refused with 550 in one session. The next one closes the connection "
		  "with 421, so that addresses cannot be guessed for long. max_errors counts them, too." },

	{ SESSION(tls_certfile, tls_certfile), .type = OPTION_PATH, .seed = "$TLS_CERTFILE",
	  .default_words = "none, so there is no TLS", .example = "\"/etc/smtpfrontd/tls/fullchain.pem\"",
	  .is_reloadable = true,
	  .help = "The certificate and the ones that lead from it to the authority, in PEM. With it STARTTLS "
		  "is offered. It is loaded again by itself when the file changes, and on SIGHUP." },
	{ SESSION(tls_keyfile, tls_keyfile), .type = OPTION_PATH, .seed = "$TLS_KEYFILE",
	  .default_words = "that of tls_certfile", .example = "\"/etc/smtpfrontd/tls/key.pem\"",
	  .is_reloadable = true,
	  .help = "The key of that certificate, in PEM and without passphrase." },
	{ SESSION(tls_certificates, tls_certificates), .type = OPTION_CERTIFICATES, .default_words = "none",
	  .example = "( { certfile = \"/etc/smtpfrontd/tls/ecdsa.pem\"; } )",
	  .is_reloadable = true,
	  .help = "Further certificates. One with the name of the first and a key of another type, ECDSA "
		  "beside RSA, goes to clients that can use it. Others go to clients that ask for one of "
		  "their names (SNI), wildcards included. Where tls_certfile is not given, the first of "
		  "these is for everybody else." },
	{ SESSION(tls_certificate_dir, tls_certificate_dir), .type = OPTION_PATH, .default_words = "none",
	  .example = "\"/etc/smtpfrontd/tls/sites\"",
	  .is_reloadable = true,
	  .help = "A directory with further certificates, NAME.crt or NAME.pem, and their keys, NAME.key. A "
		  "NAME.pem alone holds its key, too. What ends otherwise is left alone." },
	{ SESSION(tls_immediate, tls_immediate), BOOL, .seed = "$TLS_IMMEDIATE", .default_text = "false",
	  .is_reloadable = true,
	  .help = "Begin with TLS, before the greeting, as on port 465 (RFC 8314). It needs a certificate." },
	{ SESSION(tls_required, tls_required), BOOL, .default_text = "false",
	  .is_reloadable = true,
	  .help = "Answer 530 to everything that would begin a message or a login as long as the client has "
		  "not begun TLS. It needs a certificate." },
	{ SESSION(tls_priority, tls_priority), .type = OPTION_PRIORITY, .seed = "$TLS_PRIORITY",
	  .default_text = "NORMAL",
	  .is_reloadable = true,
	  .help = "Protocol versions, cipher suites, groups and signatures as a priority string of GnuTLS, "
		  "or OPENSSL: and a cipher string of OpenSSL. smtpfrontd --explain-priority shows what one "
		  "comes to. NORMAL is TLS 1.2 and 1.3 here." },
	{ SESSION(tls_compat, tls_compat), BOOL, .seed = "$TLS_COMPAT", .default_text = "false",
	  .is_reloadable = true,
	  .help = "Let old clients in: TLS 1.0 and 1.1, renegotiation as before RFC 5746, SHA-1, keys and "
		  "Diffie-Hellman parameters that are too small for others. Versions and suites change only "
		  "where tls_priority is \"NORMAL\"." },
	{ SESSION(tls_dh_params, tls_dh_params), .type = OPTION_PATH, .seed = "$TLS_DH_PARAMS",
	  .default_words = "the groups of RFC 7919", .example = "\"/etc/smtpfrontd/tls/dh.pem\"",
	  .is_reloadable = true,
	  .help = "Diffie-Hellman parameters for TLS 1.2 and before, in PEM, either PKCS#3 or X9.42." },
	{ SESSION(tls_tickets, tls_tickets), BOOL, .default_text = "true",
	  .is_reloadable = true,
	  .help = "Give clients a ticket with which they can resume their TLS session for two hours. A "
		  "ticket is good at the listener that gave it. The keys are in memory only, and are "
		  "replaced every four hours." },
	{ SESSION(tls_handshake_timeout, tls_handshake_timeout_s), SECONDS(1, 3600), .default_text = "30s",
	  .is_reloadable = true,
	  .help = "How long a TLS handshake may take before the connection is closed." },
	{ SESSION(tls_client_ca, tls_client_ca), .type = OPTION_PATH, .default_words = "none",
	  .example = "\"/etc/smtpfrontd/tls/clients-ca.pem\"",
	  .is_reloadable = true,
	  .help = "The authorities whose certificates clients may show, in PEM." },
	{ SESSION(tls_client_verify, tls_client_verify), WORD(client_verifications), .default_text = "off",
	  .is_reloadable = true,
	  .help = "Whether clients are asked for a certificate. With \"ask\" one that is not valid is as "
		  "good as none; with \"require\" the handshake fails without a valid one." },

	{ GLOBAL(backends), .type = OPTION_BACKENDS, .is_required = true,
	  .example = "{ inbox = { type = \"maildir\"; path = \"/var/vmail/%d/%n\"; }; }",
	  .is_reloadable = true,
	  .help = "The places where messages go, each a group with a name of its own. There must be at "
		  "least one." },
	{ GLOBAL(qmail_queue_replies), .type = OPTION_EXIT_REPLIES, .is_reloadable = true,
	  .seed = "$QQERRMSG_n", .default_words = "texts of ours",
	  .example = "( \"31: 5.7.1 We do not want this.\", \"53: The queue is full.\" )",
	  .help = "What the client is told when qmail-queue ends with some exit code: the code, a colon, and a "
		  "text of one line, which may begin with a status code (RFC 3463). Whether it is 554 or 451 "
		  "is not for the text to say: codes from 11 to 40 refuse a message for good." },
	{ GLOBAL(routes), .type = OPTION_ROUTES, .default_words = "the one backend there is, for all domains",
	  .example = "( { domain = \"example.org\"; backend = \"inbox\"; } )",
	  .is_reloadable = true,
	  .help = "Which backend takes which recipient: the first route that matches its domain. They can "
		  "be left out where there is only one backend." },
	{ GLOBAL(listeners), .type = OPTION_LISTENERS, .is_required = true,
	  .example = "( { listen = \"[::]:25\"; } )",
	  .is_reloadable = true,
	  .help = "The sockets that clients connect to. There must be at least one." },

	{ GLOBAL(clients), .type = OPTION_CLIENTS, .default_words = "no rules",
	  .example = "( { address = \"192.0.2.0/24\"; bare_newline = \"lenient\"; } )",
	  .is_reloadable = true,
	  .help = "Rules for clients by their address. The first whose addresses hold the client's counts, "
		  "on all listeners." },

	{ GLOBAL(auth), .type = OPTION_AUTHS, .is_reloadable = true, .default_words = "nobody can log in",
	  .example = "( { type = \"file\"; path = \"/etc/smtpfrontd/passwd\"; } )",
	  .help = "Where users are known. For the mechanisms PLAIN and LOGIN the first source that knows the user "
		  "decides; any other mechanism belongs to the first source that offers it. While a source is down "
		  "those behind it are not asked, and clients are told 454." },
	{ GLOBAL(rates), .type = OPTION_RATES, .is_reloadable = true, .default_words = "no limits",
	  .example = "( { per = \"user\"; messages = \"100/h\"; recipients = \"500/h\"; } )",
	  .help = "How much may come within a time, each a group that counts for itself. What is beyond is put "
		  "off with 421 or 451." },
	{ GLOBAL(recipient_maps), .type = OPTION_RECIPIENT_MAPS, .is_reloadable = true,
	  .default_words = "none: the backends know who there is",
	  .example = "( { domain = \"example.org\"; aliases = ( \"info: anna\" ); } )",
	  .help = "Who there is, and who is somebody else. They are asked in order, before the backend is." },

	{ LISTENER(listen), .type = OPTION_SOCKET, .is_required = true, .example = "\"[::]:25\"",
	  .is_reloadable = true,
	  .help = "Address and port, such as \"192.0.2.1:25\", \"[2001:db8::1]:25\" or \"*:25\". With "
		  "\"*\" and \"[::]\" clients are served over IPv6 and IPv4; over IPv6 alone if another listener "
		  "has that port at an IPv4 address. \"socket:NAME\" is a socket that is handed over at the start, "
		  "as systemd does, by its name (FileDescriptorName); there may be several of that name." },
	{ LISTENER(reuse_port), BOOL, .default_text = "false",
	  .help = "Share the address and port with other processes of the same user that ask for it too: the "
		  "kernel spreads the connections over them (SO_REUSEPORT)." },

	{ BACKEND(type), WORD(backend_types), .is_required = true, .backend_types = ANY_BACKEND,
	  .example = "\"maildir\"",
	  .help = "What kind of backend it is: \"maildir\" stores messages in Maildirs, \"lmtp\" and \"smtp\" "
		  "hand them to another server, \"qmail-queue\" and \"sendmail\" to a program of that kind, and "
		  "\"null\" accepts them and forgets them, which is good for load tests only." },
	{ MAILDIR(path, path), .type = OPTION_PATTERN, .is_required = true,
	  .example = "\"/var/vmail/%d/%n\"",
	  .help = "The Maildir of a recipient: an absolute path in which %d is the domain, %n the local "
		  "part, %u the whole address, %{2n} the first two characters of the local part, for "
		  "directories that would grow too big, and %% a percent sign." },
	{ MAILDIR(recipient_delimiter, recipient_delimiter), .type = OPTION_DELIMITERS,
	  .default_words = "none", .example = "\"+\"",
	  .help = "Any of these characters ends the name of the mailbox in a local part, so that "
		  "anna+lists means anna. A mailbox whose name is the whole local part goes first." },
	{ MAILDIR(detail_folders, detail_folders), BOOL, .default_text = "false",
	  .help = "Deliver mail for anna+lists into the folder .lists of anna's Maildir (Maildir++) if "
		  "there is such a folder, which is never made. The name must be the same, in its case of "
		  "letters too. Nothing goes to .Trash, which counts for no quota." },
	{ MAILDIR(catch_all, catch_all), .type = OPTION_MAILBOX,
	  .default_words = "none, so they are refused", .example = "\"anna\"",
	  .help = "The mailbox that takes mail for recipients who have none: a local part, which stands "
		  "for that mailbox in the domain of the recipient, or an address." },
	{ MAILDIR(create, create), BOOL, .default_text = "false",
	  .help = "Make the directories of the mailboxes that are listed in mailboxes when the first "
		  "message for them arrives. Others are never made." },
	{ MAILDIR(mailboxes, mailboxes), .type = OPTION_MAILBOXES,
	  .default_words = "none", .example = "( \"anna\", \"ben@example.org\" )",
	  .help = "The mailboxes that create is for: local parts, which stand for a mailbox in each domain, "
		  "and addresses." },
	{ MAILDIR(quota, quota), OCTETS(KI, 1024 * TI), .may_be_unlimited = true, .default_text = "unlimited",
	  .help = "The size of a mailbox, all folders but .Trash together, as Maildir++ has it. The file "
		  "maildirsize of a mailbox wins where it is there." },
	{ MAILDIR(quota_messages, quota_messages), COUNT(1, 1000000000), .may_be_unlimited = true,
	  .default_text = "unlimited",
	  .help = "The messages in a mailbox, counted as for quota." },
	{ MAILDIR(quota_reply, is_quota_permanent), .type = OPTION_BOOL, .words = option_words_quota_replies,
	  .default_text = "temporary",
	  .help = "What is said to a recipient whose mailbox is full: 452, and the client tries again for "
		  "some days, or 552, and the sender learns it at once." },

	{ RELAY(hosts), .type = OPTION_HOSTS, .is_required = true,
	  .example = "( \"127.0.0.1:10025\", \"mail.example.org:25\", \"unix:/run/dovecot/lmtp\" )",
	  .help = "The next hops: an address or a name with its port, or a unix socket. Of several, each gets a "
		  "connection in its turn, and one that cannot be reached is left out for a while." },
	{ RELAY(helo), .type = OPTION_HOSTNAME, .default_words = "the hostname", .example = "\"mx.example.org\"",
	  .help = "The name by which we greet the next hop." },
	{ RELAY(max_connections), COUNT(1, 10000), .default_text = "20",
	  .help = "Connections to all the hosts together. A message has one from its first recipient to its end; "
		  "beyond that it waits, see wait_timeout." },
	{ RELAY(max_messages), COUNT(1, 1000000), .may_be_unlimited = true, .default_text = "100",
	  .help = "Messages that one connection is used for." },
	{ RELAY_FIELD(idle_time, idle_time_s), SECONDS(1, 3600), .default_text = "30s",
	  .help = "How long a connection that is not in use is kept." },
	{ RELAY_FIELD(wait_timeout, wait_timeout_s), SECONDS(1, 3600), .default_text = "1m",
	  .help = "How long a message waits for a connection to any of the hosts before it is put off with 451." },
	{ RELAY_FIELD(connect_timeout, connect_timeout_s), SECONDS(1, 3600), .default_text = "15s",
	  .help = "How long connecting to a host may take, and how long a TLS handshake." },
	{ RELAY_FIELD(greeting_timeout, greeting_timeout_s), SECONDS(1, 3600), .default_text = "30s",
	  .help = "How long a host that was reached may take to greet us and answer EHLO, STARTTLS and AUTH." },
	{ RELAY_FIELD(command_timeout, command_timeout_s), SECONDS(1, 3600), .default_text = "3m",
	  .help = "How long the reply to MAIL or RCPT may take. Our own client waits all the while, for five "
		  "minutes as a rule (RFC 5321)." },
	{ RELAY_FIELD(data_timeout, data_timeout_s), SECONDS(1, 3600), .default_text = "2m",
	  .help = "How long the reply to DATA may take." },
	{ RELAY_FIELD(block_timeout, block_timeout_s), SECONDS(1, 3600), .default_text = "3m",
	  .help = "How long a host may take none of the content that is sent to it." },
	{ RELAY_FIELD(final_timeout, final_timeout_s), SECONDS(1, 7200), .default_text = "10m",
	  .help = "How long the reply to a whole message may take. When it does not come in time the client is "
		  "asked to send the message again, and the host may then have it twice." },
	{ RELAY(tls), WORD(relay_tls), .default_text = "may",
	  .help = "TLS towards the hosts: \"never\"; \"may\", by STARTTLS where it is offered, whatever the "
		  "certificate; \"encrypt\", by STARTTLS always, whatever the certificate; \"verify\", by STARTTLS "
		  "and with a good certificate; \"immediate\", from the first byte and with a good certificate." },
	{ RELAY(tls_name), .type = OPTION_HOSTNAME, .default_words = "the host's, as it stands in hosts",
	  .example = "\"mail.example.org\"",
	  .help = "The name for which certificates of the hosts must be. For a unix socket it is localhost by default." },
	{ RELAY(tls_cafile), .type = OPTION_PATH, .default_words = "the system's authorities",
	  .example = "\"/etc/smtpfrontd/tls/hop-ca.pem\"",
	  .help = "The authorities that those certificates may be from, in PEM." },
	{ RELAY(tls_certfile), .type = OPTION_PATH, .default_words = "none",
	  .example = "\"/etc/smtpfrontd/tls/client.pem\"",
	  .help = "A certificate of our own to show to hosts that ask for one." },
	{ RELAY(tls_keyfile), .type = OPTION_PATH, .default_words = "that of tls_certfile",
	  .example = "\"/etc/smtpfrontd/tls/client.key\"",
	  .help = "The key of that certificate." },
	{ RELAY(user), .type = OPTION_TEXT, .default_words = "none, without AUTH", .example = "\"relay\"",
	  .help = "The user that we log in as (AUTH). It needs password_file." },
	{ RELAY(password_file), .type = OPTION_PATH, .default_words = "none",
	  .example = "\"/etc/smtpfrontd/relay.password\"",
	  .help = "A file whose first line is that user's password. Only its owner and group may have access." },
	{ RELAY(auth_without_tls), BOOL, .default_text = "false",
	  .help = "Send the password also over a connection without TLS." },
	{ RELAY(xclient), BOOL, .default_text = "false",
	  .help = "Tell hosts that offer XCLIENT (as Postfix does) who our client is, so that they treat the "
		  "message as if it came from there." },
	{ RELAY(xforward), BOOL, .default_text = "false",
	  .help = "Tell hosts that offer XFORWARD the same for their logs." },
	{ RELAY(stream), BOOL, .default_text = "false",
	  .help = "Send the content on while it arrives. Otherwise it is sent when it is here as a whole, and the "
		  "host is not kept busy by clients that are slow." },
	{ RELAY(offers), .type = OPTION_OFFERS, .default_words = "what was learned at the last contact",
	  .example = "( \"DSN\", \"BINARYMIME\" )",
	  .help = "What the hosts are known to offer before they were asked: any of \"BINARYMIME\", \"DSN\" and "
		  "\"REQUIRETLS\". Extensions that depend on the next hop are offered to clients only when it is "
		  "known to have them." },
	{ .key = "fallback", .scope = OPTION_BACKEND, .backend_types = RELAYS_ONLY | PIPES_ONLY, .is_reloadable = true,
	  .offset = offsetof(struct backend_config, relay.fallback), .type = OPTION_TEXT, .default_words = "none", .example = "\"inbox\"",
	  .help = "The name of a backend that takes messages while none of the hosts can be reached, or the "
		  "program is not there. A fallback of that backend is not asked then." },

	{ PIPE(command), .type = OPTION_COMMAND,
	  .default_words = "/var/qmail/bin/qmail-queue or /usr/sbin/sendmail, as the type has it",
	  .example = "( \"/usr/sbin/sendmail\", \"-odi\" )",
	  .help = "The program, by its absolute path, and arguments that come before ours. It is run for each "
		  "message, and never by a shell." },
	{ PIPE(environment), .type = OPTION_VARIABLES, .default_words = "none", .example = "( \"TZ\", \"QMAILHOME=/var/qmail\" )",
	  .help = "Variables that the program has beside those that are listed below under PROGRAMS: a name for "
		  "one that is as the daemon has it, a name with a value for one that is so." },
	{ .key = "replies", .scope = OPTION_BACKEND, .is_reloadable = true, .backend_types = QMAIL_QUEUE_ONLY,
	  .offset = offsetof(struct backend_config, pipe.replies), .type = OPTION_EXIT_REPLIES,
	  .default_words = "those of qmail_queue_replies", .example = "( \"31: 5.7.1 We do not want this.\" )",
	  .help = "What the client is told when the program ends with some exit code, for this backend alone. A "
		  "code that is not here has its text from qmail_queue_replies." },
	{ PIPE_FIELD(timeout, timeout_s), SECONDS(1, 3600), .default_text = "4m",
	  .help = "How long a program may take, and how long a message waits for its turn. Then the program is "
		  "killed, and the client is told 451." },
	{ PIPE(max_children), COUNT(1, 1000), .default_text = "10",
	  .help = "Programs that run at the same time. Further messages wait for their turn." },
	{ PIPE(set_id), BOOL, .default_text = "true",
	  .help = "Whether the program, or one that it runs, is set-user-ID or set-group-ID, as those of qmail, "
		  "Postfix and Exim are. With false for each such backend the daemon gives up for good what such "
		  "programs need (no_new_privs)." },

	{ ROUTE(listener), .type = OPTION_TEXT, .default_words = "any listener", .example = "\"[::]:587\"",
	  .help = "The listener that the client came by, as its key listen has it." },
	{ ROUTE(authenticated), WORD(route_authenticated), .default_text = "any",
	  .help = "Whether the client has authenticated." },
	{ ROUTE(sender_domain), .type = OPTION_DOMAIN, .default_words = "any sender",
	  .example = "\"example.org\"",
	  .help = "The domain of the sender. The null sender <> has none, so that it never fits." },
	{ ROUTE(domain), .type = OPTION_DOMAIN, .default_words = "any domain", .example = "\"example.org\"",
	  .help = "The domain of the recipients that this route is for." },
	{ ROUTE(recipient), .type = OPTION_ADDRESS, .default_words = "any recipient",
	  .example = "\"lists@example.org\"",
	  .help = "The one recipient that this route is for, in any case of letters." },
	{ ROUTE(backend), .type = OPTION_BACKEND_NAME, .is_required = true, .example = "\"inbox\"",
	  .help = "The name of the backend that takes them." },

	{ CERTIFICATE(certfile), .type = OPTION_PATH, .is_required = true,
	  .example = "\"/etc/smtpfrontd/tls/ecdsa.pem\"",
	  .help = "As tls_certfile: a certificate with its chain." },
	{ CERTIFICATE(keyfile), .type = OPTION_PATH, .default_words = "that of certfile",
	  .example = "\"/etc/smtpfrontd/tls/ecdsa-key.pem\"",
	  .help = "As tls_keyfile: its key." },

	{ CLIENT(address, addresses), .type = OPTION_NETWORKS,
	  .default_words = "none; there must be this or a name",
	  .example = "( \"192.0.2.0/24\", \"2001:db8::/32\" )",
	  .help = "The clients that this rule is for: addresses and networks, in a list, or just one." },
	{ CLIENT(bare_newline, bare_newline), WORD(bare_newlines_of_clients),
	  .default_words = "that of the listener", .example = "\"lenient\"",
	  .help = "As for a session. \"lenient\" lets every mixture of LF and CRLF end a message, as "
		  "mailfront does. Whoever relays mail of others through such a client can hide a second "
		  "message in a first one (SMTP smuggling), so this is for devices that cannot do "
		  "better." },
	{ CLIENT(name, names), .type = OPTION_HOST_PATTERNS,
	  .default_words = "none; there must be this or an address",
	  .example = "( \"mail.example.net\", \".example.com\" )",
	  .help = "Hosts that this rule is for, by the name that their address has in the DNS, if that name has "
		  "this address in turn. With a dot in front it is for all names that end so. Where the DNS "
		  "does not answer in time, the rule does not match." },
	{ CLIENT(refuse, refuse), .type = OPTION_TEXT, .default_words = "nobody",
	  .example = "\"Ask the postmaster for access.\"",
	  .help = "Tell these clients 554 with this text instead of the greeting, and close." },
	{ CLIENT(relayclient, relayclient), BOOL,
	  .default_words = "as relay_networks says", .example = "true",
	  .help = "May these clients relay without authentication? It wins over relay_networks; where the "
		  "listener's relayclient is false, nobody relays." },
	{ CLIENT(relayclient_suffix, relayclient_suffix), .type = OPTION_SUFFIX,
	  .default_words = "that of the listener", .example = "\"@fixup.example.org\"",
	  .help = "As relayclient_suffix for a session; it needs relayclient." },
	{ CLIENT(require_auth, require_auth), BOOL,
	  .default_words = "as the listener says", .example = "false",
	  .help = "Must these clients authenticate before they send? It wins over all else that says so." },
	{ CLIENT(tls_required, tls_required), BOOL,
	  .default_words = "as the listener says", .example = "true",
	  .help = "Must these clients begin TLS before they send or authenticate? A listener without "
		  "certificate refuses what they send, then." },
	{ CLIENT(max_sessions, max_sessions), COUNT(1, 1000000),
	  .default_words = "max_sessions_per_client", .example = "1000",
	  .help = "Sessions at one time of each client of this rule, in the place of "
		  "max_sessions_per_client. Names are not looked at for this." },
	{ CLIENT(max_sessions_per_minute, max_sessions_per_minute), COUNT(1, 1000000), .may_be_unlimited = true,
	  .default_words = "as at top level", .example = "600",
	  .help = "Sessions that each client of this rule may begin within a minute. Names are not looked at "
		  "for this." },
	{ CLIENT(rates, rates), BOOL, .default_words = "true", .example = "false",
	  .help = "Do the rates per client and per sender_domain hold for these clients? Those per user and per "
		  "listener always do." },

	{ AUTH(type), WORD(auth_types), .is_required = true, .example = "\"file\"",
	  .help = "What kind of source it is: \"file\" is a file of users and passwords, which "
		  "smtpfrontd-passwd writes; \"certificate\" takes a client for whom its certificate names "
		  "(EXTERNAL), where tls_client_verify asks for one; \"dovecot\" asks Dovecot, which brings all its "
		  "mechanisms; \"checkpassword\" runs a program for each password; \"pam\" asks the system's PAM, if "
		  "the daemon was built with it." },
	{ AUTH(path), .type = OPTION_PATH, .default_words = "none; a file and Dovecot need it", .is_required = true,
	  .auth_types = 1u << AUTH_TYPE_FILE | 1u << AUTH_TYPE_DOVECOT,
	  .example = "\"/etc/smtpfrontd/passwd\"",
	  .help = "The password file, which is read again by itself when it changes; or the socket of Dovecot's "
		  "service auth." },
	{ AUTH(command), .type = OPTION_COMMAND, .default_words = "none; checkpassword needs it", .is_required = true,
	  .auth_types = 1u << AUTH_TYPE_CHECKPASSWORD,
	  .example = "( \"/usr/bin/checkpassword\", \"/bin/true\" )",
	  .help = "The program, by its absolute path, and all its arguments, among them what it runs itself when "
		  "the password is right. There is no shell. A daemon that was started as root and has become user runs "
		  "no others than those of its start." },
	{ AUTH_FIELD(timeout, timeout_s), SECONDS(1, 50), .default_text = "30s",
	  .auth_types = 1u << AUTH_TYPE_DOVECOT | 1u << AUTH_TYPE_CHECKPASSWORD | 1u << AUTH_TYPE_PAM,
	  .example = "\"10s\"",
	  .help = "How long an answer of Dovecot, a program or PAM may take. Then the client is told 454." },
	{ AUTH(max_children), COUNT(1, 1000), .default_text = "10", .auth_types = 1u << AUTH_TYPE_CHECKPASSWORD,
	  .help = "Programs that run at the same time. Ten times as many logins wait for their turn, and "
		  "others are told 454." },
	{ AUTH(service), .type = OPTION_TEXT, .default_text = "smtp", .auth_types = 1u << AUTH_TYPE_PAM,
	  .help = "The name of the service, which is that of a file in /etc/pam.d." },
	{ AUTH(pam_directory), .type = OPTION_PATH, .default_words = "the system's", .auth_types = 1u << AUTH_TYPE_PAM,
	  .example = "\"/etc/smtpfrontd/pam.d\"", .help = "A directory for the service's file instead of /etc/pam.d." },
	{ AUTH(set_id), BOOL, .default_text = "true",
	  .auth_types = 1u << AUTH_TYPE_CHECKPASSWORD | 1u << AUTH_TYPE_PAM,
	  .help = "Whether the program, or one that it or a PAM module runs, is set-user-ID or set-group-ID. With "
		  "false for each such source and backend the daemon gives up for good what such programs need "
		  "(no_new_privs). Programs of \"checkpassword\" that a daemon started as root has run do not count, "
		  "because they are not its own." },
	{ AUTH(mechanisms), .type = OPTION_MECHANISMS, .default_words = "those that each user can use",
	  .example = "( \"SCRAM-SHA-256\", \"PLAIN\", \"LOGIN\" )",
	  .help = "The mechanisms of this source that clients are offered, also where some users cannot use one. A "
		  "client that picks such a one for such a user fails, and tries no other." },
	{ RATES_ROW(per), WORD(rate_pers), .is_required = true, .example = "\"user\"",
	  .help = "What is counted for itself: each client (see client_prefix_ipv4), each user, each domain of "
		  "senders, the null sender <> being one of its own, or each listener." },
	{ RATES_ROW(sessions), RATE_OF(UNIT_COUNT), .default_text = "unlimited",
	  .example = "\"60/m\"",
	  .help = "Sessions that begin. Only per client and per listener." },
	{ RATES_ROW(messages), RATE_OF(UNIT_COUNT), .default_text = "unlimited",
	  .example = "\"100/h\"", .help = "Messages that begin, at MAIL." },
	{ RATES_ROW(recipients), RATE_OF(UNIT_COUNT), .default_text = "unlimited",
	  .example = "\"1000/d\"", .help = "Recipients that policies accept, at RCPT." },
	{ RATES_ROW(octets), RATE_OF(UNIT_OCTETS), .default_text = "unlimited",
	  .example = "\"1G/d\"",
	  .help = "Octets of messages that were accepted. They are counted then, and asked for at MAIL." },

	{ RECIPIENT_MAP(domain), .type = OPTION_DOMAIN, .default_words = "any domain",
	  .example = "\"example.org\"",
	  .help = "The domain of the recipients that this map is for. Local parts alone are in it." },
	{ RECIPIENT_MAP(recipients), .type = OPTION_MAILBOXES, .default_words = "none",
	  .example = "( \"anna\", \"ben@example.org\" )", .help = "Recipients that there are." },
	{ RECIPIENT_MAP(aliases), .type = OPTION_ALIASES, .default_words = "none",
	  .example = "( \"info: anna@example.org\" )",
	  .help = "Who is somebody else: an address or a local part, a colon, and the address or the local part "
		  "that the message is for instead. An @ and a domain stand for all of that domain that are "
		  "not named." },
	{ RECIPIENT_MAP(file), .type = OPTION_PATH, .default_words = "none",
	  .example = "\"/etc/smtpfrontd/recipients\"",
	  .help = "A file with more of both, a line each: an address alone, or as in aliases. It is read again "
		  "when it changes." },
	{ RECIPIENT_MAP(recipient_delimiter), .type = OPTION_DELIMITERS,
	  .default_words = "none", .example = "\"+\"",
	  .help = "Any of these characters ends the name that is looked for when the whole local part is not "
		  "there, so that anna+lists is known where anna is." },
	{ RECIPIENT_MAP(complete), BOOL, .default_text = "false",
	  .help = "Refuse recipients in the domain with 550 5.1.1 that none of its maps has." },
};

const size_t option_table_len = sizeof(option_table) / sizeof(*option_table);

const char *option_backend_type_name(unsigned type)
{
	return option_word_find(option_words_backend_types, type);
}
