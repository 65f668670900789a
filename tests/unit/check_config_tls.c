/*
 * The settings of TLS in a configuration: what they come to, by key, by variable
 * of the seed, and at a listener; what cannot work is refused, so that nobody
 * speaks plain text who asked for TLS.
 */
#include "config_text.h"

#include "conf/dump.h"
#include "conf/environment.h"
#include "conf/option.h"

static const struct {
	const char *text, *error;
} bad[] = {
	{ BASE "tls_certfile = \"cert.pem\";", "t:4: tls_certfile: \"cert.pem\" is not an absolute path" },
	{ BASE "tls_certfile = 1;", "t:4: tls_certfile: must be a string in quotes, not a number" },
	{ BASE "tls_keyfile = \"/k\";", "t:4: tls_keyfile: there is a key, but no tls_certfile" },
	{ BASE "tls_immediate = true;", "t:4: tls_immediate: there is no certificate; give tls_certfile" },
	{ BASE "tls_required = true;", "t:4: tls_required: there is no certificate; give tls_certfile" },
	{ BASE "tls_client_verify = \"ask\";",
	  "t:4: tls_client_verify: there are no authorities to verify with" },
	{ BASE "tls_client_ca = \"/ca\"; tls_client_verify = \"require\";",
	  "t:4: tls_client_verify: there is no certificate" },
	{ BASE "tls_client_verify = \"maybe\";",
	  "t:4: tls_client_verify: \"maybe\" is none of \"off\", \"ask\", \"require\"" },
	{ BASE "tls_compat = 1;", "t:4: tls_compat: must be true or false" },
	{ BASE "tls_handshake_timeout = 0;", "t:4: tls_handshake_timeout: 0 is out of range" },
	{ BASE "tls_priority = \"\";", "t:4: tls_priority: \"\" is empty" },
	{ BASE "tls_priority = \"NORMAL +PFS\";", "t:4: tls_priority: \"NORMAL +PFS\" has a blank" },
	{ BASE "tls_certificates = \"/c\";", "t:4: tls_certificates: must be a list such as" },
	{ BASE "tls_certificates = ( \"/c\" );", "t:4: a certificate must be a group { }, not a string" },
	{ BASE "tls_certificates = ( { keyfile = \"/k\"; } );",
	  "t:4: the key \"certfile\" is missing in this certificate" },
	{ BASE "tls_certificates = ( { certfile = \"/c\"; keyfil = \"/k\"; } );",
	  "t:4: unknown key \"keyfil\" in tls_certificates, did you mean \"keyfile\"?" },
	{ BASE "certfile = \"/c\";",
	  "t:4: the key \"certfile\" does not go at top level, but in tls_certificates" },
	{ FIRST INBOX "listeners = ( { listen = \"[::]:25\"; },\n"
		      "{ listen = \"[::]:465\";\ntls_immediate = true; } );",
	  "t:5: tls_immediate: there is no certificate" },
};

static void assert_begins(const char *text, const char *begin)
{
	ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "\"%s\" does not begin with \"%s\"", text,
		      begin);
}

START_TEST(what_cannot_work_is_refused)
{
	struct err err = { .text = "" };
	struct config *config = config_load_text("t", span_str(bad[_i].text), NULL, &err);

	ck_assert_ptr_null(config);
	assert_begins(err.text, bad[_i].error);
}
END_TEST

START_TEST(without_settings_there_is_no_tls)
{
	struct config *config = read_good(BASE);
	const struct session_config *session = &config->listeners[0].session;

	ck_assert_ptr_null(session->tls_certfile);
	ck_assert_ptr_null(session->tls_keyfile);
	ck_assert_ptr_null(session->tls_dh_params);
	ck_assert_ptr_null(session->tls_client_ca);
	ck_assert_ptr_null(session->tls_certificate_dir);
	ck_assert_uint_eq(session->tls_certificate_count, 0);
	ck_assert_str_eq(session->tls_priority, "NORMAL");
	ck_assert_uint_eq(session->tls_handshake_timeout_s, 30);
	ck_assert(session->tls_tickets && !session->tls_compat);
	ck_assert(!session->tls_immediate && !session->tls_required);
	ck_assert_uint_eq(session->tls_client_verify, 0);
	ck_assert_uint_eq(config->warning_count, 0);
	config_put(&config);
}
END_TEST

START_TEST(a_listener_wins_over_the_top_level)
{
	struct config *config = read_good(
		FIRST INBOX "tls_certfile = \"/c\"; tls_keyfile = \"/k\"; tls_client_ca = \"/ca\";\n"
		"tls_certificates = ( { certfile = \"/c2\"; keyfile = \"/k2\"; },\n"
		"{ certfile = \"/c3\"; } ); tls_client_verify = \"ask\";\n"
		"listeners = ( { listen = \"[::]:25\"; }, { listen = \"[::]:465\"; tls_immediate = true;\n"
		"tls_certfile = \"/other\"; tls_tickets = false; tls_client_verify = \"require\";\n"
		"tls_certificates = ( ); } );");
	const struct session_config *first = &config->listeners[0].session;
	const struct session_config *second = &config->listeners[1].session;

	ck_assert_str_eq(first->tls_certfile, "/c");
	ck_assert_str_eq(second->tls_certfile, "/other");
	ck_assert_str_eq(second->tls_keyfile, "/k");
	ck_assert(!first->tls_immediate && second->tls_immediate);
	ck_assert(first->tls_tickets && !second->tls_tickets);
	ck_assert_uint_eq(first->tls_client_verify, 1);
	ck_assert_uint_eq(second->tls_client_verify, 2);
	ck_assert_uint_eq(first->tls_certificate_count, 2);
	ck_assert_str_eq(first->tls_certificates[0].keyfile, "/k2");
	ck_assert_str_eq(first->tls_certificates[1].certfile, "/c3");
	ck_assert_ptr_null(first->tls_certificates[1].keyfile);
	ck_assert_uint_eq(second->tls_certificate_count, 0);
	config_put(&config);
}
END_TEST

/* Any of the three is a certificate. */
static const char *const certificates[] = {
	"tls_certfile = \"/c\";",
	"tls_certificates = ( { certfile = \"/c\"; } );",
	"tls_certificate_dir = \"/d\";",
};

START_TEST(each_kind_of_certificate_is_enough_for_tls)
{
	char text[1024];
	struct config *config;

	snprintf(text, sizeof(text), "%s%s tls_immediate = true; tls_required = true;", BASE,
		 certificates[_i]);
	config = read_good(text);
	ck_assert(config->listeners[0].session.tls_immediate && config->listeners[0].session.tls_required);
	config_put(&config);
}
END_TEST

static const struct {
	const char *text;
	size_t count;
	const char *warning;
} warnings[] = {
	{ BASE "tls_certfile = \"/c\";\ntls_compat = true;", 1,
	  "t:5: tls_compat: TLS that is known to be weak is allowed" },
	{ BASE "tls_compat = true;", 0, NULL },
	{ BASE "tls_certfile = \"/c\"; tls_client_ca = \"/ca\";", 1, "t:4: tls_client_ca is not used" },
	{ FIRST INBOX "tls_certfile = \"/c\"; tls_compat = true;\n"
	  "listeners = ( { listen = \"[::]:25\"; }, { listen = \"[::]:587\"; } );", 1, "t:3: tls_compat: " },
	{ FIRST INBOX "tls_certfile = \"/c\";\n"
	  "listeners = ( { listen = \"[::]:25\"; }, { listen = \"[::]:587\";\ntls_compat = true; } );",
	  1, "t:5: tls_compat: " },
};

START_TEST(what_is_hardly_meant_is_warned_of_once)
{
	struct config *config = read_good(warnings[_i].text);

	ck_assert_uint_eq(config->warning_count, warnings[_i].count);
	if (warnings[_i].warning)
		assert_begins(config->warnings[0], warnings[_i].warning);
	config_put(&config);
}
END_TEST

/* ---- variables of the seed ---- */

static const struct {
	const char *key, *variable, *text;
} seeds[] = {
	{ "tls_certfile", "$TLS_CERTFILE", NULL },   { "tls_compat", "$TLS_COMPAT", "false" },
	{ "tls_dh_params", "$TLS_DH_PARAMS", NULL }, { "tls_immediate", "$TLS_IMMEDIATE", "false" },
	{ "tls_keyfile", "$TLS_KEYFILE", NULL },     { "tls_priority", "$TLS_PRIORITY", "NORMAL" },
};

START_TEST(settings_of_the_seed_have_its_names_and_defaults)
{
	const struct option *o = option_find(OPTION_GROUP_TOP, seeds[_i].key);

	ck_assert_ptr_nonnull(o);
	ck_assert_pstr_eq(o->seed, seeds[_i].variable);
	ck_assert_pstr_eq(o->default_text, seeds[_i].text);
	ck_assert(option_is_in(o, OPTION_GROUP_LISTENERS));
}
END_TEST

START_TEST(variables_are_taken_and_presence_is_true)
{
	char *const variables[] = { "TLS_CERTFILE=/c",  "TLS_KEYFILE=/k",  "TLS_COMPAT=",
				    "TLS_DH_PARAMS=/d", "TLS_IMMEDIATE=0", "TLS_PRIORITY=PFS", NULL };
	struct environment environment;
	struct config *config;
	const struct session_config *session;

	environment_init(&environment, variables);
	config = read_good_with(BASE, &environment);
	session = &config->listeners[0].session;
	ck_assert_str_eq(session->tls_certfile, "/c");
	ck_assert_str_eq(session->tls_keyfile, "/k");
	ck_assert_str_eq(session->tls_dh_params, "/d");
	ck_assert_str_eq(session->tls_priority, "PFS");
	ck_assert(session->tls_compat && session->tls_immediate);
	config_put(&config);
}
END_TEST

static const struct {
	const char *variable, *error;
} bad_variables[] = {
	{ "TLS_IMMEDIATE=", "$TLS_IMMEDIATE: tls_immediate: there is no certificate" },
	{ "TLS_CERTFILE=", "$TLS_CERTFILE: is empty" },
	{ "TLS_CERTFILE=cert.pem", "$TLS_CERTFILE: tls_certfile: \"cert.pem\" is not an absolute path" },
	{ "TLS_KEYFILE=/k", "$TLS_KEYFILE: tls_keyfile: there is a key, but no tls_certfile" },
};

START_TEST(bad_variables_are_named)
{
	char *const variables[] = { (char *)bad_variables[_i].variable, NULL };
	struct environment environment;
	struct err err = { .text = "" };

	environment_init(&environment, variables);
	ck_assert_ptr_null(config_load_text("t", span_str(BASE), &environment, &err));
	assert_begins(err.text, bad_variables[_i].error);
}
END_TEST

/* ---- the dump ---- */

static char *dump(const char *text)
{
	struct config *config = read_good(text);
	char *dumped = NULL;
	size_t size;
	FILE *out = open_memstream(&dumped, &size);

	ck_assert_ptr_nonnull(out);
	ck_assert(config_dump(config, false, out));
	fclose(out);
	config_put(&config);
	return dumped;
}

START_TEST(what_is_dumped_reads_the_same_again)
{
	char *first = dump(
		BASE "tls_certfile = \"/c\"; tls_priority = \"SECURE128:-VERS-TLS1.3\"; tls_compat = true;\n"
		     "tls_certificates = ( { certfile = \"/a\\\"b\"; keyfile = \"/k\"; },\n"
		     "{ certfile = \"/d\"; } ); tls_client_ca = \"/ca\"; tls_client_verify = \"require\";");
	char *second = dump(first);

	ck_assert_str_eq(first, second);
	ck_assert_ptr_nonnull(strstr(first, "tls_certificates = ( { certfile = \"/a\\\"b\"; "
					    "keyfile = \"/k\"; }, { certfile = \"/d\"; } );"));
	ck_assert_ptr_nonnull(strstr(first, "tls_client_verify = \"require\";"));
	ck_assert_ptr_nonnull(strstr(first, "tls_compat = true;"));
	free(first);
	free(second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_tls");
	TCase *tcase = tcase_create("config_tls");

	ADD_ROWS(tcase, what_cannot_work_is_refused, bad);
	tcase_add_test(tcase, without_settings_there_is_no_tls);
	tcase_add_test(tcase, a_listener_wins_over_the_top_level);
	ADD_ROWS(tcase, each_kind_of_certificate_is_enough_for_tls, certificates);
	ADD_ROWS(tcase, what_is_hardly_meant_is_warned_of_once, warnings);
	ADD_ROWS(tcase, settings_of_the_seed_have_its_names_and_defaults, seeds);
	tcase_add_test(tcase, variables_are_taken_and_presence_is_true);
	ADD_ROWS(tcase, bad_variables_are_named, bad_variables);
	tcase_add_test(tcase, what_is_dumped_reads_the_same_again);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
