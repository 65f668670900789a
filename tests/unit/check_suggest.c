/* conf/suggest: the nearest word, and none where nothing is near. */
#include "conf/suggest.h"
#include "unit.h"

#include <limits.h>

static const struct {
	const char *a, *b;
	unsigned distance;
} pairs[] = {
	{ "", "", 0 },
	{ "a", "", 1 },
	{ "", "abc", 3 },
	{ "listen", "listen", 0 },
	{ "LISTEN", "listen", 0 },
	{ "lissten", "listen", 1 },
	{ "lsten", "listen", 1 },
	{ "lixten", "listen", 1 },
	{ "litsen", "listen", 1 },
	{ "timeuot", "timeout", 1 },
	{ "kitten", "sitting", 3 },
	{ "max_hops", "max_errors", 4 },
};

START_TEST(edits_are_counted_both_ways)
{
	ck_assert_uint_eq(suggest_distance(pairs[_i].a, pairs[_i].b), pairs[_i].distance);
	ck_assert_uint_eq(suggest_distance(pairs[_i].b, pairs[_i].a), pairs[_i].distance);
}
END_TEST

START_TEST(overlong_words_are_far_from_everything)
{
	char word[65];

	memset(word, 'a', sizeof(word));
	word[64] = '\0';
	ck_assert_uint_eq(suggest_distance(word, "a"), UINT_MAX);
	ck_assert_uint_eq(suggest_distance("a", word), UINT_MAX);
	word[63] = '\0';
	ck_assert_uint_eq(suggest_distance(word, word), 0);
	ck_assert_uint_eq(suggest_distance(word, ""), 63);
}
END_TEST

static const struct {
	const char *word, *best;
} searches[] = {
	{ "timeuot", "timeout" },
	{ "time_out", "timeout" },
	{ "sesion_timeout", "session_timeout" },
	{ "listener", "listen" },
	{ "warn", "warning" },
	{ "ses", "session_timeout" },
	{ "pat", "path" },
	{ "wa", NULL },
	{ "x", NULL },
	{ "", NULL },
	{ "hostname", NULL },
};

START_TEST(the_nearest_is_found_and_nothing_far)
{
	static const char *const candidates[] = { "warning", "session_timeout", "timeout", "listen", "path" };
	struct suggest s;

	suggest_init(&s, searches[_i].word);
	for (size_t i = 0; i < sizeof(candidates) / sizeof(*candidates); i++)
		suggest_offer(&s, candidates[i]);
	ck_assert_pstr_eq(s.best, searches[_i].best);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("suggest");
	TCase *tcase = tcase_create("suggest");

	ADD_ROWS(tcase, edits_are_counted_both_ways, pairs);
	tcase_add_test(tcase, overlong_words_are_far_from_everything);
	ADD_ROWS(tcase, the_nearest_is_found_and_nothing_far, searches);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
