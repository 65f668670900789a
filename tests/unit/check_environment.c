/*
 * conf/environment and conf/seed: looking variables up, in the process and in a
 * directory, and what the settings of mailfront come to as configuration.
 */
#include "conf/environment.h"
#include "conf/option.h"
#include "config_text.h"

enum { VARIABLES_MAX = 4 };

/* ---- looking up ---- */

static const struct {
	const char *name, *value;
} looked_up[] = {
	{ "TIMEOUT", "60" }, { "EMPTY", "" },  { "TIME", NULL },   { "TIMEOUTS", NULL },
	{ "TWICE", "1" },    { "SIGN", "a=b" }, { "NOVALUE", NULL }, { "timeout", NULL },
};

START_TEST(variables_are_found_by_their_whole_name)
{
	char *variables[] = { "TIMEOUT=60", "EMPTY=", "TWICE=1", "TWICE=2", "SIGN=a=b", "NOVALUE", NULL };
	struct environment environment;
	struct arena arena = { 0 };
	const char *value = "?";
	struct err err;

	environment_init(&environment, variables);
	ck_assert(environment_get(&environment, looked_up[_i].name, &arena, &value, &err));
	ck_assert_pstr_eq(value, looked_up[_i].value);
	arena_fini(&arena);
}
END_TEST

static void write_bytes(const struct temp_dir *dir, const char *name, struct span bytes)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	out = fopen(path, "wb");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(bytes.ptr, 1, bytes.len, out), bytes.len);
	ck_assert_int_eq(fclose(out), 0);
}

static const struct {
	struct span bytes;
	const char *value; /* NULL: not set */
} files[] = {
	{ BYTES("60\n"), "60" },
	{ BYTES("60"), "60" },
	{ BYTES("60 \t \n"), "60" },
	{ BYTES(" 6 0\n"), " 6 0" },
	{ BYTES("60\nmore\n"), "60" },
	{ BYTES("60\r\n"), "60\r" },
	{ BYTES("one\0two\0\n"), "one\ntwo\n" },
	{ BYTES("\n"), "" },
	{ BYTES("\nmore"), "" },
	{ BYTES(" "), "" },
	{ BYTES(""), NULL },
};

START_TEST(a_file_gives_its_first_line)
{
	struct environment environment;
	struct arena arena = { 0 };
	const char *value = "?";
	struct temp_dir dir;
	struct err err;

	temp_dir_init(&dir);
	write_bytes(&dir, "NAME", files[_i].bytes);
	ck_assert(environment_init_dir(&environment, dir.path, &err));
	ck_assert(environment_get(&environment, "NAME", &arena, &value, &err));
	ck_assert_pstr_eq(value, files[_i].value);
	ck_assert(environment_get(&environment, "OTHER", &arena, &value, &err));
	ck_assert_ptr_null(value);
	arena_fini(&arena);
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(a_line_may_be_as_long_as_allowed_and_no_longer)
{
	static char line[ENVIRONMENT_VALUE_MAX + 2];
	struct environment environment;
	struct arena arena = { 0 };
	struct temp_dir dir;
	const char *value;
	struct err err;

	memset(line, 'x', sizeof(line));
	temp_dir_init(&dir);
	ck_assert(environment_init_dir(&environment, dir.path, &err));
	write_bytes(&dir, "NAME", span_of(line, ENVIRONMENT_VALUE_MAX));
	ck_assert(environment_get(&environment, "NAME", &arena, &value, &err));
	ck_assert_uint_eq(strlen(value), ENVIRONMENT_VALUE_MAX);
	write_bytes(&dir, "NAME", span_of(line, ENVIRONMENT_VALUE_MAX + 1));
	ck_assert(!environment_get(&environment, "NAME", &arena, &value, &err));
	ck_assert_msg(strstr(err.text, "more than 8192 octets") != NULL, "%s", err.text);
	line[ENVIRONMENT_VALUE_MAX] = '\n';
	write_bytes(&dir, "NAME", span_of(line, sizeof(line)));
	ck_assert(environment_get(&environment, "NAME", &arena, &value, &err));
	ck_assert_uint_eq(strlen(value), ENVIRONMENT_VALUE_MAX);
	arena_fini(&arena);
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(what_is_no_file_is_an_error_and_holds_nothing_up)
{
	struct environment environment;
	struct arena arena = { 0 };
	char path[512], expected[600];
	struct temp_dir dir;
	const char *value;
	struct err err;
	unsigned before;

	temp_dir_init(&dir);
	ck_assert(environment_init_dir(&environment, dir.path, &err));
	before = open_descriptors();
	snprintf(path, sizeof(path), "%s/DIR", dir.path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert(!environment_get(&environment, "DIR", &arena, &value, &err));
	snprintf(expected, sizeof(expected), "%s: is not a regular file", path);
	ck_assert_str_eq(err.text, expected);
	snprintf(path, sizeof(path), "%s/PIPE", dir.path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert(!environment_get(&environment, "PIPE", &arena, &value, &err));
	snprintf(path, sizeof(path), "%s/LOOP", dir.path);
	ck_assert_int_eq(symlink("LOOP", path), 0);
	ck_assert(!environment_get(&environment, "LOOP", &arena, &value, &err));
	ck_assert_uint_eq(open_descriptors(), before);
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(a_directory_that_is_none_is_told)
{
	struct environment environment;
	struct temp_dir dir;
	char path[512];
	struct err err;

	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/none", dir.path);
	ck_assert(!environment_init_dir(&environment, path, &err));
	touch(path);
	ck_assert(!environment_init_dir(&environment, path, &err));
	ck_assert_msg(strstr(err.text, "is not a directory") != NULL, "%s", err.text);
	temp_dir_fini(&dir);
}
END_TEST

/* ---- settings ---- */

#define TEXT                                                                                              \
	FIRST INBOX "listeners = ( { listen = \"*:25\"; }, "                                               \
	"{ listen = \"*:26\"; timeout = 7; maxnotimpl = 8; max_hops = 9; smtpgreeting = \"own\"; } );\n"    \
	"timeout = 61; session_timeout = 62; maxnotimpl = 63; max_hops = 64; max_recipients = 650;\n"       \
	"max_message_size = 66000; smtpgreeting = \"file\"; max_messages = 67;"

static struct config *read_with(char *const *variables, struct err *err)
{
	struct environment environment;

	environment_init(&environment, variables);
	return config_load_text("t", span_str(TEXT), &environment, err);
}

static struct config *read_good_variables(char *const *variables)
{
	struct err err = { .text = "" };
	struct config *config = read_with(variables, &err);

	ck_assert_msg(config != NULL, "%s", err.text);
	return config;
}

/* The numbers, in the order of the table's columns. */
static const struct {
	char *variable;
	struct {
		uint32_t timeout_s, session_timeout_s, maxnotimpl, max_hops, max_recipients;
		uint64_t max_message_size;
		uint32_t max_messages;
	} is;
} numbers[] = {
	{ "UNRELATED=1", { 61, 62, 63, 64, 650, 66000, 67 } },
	{ "TIMEOUT=5", { 5, 62, 63, 64, 650, 66000, 67 } },
	{ "TIMEOUT=0", { 1200, 62, 63, 64, 650, 66000, 67 } },
	{ "TIMEOUT=", { 1200, 62, 63, 64, 650, 66000, 67 } },
	{ "TIMEOUT=0010", { 10, 62, 63, 64, 650, 66000, 67 } },
	{ "SESSION_TIMEOUT=5", { 61, 5, 63, 64, 650, 66000, 67 } },
	{ "SESSION_TIMEOUT=0", { 61, 86400, 63, 64, 650, 66000, 67 } },
	{ "MAXNOTIMPL=5", { 61, 62, 5, 64, 650, 66000, 67 } },
	{ "MAXNOTIMPL=0", { 61, 62, 0, 64, 650, 66000, 67 } },
	{ "MAXHOPS=5", { 61, 62, 63, 5, 650, 66000, 67 } },
	{ "MAXHOPS=0", { 61, 62, 63, 100, 650, 66000, 67 } },
	{ "MAXRCPTS=5", { 61, 62, 63, 64, 5, 66000, 67 } },
	{ "MAXRCPTS=0", { 61, 62, 63, 64, 1000, 66000, 67 } },
	{ "DATABYTES=5000", { 61, 62, 63, 64, 650, 5000, 67 } },
	{ "DATABYTES=6000000000", { 61, 62, 63, 64, 650, UINT64_C(6000000000), 67 } },
	{ "DATABYTES=0", { 61, 62, 63, 64, 650, 50 << 20, 67 } },
	{ "MAXMSGS=5", { 61, 62, 63, 64, 650, 66000, 5 } },
};

START_TEST(variables_win_over_the_top_level)
{
	char *variables[] = { numbers[_i].variable, NULL };
	struct config *config = read_good_variables(variables);

	for (int i = 0; i < 2; i++) {
		const struct session_config *s = i ? &config->listeners[0].session : &config->session;

		ck_assert_uint_eq(s->timeout_s, numbers[_i].is.timeout_s);
		ck_assert_uint_eq(s->session_timeout_s, numbers[_i].is.session_timeout_s);
		ck_assert_uint_eq(s->maxnotimpl, numbers[_i].is.maxnotimpl);
		ck_assert_uint_eq(s->max_hops, numbers[_i].is.max_hops);
		ck_assert_uint_eq(s->max_recipients, numbers[_i].is.max_recipients);
		ck_assert_uint_eq(s->max_message_size, numbers[_i].is.max_message_size);
		ck_assert_uint_eq(s->max_messages, numbers[_i].is.max_messages);
	}
	config_put(&config);
}
END_TEST

START_TEST(a_key_in_a_listener_wins_over_variables)
{
	char *variables[] = { "TIMEOUT=5", "MAXNOTIMPL=0", "SMTPGREETING=other", "MAXRCPTS=500", NULL };
	struct config *config = read_good_variables(variables);
	const struct session_config *own = &config->listeners[1].session;

	ck_assert_uint_eq(own->timeout_s, 7);
	ck_assert_uint_eq(own->maxnotimpl, 8);
	ck_assert_str_eq(own->smtpgreeting, "own");
	ck_assert_uint_eq(own->max_recipients, 500);
	ck_assert_str_eq(config->listeners[0].session.smtpgreeting, "other");
	config_put(&config);
}
END_TEST

static const struct {
	char *variables[VARIABLES_MAX];
	const char *hostname, *smtpgreeting;
} names[] = {
	{ { "TCPLOCALHOST=a.example.org" }, "a.example.org", "file" },
	{ { "PROTO=TCP6", "TCP6LOCALHOST=b.example.org", "TCPLOCALHOST=a.example.org" },
	  "b.example.org",
	  "file" },
	{ { "PROTO=", "TCPLOCALHOST=a.example.org" }, "a.example.org", "file" },
	{ { "PROTO=SSL", "TCPLOCALHOST=a.example.org" }, "mx.example.org", "file" },
	{ { "TCPLOCALHOST=" }, "mx.example.org", "file" },
	{ { "LOCALHOST=a.example.org" }, "mx.example.org", "file" },
	{ { "SMTPGREETING=one\ntwo" }, "mx.example.org", "one\ntwo" },
	{ { "SMTPGREETING=" }, "mx.example.org", "file" },
};

START_TEST(names_and_greetings_come_from_variables)
{
	struct config *config = read_good_variables(names[_i].variables);

	ck_assert_str_eq(config->hostname, names[_i].hostname);
	ck_assert_str_eq(config->session.smtpgreeting, names[_i].smtpgreeting);
	config_put(&config);
}
END_TEST

START_TEST(texts_for_exit_codes_come_from_numbered_variables)
{
	char *variables[] = { "QQERRMSG_255=last", "QQERRMSG_31=5.7.1 no", "QQERRMSG_40=", "QQERRMSG_0=never",
			      "QQERRMSG_256=never", "QQERRMSG_031=never", "QQERRMSG_n=never", NULL };
	struct config *config = read_good_variables(variables);
	const struct text_list *texts = &config->qmail_queue_replies;

	ck_assert_uint_eq(texts->count, 2);
	ck_assert_str_eq(texts->texts[0], "31: 5.7.1 no");
	ck_assert_str_eq(texts->texts[1], "255: last");
	config_put(&config);
}
END_TEST

static const struct {
	char *variables[VARIABLES_MAX];
	const char *error;
} refused[] = {
	{ { "TIMEOUT=5m" }, "$TIMEOUT: \"5m\" is not a number" },
	{ { "TIMEOUT=-1" }, "$TIMEOUT: \"-1\" is not a number" },
	{ { "TIMEOUT= 5" }, "$TIMEOUT: \" 5\" is not a number" },
	{ { "MAXNOTIMPL=none" }, "$MAXNOTIMPL: \"none\" is not a number" },
	{ { "TIMEOUT=604801" }, "$TIMEOUT: timeout: \"604801\" is out of range; it may be from 1s to 7d" },
	{ { "DATABYTES=99999999999999999999999" }, "$DATABYTES: 99999999999999999999999 is out of range" },
	{ { "DATABYTES=100" }, "$DATABYTES: max_message_size: \"100\" is out of range" },
	{ { "SMTPGREETING=m\xc3\xbcller" }, "$SMTPGREETING: smtpgreeting: \"m\xc3\xbcller\" may hold only" },
	{ { "SMTPGREETING=one\rtwo" }, "$SMTPGREETING: control byte \\x0d" },
	{ { "TCPLOCALHOST=a b" }, "$TCPLOCALHOST: hostname: \"a b\" is no valid" },
	{ { "TCPLOCALHOST=a\nb" }, "$TCPLOCALHOST: hostname: must not contain a line break" },
	{ { "QQERRMSG_31=4.7.1 no" },
	  "$QQERRMSG_31: qmail_queue_replies: \"31: 4.7.1 no\" has a status code that does not begin with 5" },
	{ { "QQERRMSG_31=yes", "QQERRMSG_111=5.7.1 no" },
	  "$QQERRMSG_111: qmail_queue_replies: \"111: 5.7.1 no\" has a status code that does not begin with 4" },
	{ { "QQERRMSG_53=one\ntwo" }, "$QQERRMSG_53: qmail_queue_replies: must not contain a line break" },
	{ { "QQERRMSG_53=one\rtwo" }, "$QQERRMSG_53: qmail_queue_replies: \"53: one\rtwo\" may hold only" },
	{ { "QQERRMSG_53= " }, "$QQERRMSG_53: qmail_queue_replies: \"53:  \" must have a text" },
	{ { "PROTO=../x" }, "$PROTO: \"../x\" is no name such as TCP" },
	{ { "PROTO=ABCDEFGHIJKLMNOPQ" }, "$PROTO: \"ABCDEFGHIJKLMNOPQ\" is no name such as TCP" },
};

START_TEST(a_variable_that_can_not_be_meant_stops_everything)
{
	struct err err = { .text = "" };
	struct config *config = read_with(refused[_i].variables, &err);
	size_t len = strlen(refused[_i].error);

	ck_assert_ptr_null(config);
	ck_assert_msg(strncmp(err.text, refused[_i].error, len) == 0, "%s\nis not\n%s", err.text,
		      refused[_i].error);
	ck_assert_ptr_null(strchr(err.text, '\n'));
}
END_TEST

START_TEST(a_mistake_in_the_file_is_found_behind_a_variable)
{
	char *variables[] = { "TIMEOUT=5", NULL };
	struct environment environment;
	struct err err;

	environment_init(&environment, variables);
	ck_assert_ptr_null(config_load_text("t", span_str(BASE "timeout = 0;"), &environment, &err));
	ck_assert_msg(strncmp(err.text, "t:4: timeout: 0 is out of range", 31) == 0, "%s", err.text);
}
END_TEST

static char *const tls_variables[] = {
	"TLS_CERTFILE=/x.pem", "TLS_COMPAT=", "TLS_DH_PARAMS=/x.pem", "TLS_IMMEDIATE=", "TLS_KEYFILE=/x.pem",
	"TLS_PRIORITY=NORMAL", "TLS_CERTFILE=", "TLS_DH_PARAMS=", "TLS_KEYFILE=", "TLS_PRIORITY=",
};

/* Whether its key exists or not: an answer in plain text where TLS was asked for is what must never be. */
START_TEST(a_variable_for_tls_is_taken_over_or_refused)
{
	char *variable = tls_variables[_i];
	size_t len = strcspn(variable, "=");
	struct err err = { .text = "" };
	struct config *config = read_with((char *[]){ variable, NULL }, &err);
	bool is_taken_over = false;

	if (!config) {
		ck_assert_msg(err.text[0] == '$' && strncmp(err.text + 1, "TLS_", 4) == 0, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < option_table_len; i++) {
		const char *file = config->places[i].file;

		is_taken_over |= file && file[0] == '$' && strncmp(file + 1, variable, len) == 0;
	}
	ck_assert_msg(is_taken_over, "%s was passed over", variable);
	config_put(&config);
}
END_TEST

START_TEST(an_empty_variable_for_a_file_of_tls_is_refused)
{
	for (int i = 0; i < ROWS(tls_variables); i++) {
		char *variable = tls_variables[i];
		bool is_switch = strstr(variable, "COMPAT") || strstr(variable, "IMMEDIATE");
		struct err err;

		if (variable[strlen(variable) - 1] == '=' && !is_switch)
			ck_assert_ptr_null(read_with((char *[]){ variable, NULL }, &err));
	}
}
END_TEST

START_TEST(variables_that_nothing_takes_over_are_warned_of)
{
	char *variables[] = { "MAILRULES=/x", "REJECT=", NULL };
	struct config *config = read_good_variables(variables);

	ck_assert_uint_eq(config->warning_count, 2);
	ck_assert_str_eq(config->warnings[0], "t: $MAILRULES is set, but nothing here takes it over");
	ck_assert_str_eq(config->warnings[1], "t: $REJECT is set, but nothing here takes it over");
	config_put(&config);
}
END_TEST

START_TEST(files_of_a_directory_are_settings_too)
{
	struct environment environment;
	struct config *config;
	struct temp_dir dir;
	struct err err;

	temp_dir_init(&dir);
	write_bytes(&dir, "TIMEOUT", SPAN_LITERAL("5 \n"));
	write_bytes(&dir, "SESSION_TIMEOUT", SPAN_LITERAL(""));
	write_bytes(&dir, "SMTPGREETING", SPAN_LITERAL("one\0two\n"));
	write_bytes(&dir, "PROTO", SPAN_LITERAL("TCP6\n"));
	write_bytes(&dir, "TCP6LOCALHOST", SPAN_LITERAL("six.example.org\n"));
	ck_assert(environment_init_dir(&environment, dir.path, &err));
	config = read_good_with(TEXT, &environment);
	ck_assert_uint_eq(config->session.timeout_s, 5);
	ck_assert_uint_eq(config->session.session_timeout_s, 62);
	ck_assert_str_eq(config->session.smtpgreeting, "one\ntwo");
	ck_assert_str_eq(config->hostname, "six.example.org");
	config_put(&config);
	write_bytes(&dir, "TIMEOUT", SPAN_LITERAL("\0"));
	ck_assert_ptr_null(config_load_text("t", span_str(TEXT), &environment, &err));
	ck_assert_msg(strncmp(err.text, "$TIMEOUT: ", 10) == 0, "%s", err.text);
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(a_file_that_can_not_be_read_stops_everything)
{
	struct environment environment;
	struct temp_dir dir;
	char path[512], expected[1100];
	struct err err;

	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/MAXHOPS", dir.path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert(environment_init_dir(&environment, dir.path, &err));
	ck_assert_ptr_null(config_load_text("t", span_str(TEXT), &environment, &err));
	snprintf(expected, sizeof(expected), "$MAXHOPS: %s: is not a regular file", path);
	ck_assert_str_eq(err.text, expected);
	temp_dir_fini(&dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("environment");
	TCase *tcase = tcase_create("environment");

	ADD_ROWS(tcase, variables_are_found_by_their_whole_name, looked_up);
	ADD_ROWS(tcase, a_file_gives_its_first_line, files);
	tcase_add_test(tcase, a_line_may_be_as_long_as_allowed_and_no_longer);
	tcase_add_test(tcase, what_is_no_file_is_an_error_and_holds_nothing_up);
	tcase_add_test(tcase, a_directory_that_is_none_is_told);
	ADD_ROWS(tcase, variables_win_over_the_top_level, numbers);
	tcase_add_test(tcase, a_key_in_a_listener_wins_over_variables);
	ADD_ROWS(tcase, names_and_greetings_come_from_variables, names);
	tcase_add_test(tcase, texts_for_exit_codes_come_from_numbered_variables);
	ADD_ROWS(tcase, a_variable_that_can_not_be_meant_stops_everything, refused);
	tcase_add_test(tcase, a_mistake_in_the_file_is_found_behind_a_variable);
	ADD_ROWS(tcase, a_variable_for_tls_is_taken_over_or_refused, tls_variables);
	tcase_add_test(tcase, an_empty_variable_for_a_file_of_tls_is_refused);
	tcase_add_test(tcase, variables_that_nothing_takes_over_are_warned_of);
	tcase_add_test(tcase, files_of_a_directory_are_settings_too);
	tcase_add_test(tcase, a_file_that_can_not_be_read_stops_everything);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
