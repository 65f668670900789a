/* conf/option: what holds for every row of the table, and finding rows. */
#include "conf/option.h"
#include "unit.h"

static bool is_number(const struct option *o)
{
	return o->type == OPTION_U32 || o->type == OPTION_U64;
}

START_TEST(every_row_is_complete)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		size_t help = strlen(o->help);

		ck_assert_msg(o->key[0] && strspn(o->key, "abcdefghijklmnopqrstuvwxyz_") == strlen(o->key),
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
		ck_assert_ptr_nonnull(o->default_text);
		if (o->may_be_unlimited && strcmp(o->default_text, "unlimited") == 0)
			continue;
		ck_assert_msg(unit_parse(o->unit, span_str(o->default_text), &value), "%s", o->key);
		ck_assert_msg(value >= o->min && value <= o->max, "%s: default out of range", o->key);
	}
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
	{ OPTION_GROUP_BACKENDS, "path", true },       { OPTION_GROUP_BACKENDS, "timeout", false },
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
	{ "log_level", "info", NULL },
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
	ck_assert_pstr_eq(option_suggest(OPTION_GROUP_LISTENERS, "lissten"), "listen");
	ck_assert_pstr_eq(option_suggest(OPTION_GROUP_TOP, "max_mesage_size"), "max_message_size");
	ck_assert_pstr_eq(option_suggest(OPTION_GROUP_BACKENDS, "pth"), "path");
	ck_assert_ptr_null(option_suggest(OPTION_GROUP_ROUTES, "timeuot"));
	ck_assert_pstr_eq(option_find_elsewhere("path"), "backends");
	ck_assert_ptr_null(option_find_elsewhere("pth"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("option");
	TCase *tcase = tcase_create("option");

	tcase_add_test(tcase, every_row_is_complete);
	tcase_add_test(tcase, numbers_have_a_range_and_a_default_in_it);
	tcase_add_test(tcase, no_key_stands_twice_in_a_group);
	ADD_ROWS(tcase, keys_are_found_in_their_groups_only, keys);
	ADD_ROWS(tcase, settings_of_the_seed_have_its_names_and_defaults, defaults);
	tcase_add_test(tcase, suggestions_stay_in_the_group);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
