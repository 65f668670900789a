/* base/utf8: what is UTF-8 by RFC 3629, and nothing besides. */
#include "base/utf8.h"
#include "unit.h"

/* The encoding by the table of RFC 3629 3, in `len` octets whether or not fewer would do. */
static struct span encode(char *text, uint32_t code_point, size_t len)
{
	static const unsigned char first[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };

	for (size_t i = len - 1; i > 0; i--, code_point >>= 6)
		text[i] = (char)(0x80 | (code_point & 0x3f));
	text[0] = (char)(first[len] | code_point);
	return span_of(text, len);
}

static size_t shortest_len(uint32_t code_point)
{
	return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

static bool is_scalar_value(uint32_t code_point)
{
	return code_point <= 0x10ffff && (code_point < 0xd800 || code_point > 0xdfff);
}

START_TEST(every_code_point_is_decoded_from_its_shortest_form_only)
{
	/* What `len` octets have room for. */
	static const uint32_t beyond[] = { 0, 0x80, 0x800, 0x10000, 0x200000 };
	char text[4];

	for (size_t len = 1; len <= 4; len++) {
		for (uint32_t c = 0; c < beyond[len]; c++) {
			struct span s = encode(text, c, len);
			bool is_good = is_scalar_value(c) && len == shortest_len(c);
			uint32_t decoded = UINT32_MAX;
			size_t used = utf8_decode(s, &decoded);

			if (used != (is_good ? len : 0) || decoded != (is_good ? c : UINT32_MAX))
				ck_abort_msg("U+%04X in %zu octets: %zu, U+%04X", (unsigned)c, len, used,
					     (unsigned)decoded);
			if (utf8_is_valid(s) != is_good)
				ck_abort_msg("U+%04X in %zu octets is judged wrongly", (unsigned)c, len);
		}
	}
}
END_TEST

/* Of all with up to three octets, as many are well-formed as there are ways to make them up of characters. */
START_TEST(so_many_octets_are_well_formed_and_no_more)
{
	enum { ONE = 128, TWO = 0x800 - 0x80, THREE = 0x10000 - 0x800 - 0x800 };
	static const size_t expected[] = {
		1, ONE, ONE * ONE + TWO, ONE * ONE * ONE + 2 * ONE * TWO + THREE,
	};

	for (size_t len = 1; len <= 3; len++) {
		size_t count = 0;

		for (uint32_t bytes = 0; bytes < 1u << (8 * len); bytes++) {
			char text[3] = { (char)bytes, (char)(bytes >> 8), (char)(bytes >> 16) };

			count += utf8_is_valid(span_of(text, len));
		}
		ck_assert_uint_eq(count, expected[len]);
	}
}
END_TEST

START_TEST(a_character_that_is_cut_off_is_none)
{
	static const uint32_t samples[] = { 0xe9, 0x7ff, 0x800, 0x20ac, 0xffff, 0x10000, 0x1f600, 0x10ffff };

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		char text[4];
		struct span whole = encode(text, samples[i], shortest_len(samples[i]));

		for (size_t len = 0; len < whole.len; len++) {
			/* Of exactly its length, so that a sanitizer sees a read beyond it. */
			struct span part = span_exact_copy(span_head(whole, len));
			uint32_t code_point;

			ck_assert_uint_eq(utf8_decode(part, &code_point), 0);
			ck_assert_int_eq(utf8_is_valid(part), len == 0);
			free((void *)(uintptr_t)part.ptr);
		}
	}
}
END_TEST

static const struct {
	struct span text;
	bool is_valid, is_text, is_ascii;
} texts[] = {
	{ BYTES(""), true, true, true },
	{ { NULL, 0 }, true, true, true },
	{ BYTES("plain"), true, true, true },
	{ BYTES("\x7e"), true, true, true },
	{ BYTES("a\tb"), true, false, true },
	{ BYTES("a\nb"), true, false, true },
	{ BYTES("a\0b"), true, false, true },
	{ BYTES("\x1b[2J"), true, false, true },
	{ BYTES("\x7f"), true, false, true },
	{ BYTES("gr\xc3\xbc\xc3\x9f"), true, true, false },
	{ BYTES("\xe2\x82\xac\xf0\x9f\x98\x80"), true, true, false },
	{ BYTES("\xc2\x80"), true, false, false },
	{ BYTES("\xc2\x85"), true, false, false },
	{ BYTES("\xc2\x9b" "2J"), true, false, false },
	{ BYTES("\xc2\x9f"), true, false, false },
	{ BYTES("\xc2\xa0"), true, true, false },
	{ BYTES("\x80"), false, false, false },
	{ BYTES("\xbf"), false, false, false },
	{ BYTES("\xe9t\xe9"), false, false, false },
	{ BYTES("\xc3\xa4\xa4"), false, false, false },
	{ BYTES("\xc0\x80"), false, false, false },
	{ BYTES("\xc0\xaf"), false, false, false },
	{ BYTES("\xe0\x80\xaf"), false, false, false },
	{ BYTES("\xf0\x80\x80\xaf"), false, false, false },
	{ BYTES("\xed\xa0\x80"), false, false, false },
	{ BYTES("\xed\xa0\xbd\xed\xb8\x80"), false, false, false },
	{ BYTES("\xf4\x90\x80\x80"), false, false, false },
	{ BYTES("\xf8\x88\x80\x80\x80"), false, false, false },
	{ BYTES("\xfc\x84\x80\x80\x80\x80"), false, false, false },
	{ BYTES("\xfe\xff"), false, false, false },
	{ BYTES("good\xc3"), false, false, false },
	{ BYTES("good\xe2\x82"), false, false, false },
};

START_TEST(text_is_well_formed_and_has_no_control_characters)
{
	struct span copy = span_exact_copy(texts[_i].text);

	ck_assert_int_eq(utf8_is_valid(copy), texts[_i].is_valid);
	ck_assert_int_eq(utf8_is_text(copy), texts[_i].is_text);
	ck_assert_int_eq(utf8_is_ascii(copy), texts[_i].is_ascii);
	free((void *)(uintptr_t)copy.ptr);
}
END_TEST

START_TEST(controls_are_c0_del_and_c1)
{
	for (uint32_t c = 0; c < 0x200; c++)
		ck_assert_int_eq(utf8_is_control(c), c <= 0x1f || (c >= 0x7f && c <= 0x9f));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("utf8");
	TCase *tcase = tcase_create("utf8");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, every_code_point_is_decoded_from_its_shortest_form_only);
	tcase_add_test(tcase, so_many_octets_are_well_formed_and_no_more);
	tcase_add_test(tcase, a_character_that_is_cut_off_is_none);
	ADD_ROWS(tcase, text_is_well_formed_and_has_no_control_characters, texts);
	tcase_add_test(tcase, controls_are_c0_del_and_c1);
	return unit_main(suite);
}
