/* base/span: runs of bytes, numbers and letters in them. */
#include "unit.h"

START_TEST(all_zero_is_the_empty_span)
{
	struct span none = { NULL, 0 };

	ck_assert_uint_eq(span_find(none, 'a'), 0);
	ck_assert_uint_eq(span_from(none, 5).len, 0);
	ck_assert_uint_eq(span_head(none, 5).len, 0);
	ck_assert_uint_eq(span_trim(none).len, 0);
	ck_assert(span_eq(none, span_str("")));
	ck_assert(span_ieq(none, span_str("")));
	ck_assert(span_istarts(none, none));
	ck_assert_uint_eq(span_str(NULL).len, 0);
}
END_TEST

START_TEST(from_and_head_stay_inside)
{
	struct span s = SPAN_LITERAL("abc");

	ASSERT_SPAN_EQ(span_from(s, 0), s);
	ASSERT_SPAN_EQ(span_from(s, 1), span_str("bc"));
	ASSERT_SPAN_EQ(span_from(s, 3), span_str(""));
	ASSERT_SPAN_EQ(span_from(s, 4), span_str(""));
	ASSERT_SPAN_EQ(span_from(s, SIZE_MAX), span_str(""));
	ck_assert_ptr_eq(span_from(s, 4).ptr, s.ptr + 3);
	ASSERT_SPAN_EQ(span_head(s, 0), span_str(""));
	ASSERT_SPAN_EQ(span_head(s, 2), span_str("ab"));
	ASSERT_SPAN_EQ(span_head(s, SIZE_MAX), s);
}
END_TEST

START_TEST(nul_is_a_byte_like_others)
{
	struct span s = SPAN_LITERAL("a\0b");

	ck_assert_uint_eq(s.len, 3);
	ck_assert_uint_eq(span_find(s, '\0'), 1);
	ck_assert_uint_eq(span_find(s, 'b'), 2);
	ck_assert(!span_eq(s, SPAN_LITERAL("a\0c")));
	ck_assert(!span_eq(s, span_str("a")));
	ck_assert(!span_ieq(s, SPAN_LITERAL("a\0c")));
	ck_assert(span_ieq(s, SPAN_LITERAL("A\0B")));
}
END_TEST

START_TEST(find_gives_the_first_or_the_length)
{
	ck_assert_uint_eq(span_find(span_str("a:b:"), ':'), 1);
	ck_assert_uint_eq(span_find(span_str("abc"), ':'), 3);
	ck_assert_uint_eq(span_find(span_head(span_str("ab:"), 2), ':'), 2);
	ck_assert_uint_eq(span_find(SPAN_LITERAL("a\xff"), (char)0xff), 1);
}
END_TEST

static const struct {
	const char *a, *b;
	bool eq, ieq, istarts;
} comparisons[] = {
	{ "", "", true, true, true },
	{ "a", "", false, false, true },
	{ "", "a", false, false, false },
	{ "MAIL", "mail", false, true, true },
	{ "mail", "mail", true, true, true },
	{ "mailx", "MAIL", false, false, true },
	{ "mail", "mailx", false, false, false },
	/* Only letters have two cases: [ and { differ in the same bit as A and a. */
	{ "[", "{", false, false, false },
	{ "@", "`", false, false, false },
	{ "\xc4", "\xe4", false, false, false },
};

START_TEST(case_is_ignored_for_ascii_letters_only)
{
	struct span a = span_str(comparisons[_i].a), b = span_str(comparisons[_i].b);

	ck_assert_int_eq(span_eq(a, b), comparisons[_i].eq);
	ck_assert_int_eq(span_ieq(a, b), comparisons[_i].ieq);
	ck_assert_int_eq(span_istarts(a, b), comparisons[_i].istarts);
}
END_TEST

static const char *const trims[][2] = {
	{ "", "" },	  { " ", "" },		   { " \t ", "" },	   { "a", "a" },
	{ " a", "a" },	  { "a\t", "a" },	   { "\t a b \t", "a b" }, { "\na\n", "\na\n" },
	{ "\r", "\r" },
};

START_TEST(trim_takes_blanks_off_both_ends)
{
	ASSERT_SPAN_EQ(span_trim(span_str(trims[_i][0])), span_str(trims[_i][1]));
}
END_TEST

static const struct {
	const char *text;
	uint64_t value;
} numbers[] = {
	{ "0", 0 },
	{ "00", 0 },
	{ "9", 9 },
	{ "010", 10 },
	{ "4294967296", UINT64_C(4294967296) },
	{ "18446744073709551614", UINT64_MAX - 1 },
	{ "18446744073709551615", UINT64_MAX },
	{ "000000000000000000000000000000000001", 1 },
};

START_TEST(a_number_fills_the_span)
{
	uint64_t value = 77;

	ck_assert(span_to_u64(span_str(numbers[_i].text), &value));
	ck_assert_uint_eq(value, numbers[_i].value);
}
END_TEST

static const struct span no_numbers[] = {
	BYTES(""),  BYTES(" 1"), BYTES("1 "),  BYTES("-1"), BYTES("+1"), BYTES("0x1"),
	BYTES("/"), BYTES(":"),	 BYTES("1\0"), BYTES("a"),  BYTES("18446744073709551616"),
	BYTES("18446744073709551620"), BYTES("99999999999999999999"), BYTES("184467440737095516150"),
};

START_TEST(what_is_no_64_bit_number_leaves_the_value_untouched)
{
	uint64_t value = 77;

	ck_assert(!span_to_u64(no_numbers[_i], &value));
	ck_assert_uint_eq(value, 77);
}
END_TEST

START_TEST(letters_and_digits_are_those_of_ascii)
{
	for (int c = 0; c < 256; c++) {
		bool is_digit = c >= '0' && c <= '9';
		bool is_upper = c >= 'A' && c <= 'Z', is_lower = c >= 'a' && c <= 'z';

		ck_assert_int_eq(ascii_is_digit((char)c), is_digit);
		ck_assert_int_eq(ascii_is_alnum((char)c), is_digit || is_upper || is_lower);
		ck_assert_int_eq((unsigned char)ascii_lower((char)c), is_upper ? c + 32 : c);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("span");
	TCase *tcase = tcase_create("span");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, all_zero_is_the_empty_span);
	tcase_add_test(tcase, from_and_head_stay_inside);
	tcase_add_test(tcase, nul_is_a_byte_like_others);
	tcase_add_test(tcase, find_gives_the_first_or_the_length);
	ADD_ROWS(tcase, case_is_ignored_for_ascii_letters_only, comparisons);
	ADD_ROWS(tcase, trim_takes_blanks_off_both_ends, trims);
	ADD_ROWS(tcase, a_number_fills_the_span, numbers);
	ADD_ROWS(tcase, what_is_no_64_bit_number_leaves_the_value_untouched, no_numbers);
	tcase_add_test(tcase, letters_and_digits_are_those_of_ascii);
	return unit_main(suite);
}
