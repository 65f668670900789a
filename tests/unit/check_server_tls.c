/*
 * Certificates of a running server: loaded for each listener, and again on
 * demand and when files change. A broken pair changes nothing, is told once, and
 * leaks nothing, however often it comes.
 */
#include "tls_fixture.h"

#include "config_text.h"
#include "front/checker.h"
#include "front/server.h"
#include "front/server_tls.h"

#include <malloc.h>

/* As server_tls.c has it. */
enum { LOOK_MS = 5000 };

static struct loop *loop;
static struct server *server;
static struct tls_client client;

static void setup(void)
{
	struct err err;

	tls_setup();
	tls_client_init(&client);
	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
}

static void teardown(void)
{
	server_free(&server);
	loop_free(&loop);
	tls_client_fini(&client);
	tls_teardown();
}

/* Two lines. */
#define HEAD                                                                                               \
	"hostname = \"mx.example.org\"; domains = ( \"example.org\" ); postmaster = \"a@example.org\";\n" \
	"backends = { none = { type = \"null\"; }; }; disk_threads = 1;\n"

static struct config *read_config(const char *rest)
{
	static char text[2048];

	snprintf(text, sizeof(text),
		 HEAD
		 "tls_certfile = \"%s\";\n"
		 "tls_keyfile = \"%s\";\n"
		 "%s",
		 tls_path("cert.pem"), tls_path("key.pem"), rest);
	return read_good(text);
}

#define TWO_LISTENERS                                    \
	"listeners = ( { listen = \"127.0.0.1:0\"; }, " \
	"{ listen = \"127.0.0.2:0\"; tls_immediate = true; } );\n"

static void write_pair(const char *common_name)
{
	tls_write_pair("cert.pem", "key.pem", &(struct tls_spec){ .common_name = common_name });
}

/* A key that belongs to nothing. */
static void break_pair(void)
{
	tls_write_key("key.pem", tls_key(TLS_KEY_EC2), NULL);
}

static const struct checker nobody_else;

static void start(const char *rest)
{
	struct config *config = read_config(rest);
	struct err err = { .text = "" };

	server = server_new(loop, config, &nobody_else, &err);
	config_put(&config);
	ck_assert_msg(server != NULL, "%s", err.text);
}

/* The same configuration again, as a signal does it. */
static bool reload(void)
{
	struct config *config = (struct config *)server->setup->config;
	struct err err;
	bool ok = server_reload(server, config, &err);

	if (!ok)
		log_text(LOG_LEVEL_WARNING, "reload_failed", "%s", err.text);
	log_flush();
	return ok;
}

static const char *shown_by(size_t listener)
{
	SSL_SESSION_free(client.session);
	client.session = NULL;
	ck_assert(tls_client_connect(&client, server->setup->listeners[listener].tls));
	return tls_client_saw(&client);
}

static void stop_loop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* Let time pass, and all timers that are due then. */
static void pass(int64_t ms)
{
	struct loop_timer timer = { 0 };

	tls_clock_ahead_s += ms / 1000;
	for (int i = 0; i < 3; i++) {
		loop_timer_start(loop, &timer, LOOP_TICK_MS, stop_loop);
		loop_run(loop);
	}
}

/* ---- starting ---- */

START_TEST(each_listener_has_its_context_and_the_files_are_told_once)
{
	write_pair("first");
	start(TWO_LISTENERS);
	ck_assert(server->setup->listeners[0].tls && server->setup->listeners[1].tls);
	ck_assert(server->setup->listeners[0].tls != server->setup->listeners[1].tls);
	ck_assert(server->setup->listeners[0].options.offers_starttls);
	ck_assert(!server->setup->listeners[1].options.offers_starttls);
	ck_assert_uint_eq(tls_log_count(" tls_certificate "), 1);
	/* A session of one is nothing to the other. */
	ck_assert_str_eq(shown_by(0), "first");
	ck_assert(tls_client_connect(&client, server->setup->listeners[1].tls));
	ck_assert(!tls_client_facts(&client).is_resumed);
}
END_TEST

START_TEST(compat_is_told_at_the_start)
{
	write_pair("first");
	start("listeners = ( { listen = \"127.0.0.1:0\"; tls_compat = true; }, "
	      "{ listen = \"127.0.0.2:0\"; } );\n");
	ck_assert_uint_eq(tls_log_count(" tls_compat listener=127.0.0.1:0 "), 1);
	ck_assert_uint_eq(tls_log_count(" tls_compat "), 1);
}
END_TEST

static const struct {
	const char *rest, *error;
} mistakes[] = {
	{ "tls_priority = \"NORMAL:+NONSENSE\";\n" TWO_LISTENERS, "t:5: tls_priority: " },
	{ "listeners = ( { listen = \"127.0.0.1:0\";\ntls_dh_params = \"/missing/dh.pem\"; } );\n",
	  "t:6: tls_dh_params: /missing/dh.pem: No such file or directory" },
	{ "listeners = ( { listen = \"127.0.0.1:0\"; },\n"
	  "{ listen = \"127.0.0.2:0\"; tls_certificate_dir = \"/missing\"; } );\n",
	  "t:6: tls_certificate_dir: /missing: No such file or directory" },
	{ "tls_certificates = ( { certfile = \"/missing/c.pem\"; } );\n" TWO_LISTENERS,
	  "t:5: tls_certificates: /missing/c.pem: No such file or directory" },
};

START_TEST(mistakes_in_files_stop_start_and_test_alike_with_their_line)
{
	struct config *config;
	struct err at_start = { .text = "" }, at_test = { .text = "" };

	write_pair("first");
	config = read_config(mistakes[_i].rest);
	ck_assert(!front_tls_check(config, &at_test));
	ck_assert_ptr_null(server_new(loop, config, &nobody_else, &at_start));
	ck_assert_str_eq(at_start.text, at_test.text);
	ck_assert_msg(strncmp(at_test.text, mistakes[_i].error, strlen(mistakes[_i].error)) == 0, "%s",
		      at_test.text);
	config_put(&config);
}
END_TEST

START_TEST(a_key_that_does_not_belong_stops_the_start)
{
	struct config *config;
	struct err err = { .text = "" };

	write_pair("first");
	break_pair();
	config = read_config(TWO_LISTENERS);
	ck_assert(!front_tls_check(config, &err));
	ck_assert_msg(strncmp(err.text, "t:4: tls_keyfile: /", 19) == 0, "%s", err.text);
	write_pair("second");
	ck_assert_msg(front_tls_check(config, &err), "%s", err.text);
	config_put(&config);
}
END_TEST

START_TEST(without_certificates_there_is_no_tls)
{
	struct config *config = read_good(
		HEAD "listeners = ( { listen = \"127.0.0.1:0\"; } );\n");
	struct err err = { .text = "" };

	ck_assert(front_tls_check(config, &err));
	server = server_new(loop, config, &nobody_else, &err);
	config_put(&config);
	ck_assert_msg(server != NULL, "%s", err.text);
	ck_assert_ptr_null(server->setup->listeners[0].tls);
	ck_assert(!server->setup->listeners[0].options.offers_starttls);
	ck_assert(reload());
	ck_assert_ptr_null(server->setup->listeners[0].tls);
}
END_TEST

/* ---- loading again ---- */

START_TEST(a_good_pair_is_taken_and_tickets_stay_good)
{
	SSL_SESSION *session;

	write_pair("first");
	start(TWO_LISTENERS);
	ck_assert_str_eq(shown_by(0), "first");
	session = client.session;
	client.session = NULL;
	write_pair("second");
	ck_assert(reload());
	ck_assert_str_eq(shown_by(0), "second");
	ck_assert_str_eq(shown_by(1), "second");
	ck_assert_uint_eq(tls_log_count(" reload setup=2 changed=0 needs_restart=0"), 1);
	SSL_SESSION_free(client.session);
	client.session = session;
	ck_assert(tls_client_connect(&client, server->setup->listeners[0].tls));
	ck_assert(tls_client_facts(&client).is_resumed);
}
END_TEST

START_TEST(a_broken_pair_changes_nothing_and_is_told_once)
{
	struct tls_context *before;

	write_pair("first");
	start(TWO_LISTENERS);
	before = server->setup->listeners[0].tls;
	break_pair();
	ck_assert(!reload());
	ck_assert_ptr_eq(server->setup->listeners[0].tls, before);
	ck_assert_str_eq(shown_by(0), "first");
	ck_assert_str_eq(shown_by(1), "first");
	ck_assert_uint_eq(tls_log_count(" reload_failed text=\"t:4: tls_keyfile: "), 1);
}
END_TEST

START_TEST(by_themselves_listeners_are_taken_or_kept_each_by_itself)
{
	char rest[512];

	write_pair("first");
	tls_write_pair("other.pem", "other.pem", &(struct tls_spec){ .common_name = "other" });
	snprintf(rest, sizeof(rest),
		 "listeners = ( { listen = \"127.0.0.1:0\"; },\n"
		 "{ listen = \"127.0.0.2:0\"; tls_certfile = \"%s\"; tls_keyfile = \"%s\"; } );\n",
		 tls_path("other.pem"), tls_path("other.pem"));
	start(rest);
	break_pair();
	tls_write_pair("other.pem", "other.pem", &(struct tls_spec){ .common_name = "newer" });
	pass(LOOK_MS + 1000);
	pass(LOOK_MS + 1000);
	ck_assert_str_eq(shown_by(0), "first");
	ck_assert_str_eq(shown_by(1), "newer");
	ck_assert_uint_eq(tls_log_count(" tls_reload listeners=1 kept=1"), 1);
}
END_TEST

START_TEST(two_hundred_reloads_good_and_broken_leak_nothing)
{
	unsigned descriptors;
	size_t used = 0;

	write_pair("first");
	start(TWO_LISTENERS);
	descriptors = open_descriptors();
	for (unsigned i = 0; i < 200; i++) {
		if (i % 2)
			break_pair();
		else
			write_pair(i % 4 ? "one" : "two");
		ck_assert(reload() == !(i % 2));
		ck_assert_str_eq(shown_by(i % 2), i / 2 % 2 ? "one" : "two");
		/* What OpenSSL and the allocator keep for themselves, they have by then. */
		if (i == 100)
			used = mallinfo2().uordblks;
	}
	ck_assert_uint_eq(open_descriptors(), descriptors);
	ck_assert_uint_le(mallinfo2().uordblks, used + 16 * 1024);
	tls_client_fini(&client);
	tls_client_init(&client);
}
END_TEST

/* ---- by itself ---- */

START_TEST(files_that_changed_are_loaded_when_they_rest)
{
	write_pair("first");
	start(TWO_LISTENERS);
	pass(LOOK_MS + 1000);
	pass(LOOK_MS + 1000);
	ck_assert_uint_eq(tls_log_count(" tls_reload "), 0);
	write_pair("second");
	pass(LOOK_MS + 1000);
	ck_assert_str_eq(shown_by(0), "first");
	/* They change again: so they did not rest. */
	write_pair("third");
	pass(LOOK_MS + 1000);
	ck_assert_str_eq(shown_by(0), "first");
	pass(LOOK_MS + 1000);
	ck_assert_str_eq(shown_by(0), "third");
	pass(LOOK_MS + 1000);
	pass(LOOK_MS + 1000);
	ck_assert_uint_eq(tls_log_count(" tls_reload listeners=2 kept=0"), 1);
	ck_assert_uint_eq(tls_log_count(" tls_reload "), 1);
}
END_TEST

START_TEST(a_pair_that_is_half_written_is_not_taken_and_tried_once)
{
	write_pair("first");
	start(TWO_LISTENERS);
	break_pair();
	for (int i = 0; i < 5; i++)
		pass(LOOK_MS + 1000);
	ck_assert_str_eq(shown_by(0), "first");
	ck_assert_uint_eq(tls_log_count(" trouble "), 1);
	ck_assert_uint_eq(tls_log_count(" tls_reload listeners=0 kept=2"), 1);
	write_pair("second");
	pass(LOOK_MS + 1000);
	pass(LOOK_MS + 1000);
	ck_assert_str_eq(shown_by(0), "second");
}
END_TEST

START_TEST(files_that_are_gone_change_nothing)
{
	write_pair("first");
	start(TWO_LISTENERS);
	ck_assert_int_eq(unlink(tls_path("cert.pem")), 0);
	for (int i = 0; i < 3; i++)
		pass(LOOK_MS + 1000);
	ck_assert_str_eq(shown_by(0), "first");
	ck_assert_uint_eq(tls_log_count("/cert.pem: No such file or directory"), 1);
}
END_TEST

START_TEST(expiry_is_told_as_it_draws_near)
{
	tls_write_pair("cert.pem", "key.pem",
		       &(struct tls_spec){ .common_name = "first", .not_after_s = 20 * DAY_S });
	start(TWO_LISTENERS);
	ck_assert_uint_eq(tls_log_count("the TLS certificate expires soon"), 0);
	pass(2 * DAY_S * INT64_C(1000));
	ck_assert_uint_eq(tls_log_count("the TLS certificate expires soon"), 0);
	pass(6 * DAY_S * INT64_C(1000));
	ck_assert_uint_eq(tls_log_count("the TLS certificate expires soon"), 1);
	pass(15 * DAY_S * INT64_C(1000));
	ck_assert_uint_eq(tls_log_count("the TLS certificate has expired"), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server_tls");
	TCase *tcase = tcase_create("server_tls");

	tls_key(TLS_KEY_EC);
	tls_key(TLS_KEY_EC2);
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_listener_has_its_context_and_the_files_are_told_once);
	tcase_add_test(tcase, compat_is_told_at_the_start);
	ADD_ROWS(tcase, mistakes_in_files_stop_start_and_test_alike_with_their_line, mistakes);
	tcase_add_test(tcase, a_key_that_does_not_belong_stops_the_start);
	tcase_add_test(tcase, without_certificates_there_is_no_tls);
	tcase_add_test(tcase, a_good_pair_is_taken_and_tickets_stay_good);
	tcase_add_test(tcase, a_broken_pair_changes_nothing_and_is_told_once);
	tcase_add_test(tcase, by_themselves_listeners_are_taken_or_kept_each_by_itself);
	tcase_add_test(tcase, two_hundred_reloads_good_and_broken_leak_nothing);
	tcase_add_test(tcase, files_that_changed_are_loaded_when_they_rest);
	tcase_add_test(tcase, a_pair_that_is_half_written_is_not_taken_and_tried_once);
	tcase_add_test(tcase, files_that_are_gone_change_nothing);
	tcase_add_test(tcase, expiry_is_told_as_it_draws_near);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
