/* conf/option: what holds for every row of the table, and finding rows. */
#include "base/log.h"
#include "conf/option.h"
#include "unit.h"

#define KEY_LETTERS "abcdefghijklmnopqrstuvwxyz_0123456789"

static bool is_number(const struct option *o)
{
	return o->type == OPTION_U32 || o->type == OPTION_U64;
}

START_TEST(every_row_is_complete)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		size_t help = strlen(o->help);

		ck_assert_msg(o->key[0] && strspn(o->key, KEY_LETTERS) == strlen(o->key),
			      "%s", o->key);
		ck_assert_msg(help > 10 && o->help[help - 1] == '.', "%s: help is no sentence", o->key);
		ck_assert_msg(o->default_text || o->default_words || o->is_required, "%s: without it, what?",
			      o->key);
		ck_assert_msg(!o->default_text || !o->is_required, "%s: required, with a default", o->key);
		ck_assert_msg(o->default_text || o->example, "%s: no example", o->key);
		ck_assert_msg((o->scope == OPTION_BACKEND) == (o->backend_types != 0),
			      "%s: of which backends?", o->key);
	}
}
END_TEST

START_TEST(numbers_have_a_range_and_a_default_in_it)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		uint64_t value;

		if (!is_number(o)) {
			ck_assert_msg(o->min == 0 && o->max == 0, "%s", o->key);
			continue;
		}
		ck_assert_msg(o->min > 0 && o->min < o->max, "%s: 0 must be an error", o->key);
		ck_assert_msg(o->type == OPTION_U64 || o->max <= UINT32_MAX, "%s: does not fit its field",
			      o->key);
		/* What a rule for clients does not say is said elsewhere. */
		ck_assert_msg(o->default_text || o->scope == OPTION_CLIENT, "%s", o->key);
		if (!o->default_text)
			continue;
		ck_assert_msg(!(o->may_be_unlimited && o->zero_means), "%s: 0 or \"unlimited\"?", o->key);
		if (o->may_be_unlimited && strcmp(o->default_text, "unlimited") == 0)
			continue;
		if (o->zero_means && strcmp(o->default_text, "0") == 0)
			continue;
		ck_assert_msg(unit_parse(o->unit, span_str(o->default_text), &value), "%s", o->key);
		ck_assert_msg(value >= o->min && value <= o->max, "%s: default out of range", o->key);
	}
}
END_TEST

static bool has_word(const struct option *o, const char *word)
{
	for (const struct option_word *w = o->words; w->word; w++)
		if (strcmp(w->word, word) == 0)
			return true;
	return false;
}

static bool is_boolean(const char *text)
{
	return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

START_TEST(words_differ_and_the_default_is_one_of_them)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];

		ck_assert_msg((o->type == OPTION_WORD || o->type == OPTION_WORDS) <= (o->words != NULL), "%s: no words", o->key);
		ck_assert_msg(!o->words || o->type == OPTION_WORD || o->type == OPTION_WORDS ||
				      o->type == OPTION_BOOL,
			      "%s", o->key);
		if (!o->words && o->type == OPTION_BOOL && (o->default_text || o->scope != OPTION_CLIENT))
			ck_assert_msg(is_boolean(o->default_text), "%s", o->key);
		if (!o->words)
			continue;
		ck_assert_msg(!o->default_text || has_word(o, o->default_text), "%s", o->key);
		for (const struct option_word *a = o->words; a->word; a++) {
			ck_assert_msg(a->word[0] && (o->type != OPTION_BOOL || a->value <= 1), "%s", o->key);
			ck_assert_pstr_eq(option_word_of(o, a->value), a->word);
			for (const struct option_word *b = a + 1; b->word; b++)
				ck_assert_msg(strcmp(a->word, b->word) != 0 && a->value != b->value, "%s: %s",
					      o->key, a->word);
		}
	}
}
END_TEST

START_TEST(the_words_for_levels_are_those_of_the_log)
{
	const struct option *o = option_find(OPTION_GROUP_TOP, "log_level");

	for (enum log_level level = 0; level < LOG_LEVELS; level++)
		ck_assert_pstr_eq(option_word_of(o, level), log_level_name(level));
	ck_assert_ptr_null(o->words[LOG_LEVELS].word);
}
END_TEST

/* RFC 5424 6.2.1 */
static const struct {
	const char *word;
	unsigned value;
} facilities[] = {
	{ "kern", 0 }, { "mail", 2 }, { "daemon", 3 }, { "cron", 9 }, { "authpriv", 10 }, { "ftp", 11 },
	{ "local0", 16 }, { "local7", 23 },
};

START_TEST(facilities_have_the_numbers_of_syslog)
{
	const struct option *o = option_find(OPTION_GROUP_TOP, "syslog_facility");

	ck_assert_pstr_eq(option_word_of(o, facilities[_i].value), facilities[_i].word);
}
END_TEST

START_TEST(no_key_stands_twice_in_a_group)
{
	for (enum option_group group = 0; group < OPTION_GROUPS; group++)
		for (size_t i = 0; i < option_table_len; i++)
			if (option_is_in(&option_table[i], group))
				ck_assert_ptr_eq(option_find(group, option_table[i].key), &option_table[i]);
}
END_TEST

static const struct {
	enum option_group group;
	const char *key;
	bool is_there;
} keys[] = {
	{ OPTION_GROUP_TOP, "hostname", true },        { OPTION_GROUP_TOP, "timeout", true },
	{ OPTION_GROUP_TOP, "listen", false },         { OPTION_GROUP_TOP, "", false },
	{ OPTION_GROUP_TOP, "Timeout", false },        { OPTION_GROUP_LISTENERS, "listen", true },
	{ OPTION_GROUP_LISTENERS, "timeout", true },   { OPTION_GROUP_LISTENERS, "hostname", false },
	{ OPTION_GROUP_BACKENDS, "path", true },       { OPTION_GROUP_BACKENDS, "max_hops", false },
	{ OPTION_GROUP_CLIENTS, "address", true },     { OPTION_GROUP_CLIENTS, "lenient", false },
	{ OPTION_GROUP_LISTENERS, "reuse_port", true }, { OPTION_GROUP_TOP, "reuse_port", false },
	{ OPTION_GROUP_ROUTES, "backend", true },      { OPTION_GROUP_ROUTES, "path", false },
};

START_TEST(keys_are_found_in_their_groups_only)
{
	ck_assert_int_eq(option_find(keys[_i].group, keys[_i].key) != NULL, keys[_i].is_there);
}
END_TEST

/* Defaults that others rely on; the same stand in the manual. */
static const struct {
	const char *key, *text;
	const char *seed;
} defaults[] = {
	{ "timeout", "20m", "$TIMEOUT" },
	{ "session_timeout", "1d", "$SESSION_TIMEOUT" },
	{ "maxnotimpl", "unlimited", "$MAXNOTIMPL" },
	{ "smtpgreeting", NULL, "$SMTPGREETING" },
	{ "hostname", NULL, "${PROTO}LOCALHOST" },
	{ "max_errors", "20", NULL },
	{ "max_message_size", "50M", "$DATABYTES" },
	{ "max_recipients", "1000", "$MAXRCPTS" },
	{ "max_hops", "100", "$MAXHOPS" },
	{ "max_sessions", "1000", NULL },
	{ "max_sessions_per_client", "100", NULL },
	{ "qmail_queue_replies", NULL, "$QQERRMSG_n" },
	{ "log_level", "info", NULL },
	{ "bare_newline", "auto", NULL },
	{ "lenient", "false", NULL },
	{ "unknown_parameters", "ignore", NULL },
	{ "greeting_delay", "0", NULL },
	{ "client_prefix_ipv4", "32", NULL },
	{ "client_prefix_ipv6", "64", NULL },
};

START_TEST(settings_of_the_seed_have_its_names_and_defaults)
{
	const struct option *o = option_find(OPTION_GROUP_TOP, defaults[_i].key);

	ck_assert_ptr_nonnull(o);
	ck_assert_pstr_eq(o->default_text, defaults[_i].text);
	ck_assert_pstr_eq(o->seed, defaults[_i].seed);
}
END_TEST

START_TEST(suggestions_stay_in_the_group)
{
	const struct option *bare_newline = option_find(OPTION_GROUP_TOP, "bare_newline");

	ck_assert_pstr_eq(option_suggest(OPTION_GROUP_LISTENERS, "lissten"), "listen");
	ck_assert_pstr_eq(option_suggest(OPTION_GROUP_TOP, "max_mesage_size"), "max_message_size");
	ck_assert_pstr_eq(option_suggest(OPTION_GROUP_BACKENDS, "pth"), "path");
	ck_assert_ptr_null(option_suggest(OPTION_GROUP_ROUTES, "timeuot"));
	ck_assert_pstr_eq(option_find_elsewhere("path"), "backends");
	ck_assert_ptr_null(option_find_elsewhere("pth"));
	ck_assert_pstr_eq(option_find_elsewhere("address"), "clients");
	ck_assert_pstr_eq(option_find_word_elsewhere(bare_newline, "lenient"), "clients");
	ck_assert_ptr_null(option_find_word_elsewhere(bare_newline, "lax"));
	ck_assert_ptr_null(option_find_word_elsewhere(option_find(OPTION_GROUP_TOP, "log_level"), "info"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("option");
	TCase *tcase = tcase_create("option");

	tcase_add_test(tcase, every_row_is_complete);
	tcase_add_test(tcase, numbers_have_a_range_and_a_default_in_it);
	tcase_add_test(tcase, words_differ_and_the_default_is_one_of_them);
	tcase_add_test(tcase, the_words_for_levels_are_those_of_the_log);
	ADD_ROWS(tcase, facilities_have_the_numbers_of_syslog, facilities);
	tcase_add_test(tcase, no_key_stands_twice_in_a_group);
	ADD_ROWS(tcase, keys_are_found_in_their_groups_only, keys);
	ADD_ROWS(tcase, settings_of_the_seed_have_its_names_and_defaults, defaults);
	tcase_add_test(tcase, suggestions_stay_in_the_group);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
