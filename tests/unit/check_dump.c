/* conf/dump: what is printed is the same configuration again, and tells where each value comes from. */
#include "conf/dump.h"
#include "conf/environment.h"
#include "config_text.h"

/* The caller frees it. */
static char *dump(const struct config *config, bool with_places)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	ck_assert(config_dump(config, with_places, out));
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static const char *const dumped[] = {
	BASE,
	BASE "spool_memory = 6000000001L; max_message_size = 2147483649L; smtpgreeting = \"a \\\"q\\\" \\\\ "
	     "\\nb # c;  # d\";",
	"hostname = \"mx\";" INBOX PORT25,
	FIRST
	"backends = { one = { type = \"null\"; }; two = { type = \"maildir\"; path = \"/a\\\\b/%%/%n\"; }; };"
	"routes = ( { domain = \"example.org\"; backend = \"two\"; }, { backend = \"one\"; } );"
	"listeners = ( { listen = \"*:25\"; maxnotimpl = 5; }, { listen = \"127.0.0.1:0\"; timeout = 61; } );"
	"log_level = \"error\";",
	BASE "lenient = true; bare_newline = \"reject\"; unknown_parameters = \"reject\"; "
	     "greeting_delay = 5; min_data_rate = 0; log_format = \"json\"; syslog = true; "
	     "syslog_facility = \"local7\";",
	FIRST "qmail_queue_replies = [ \"1: a\", \"031:5.7.1  b: c \" ];"
	      "backends = { q = { type = \"qmail-queue\"; replies = ( \"31: \\\"x\\\"\" ); }; };" PORT25,
	BASE "clients = ( { address = ( \"192.0.2.0/24\", \"fd00::/8\" ); bare_newline = \"lenient\"; },"
	     " { address = \"::1\"; } );",
	FIRST
	"backends = { hop = { type = \"smtp\"; hosts = ( \"[::1]:25\", \"unix:/run/lmtp\" ); fallback = \"two\";"
	" offers = ( \"DSN\" ); tls = \"encrypt\"; user = \"u\"; password_file = \"/p\"; max_messages = \"unlimited\"; };"
	" two = { type = \"lmtp\"; hosts = ( \"mail.example.org:24\" ); stream = true; xclient = true; }; };"
	"routes = ( { backend = \"hop\"; } );" PORT25,
	BASE "require_auth = true; relay_networks = ( \"192.0.2.0/24\" ); relayclient_suffix = \"@x.example\";"
	     "sender_rights = \"any\"; submission = false; hide_client = true; max_rejected_recipients = 5;"
	     "auth_client_guesses = \"20/10m\"; auth_user_guesses = \"unlimited\"; sender_map = \"/etc/s\";"
	     "clients = ( { name = ( \"a.example\", \".b.example\" ); relayclient = true; require_auth = false;"
	     " tls_required = true; max_sessions = 5; max_sessions_per_minute = \"unlimited\"; rates = false; },"
	     " { address = \"192.0.2.9\"; refuse = \"No \\\"entry\\\".\"; } );"
	     "rates = ( { per = \"user\"; messages = \"5/90s\"; octets = \"1G/d\"; }, { per = \"listener\"; } );"
	     "recipient_maps = ( { domain = \"example.org\"; recipients = ( \"anna\" ); aliases = ( \"a: b\" );"
	     " complete = true; recipient_delimiter = \"+\"; file = \"/etc/r\"; },"
	     " { aliases = ( \"x@y: z@y\" ); } );",
	BASE "auth = ( { type = \"certificate\"; }, { type = \"file\"; path = \"/p\"; mechanisms = ( \"PLAIN\" ); },"
	     " { type = \"dovecot\"; path = \"/run/d\"; timeout = 7; mechanisms = ( \"XOAUTH2\" ); },"
	     " { type = \"checkpassword\"; command = ( \"/c\", \"a b\" ); max_children = 3; set_id = false; } );",
};

/* Compared without the comments, which tell of other lines. */
static void check_round(const char *text, bool with_places)
{
	struct config *config = read_good(text);
	char *plain = dump(config, false), *first = dump(config, with_places), *again;

	config_put(&config);
	config = read_good(first);
	again = dump(config, false);
	config_put(&config);
	ck_assert_str_eq(plain, again);
	free(plain);
	free(first);
	free(again);
}

START_TEST(a_dump_reads_back_as_the_same_configuration)
{
	check_round(dumped[_i], false);
	check_round(dumped[_i], true);
}
END_TEST

static void check_lines(const char *text, const char *const *lines, int count)
{
	for (int i = 0; i < count; i++)
		ck_assert_msg(strstr(text, lines[i]) != NULL, "%s is not in\n%s", lines[i], text);
}

START_TEST(a_dump_has_every_key_with_its_value)
{
	static const char *const lines[] = {
		"hostname = \"mx.example.org\";\n",
		"domains = ( \"example.org\" );\n",
		"\npostmaster = \"anna@example.org\";\n",
		"\nmax_sessions = 1000;\n",
		"\nmax_sessions_per_minute = \"unlimited\";\n",
		"\nspool_memory = \"256M\";\n",
		"\nlog_level = \"info\";\n",
		"\nlog_format = \"text\";\n",
		"\nsyslog = false;\n",
		"\nsyslog_facility = \"mail\";\n",
		"\nsmtpgreeting = \"mx.example.org smtpfrontd\";\n",
		"\nmaxnotimpl = \"unlimited\";\n",
		"\ntimeout = \"20m\";\n",
		"\ngreeting_delay = 0;\n",
		"\nunknown_parameters = \"ignore\";\n",
		"\n\t\ttimeout = \"90s\";\n",
		"\n\t\tlisten = \"*:25\";\n",
		"\n\t\treuse_port = true;\n",
		"\n\t\tbare_newline = \"auto\";\n",
		"\n\tinbox = {\n\t\ttype = \"maildir\";\n\t\tpath = \"/mail/%d/%n\";\n",
		"\nroutes = (\n\t{\n\t\tauthenticated = \"any\";\n\t\tbackend = \"inbox\";\n\t}\n);\n",
		"\nclients = (\n\t{\n\t\taddress = ( \"192.0.2.1/32\" );\n\t},\n"
		"\t{\n\t\taddress = ( \"10.0.0.0/8\", \"fd00::/8\" );\n"
		"\t\tbare_newline = \"lenient\";\n\t}\n);\n",
	};
	struct config *config = read_good(FIRST INBOX
		"listeners = ( { listen = \"*:25\"; timeout = 90; reuse_port = true; } );"
		"clients = ( { address = \"192.0.2.1\"; },"
		" { address = [ \"10.0.0.0/8\", \"fd00::/8\" ]; bare_newline = \"lenient\"; } );");
	char *text = dump(config, false);

	check_lines(text, lines, ROWS(lines));
	free(text);
	config_put(&config);
}
END_TEST

START_TEST(keys_of_one_type_of_backend_are_not_told_of_another)
{
	struct config *config = read_good(FIRST PORT25 "backends = { a = { type = \"null\"; }; };");
	char *text = dump(config, false);

	ck_assert_ptr_nonnull(strstr(text, "\n\ta = {\n\t\ttype = \"null\";\n\t};\n"));
	free(text);
	config_put(&config);
}
END_TEST

START_TEST(each_value_tells_where_it_comes_from)
{
	static const char *const lines[] = {
		"hostname = \"mx.example.org\";  # t:1\n",
		"domains = ( \"example.org\" );  # t:1\n",
		"\nmax_sessions = 1000;  # default\n",
		"\nmax_errors = 7;  # t:4\n",
		"\ntimeout = \"1m\";  # $TIMEOUT\n",
		"\nmax_hops = 5;  # $MAXHOPS\n",
		"\nmaxnotimpl = \"unlimited\";  # default\n",
		"\nsmtpgreeting = \"mx.example.org smtpfrontd\";  # default\n",
		"\n\t\tpath = \"/mail/%d/%n\";  # t:2\n",
		"\n\t\tbackend = \"inbox\";  # default\n",
		/* In a listener: its own, and what it inherits. */
		"\n\t\tlisten = \"*:25\";  # t:3\n",
		"\n\t\ttimeout = \"90s\";  # t:3\n",
		"\n\t\tmax_hops = 5;  # $MAXHOPS\n",
		"\n\t\tmax_errors = 7;  # t:4\n",
		"\n\t\tmax_recipients = 1000;  # default\n",
		"\n\t\treuse_port = false;  # default\n",
		"\n\t\taddress = ( \"192.0.2.1/32\" );  # t:5\n",
	};
	char *variables[] = { "TIMEOUT=60", "MAXHOPS=5", NULL };
	struct environment environment;
	struct config *config;
	char *text;

	environment_init(&environment, variables);
	config = read_good_with(FIRST INBOX "listeners = ( { listen = \"*:25\"; timeout = 90; } );\n"
					    "max_hops = 50; max_errors = 7;\n"
					    "clients = ( { address = \"192.0.2.1\"; } );",
				&environment);
	text = dump(config, true);
	check_lines(text, lines, ROWS(lines));
	free(text);
	config_put(&config);
}
END_TEST

START_TEST(a_strange_file_name_stays_in_its_comment)
{
	struct err err = { .text = "" };
	struct config *config = config_load_text("a\nb = 1;\r", span_str(BASE), NULL, &err);
	char *text;

	ck_assert_msg(config != NULL, "%s", err.text);
	text = dump(config, true);
	ck_assert_ptr_nonnull(strstr(text, "hostname = \"mx.example.org\";  # a?b = 1;?:1\n"));
	config_put(&config);
	config = read_good(text);
	free(text);
	config_put(&config);
}
END_TEST

START_TEST(a_dump_that_can_not_be_written_is_told)
{
	struct config *config = read_good(BASE);
	FILE *out = fopen("/dev/full", "w");

	ck_assert_ptr_nonnull(out);
	ck_assert(!config_dump(config, true, out));
	fclose(out);
	config_put(&config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dump");
	TCase *tcase = tcase_create("dump");

	ADD_ROWS(tcase, a_dump_reads_back_as_the_same_configuration, dumped);
	tcase_add_test(tcase, a_dump_has_every_key_with_its_value);
	tcase_add_test(tcase, keys_of_one_type_of_backend_are_not_told_of_another);
	tcase_add_test(tcase, each_value_tells_where_it_comes_from);
	tcase_add_test(tcase, a_strange_file_name_stays_in_its_comment);
	tcase_add_test(tcase, a_dump_that_can_not_be_written_is_told);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
