#include "conf/option_words.h"

#include "conf/config.h"

const struct option_word option_words_log_levels[] = {
	{ "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING }, { "notice", LOG_LEVEL_NOTICE },
	{ "info", LOG_LEVEL_INFO },   { "debug", LOG_LEVEL_DEBUG },     { NULL, 0 },
};

const struct option_word option_words_log_formats[] = {
	{ "text", LOG_FORMAT_TEXT }, { "json", LOG_FORMAT_JSON }, { NULL, 0 },
};

const struct option_word option_words_traces[] = {
	{ "net", LOG_TRACE_NET },       { "smtp", LOG_TRACE_SMTP },       { "tls", LOG_TRACE_TLS },
	{ "policy", LOG_TRACE_POLICY }, { "spool", LOG_TRACE_SPOOL },     { "backend", LOG_TRACE_BACKEND },
	{ NULL, 0 },
};

/* RFC 5424 6.2.1, with the names of syslog(3), which has none for 12 to 15. */
const struct option_word option_words_syslog_facilities[] = {
	{ "kern", 0 },      { "user", 1 },    { "mail", 2 },    { "daemon", 3 },  { "auth", 4 },
	{ "syslog", 5 },    { "lpr", 6 },     { "news", 7 },    { "uucp", 8 },    { "cron", 9 },
	{ "authpriv", 10 }, { "ftp", 11 },    { "local0", 16 }, { "local1", 17 }, { "local2", 18 },
	{ "local3", 19 },   { "local4", 20 }, { "local5", 21 }, { "local6", 22 }, { "local7", 23 },
	{ NULL, 0 },
};

const struct option_word option_words_auth_types[] = {
	{ "file", AUTH_TYPE_FILE }, { "certificate", AUTH_TYPE_CERTIFICATE }, { "dovecot", AUTH_TYPE_DOVECOT },
	{ "checkpassword", AUTH_TYPE_CHECKPASSWORD }, { "pam", AUTH_TYPE_PAM }, { NULL, 0 },
};

const struct option_word option_words_backend_types[] = {
	{ "maildir", BACKEND_MAILDIR }, { "null", BACKEND_NULL }, { "lmtp", BACKEND_LMTP },
	{ "smtp", BACKEND_SMTP },       { "qmail-queue", BACKEND_QMAIL_QUEUE },
	{ "sendmail", BACKEND_SENDMAIL }, { NULL, 0 },
};

const struct option_word option_words_relay_tls[] = {
	{ "never", CONFIG_RELAY_TLS_NEVER },   { "may", CONFIG_RELAY_TLS_MAY },
	{ "encrypt", CONFIG_RELAY_TLS_ENCRYPT }, { "verify", CONFIG_RELAY_TLS_VERIFY },
	{ "immediate", CONFIG_RELAY_TLS_IMMEDIATE }, { NULL, 0 },
};

const struct option_word option_words_bare_newlines[] = {
	{ "auto", CONFIG_BARE_NEWLINE_AUTO },
	{ "reject", CONFIG_BARE_NEWLINE_REJECT },
	{ NULL, 0 },
};

const struct option_word option_words_bare_newlines_of_clients[] = {
	{ "auto", CONFIG_BARE_NEWLINE_AUTO },
	{ "reject", CONFIG_BARE_NEWLINE_REJECT },
	{ "lenient", CONFIG_BARE_NEWLINE_LENIENT },
	{ NULL, 0 },
};

const struct option_word option_words_route_authenticated[] = {
	{ "any", ROUTE_AUTHENTICATED_ANY },
	{ "yes", ROUTE_AUTHENTICATED_YES },
	{ "no", ROUTE_AUTHENTICATED_NO },
	{ NULL, 0 },
};

const struct option_word option_words_quota_replies[] = {
	{ "temporary", false }, { "permanent", true }, { NULL, 0 },
};

const struct option_word option_words_sender_rights[] = {
	{ "own", SENDER_RIGHTS_OWN }, { "listed", SENDER_RIGHTS_LISTED }, { "any", SENDER_RIGHTS_ANY }, { NULL, 0 },
};

const struct option_word option_words_rate_pers[] = {
	{ "client", RATE_PER_CLIENT },
	{ "user", RATE_PER_USER },
	{ "sender_domain", RATE_PER_SENDER_DOMAIN },
	{ "listener", RATE_PER_LISTENER },
	{ NULL, 0 },
};

/* In the order of enum tls_client_verify. */
const struct option_word option_words_client_verifications[] = {
	{ "off", 0 }, { "ask", 1 }, { "require", 2 }, { NULL, 0 },
};

const struct option_word option_words_unknown_parameters[] = {
	{ "ignore", false }, { "reject", true }, { NULL, 0 },
};
