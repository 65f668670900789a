/* conf/lint_rules: what would make an open relay is refused, and what might is warned of. */
#include "config_text.h"

#define LISTEN(keys) \
	FIRST "backends = { inbox = { type = \"null\"; }; };\nlisteners = ( { listen = \"[::]:25\"; " keys " } );\n"

/* Two listeners on one line, of which only the second has these keys. */
#define LISTEN_SECOND(keys) LISTEN("}, { listen = \"[::]:26\"; " keys)

static const struct {
	const char *text, *error;
} errors[] = {
	{ LISTEN("relay_networks = \"0.0.0.0/0\";"),
	  "t:3: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("relay_networks = ( \"192.0.2.0/24\", \"::/0\" );"),
	  "t:3: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("") "relay_networks = \"::/0\";",
	  "t:4: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("relayclient = false;") "relay_networks = \"::/0\";",
	  "t:4: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("relay_networks = ( \"0.0.0.0/1\", \"128.0.0.0/1\" );"),
	  "t:3: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("relay_networks = ( \"192.0.0.0/2\", \"10.0.0.0/8\", \"128.0.0.0/2\", \"0.0.0.0/2\", \"64.0.0.0/3\", "
		 "\"96.0.0.0/3\" );"),
	  "t:3: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("relay_networks = ( \"8000::/1\", \"4000::/2\", \"::/2\" );"),
	  "t:3: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("") "clients = ( { address = ( \"0.0.0.0/1\", \"128.0.0.0/1\" ); relayclient = true; } );",
	  "t:4: relayclient: all addresses there are would make an open relay" },
	{ LISTEN("") "clients = ( { address = ( \"::/1\", \"8000::/1\" ); bare_newline = \"lenient\"; } );",
	  "t:4: bare_newline: \"lenient\" may not hold for all addresses there are" },
	{ LISTEN_SECOND("relay_networks = \"0.0.0.0/0\";"),
	  "t:3: relay_networks: all addresses there are would make an open relay" },
	{ LISTEN("") "clients = ( { address = \"0.0.0.0/0\"; relayclient = true; } );",
	  "t:4: relayclient: all addresses there are would make an open relay" },
	{ LISTEN("") "clients = ( { relayclient = true; } );",
	  "t:4: a rule of clients must have an \"address\" or a \"name\"" },
	{ LISTEN("") "clients = ( { name = \"192.0.2.1\"; } );",
	  "t:4: name: \"192.0.2.1\" looks like an IP address, and is no host name" },
	{ LISTEN("relayclient_suffix = \"x\";"),
	  "t:3: relayclient_suffix: \"x\" is no suffix; write \".domain\" or \"@domain\"" },
	{ LISTEN("relayclient_suffix = \"a b@c\";"),
	  "t:3: relayclient_suffix: \"a b@c\" is no suffix; write \".domain\" or \"@domain\"" },
	{ LISTEN("") "recipient_maps = ( { complete = true; } );",
	  "t:4: complete: the map must be for one domain" },
	{ LISTEN("") "rates = ( { messages = \"1/h\"; } );", "t:4: the key \"per\" is missing in this group of rates" },
	{ LISTEN("") "rates = ( { per = \"user\"; sessions = \"1/h\"; } );",
	  "t:4: sessions: when one begins there is no user and no sender yet" },
	{ LISTEN("") "rates = ( { per = \"user\"; messages = \"0/h\"; } );", "t:4: messages: \"0/h\" is no rate" },
	{ LISTEN("") "rates = ( { per = \"user\"; messages = \"1/0h\"; } );", "t:4: messages: \"1/0h\" is no rate" },
	{ LISTEN("") "rates = ( { per = \"user\"; messages = \"1\"; } );", "t:4: messages: \"1\" is no rate" },
	{ LISTEN("") "rates = ( { per = \"user\"; messages = \"1G/h\"; } );", "t:4: messages: \"1G/h\" is no rate" },
	{ LISTEN("") "rates = ( { per = \"user\"; messages = 5; } );", "t:4: messages: must be a string" },
};

START_TEST(what_lets_everybody_relay_is_refused_with_other_mistakes)
{
	struct err err = { .text = "" };
	struct config *config = config_load_text("t", span_str(errors[_i].text), NULL, &err);

	ck_assert_msg(!config, "taken: %s", errors[_i].text);
	ck_assert_msg(strncmp(err.text, errors[_i].error, strlen(errors[_i].error)) == 0, "%s", err.text);
}
END_TEST

static const struct {
	const char *text, *warning; /* NULL: none */
} warnings[] = {
	{ LISTEN(""), NULL },
	{ LISTEN("proxy_from = \"192.0.2.0/24\"; xclient_from = \"192.0.2.7\";"), NULL },
	{ LISTEN("proxy_from = \"0.0.0.0/0\";"),
	  "t:3: proxy_from: with all addresses there are, whoever comes may say to be any client" },
	{ LISTEN("xclient_from = ( \"8000::/1\", \"::/1\" );"),
	  "t:3: xclient_from: with all addresses there are, whoever comes may say to be any client and any user" },
	{ LISTEN("relay_networks = ( \"192.0.2.0/24\", \"127.0.0.0/8\", \"::1\" );"), NULL },
	{ LISTEN("}, { listen = \"127.0.0.1:25\";"),
	  "t:3: listen: \"[::]:25\" serves IPv6 alone, since \"127.0.0.1:25\" has that port; other IPv4 clients "
	  "need a listener, too" },
	{ LISTEN("}, { listen = \"127.0.0.1:26\";"), NULL },
	{ LISTEN("}, { listen = \"0.0.0.0:25\";"), NULL },
	{ LISTEN("}, { listen = \"127.0.0.1:25\"; }, { listen = \"192.0.2.1:25\";"), NULL },
	{ LISTEN("relay_networks = ( \"128.0.0.0/1\" );"),
	  "t:3: relay_networks: a network of /1 makes an open relay for all of it" },
	{ LISTEN("relay_networks = \"2000::/3\";"),
	  "t:3: relay_networks: a network of /3 makes an open relay for all of it" },
	{ LISTEN("relay_networks = \"172.17.0.0/16\";"),
	  "t:3: relay_networks: what comes through a proxy, NAT or a container may have a private address" },
	{ LISTEN("relay_networks = \"fd00::/64\";"),
	  "t:3: relay_networks: what comes through a proxy, NAT or a container may have a private address" },
	{ LISTEN("relay_networks = \"192.0.0.0/8\";"),
	  "t:3: relay_networks: what comes through a proxy, NAT or a container may have a private address" },
	{ LISTEN("") "clients = ( { address = \"10.1.2.3\"; relayclient = true; } );",
	  "t:4: relayclient: what comes through a proxy, NAT or a container may have a private address" },
	{ LISTEN("") "clients = ( { address = \"10.1.2.3\"; relayclient = false; } );", NULL },
	{ LISTEN("") "clients = ( { name = ( \"a.example\", \".example.org\" ); relayclient = true; } );", NULL },
	{ LISTEN("") "clients = ( { name = \".example\"; relayclient = false; } );", NULL },
	{ LISTEN("") "clients = ( { name = ( \".example.org\", \".example\" ); relayclient = true; } );",
	  "t:4: relayclient: \".example\" makes an open relay for all of that domain" },
	{ LISTEN("relay_networks = \"192.0.2.1\"; relayclient = false;"),
	  "t:3: relay_networks does nothing where relayclient is false" },
	{ LISTEN("") "relayclient_suffix = \".x\";",
	  "t:4: relayclient_suffix does nothing: no client is listed in relay_networks or clients" },
	{ LISTEN("") "clients = ( { address = \"192.0.2.1\"; relayclient_suffix = \".x\"; } );",
	  "t:4: relayclient_suffix does nothing without relayclient" },
	{ LISTEN("") "clients = ( { name = \"a.example\"; max_sessions = 5; } );",
	  "t:4: max_sessions and max_sessions_per_minute do nothing in a rule that has names only" },
	{ LISTEN("sender_rights = \"listed\";"),
	  "t:3: sender_rights: \"listed\" is the same as \"own\" without sender_map" },
	{ LISTEN("") "sender_map = \"/x\";",
	  "t:4: sender_map does nothing: sender_rights is \"listed\" nowhere" },
	{ LISTEN("require_auth = true;"),
	  "t:3: require_auth: nobody can authenticate here; give auth, and offer_auth" },
	{ LISTEN("require_auth = true;") "auth = ( { type = \"file\"; path = \"/x\"; } );",
	  "t:3: require_auth: nobody can authenticate here; give tls_certfile" },
	{ LISTEN("require_auth = true; auth_without_tls = true;") "auth = ( { type = \"file\"; path = \"/x\"; } );",
	  "t:3: auth_without_tls: passwords may be sent in plain text" },
	{ LISTEN_SECOND("auth_without_tls = true;") "auth = ( { type = \"file\"; path = \"/x\"; } );",
	  "t:3: auth_without_tls: passwords may be sent in plain text" },
	{ LISTEN_SECOND("") "auth_without_tls = true; auth = ( { type = \"file\"; path = \"/x\"; } );",
	  "t:4: auth_without_tls: passwords may be sent in plain text" },
	{ LISTEN_SECOND("relay_networks = ( \"0.0.0.0/1\", \"128.0.0.0/8\" );"),
	  "t:3: relay_networks: a network of /1 makes an open relay for all of it" },
	{ LISTEN("require_auth = true; tls_certfile = \"/x\";") "auth = ( { type = \"file\"; path = \"/x\"; } );", NULL },
	{ LISTEN("tls_certfile = \"/x\";")
	  "auth = ( { type = \"dovecot\"; path = \"/x\"; },\n{ type = \"file\"; path = \"/x\"; } );",
	  "t:5: no password is ever asked of this source: one before it, of type \"dovecot\" or \"checkpassword\", "
	  "decides about all users" },
	{ LISTEN("tls_certfile = \"/x\";")
	  "auth = ( { type = \"file\"; path = \"/x\"; }, { type = \"dovecot\"; path = \"/x\"; } );", NULL },
	{ LISTEN("tls_certfile = \"/x\";")
	  "auth = ( { type = \"dovecot\"; path = \"/x\"; mechanisms = ( \"XOAUTH2\" ); }, "
	  "{ type = \"file\"; path = \"/x\"; } );", NULL },
	{ LISTEN("relay_networks = \"192.0.2.1\";") "routes = ( { domain = \"example.org\"; backend = \"inbox\"; } );",
	  "t:3: relayclient: no route takes recipients outside of domains; give one without domain, or set "
	  "relayclient to false" },
	{ LISTEN("relay_networks = \"192.0.2.1\";") "routes = ( { domain = \"b.example\"; backend = \"inbox\"; },"
	  " { backend = \"inbox\"; } );", NULL },
	{ LISTEN("") "recipient_maps = ( { aliases = ( \"a: b@c.example\" ); } );"
	  "routes = ( { domain = \"c.example\"; backend = \"inbox\"; }, { backend = \"inbox\"; } );", NULL },
	{ LISTEN("") "tls_dh_params = \"/x\";", "t:4: tls_dh_params does nothing: no listener has a certificate" },
	{ LISTEN("") "tls_priority = \"NORMAL\";", "t:4: tls_priority does nothing: no listener has a certificate" },
	{ LISTEN_SECOND("tls_certfile = \"/x\";") "tls_priority = \"NORMAL\";", NULL },
	{ LISTEN("") "rates = ( { per = \"user\"; } );", "t:4: this group of rates limits nothing" },
	{ LISTEN("") "recipient_maps = ( { domain = \"example.org\"; } );", "t:4: this map of recipients is empty" },
};

START_TEST(what_might_be_meant_otherwise_is_warned_of)
{
	struct config *config = read_good(warnings[_i].text);

	ck_assert_msg(config->warning_count == (warnings[_i].warning != NULL), "%zu warnings, the first: %s",
		      config->warning_count, config->warning_count ? config->warnings[0] : "none");
	if (warnings[_i].warning)
		ck_assert_str_eq(config->warnings[0], warnings[_i].warning);
	config_put(&config);
}
END_TEST

START_TEST(a_rate_has_an_amount_and_a_period)
{
	struct config *config = read_good(LISTEN("") "rates = ( { per = \"client\"; sessions = \"20/10m\";"
						     " octets = \"1G/d\"; messages = \"5/90\"; } );");
	const struct rates_config *rates = &config->rates[0];

	ck_assert(rates->sessions.amount == 20 && rates->sessions.period_s == 600);
	ck_assert(rates->octets.amount == UINT64_C(1) << 30 && rates->octets.period_s == 86400);
	ck_assert(rates->messages.amount == 5 && rates->messages.period_s == 90);
	ck_assert(rates->recipients.amount == 0);
	config_put(&config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lint_rules");
	TCase *tcase = tcase_create("lint_rules");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, what_lets_everybody_relay_is_refused_with_other_mistakes, errors);
	ADD_ROWS(tcase, what_might_be_meant_otherwise_is_warned_of, warnings);
	tcase_add_test(tcase, a_rate_has_an_amount_and_a_period);
	return unit_main(suite);
}
