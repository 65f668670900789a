/* policy/auth_guard: guessing and spraying are stopped, and nobody can be locked out by a stranger. */
#include "policy/auth_guard.h"

#include "unit.h"

#include <stdio.h>

static const struct auth_guard_limits limits = {
	.session_failures = 3,
	.client_guesses = { 10, 3600 },
	.client_users = { 5, 3600 },
	.user_guesses = { 8, 3600 },
	.delay_s = 1,
	.refusal_s = 900,
};

static const uint64_t start = 1000000;

static struct auth_guard *guard;

static void make_guard(void)
{
	guard = auth_guard_new(&limits);
	ck_assert_ptr_nonnull(guard);
}

static void drop_guard(void)
{
	auth_guard_free(&guard);
	ck_assert_ptr_null(guard);
}

static struct addr addr_of(const char *text)
{
	struct addr addr;

	ck_assert(addr_parse_ip(&addr, span_str(text)));
	return addr;
}

static enum auth_guard_verdict ask(const char *client, const char *user, uint64_t now, uint32_t *delay)
{
	const struct addr addr = addr_of(client);

	return auth_guard_ask(guard, &addr, span_str(user), now, delay);
}

/* In a session of its own. */
static enum auth_guard_verdict tell(const char *client, const char *user, const char *secret,
				    enum auth_guard_result result, uint64_t now)
{
	const struct addr addr = addr_of(client);
	struct auth_guard_session session = { 0 };

	return auth_guard_tell(guard, &session, &addr, span_str(user), span_str(secret), result, now);
}

static enum auth_guard_verdict miss(const char *client, const char *user, int number, uint64_t now)
{
	char secret[32];

	snprintf(secret, sizeof(secret), "wrong-%d", number);
	return tell(client, user, secret, AUTH_GUARD_FAILURE, now);
}

START_TEST(a_session_ends_at_its_last_failure)
{
	const struct addr client = addr_of("192.0.2.1");
	struct auth_guard_session session = { 0 };
	enum auth_guard_verdict verdict = AUTH_GUARD_GO_ON;

	for (unsigned i = 1; i <= limits.session_failures; i++) {
		/* The same again is no guess, but a failure of the session it is. */
		verdict = auth_guard_tell(guard, &session, &client, SPAN_LITERAL("anna"), SPAN_LITERAL("x"),
					  AUTH_GUARD_FAILURE, start);
		ck_assert_int_eq(verdict, i < limits.session_failures ? AUTH_GUARD_GO_ON :
									 AUTH_GUARD_END_SESSION);
	}
}
END_TEST

START_TEST(what_is_neither_counts_nowhere)
{
	const struct addr client = addr_of("192.0.2.1");
	struct auth_guard_session session = { 0 };
	uint32_t delay = 1;

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(auth_guard_tell(guard, &session, &client, SPAN_LITERAL("anna"),
						 SPAN_LITERAL(""), AUTH_GUARD_NEITHER, start),
				 AUTH_GUARD_GO_ON);
	ck_assert_int_eq(ask("192.0.2.1", "anna", start, &delay), AUTH_GUARD_GO_ON);
	ck_assert_uint_eq(delay, 0);
}
END_TEST

START_TEST(answers_are_delayed_longer_and_longer_and_not_for_ever)
{
	static const uint32_t delays[] = { 0, 1000, 2000, 4000, 8000, 8000, 8000 };
	uint32_t delay;

	for (int i = 0; i < ROWS(delays); i++) {
		ck_assert_int_eq(ask("192.0.2.1", "anna", start, &delay), AUTH_GUARD_GO_ON);
		ck_assert_uint_eq(delay, delays[i]);
		ck_assert_int_eq(ask("192.0.2.2", "anna", start, &delay), AUTH_GUARD_GO_ON);
		ck_assert_uint_eq(delay, 0);
		ck_assert_int_eq(miss("192.0.2.1", "anna", i, start), AUTH_GUARD_GO_ON);
	}
	ck_assert_int_eq(ask("192.0.2.1", "anna", start + 3600 * 1000, &delay), AUTH_GUARD_GO_ON);
	ck_assert_uint_eq(delay, 0);
}
END_TEST

START_TEST(a_client_that_guesses_is_refused_for_a_time)
{
	const struct addr client = addr_of("192.0.2.1"), other = addr_of("192.0.2.2");
	uint32_t delay = 1;

	/* Two users, so that it is not the user's count. */
	for (int i = 1; i <= 10; i++)
		ck_assert_int_eq(miss("192.0.2.1", i % 2 ? "anna" : "ben", i, start),
				 i < 10 ? AUTH_GUARD_GO_ON : AUTH_GUARD_REFUSE_CLIENT);
	ck_assert_int_eq(ask("192.0.2.1", "chris", start, &delay), AUTH_GUARD_REFUSE_CLIENT);
	ck_assert_uint_eq(delay, 0);
	ck_assert(auth_guard_refuses(guard, &client, start + 899999));
	ck_assert(!auth_guard_refuses(guard, &client, start + 900000));
	ck_assert(!auth_guard_refuses(guard, &other, start));
}
END_TEST

START_TEST(a_program_that_repeats_one_wrong_password_is_not_guessing)
{
	uint32_t delay;

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(tell("192.0.2.1", "anna", "old password", AUTH_GUARD_FAILURE, start),
				 AUTH_GUARD_GO_ON);
	ck_assert_int_eq(ask("192.0.2.1", "anna", start, &delay), AUTH_GUARD_GO_ON);
	ck_assert_uint_eq(delay, 1000);
	/* Where the secret is not seen, each is a guess. */
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(tell("192.0.2.1", "anna", "", AUTH_GUARD_FAILURE, start), AUTH_GUARD_GO_ON);
	ck_assert_int_eq(tell("192.0.2.1", "anna", "", AUTH_GUARD_FAILURE, start), AUTH_GUARD_REFUSE_CLIENT);
}
END_TEST

START_TEST(spraying_is_found_out_before_guessing_is)
{
	char user[16];

	for (int i = 1; i <= 5; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		ck_assert_int_eq(tell("192.0.2.1", user, "Summer2026", AUTH_GUARD_FAILURE, start),
				 i < 5 ? AUTH_GUARD_GO_ON : AUTH_GUARD_REFUSE_CLIENT);
	}
}
END_TEST

static void guess_from_everywhere(const char *user)
{
	char client[32];

	for (int i = 0; i < 8; i++) {
		snprintf(client, sizeof(client), "198.51.100.%d", i);
		ck_assert_int_eq(miss(client, user, i, start), AUTH_GUARD_GO_ON);
	}
}

START_TEST(many_clients_guessing_at_one_user_are_refused)
{
	uint32_t delay;

	guess_from_everywhere("anna");
	ck_assert_int_eq(ask("198.51.100.200", "Anna", start, &delay), AUTH_GUARD_REFUSE_USER);
	ck_assert_int_eq(ask("198.51.100.200", "ben", start, &delay), AUTH_GUARD_GO_ON);
	ck_assert_int_eq(ask("198.51.100.200", "anna", start + 3600 * 1000, &delay), AUTH_GUARD_GO_ON);
}
END_TEST

START_TEST(a_victim_gets_in_from_where_it_was_before)
{
	uint32_t delay;

	ck_assert_int_eq(tell("203.0.113.5", "anna", "right", AUTH_GUARD_SUCCESS, start), AUTH_GUARD_GO_ON);
	guess_from_everywhere("anna");
	ck_assert_int_eq(ask("203.0.113.5", "anna", start, &delay), AUTH_GUARD_GO_ON);
	ck_assert_uint_eq(delay, 0);
	ck_assert_int_eq(ask("203.0.113.6", "anna", start, &delay), AUTH_GUARD_REFUSE_USER);
}
END_TEST

START_TEST(a_login_is_forgotten_after_a_month)
{
	const uint64_t month = UINT64_C(30) * 86400 * 1000;
	uint32_t delay;

	ck_assert_int_eq(tell("203.0.113.5", "anna", "right", AUTH_GUARD_SUCCESS, start - month),
			 AUTH_GUARD_GO_ON);
	guess_from_everywhere("anna");
	ck_assert_int_eq(ask("203.0.113.5", "anna", start, &delay), AUTH_GUARD_REFUSE_USER);
}
END_TEST

/* Wrong passwords from a known client still count: it may be a stranger in the same network. */
START_TEST(a_known_client_may_not_guess_either)
{
	uint32_t delay;

	ck_assert_int_eq(tell("203.0.113.5", "anna", "right", AUTH_GUARD_SUCCESS, start), AUTH_GUARD_GO_ON);
	for (int i = 1; i <= 10; i++)
		ck_assert_int_eq(miss("203.0.113.5", "anna", i, start),
				 i < 10 ? AUTH_GUARD_GO_ON : AUTH_GUARD_REFUSE_CLIENT);
	ck_assert_int_eq(ask("203.0.113.5", "anna", start, &delay), AUTH_GUARD_REFUSE_CLIENT);
}
END_TEST

START_TEST(an_ipv6_client_is_its_network)
{
	const struct addr neighbour = addr_of("2001:db8:1:2:ffff::1"), other = addr_of("2001:db8:1:3::1");
	char client[48];

	for (int i = 1; i <= 10; i++) {
		snprintf(client, sizeof(client), "2001:db8:1:2::%x", i);
		ck_assert_int_eq(miss(client, i % 2 ? "anna" : "ben", i, start),
				 i < 10 ? AUTH_GUARD_GO_ON : AUTH_GUARD_REFUSE_CLIENT);
	}
	ck_assert(auth_guard_refuses(guard, &neighbour, start));
	ck_assert(!auth_guard_refuses(guard, &other, start));
}
END_TEST

/* How many failures, each from a /64 of its own below this network, until one is refused that has done nothing? */
static int failures_until_refused(const char *network, unsigned factor)
{
	char client[48], user[16];
	int n;

	for (n = 0; n < 1000; n++) {
		struct addr addr;

		snprintf(client, sizeof(client), "2001:db8:%s:%x::1", network, n * factor);
		snprintf(user, sizeof(user), "user%d", n % 4);
		addr = addr_of(client);
		if (auth_guard_refuses(guard, &addr, start))
			return n;
		/* A result that ends the session or not: what counts here is the next client. */
		if (miss(client, user, n, start) == AUTH_GUARD_END_SESSION)
			ck_abort_msg("one failure ends no session");
	}
	return n;
}

/* 4 times the 5 users of a client, and 16 times: users are counted at each /64 anew. */
START_TEST(bigger_networks_are_counted_too)
{
	ck_assert_int_eq(failures_until_refused("1", 1), 20);
	ck_assert_int_eq(failures_until_refused("2", 0x100), 80);
}
END_TEST

START_TEST(new_limits_hold_for_what_was_counted)
{
	struct auth_guard_limits wider = limits;
	uint32_t delay;

	guess_from_everywhere("anna");
	ck_assert_int_eq(ask("203.0.113.5", "anna", start, &delay), AUTH_GUARD_REFUSE_USER);
	wider.user_guesses.amount = 100;
	wider.user_guesses.period_s *= 2;
	auth_guard_set_limits(guard, &wider);
	ck_assert_int_eq(ask("203.0.113.5", "anna", start, &delay), AUTH_GUARD_GO_ON);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth_guard");
	TCase *tcase = tcase_create("auth_guard");

	tcase_add_checked_fixture(tcase, make_guard, drop_guard);
	tcase_add_test(tcase, a_session_ends_at_its_last_failure);
	tcase_add_test(tcase, what_is_neither_counts_nowhere);
	tcase_add_test(tcase, answers_are_delayed_longer_and_longer_and_not_for_ever);
	tcase_add_test(tcase, a_client_that_guesses_is_refused_for_a_time);
	tcase_add_test(tcase, a_program_that_repeats_one_wrong_password_is_not_guessing);
	tcase_add_test(tcase, spraying_is_found_out_before_guessing_is);
	tcase_add_test(tcase, many_clients_guessing_at_one_user_are_refused);
	tcase_add_test(tcase, a_victim_gets_in_from_where_it_was_before);
	tcase_add_test(tcase, a_login_is_forgotten_after_a_month);
	tcase_add_test(tcase, a_known_client_may_not_guess_either);
	tcase_add_test(tcase, an_ipv6_client_is_its_network);
	tcase_add_test(tcase, bigger_networks_are_counted_too);
	tcase_add_test(tcase, new_limits_hold_for_what_was_counted);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
