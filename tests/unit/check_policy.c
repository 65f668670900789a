/* policy: the chain needs an explicit yes, and clients are counted within bounds. */
#include "policy/client_table.h"
#include "policy/policy.h"
#include "idn/idn.h"

#include "unit.h"

#include <stdlib.h>

/* ---- the chain ---- */

struct fixed_policy {
	struct policy policy;
	enum policy_opinion opinion;
	enum smtp_reply_name reply;
	unsigned asked;
};

static enum policy_opinion fixed_rcpt(const struct policy *p, const struct policy_facts *facts,
				      struct policy_verdict *v)
{
	struct fixed_policy *f = (struct fixed_policy *)p;

	(void)facts;
	f->asked++;
	if (f->opinion == POLICY_REFUSE)
		v->reply = smtp_reply(f->reply);
	return f->opinion;
}

static void fixed_free(struct policy *p)
{
	(void)p;
}

static const struct policy_ops fixed_ops = { .name = "fixed", .hooks = { [POLICY_RCPT] = fixed_rcpt }, .free = fixed_free };
static const struct policy_ops silent_ops = { .name = "silent", .free = fixed_free };

static const struct {
	enum policy_opinion opinions[3];
	enum smtp_reply_name reply; /* of those that refuse */
	uint16_t code;              /* 0: accepted */
	unsigned asked;             /* policies */
} chains[] = {
	{ { POLICY_NO_OPINION, POLICY_NO_OPINION, POLICY_NO_OPINION }, 0, 550, 3 },
	{ { POLICY_ACCEPT, POLICY_NO_OPINION, POLICY_NO_OPINION }, 0, 0, 3 },
	{ { POLICY_NO_OPINION, POLICY_NO_OPINION, POLICY_ACCEPT }, 0, 0, 3 },
	{ { POLICY_ACCEPT, POLICY_REFUSE, POLICY_ACCEPT }, SMTP_REPLY_UNKNOWN_MAILBOX, 550, 2 },
	{ { POLICY_REFUSE, POLICY_ACCEPT, POLICY_ACCEPT }, SMTP_REPLY_LOCAL_ERROR, 451, 1 },
	{ { POLICY_ACCEPT, POLICY_ACCEPT, POLICY_REFUSE }, SMTP_REPLY_LOCAL_ERROR, 451, 3 },
};

START_TEST(a_recipient_needs_a_yes_and_the_first_refusal_ends_the_chain)
{
	struct fixed_policy policies[3];
	struct policy silent = { .ops = &silent_ops };
	const struct policy_facts facts = { 0 };
	const struct smtp_reply *reply;
	struct policy_verdict verdict = { 0 };
	struct policy_chain chain;
	unsigned asked = 0;

	policy_chain_init(&chain);
	policy_chain_add(&chain, &silent);
	for (size_t i = 0; i < 3; i++) {
		policies[i] = (struct fixed_policy){ .policy.ops = &fixed_ops,
						     .opinion = chains[_i].opinions[i],
						     .reply = chains[_i].reply };
		policy_chain_add(&chain, &policies[i].policy);
	}
	reply = policy_chain_ask(&chain, POLICY_RCPT, &facts, &verdict);
	for (size_t i = 0; i < 3; i++)
		asked += policies[i].asked;
	ck_assert_uint_eq(reply ? reply->code : 0, chains[_i].code);
	ck_assert_uint_eq(asked, chains[_i].asked);
	ck_assert_pstr_eq(verdict.policy,
			  !reply ? NULL :
			  asked < 3 || chains[_i].opinions[2] == POLICY_REFUSE ? "fixed" : "none");
	policy_chain_fini(&chain);
}
END_TEST

static const struct {
	const char *recipient;
	bool is_accepted;
} recipients[] = {
	{ "<anna@example.org>", true },          { "<anna@EXAMPLE.Org>", true },
	{ "<anna@example.net>", true },          { "<anna@example.com>", false },
	{ "<anna@sub.example.org>", false },     { "<anna@xexample.org>", false },
	{ "<postmaster>", true },                { "<PostMaster>", true },
	{ "<postmaster@example.com>", false },   { "<\"x@example.org\"@example.com>", false },
	{ "<x%example.com@example.org>", true }, { "<@example.org:anna@example.com>", false },
	{ "<anna@[127.0.0.1]>", false },         { "<anna@b\xc3\xbc" "cher.example>", true },
	{ "<anna@B\xc3\x9c" "CHER.Example>", true }, { "<anna@XN--bcher-KVA.example>", true },
	{ "<anna@b\xc3\xb6" "cher.example>", false },
};

START_TEST(domains_accepts_ours_and_bare_postmaster_only)
{
	static const char *const domains[] = { "example.org", "example.net", "xn--bcher-kva.example" };
	struct smtp_address address;
	struct policy_facts facts = { .recipient = &address };
	struct idn_domain ascii;
	struct policy_chain chain;
	struct policy_verdict verdict = { 0 };
	size_t used;

	policy_chain_init(&chain);
	policy_chain_add(&chain, policy_domains_new(domains, 3));
	ck_assert(smtp_path_parse(&address, SMTP_PATH_RECIPIENT, SMTP_CHARSET_UTF8,
				  span_str(recipients[_i].recipient), &used));
	ck_assert_int_eq(idn_domain_to_ascii(&ascii, smtp_address_domain(&address)), IDN_OK);
	facts.recipient_domain = idn_domain_span(&ascii);
	ck_assert_int_eq(policy_chain_ask(&chain, POLICY_RCPT, &facts, &verdict) == NULL, recipients[_i].is_accepted);
	policy_chain_fini(&chain);
}
END_TEST

/* ---- the table of clients ---- */

static struct addr_prefix client(unsigned number)
{
	struct addr_prefix p = { .family = ADDR_IPV4, .bits = 32 };

	memcpy(p.ip, &number, sizeof(number));
	return p;
}

/* A session that has said HELO ends. */
static void leave(struct client_table *t, const struct addr_prefix *a, uint64_t now_ms)
{
	client_table_settle(t, a);
	client_table_leave(t, a, now_ms);
}

START_TEST(a_client_has_no_more_sessions_than_allowed)
{
	struct client_table *t = client_table_new();
	const struct client_limits limits = { .sessions = 2 };
	struct addr_prefix a = client(1), b = client(2);

	ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_MAY_ENTER);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_MAY_ENTER);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_HAS_TOO_MANY);
	ck_assert_int_eq(client_table_enter(t, &b, &limits, 0), CLIENT_MAY_ENTER);
	leave(t, &a, 1);
	ck_assert_uint_eq(client_table_count(t, &a), 1);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 1), CLIENT_MAY_ENTER);
	client_table_free(&t);
}
END_TEST

START_TEST(a_client_comes_no_more_often_than_allowed)
{
	struct client_table *t = client_table_new();
	const struct client_limits limits = { .sessions = 100, .sessions_per_minute = 3 };
	struct addr_prefix a = client(1);

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(client_table_enter(t, &a, &limits, 1000), CLIENT_MAY_ENTER);
		leave(t, &a, 1000);
	}
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 60999), CLIENT_CAME_TOO_OFTEN);
	/* A good third of the minute before has gone out of sight, and with it two of the three. */
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 61000 + 20001), CLIENT_MAY_ENTER);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 61000 + 20001), CLIENT_MAY_ENTER);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 61000 + 20002), CLIENT_CAME_TOO_OFTEN);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 61000 + 120000), CLIENT_MAY_ENTER);
	client_table_free(&t);
}
END_TEST

START_TEST(a_client_has_no_more_half_open_sessions_than_allowed)
{
	struct client_table *t = client_table_new();
	const struct client_limits limits = { .sessions = 10, .half_open = 2 };
	struct addr_prefix a = client(1);

	ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_MAY_ENTER);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_MAY_ENTER);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_HAS_TOO_MANY_HALF_OPEN);
	client_table_settle(t, &a);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_MAY_ENTER);
	ck_assert(!client_table_unsettle(t, &a, &limits));
	client_table_settle(t, &a);
	ck_assert(client_table_unsettle(t, &a, &limits));
	ck_assert_uint_eq(client_table_count(t, &a), 3);
	client_table_free(&t);
}
END_TEST

START_TEST(the_table_stays_bounded_whoever_comes)
{
	struct client_table *t = client_table_new();
	const struct client_limits limits = { .sessions = 1 };
	struct addr_prefix a;

	for (unsigned i = 0; i < 3 * CLIENT_TABLE_IDLE_MAX; i++) {
		a = client(i);
		ck_assert_int_eq(client_table_enter(t, &a, &limits, i / 100), CLIENT_MAY_ENTER);
		leave(t, &a, i / 100);
		ck_assert_uint_le(client_table_entries(t), CLIENT_TABLE_IDLE_MAX + 1);
	}
	a = client(0);
	ck_assert_int_eq(client_table_enter(t, &a, &limits, 10 * CLIENT_TABLE_MINUTE_MS), CLIENT_MAY_ENTER);
	ck_assert_uint_eq(client_table_entries(t), 1);
	client_table_free(&t);
}
END_TEST

START_TEST(many_clients_at_a_time_are_told_apart)
{
	enum { CLIENTS = 5000 };
	struct client_table *t = client_table_new();
	const struct client_limits limits = { .sessions = 3 };

	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct addr_prefix a = client(i);

			ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_MAY_ENTER);
		}
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct addr_prefix a = client(i);

		ck_assert_uint_eq(client_table_count(t, &a), 3);
		ck_assert_int_eq(client_table_enter(t, &a, &limits, 0), CLIENT_HAS_TOO_MANY);
	}
	client_table_free(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tcase = tcase_create("policy");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, a_recipient_needs_a_yes_and_the_first_refusal_ends_the_chain, chains);
	ADD_ROWS(tcase, domains_accepts_ours_and_bare_postmaster_only, recipients);
	tcase_add_test(tcase, a_client_has_no_more_sessions_than_allowed);
	tcase_add_test(tcase, a_client_comes_no_more_often_than_allowed);
	tcase_add_test(tcase, a_client_has_no_more_half_open_sessions_than_allowed);
	tcase_add_test(tcase, the_table_stays_bounded_whoever_comes);
	tcase_add_test(tcase, many_clients_at_a_time_are_told_apart);
	return unit_main(suite);
}
