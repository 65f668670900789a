/* front/policies and all of src/policy that it puts together: who may send what, asked without a session. */
#include "front/policies.h"
#include "idn/idn.h"
#include "policy/client_rule.h"
#include "policy/rates.h"

#include "config_text.h"

/* One listener, and what a test adds to it and to the top level. */
#define FILE_OF(listener, top)                                                                    \
	"hostname = \"mx.example.org\"; domains = ( \"example.org\", \"example.net\" );"              \
	"postmaster = \"anna@example.org\";"                                                          \
	"backends = { inbox = { type = \"null\"; }; };"                                              \
	"listeners = ( { listen = \"[::]:25\"; " listener " } );" top "\n"

struct question {
	const char *client, *host, *user, *sender, *recipient;
};

struct answer {
	enum policy_stage stage; /* that was refused; POLICY_STAGES: none */
	uint16_t code;
	char reason[64], policy[64];
	char recipient[400]; /* whom it is for */
};

struct asked {
	struct config *config;
	struct policy_chain chain;
	struct store *rates;
	uint64_t now_ms;
};

static void begin(struct asked *a, const char *text, bool has_rates)
{
	struct err err = { .text = "" };

	*a = (struct asked){ .config = read_good(text), .now_ms = 1000000 };
	if (has_rates)
		a->rates = rates_store_new();
	policy_chain_init(&a->chain);
	ck_assert_msg(policies_build(&a->chain, a->config, NULL, NULL, a->rates, &err), "%s", err.text);
}

static void end(struct asked *a)
{
	policy_chain_fini(&a->chain);
	store_free(&a->rates);
	config_put(&a->config);
}

/* False: refused. */
static bool ask(struct asked *a, enum policy_stage stage, const struct policy_facts *facts,
		struct policy_verdict *v, struct answer *answer)
{
	const struct smtp_reply *reply = policy_chain_ask(&a->chain, stage, facts, v);

	if (!reply)
		return true;
	answer->stage = stage;
	answer->code = reply->code;
	snprintf(answer->reason, sizeof(answer->reason), "%s", reply->reason);
	snprintf(answer->policy, sizeof(answer->policy), "%s", v->policy);
	return false;
}

static void parse(const char *text, enum smtp_path_kind kind, struct smtp_address *address,
		  struct idn_domain *domain)
{
	char path[400];
	size_t used;

	snprintf(path, sizeof(path), "<%s>", text);
	ck_assert_msg(smtp_path_parse(address, kind, SMTP_CHARSET_UTF8, span_str(path), &used), "%s", text);
	ck_assert_int_eq(idn_domain_to_ascii(domain, smtp_address_domain(address)), IDN_OK);
}

static struct answer answer_of(struct asked *a, const struct question *q)
{
	struct answer answer = { .stage = POLICY_STAGES };
	struct smtp_address sender, recipient;
	struct idn_domain sender_domain, recipient_domain;
	struct policy_verdict v = { 0 };
	struct policy_facts facts = { .listener = &a->config->listeners[0], .now_ms = a->now_ms };
	struct addr client;
	struct buf text = { 0 };

	ck_assert(addr_parse_ip(&client, span_str(q->client)));
	facts.client = &client;
	facts.rule = client_rule_find(a->config, &client, q->host);
	facts.user = q->user;
	if (!ask(a, POLICY_CONNECT, &facts, &v, &answer))
		return answer;
	parse(q->sender, SMTP_PATH_SENDER, &sender, &sender_domain);
	facts.sender = &sender;
	facts.sender_domain = idn_domain_span(&sender_domain);
	if (!ask(a, POLICY_MAIL, &facts, &v, &answer))
		return answer;
	parse(q->recipient, SMTP_PATH_RECIPIENT, &recipient, &recipient_domain);
	facts.recipient = &recipient;
	facts.recipient_domain = idn_domain_span(&recipient_domain);
	if (!ask(a, POLICY_RCPT, &facts, &v, &answer))
		return answer;
	ck_assert(smtp_address_write(&text, v.is_rewritten ? &v.recipient : &recipient));
	snprintf(answer.recipient, sizeof(answer.recipient), "%.*s", (int)buf_len(&text), buf_span(&text).ptr);
	buf_fini(&text);
	return answer;
}

#define STRANGER "192.0.2.9"
#define LISTED "198.51.100.7"
#define NETWORKS "relay_networks = ( \"198.51.100.0/24\", \"2001:db8::/32\" ); "
#define RULES                                                                                            \
	"clients = ( { address = \"192.0.2.1\"; relayclient = true; },"                                  \
	" { address = \"198.51.100.8\"; relayclient = false; },"                                         \
	" { address = \"192.0.2.2\"; require_auth = false; },"                                           \
	" { address = \"192.0.2.3\"; require_auth = true; relayclient = true; },"                        \
	" { address = \"192.0.2.4\"; refuse = \"Go away.\"; },"                                          \
	" { address = \"192.0.2.5\"; relayclient = true; relayclient_suffix = \".x.example\"; },"        \
	" { name = ( \"mail.example.com\", \".pool.example.com\" ); relayclient = true; } );"
#define MAPS                                                                                              \
	"recipient_maps = ( { domain = \"example.org\"; recipients = ( \"anna\", \"ben\", \"lists\" );"   \
	" aliases = ( \"info: anna\", \"out: chris@example.com\", \"circle: round\", \"round: circle\","  \
	" \"lost: nobody\", \"Sales: info\" ); recipient_delimiter = \"+\"; complete = true; },"          \
	" { aliases = ( \"@example.net: @example.org\" ); } );"

static const struct {
	const char *text;
	struct question q;
	enum policy_stage stage;
	uint16_t code;
	const char *reason, *recipient;
} rows[] = {
#define OK(to) POLICY_STAGES, 0, "", to
	/* Nothing is said: only our domains, whoever comes. */
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "a@b.example", "anna@example.org" }, OK("anna@example.org") },
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "a@b.example", "anna@EXAMPLE.Org" }, OK("anna@EXAMPLE.Org") },
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "anna@example.org", "x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	{ FILE_OF("", ""), { "127.0.0.1", NULL, NULL, "anna@example.org", "x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "", "x@[192.0.2.1]" }, POLICY_RCPT, 550, "relay_denied", "" },
	/* Who has authenticated. */
	{ FILE_OF("", ""), { STRANGER, NULL, "anna", "anna@example.org", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF("relayclient = false;", ""), { STRANGER, NULL, "anna", "anna@example.org", "x@b.example" },
	  POLICY_RCPT, 550, "relay_denied", "" },
	/* Who is listed. */
	{ FILE_OF(NETWORKS, ""), { LISTED, NULL, NULL, "x@y.example", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF(NETWORKS, ""), { "2001:db8::1", NULL, NULL, "x@y.example", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF(NETWORKS, ""), { STRANGER, NULL, NULL, "x@y.example", "x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	{ FILE_OF(NETWORKS "relayclient = false;", ""), { LISTED, NULL, NULL, "x@y.example", "x@b.example" },
	  POLICY_RCPT, 550, "relay_denied", "" },
	{ FILE_OF("", RULES), { "192.0.2.1", NULL, NULL, "x@y.example", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF(NETWORKS, RULES), { "198.51.100.8", NULL, NULL, "x@y.example", "x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	{ FILE_OF("", RULES), { STRANGER, "MAIL.example.com.", NULL, "", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF("", RULES), { STRANGER, "a.pool.example.com", NULL, "", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF("", RULES), { STRANGER, "pool.example.com", NULL, "", "x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	{ FILE_OF("", RULES), { STRANGER, "xmail.example.com", NULL, "", "x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	/* The suffix is for those who are listed. */
	{ FILE_OF(NETWORKS "relayclient_suffix = \".fix.example\";", ""),
	  { LISTED, NULL, NULL, "", "x@b.example" }, OK("x@b.example.fix.example") },
	{ FILE_OF(NETWORKS "relayclient_suffix = \"@fix.example\";", ""),
	  { LISTED, NULL, NULL, "", "x@b.example" }, OK("\"x@b.example\"@fix.example") },
	{ FILE_OF(NETWORKS "relayclient_suffix = \"-in@fix.example\";", ""),
	  { LISTED, NULL, NULL, "", "x@b.example" }, OK("\"x@b.example-in\"@fix.example") },
	{ FILE_OF(NETWORKS "relayclient_suffix = \".fix.example\";", ""),
	  { STRANGER, NULL, "anna", "anna@example.org", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF(NETWORKS "relayclient_suffix = \".fix.example\";", ""),
	  { LISTED, NULL, NULL, "", "x@[192.0.2.1]" }, POLICY_RCPT, 501, "bad_recipient", "" },
	{ FILE_OF(NETWORKS "relayclient_suffix = \".fix.example\";", RULES),
	  { "192.0.2.5", NULL, NULL, "", "x@b.example" }, OK("x@b.example.x.example") },
	{ FILE_OF(NETWORKS "relayclient_suffix = \".fix.example\";", ""),
	  { LISTED, NULL, NULL, "", "postmaster" }, OK("postmaster") },
	{ FILE_OF(NETWORKS "relayclient_suffix = \"\";", ""),
	  { LISTED, NULL, NULL, "", "x@b.example" }, OK("x@b.example") },
	/* require_auth, and who is not asked. */
	{ FILE_OF("require_auth = true;", ""), { STRANGER, NULL, NULL, "", "anna@example.org" }, POLICY_MAIL, 530,
	  "require_auth", "" },
	{ FILE_OF("require_auth = true;", ""), { STRANGER, NULL, "anna", "", "anna@example.org" },
	  OK("anna@example.org") },
	{ FILE_OF(NETWORKS "require_auth = true;", ""), { LISTED, NULL, NULL, "", "x@b.example" },
	  OK("x@b.example") },
	{ FILE_OF("require_auth = true;", RULES), { "192.0.2.2", NULL, NULL, "", "x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	{ FILE_OF("", RULES), { "192.0.2.3", NULL, NULL, "", "anna@example.org" }, POLICY_MAIL, 530,
	  "require_auth", "" },
	{ FILE_OF("", RULES), { "192.0.2.3", NULL, "anna", "", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF("", RULES), { "192.0.2.4", NULL, NULL, "", "anna@example.org" }, POLICY_CONNECT, 554,
	  "client_refused", "" },
	/* In whose name. */
	{ FILE_OF("", ""), { STRANGER, NULL, "anna", "Anna@example.net", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF("", ""), { STRANGER, NULL, "Anna@Example.ORG", "anna@example.org", "x@b.example" },
	  OK("x@b.example") },
	{ FILE_OF("", ""), { STRANGER, NULL, "anna@example.org", "anna@example.net", "x@b.example" }, POLICY_MAIL,
	  553, "sender_rights", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, "anna", "ben@example.org", "x@b.example" }, POLICY_MAIL, 553,
	  "sender_rights", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, "anna", "anna@example.com", "x@b.example" }, POLICY_MAIL, 553,
	  "sender_rights", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, "anna@", "anna@example.org", "x@b.example" }, POLICY_MAIL, 553,
	  "sender_rights", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, "@example.org", "anna@example.org", "x@b.example" }, POLICY_MAIL, 553,
	  "sender_rights", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, "anna", "", "x@b.example" }, OK("x@b.example") },
	{ FILE_OF("sender_rights = \"any\";", ""), { STRANGER, NULL, "anna", "x@y.example", "x@b.example" },
	  OK("x@b.example") },
	{ FILE_OF("sender_rights = \"listed\";", ""), { STRANGER, NULL, "anna", "x@y.example", "x@b.example" },
	  POLICY_MAIL, 553, "sender_rights", "" },
	/* Ways through us that hide in a local part, for nobody. */
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "", "x%b.example@example.org" }, POLICY_RCPT, 550,
	  "routed_recipient", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "", "b.example!x@example.org" }, POLICY_RCPT, 550,
	  "routed_recipient", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "", "\"x@b.example\"@example.org" }, POLICY_RCPT, 550,
	  "routed_recipient", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, "anna", "", "x%y@b.example" }, POLICY_RCPT, 550,
	  "routed_recipient", "" },
	{ FILE_OF(NETWORKS, ""), { LISTED, NULL, NULL, "", "\"x@y\"@b.example" }, POLICY_RCPT, 550,
	  "routed_recipient", "" },
	{ FILE_OF("", ""), { STRANGER, NULL, NULL, "", "@example.org,@b.example:x@b.example" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	/* Maps. */
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "anna@example.org" }, OK("anna@example.org") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "INFO@example.org" }, OK("anna@example.org") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "sales@example.org" }, OK("anna@example.org") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "out@example.org" }, OK("chris@example.com") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "anna+x@example.org" }, OK("anna+x@example.org") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "info+x@example.org" }, OK("anna@example.org") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "info@example.net" }, OK("anna@example.org") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "chris@example.org" }, POLICY_RCPT, 550,
	  "unknown_mailbox", "" },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "+x@example.org" }, POLICY_RCPT, 550,
	  "unknown_mailbox", "" },
	{ FILE_OF("", MAPS), { STRANGER, NULL, "anna", "", "chris@example.org" }, POLICY_RCPT, 550,
	  "unknown_mailbox", "" },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "circle@example.org" }, POLICY_RCPT, 451,
	  "misconfigured", "" },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "lost@example.org" }, POLICY_RCPT, 451,
	  "misconfigured", "" },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "Postmaster@example.org" }, OK("Postmaster@example.org") },
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "postmaster" }, OK("postmaster") },
	/* An alias out of the house lets nobody else out. */
	{ FILE_OF("", MAPS), { STRANGER, NULL, NULL, "", "chris@example.com" }, POLICY_RCPT, 550,
	  "relay_denied", "" },
	{ FILE_OF("", "recipient_maps = ( { aliases = ( \"x@b.example: anna@example.org\" ); } );"),
	  { STRANGER, NULL, NULL, "", "x@b.example" }, POLICY_RCPT, 550, "relay_denied", "" },
};

START_TEST(the_chain_says_who_may_send_what)
{
	struct asked asked;
	struct answer answer;

	begin(&asked, rows[_i].text, false);
	answer = answer_of(&asked, &rows[_i].q);
	ck_assert_msg(answer.stage == rows[_i].stage && answer.code == rows[_i].code &&
			      strcmp(answer.reason, rows[_i].reason) == 0 &&
			      strcmp(answer.recipient, rows[_i].recipient) == 0,
		      "%s -> %s: stage %d, %u %s by %s, \"%s\"", rows[_i].q.sender, rows[_i].q.recipient,
		      answer.stage, answer.code, answer.reason, answer.policy, answer.recipient);
	end(&asked);
}
END_TEST

/* ---- files ---- */

static const char senders[] = "# who else\nanna: info@example.org, @lists.example  sales@b\xc3\xbc" "cher.example\n\n"
			      "robot@example.org : *\nben:\tchris # on leave\n";

static const struct {
	const char *user, *sender;
	bool may;
} sender_rows[] = {
	{ "anna", "info@example.org", true },
	{ "ANNA", "INFO@Example.Org", true },
	{ "anna", "anyone@lists.example", true },
	{ "anna", "sales@xn--bcher-kva.example", true },
	{ "anna", "anna@example.org", true },
	{ "anna", "info@example.net", false },
	{ "anna", "x@sub.lists.example", false },
	{ "robot@example.org", "x@y.example", true },
	{ "robot", "x@y.example", false },
	{ "ben", "chris@example.net", true },
	{ "ben", "chris@example.com", false },
	{ "on", "x@y.example", false },
	{ "chris", "info@example.org", false },
};

START_TEST(sender_map_adds_to_a_users_own_name)
{
	struct temp_dir dir;
	char text[1024];
	struct asked asked;
	struct answer answer;

	temp_dir_init(&dir);
	write_file(&dir, "senders", senders);
	snprintf(text, sizeof(text), FILE_OF("sender_rights = \"listed\";", "sender_map = \"%s/senders\";"),
		 dir.path);
	begin(&asked, text, false);
	answer = answer_of(&asked, &(struct question){ STRANGER, NULL, sender_rows[_i].user,
						       sender_rows[_i].sender, "x@b.example" });
	ck_assert_int_eq(answer.stage == POLICY_STAGES, sender_rows[_i].may);
	end(&asked);
	temp_dir_fini(&dir);
}
END_TEST

static const struct {
	const char *content, *told; /* behind the name of the file */
} bad_files[] = {
	{ "anna\n\nanna: \n", ":3: nothing follows the colon" },
	{ "anna: ben, chris\n", ":1: an alias leads to one address only" },
	{ "anna\nANNA: ben\n", ": \"anna\" stands there twice" },
	{ "anna smith: ben\n", ":1: the name to the left of the colon has a blank in it" },
	{ ": ben\n", ":1: \"\" is no address" },
	{ "anna: ben@-\n", ":1: \"ben@-\" holds no valid domain name" },
	{ "anna: @\n", ":1: \"@\" holds no valid domain name" },
	{ "an\x01na\n", ":1: \"an\x01na\" is no address" },
};

START_TEST(mistakes_in_a_map_are_told_with_file_and_line)
{
	struct err err = { .text = "" };
	struct temp_dir dir;
	char text[1024], told[512];
	struct policy_chain chain;
	struct config *config;

	temp_dir_init(&dir);
	write_file(&dir, "map", bad_files[_i].content);
	snprintf(text, sizeof(text), FILE_OF("", "recipient_maps = ( { file = \"%s/map\"; } );"), dir.path);
	config = read_good(text);
	policy_chain_init(&chain);
	ck_assert(!policies_build(&chain, config, NULL, NULL, NULL, &err));
	snprintf(told, sizeof(told), "t:1: file: %s/map%s", dir.path, bad_files[_i].told);
	ck_assert_str_eq(err.text, told);
	ck_assert(err.is_config);
	policy_chain_fini(&chain);
	config_put(&config);
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(a_map_that_is_not_there_is_an_error)
{
	struct err err = { .text = "" };
	struct config *config = read_good(FILE_OF("", "sender_map = \"/nonexistent/senders\";"));
	struct policy_chain chain;

	policy_chain_init(&chain);
	ck_assert(!policies_build(&chain, config, NULL, NULL, NULL, &err));
	ck_assert_str_eq(err.text, "t:1: sender_map: /nonexistent/senders: No such file or directory");
	policy_chain_fini(&chain);
	config_put(&config);
}
END_TEST

/* ---- rates ---- */

#define RATE(what) FILE_OF("", "rates = ( { " what " } );")

static const struct {
	const char *text;
	struct question first, other; /* `other` is counted for itself, or NULL client: nobody is */
	int most;
	const char *reason;
} rate_rows[] = {
	{ RATE("per = \"client\"; sessions = \"3/m\";"), { STRANGER, NULL, NULL, "", "anna@example.org" },
	  { LISTED, NULL, NULL, "", "anna@example.org" }, 3, "rate_sessions" },
	{ RATE("per = \"client\"; messages = \"2/m\";"), { STRANGER, NULL, NULL, "", "anna@example.org" },
	  { LISTED, NULL, NULL, "", "anna@example.org" }, 2, "rate_messages" },
	{ RATE("per = \"client\"; messages = \"2/m\";"), { "2001:db8::1", NULL, NULL, "", "anna@example.org" },
	  { "2001:db8:0:1::1", NULL, NULL, "", "anna@example.org" }, 2, "rate_messages" },
	{ RATE("per = \"user\"; messages = \"2/m\";"), { STRANGER, NULL, "anna", "", "x@b.example" },
	  { STRANGER, NULL, "ben", "", "x@b.example" }, 2, "rate_messages" },
	{ RATE("per = \"user\"; recipients = \"4/m\";"), { STRANGER, NULL, "anna", "", "x@b.example" },
	  { STRANGER, NULL, NULL, "", "anna@example.org" }, 4, "rate_recipients" },
	{ RATE("per = \"sender_domain\"; messages = \"2/m\";"), { STRANGER, NULL, NULL, "", "anna@example.org" },
	  { STRANGER, NULL, NULL, "a@b.example", "anna@example.org" }, 2, "rate_messages" },
	{ RATE("per = \"sender_domain\"; recipients = \"2/m\";"),
	  { STRANGER, NULL, NULL, "a@B.example", "anna@example.org" },
	  { STRANGER, NULL, NULL, "a@c.example", "anna@example.org" }, 2, "rate_recipients" },
	{ RATE("per = \"listener\"; messages = \"2/m\";"), { STRANGER, NULL, NULL, "", "anna@example.org" },
	  { NULL, NULL, NULL, NULL, NULL }, 2, "rate_messages" },
};

START_TEST(a_rate_holds_for_each_by_itself_and_ends)
{
	struct answer answer = { 0 };
	struct asked asked;

	begin(&asked, rate_rows[_i].text, true);
	for (int i = 0; i < rate_rows[_i].most; i++) {
		answer = answer_of(&asked, &rate_rows[_i].first);
		ck_assert_msg(answer.stage == POLICY_STAGES, "%d: %s", i, answer.reason);
	}
	answer = answer_of(&asked, &rate_rows[_i].first);
	ck_assert_str_eq(answer.reason, rate_rows[_i].reason);
	ck_assert_str_eq(answer.policy, "rates");
	if (rate_rows[_i].other.client) {
		answer = answer_of(&asked, &rate_rows[_i].other);
		ck_assert_int_eq(answer.stage, POLICY_STAGES);
	}
	asked.now_ms += 60 * 1000;
	answer = answer_of(&asked, &rate_rows[_i].first);
	ck_assert_int_eq(answer.stage, POLICY_STAGES);
	end(&asked);
}
END_TEST

START_TEST(octets_count_when_they_were_taken)
{
	const struct question q = { STRANGER, NULL, NULL, "", "anna@example.org" };
	struct policy_facts facts = { .now_ms = 1000000 };
	struct answer answer;
	struct addr client;
	struct asked asked;

	begin(&asked, RATE("per = \"client\"; octets = \"1M/m\";"), true);
	ck_assert(addr_parse_ip(&client, SPAN_LITERAL(STRANGER)));
	facts.client = &client;
	facts.listener = &asked.config->listeners[0];
	for (int i = 0; i < 4; i++) {
		answer = answer_of(&asked, &q);
		ck_assert_int_eq(answer.stage, POLICY_STAGES);
		policy_chain_taken(&asked.chain, &facts, 256 * 1024);
	}
	answer = answer_of(&asked, &q);
	ck_assert_str_eq(answer.reason, "rate_octets");
	asked.now_ms += 30 * 1000;
	answer = answer_of(&asked, &q);
	ck_assert_int_eq(answer.stage, POLICY_STAGES);
	end(&asked);
}
END_TEST

START_TEST(what_nobody_accepts_does_not_count_as_a_recipient)
{
	const struct question denied = { STRANGER, NULL, NULL, "", "x@b.example" };
	const struct question good = { STRANGER, NULL, NULL, "", "anna@example.org" };
	struct asked asked;
	struct answer answer;

	begin(&asked, RATE("per = \"client\"; recipients = \"1/h\";"), true);
	for (int i = 0; i < 10; i++) {
		answer = answer_of(&asked, &denied);
		ck_assert_str_eq(answer.reason, "relay_denied");
	}
	answer = answer_of(&asked, &good);
	ck_assert_int_eq(answer.stage, POLICY_STAGES);
	end(&asked);
}
END_TEST

START_TEST(a_rule_frees_its_clients_from_rates)
{
	const struct question q = { STRANGER, NULL, "anna", "", "anna@example.org" };
	struct asked asked;
	struct answer answer;

	begin(&asked,
	      FILE_OF("", "clients = ( { address = \"" STRANGER "\"; rates = false; } );"
			  "rates = ( { per = \"client\"; messages = \"1/h\"; }, { per = \"user\"; messages = \"5/h\"; } );"),
	      true);
	for (int i = 0; i < 5; i++) {
		answer = answer_of(&asked, &q);
		ck_assert_int_eq(answer.stage, POLICY_STAGES);
	}
	answer = answer_of(&asked, &q);
	ck_assert_str_eq(answer.reason, "rate_messages");
	end(&asked);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policies");
	TCase *tcase = tcase_create("policies");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, the_chain_says_who_may_send_what, rows);
	ADD_ROWS(tcase, sender_map_adds_to_a_users_own_name, sender_rows);
	ADD_ROWS(tcase, mistakes_in_a_map_are_told_with_file_and_line, bad_files);
	tcase_add_test(tcase, a_map_that_is_not_there_is_an_error);
	ADD_ROWS(tcase, a_rate_holds_for_each_by_itself_and_ends, rate_rows);
	tcase_add_test(tcase, octets_count_when_they_were_taken);
	tcase_add_test(tcase, what_nobody_accepts_does_not_count_as_a_recipient);
	tcase_add_test(tcase, a_rule_frees_its_clients_from_rates);
	return unit_main(suite);
}
