/* proto/xtext: RFC 3461 4, and no control character in or out. */
#include "fail_malloc.h"
#include "proto/xtext.h"
#include "unit.h"

static const struct {
	struct span text;
	const char *xtext;
} pairs[] = {
	{ BYTES(""), "" },
	{ BYTES("anna@example.org"), "anna@example.org" },
	{ BYTES("a+b=c@example.org"), "a+2Bb+3Dc@example.org" },
	{ BYTES("two words"), "two+20words" },
	{ BYTES("!~"), "!~" },
	{ BYTES("\xc3\xa4\xff"), "+C3+A4+FF" },
	{ BYTES("+2B"), "+2B2B" },
	{ BYTES("[UNAVAILABLE]"), "[UNAVAILABLE]" },
};

START_TEST(a_text_is_encoded_and_comes_back)
{
	struct span xtext = span_exact_copy(span_str(pairs[_i].xtext));
	char *text = malloc(xtext.len + 1);
	struct buf out = { 0 };
	size_t len;

	ck_assert(buf_add_str(&out, "x="));
	ck_assert(xtext_encode(&out, pairs[_i].text));
	ASSERT_SPAN_EQ(span_from(buf_span(&out), 2), xtext);
	ck_assert(xtext_is_valid(xtext));
	ck_assert(xtext_decode(xtext, text, &len));
	ASSERT_SPAN_EQ(span_of(text, len), pairs[_i].text);
	ck_assert(xtext_decode(xtext, (char *)xtext.ptr, &len));
	ASSERT_SPAN_EQ(span_of(xtext.ptr, len), pairs[_i].text);
	buf_fini(&out);
	free(text);
	free((char *)xtext.ptr);
}
END_TEST

START_TEST(control_characters_are_encoded_and_not_decoded)
{
	char octet = (char)(_i == 32 ? 0x7f : _i), text[3];
	struct buf out = { 0 };
	size_t len;

	ck_assert(xtext_encode(&out, span_of(&octet, 1)));
	ck_assert_uint_eq(buf_len(&out), 3);
	ck_assert(!xtext_is_valid(buf_span(&out)));
	ck_assert(!xtext_decode(buf_span(&out), text, &len));
	ck_assert(!xtext_is_valid(span_of(&octet, 1)));
	buf_fini(&out);
}
END_TEST

static const struct span malformed[] = {
	BYTES("+"), BYTES("+4"), BYTES("a+"), BYTES("a+4"), BYTES("+4g"), BYTES("+4G"), BYTES("+G4"), BYTES("+ 4"),
	BYTES("+c3+a4"), BYTES("+C3+a4"), BYTES("a=b"), BYTES("a b"), BYTES("\xc3\xa4"), BYTES("a\n"), BYTES("a\0b"),
	BYTES("++41"), BYTES("+4+41"), BYTES("x+0D+0A"), BYTES("+00"), BYTES("+7F"),
};

START_TEST(what_is_malformed_is_refused)
{
	struct span xtext = span_exact_copy(malformed[_i]);
	char text[16];
	size_t len;

	ck_assert(!xtext_is_valid(xtext));
	ck_assert(!xtext_decode(xtext, text, &len));
	free((char *)xtext.ptr);
}
END_TEST

START_TEST(without_memory_the_buffer_is_left_as_it_was)
{
	struct buf out = { 0 };
	bool done;

	fail_malloc_at(1);
	done = xtext_encode(&out, SPAN_LITERAL("a b"));
	ck_assert(fail_malloc_stop());
	ck_assert(!done);
	ck_assert_uint_eq(buf_len(&out), 0);
	buf_fini(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xtext");
	TCase *tcase = tcase_create("xtext");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, a_text_is_encoded_and_comes_back, pairs);
	tcase_add_loop_test(tcase, control_characters_are_encoded_and_not_decoded, 0, 33);
	ADD_ROWS(tcase, what_is_malformed_is_refused, malformed);
	tcase_add_test(tcase, without_memory_the_buffer_is_left_as_it_was);
	return unit_main(suite);
}
