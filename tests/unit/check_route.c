#include "config_text.h"
#include "unit.h"

#include "front/route.h"

static struct config *config;

static void setup(void)
{
	config = NULL;
}

static void teardown(void)
{
	config_put(&config);
}

static const char head[] = "hostname = \"mx.example.org\"; domains = ( \"example.org\", \"example.net\" );\n"
			   "postmaster = \"anna@example.org\";\n"
			   "listeners = ( { listen = \"[::1]:25\"; }, { listen = \"[::1]:587\"; } );\n"
			   "backends = { a = { type = \"sendmail\"; fallback = \"c\"; }; b = { type = \"null\"; };\n"
			   "c = { type = \"null\"; }; };\nroutes = (\n";

static bool load_with(const char *routes, const char *more, struct err *err)
{
	char text[2000];

	config_put(&config);
	snprintf(text, sizeof(text), "%s%s\n);\n%s\n", head, routes, more);
	config = config_load_text("test.conf", span_str(text), NULL, err);
	return config != NULL;
}

static bool load(const char *routes, struct err *err)
{
	return load_with(routes, "", err);
}

/* The backend's name; "" for none. */
static const char *route(const char *listener, bool is_authenticated, const char *sender_domain, const char *local,
			 const char *domain)
{
	const struct route_facts facts = {
		.listener = listener,
		.is_authenticated = is_authenticated,
		.sender_domain = span_str(sender_domain),
		.recipient_local = span_str(local),
		.recipient_domain = span_str(domain),
	};
	const struct route_config *r = route_find(config, &facts);

	return r ? r->backend->name : "";
}

START_TEST(first_route_all_of_whose_conditions_hold_is_taken)
{
	struct err err;

	ck_assert_msg(load("{ recipient = \"lists@Example.org\"; backend = \"c\"; },"
			   "{ domain = \"example.org\"; sender_domain = \"example.com\"; backend = \"b\"; },"
			   "{ domain = \"example.org\"; backend = \"a\"; },"
			   "{ listener = \"[::1]:587\"; authenticated = \"yes\"; backend = \"b\"; }", &err),
		      "%s", err.text);
	ck_assert_str_eq(route("[::1]:25", false, "", "anna", "example.org"), "a");
	ck_assert_str_eq(route("[::1]:25", false, "example.com", "anna", "example.org"), "b");
	ck_assert_str_eq(route("[::1]:25", false, "sub.example.com", "anna", "example.org"), "a");
	ck_assert_str_eq(route("[::1]:25", false, "example.com", "LISTS", "example.org"), "c");
	ck_assert_str_eq(route("[::1]:25", false, "", "lists", "example.net"), "");
	ck_assert_str_eq(route("[::1]:25", true, "", "anna", "example.net"), "");
	ck_assert_str_eq(route("[::1]:587", true, "", "anna", "example.net"), "b");
	ck_assert_str_eq(route("[::1]:587", false, "", "anna", "example.net"), "");
}
END_TEST

START_TEST(routes_for_strangers_only_are_not_for_who_has_authenticated)
{
	struct err err;

	ck_assert_msg(load("{ authenticated = \"no\"; backend = \"a\"; }, { backend = \"b\"; }", &err), "%s", err.text);
	ck_assert_str_eq(route("[::1]:25", false, "", "x", "example.org"), "a");
	ck_assert_str_eq(route("[::1]:25", true, "", "x", "example.org"), "b");
}
END_TEST

START_TEST(null_sender_fits_no_sender_domain)
{
	struct err err;

	ck_assert_msg(load("{ sender_domain = \"example.org\"; backend = \"a\"; }, { backend = \"b\"; }", &err), "%s",
		      err.text);
	ck_assert_str_eq(route("[::1]:25", false, "", "x", "example.org"), "b");
}
END_TEST

static const struct {
	const char *routes, *wrong;
} bad[] = {
	{ "{ listener = \"[::1]:26\"; backend = \"a\"; }", "no listener has this address" },
	{ "{ domain = \"example.net\"; recipient = \"a@example.org\"; backend = \"a\"; }", "is not in this domain" },
	{ "{ authenticated = \"maybe\"; backend = \"a\"; }", "authenticated" },
	{ "{ listener = \"\"; backend = \"a\"; }", "is empty" },
	{ "{ recipient = \"anna\"; backend = \"a\"; }", "recipient" },
};

START_TEST(route_that_nobody_can_take_is_an_error)
{
	struct err err;

	ck_assert(!load(bad[_i].routes, &err));
	ck_assert_msg(strstr(err.text, bad[_i].wrong) != NULL, "%s", err.text);
	ck_assert_ptr_nonnull(strstr(err.text, "test.conf:"));
}
END_TEST

static const struct {
	const char *routes;
	bool is_warned;
} orders[] = {
	{ "{ backend = \"a\"; }, { domain = \"example.org\"; backend = \"b\"; }", true },
	{ "{ authenticated = \"yes\"; backend = \"a\"; }, { domain = \"example.org\"; backend = \"b\"; }", false },
	{ "{ domain = \"example.org\"; backend = \"a\"; }, { recipient = \"a@example.org\"; backend = \"b\"; }", true },
	{ "{ domain = \"example.net\"; backend = \"a\"; }, { recipient = \"a@example.org\"; backend = \"b\"; }", false },
	{ "{ listener = \"[::1]:25\"; backend = \"a\"; }, { listener = \"[::1]:587\"; backend = \"b\"; }", false },
	{ "{ sender_domain = \"example.org\"; backend = \"a\"; }, { backend = \"b\"; }", false },
};

START_TEST(route_behind_a_wider_one_is_warned_about)
{
	struct err err;
	bool is_warned = false;

	ck_assert_msg(load(orders[_i].routes, &err), "%s", err.text);
	for (size_t i = 0; i < config->warning_count; i++)
		is_warned |= strstr(config->warnings[i], "never reached") != NULL;
	ck_assert_int_eq(is_warned, orders[_i].is_warned);
}
END_TEST

/* What the listener on port 25 offers where backend b takes nothing. */
static struct route_offers offers_of(const char *routes, const char *more)
{
	struct backend a = { .takes_dsn = true, .takes_binarymime = true, .takes_requiretls = true,
			     .answers_each = true };
	struct backend b = { 0 }, *backends[] = { &a, &b, &a };
	struct err err;

	ck_assert_msg(load_with(routes, more, &err), "%s", err.text);
	return route_offers_of(config, backends, "[::1]:25");
}

static const struct {
	const char *routes;
	bool is_offered;
} reached[] = {
	{ "{ backend = \"a\"; }", true },
	{ "{ domain = \"example.org\"; backend = \"b\"; }, { backend = \"a\"; }", false },
	{ "{ listener = \"[::1]:587\"; backend = \"b\"; }, { backend = \"a\"; }", true },
	/* Behind a wider one. */
	{ "{ backend = \"a\"; }, { backend = \"b\"; }", true },
	{ "{ listener = \"[::1]:25\"; backend = \"a\"; }, { backend = \"b\"; }", true },
	{ "{ listener = \"[::1]:587\"; backend = \"a\"; }, { backend = \"b\"; }", false },
	{ "{ domain = \"example.org\"; backend = \"a\"; }, { recipient = \"x@example.org\"; backend = \"b\"; }", true },
	{ "{ domain = \"example.org\"; backend = \"a\"; }, { domain = \"example.net\"; backend = \"b\"; }", false },
	{ "{ recipient = \"x@example.org\"; backend = \"a\"; }, { domain = \"example.org\"; backend = \"b\"; }", false },
	{ "{ sender_domain = \"example.org\"; backend = \"a\"; }, { backend = \"b\"; }", false },
	/* Nobody can log in. */
	{ "{ authenticated = \"yes\"; backend = \"b\"; }, { backend = \"a\"; }", true },
	{ "{ authenticated = \"no\"; backend = \"a\"; }, { backend = \"b\"; }", true },
};

START_TEST(only_routes_that_can_be_reached_restrict_what_is_offered)
{
	struct route_offers offers = offers_of(reached[_i].routes, "");

	ck_assert_int_eq(offers.prdr, reached[_i].is_offered);
	ck_assert_int_eq(offers.dsn, reached[_i].is_offered);
	ck_assert_int_eq(offers.binarymime, reached[_i].is_offered);
	ck_assert_int_eq(offers.requiretls, reached[_i].is_offered);
}
END_TEST

static const struct {
	const char *routes, *more;
	bool is_offered;
} users[] = {
	{ "{ authenticated = \"yes\"; backend = \"b\"; }, { backend = \"a\"; }", "", false },
	{ "{ authenticated = \"no\"; backend = \"a\"; }, { backend = \"b\"; }", "", false },
	{ "{ authenticated = \"no\"; backend = \"a\"; }, { authenticated = \"yes\"; backend = \"a\"; },"
	  "{ backend = \"b\"; }", "", true },
	{ "{ authenticated = \"yes\"; backend = \"b\"; }, { backend = \"a\"; }", "offer_auth = false;", true },
	{ "{ authenticated = \"yes\"; backend = \"b\"; }, { backend = \"a\"; }",
	  "offer_auth = false; xclient_from = ( \"192.0.2.1\" );", false },
};

START_TEST(routes_for_users_count_where_somebody_can_be_one)
{
	char more[500];

	snprintf(more, sizeof(more), "auth = ( { type = \"file\"; path = \"/p\"; } ); auth_without_tls = true; %s",
		 users[_i].more);
	ck_assert_int_eq(offers_of(users[_i].routes, more).prdr, users[_i].is_offered);
}
END_TEST

START_TEST(listener_offers_what_all_its_backends_take)
{
	struct backend a = { .takes_dsn = true, .takes_binarymime = true, .answers_each = true };
	struct backend b = { .takes_dsn = true, .takes_requiretls = true };
	struct backend c = a; /* a's fallback */
	struct backend *backends[] = { &a, &b, &c };
	struct route_offers offers;
	struct err err;

	ck_assert_msg(load_with("{ listener = \"[::1]:587\"; authenticated = \"yes\"; backend = \"b\"; },"
				"{ domain = \"example.org\"; backend = \"a\"; }",
				"auth = ( { type = \"file\"; path = \"/p\"; } ); auth_without_tls = true;", &err),
		      "%s", err.text);
	offers = route_offers_of(config, backends, "[::1]:25");
	ck_assert(offers.dsn && offers.binarymime && offers.prdr && !offers.requiretls);
	offers = route_offers_of(config, backends, "[::1]:587");
	ck_assert(offers.dsn && !offers.binarymime && !offers.prdr && !offers.requiretls);
	c = (struct backend){ 0 };
	ck_assert_ptr_eq(route_fallback(config, backends, &a), &c);
	ck_assert_ptr_null(route_fallback(config, backends, &b));
	offers = route_offers_of(config, backends, "[::1]:25");
	ck_assert(!offers.dsn && !offers.binarymime && !offers.prdr);
	ck_assert_msg(load("{ listener = \"[::1]:587\"; backend = \"a\"; }", &err), "%s", err.text);
	offers = route_offers_of(config, backends, "[::1]:25");
	ck_assert(!offers.dsn && !offers.binarymime && !offers.requiretls && !offers.prdr);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("route");
	TCase *tcase = tcase_create("route");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, first_route_all_of_whose_conditions_hold_is_taken);
	tcase_add_test(tcase, routes_for_strangers_only_are_not_for_who_has_authenticated);
	tcase_add_test(tcase, null_sender_fits_no_sender_domain);
	tcase_add_loop_test(tcase, route_that_nobody_can_take_is_an_error, 0, (int)(sizeof(bad) / sizeof(*bad)));
	tcase_add_loop_test(tcase, route_behind_a_wider_one_is_warned_about, 0, (int)(sizeof(orders) / sizeof(*orders)));
	tcase_add_test(tcase, listener_offers_what_all_its_backends_take);
	tcase_add_loop_test(tcase, only_routes_that_can_be_reached_restrict_what_is_offered, 0,
			    (int)(sizeof(reached) / sizeof(*reached)));
	tcase_add_loop_test(tcase, routes_for_users_count_where_somebody_can_be_one, 0,
			    (int)(sizeof(users) / sizeof(*users)));
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
