/* base/base64: RFC 4648 to the letter, and one text for each value. */
#include "base/base64.h"
#include "unit.h"

static const struct {
	struct span value;
	const char *text;
} pairs[] = {
	/* RFC 4648 10 */
	{ BYTES(""), "" },
	{ BYTES("f"), "Zg==" },
	{ BYTES("fo"), "Zm8=" },
	{ BYTES("foo"), "Zm9v" },
	{ BYTES("foob"), "Zm9vYg==" },
	{ BYTES("fooba"), "Zm9vYmE=" },
	{ BYTES("foobar"), "Zm9vYmFy" },
	/* RFC 4616 4 */
	{ BYTES("\0tim\0tanstaaftanstaaf"), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" },
	{ BYTES("\0\0\0"), "AAAA" },
	{ BYTES("\xff\xff\xff"), "////" },
	{ BYTES("\xfb\xef\xbe"), "++++" },
	{ BYTES("\xff"), "/w==" },
	{ BYTES("\x00\x10\x83\x10Q\x87 \x92\x8b" "0\xd3\x8f"), "ABCDEFGHIJKLMNOP" },
};

START_TEST(a_value_has_its_text)
{
	struct span value = span_exact_copy(pairs[_i].value);
	size_t len = base64_encoded_len(value.len);
	char *out = malloc(len ? len : 1);

	ck_assert_uint_eq(base64_encode(value, out), len);
	ASSERT_SPAN_EQ(span_of(out, len), span_str(pairs[_i].text));
	free(out);
	free((char *)value.ptr);
}
END_TEST

START_TEST(a_text_has_its_value)
{
	struct span text = span_exact_copy(span_str(pairs[_i].text));
	size_t max = base64_decoded_max(text.len), len;
	char *out = malloc(max ? max : 1);

	ck_assert(base64_decode(text, out, &len));
	ASSERT_SPAN_EQ(span_of(out, len), pairs[_i].value);
	/* In place, too. */
	ck_assert(base64_decode(text, (char *)text.ptr, &len));
	ASSERT_SPAN_EQ(span_of(text.ptr, len), pairs[_i].value);
	free(out);
	free((char *)text.ptr);
}
END_TEST

static const struct span malformed[] = {
	BYTES("Z"), BYTES("Zg"), BYTES("Zg="), BYTES("Zm9vY"), BYTES("="), BYTES("=="), BYTES("==="), BYTES("===="),
	BYTES("Z==="), BYTES("Zg===" "==="), BYTES("Zg==Zg=="), BYTES("Zm8=Zm9v"), BYTES("Z=9v"), BYTES("=m9v"),
	BYTES("Zg=="" "), BYTES(" Zg=="), BYTES("Zm9v\r\n\r\n"), BYTES("Zm\n="), BYTES("Zm9\0"), BYTES("Zm9-"),
	BYTES("Zm9_"), BYTES("Zm9*"), BYTES("Zm9\xe4"), BYTES("*"), BYTES("Zg=a"), BYTES("Zm9v@[`{"),
	/* Bits that are left over. */
	BYTES("Zh=="), BYTES("Zm9="), BYTES("////Zv=="), BYTES("/x=="),
};

START_TEST(what_is_malformed_is_refused)
{
	struct span text = span_exact_copy(malformed[_i]);
	char *out = malloc(base64_decoded_max(text.len) + 1);
	size_t len;

	ck_assert(!base64_decode(text, out, &len));
	free(out);
	free((char *)text.ptr);
}
END_TEST

/* Of four octets, those are taken that encoding makes, and nothing else. */
START_TEST(each_value_has_one_text_only)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_ \n";
	size_t taken = 0, n = sizeof(digits); /* with NUL */

	for (size_t i = 0; i < n * n * n; i++) {
		char text[4] = { 'Z', digits[i % n], digits[i / n % n], digits[i / n / n] }, value[3], again[4];
		size_t len;

		if (!base64_decode(span_of(text, 4), value, &len))
			continue;
		taken++;
		if (base64_encode(span_of(value, len), again) != 4 || memcmp(text, again, 4) != 0)
			ck_abort_msg("%.4s becomes %.4s", text, again);
	}
	/* The first digit stands fast: 18 bits of three octets, 10 of two, 2 of one. */
	ck_assert_uint_eq(taken, (1u << 18) + (1u << 10) + (1u << 2));
}
END_TEST

START_TEST(any_octets_come_back)
{
	unsigned char value[257];
	char text[4 * 86 + 1], again[sizeof(value) + 2];
	unsigned seed = 1;

	for (size_t len = 0; len <= sizeof(value); len++) {
		size_t text_len, again_len;

		for (size_t i = 0; i < len; i++)
			value[i] = (unsigned char)((seed = seed * 1103515245u + 12345u) >> 16);
		text_len = base64_encode(span_of(value, len), text);
		ck_assert_uint_eq(text_len, base64_encoded_len(len));
		ck_assert(base64_decode(span_of(text, text_len), again, &again_len));
		ASSERT_SPAN_EQ(span_of(again, again_len), span_of(value, len));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base64");
	TCase *tcase = tcase_create("base64");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, a_value_has_its_text, pairs);
	ADD_ROWS(tcase, a_text_has_its_value, pairs);
	ADD_ROWS(tcase, what_is_malformed_is_refused, malformed);
	tcase_add_test(tcase, each_value_has_one_text_only);
	tcase_add_test(tcase, any_octets_come_back);
	return unit_main(suite);
}
