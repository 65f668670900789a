/* proto/param: ESMTP parameters of MAIL and RCPT. */
#include "proto/param.h"
#include "unit.h"

/* All parameters, each with a comma behind it, then "." for the end or "!" for malformed. */
static void read_all(struct span text, struct buf *out)
{
	struct span copy = span_exact_copy(text), rest = copy;
	enum smtp_param_result result;
	struct smtp_param param;

	while ((result = smtp_param_next(&rest, &param)) == SMTP_PARAM_FOUND) {
		ck_assert(buf_add_span(out, param.keyword));
		if (param.value.ptr)
			ck_assert(buf_add(out, "=", 1) && buf_add_span(out, param.value));
		ck_assert(buf_add(out, ",", 1));
	}
	ck_assert(buf_add(out, result == SMTP_PARAM_END ? "." : "!", 1));
	free((void *)(uintptr_t)copy.ptr);
}

static const struct {
	struct span text;
	const char *result;
} lists[] = {
	{ BYTES(""), "." },
	{ BYTES(" "), "." },
	{ BYTES(" \t "), "." },
	{ BYTES(" SIZE=1"), "SIZE=1,." },
	{ BYTES(" SIZE=1  BODY=8BITMIME "), "SIZE=1,BODY=8BITMIME,." },
	{ BYTES("\tsize=1\tbody=7bit"), "size=1,body=7bit,." },
	{ BYTES(" SMTPUTF8"), "SMTPUTF8,." },
	{ BYTES(" SMTPUTF8 X"), "SMTPUTF8,X,." },
	{ BYTES(" X-MY-1=!<>~"), "X-MY-1=!<>~,." },
	{ BYTES(" 1X=y"), "1X=y,." },
	{ BYTES(" X-"), "X-,." },
	{ BYTES(" AUTH=<>"), "AUTH=<>,." },
	{ BYTES(" ORCPT=rfc822;a+40b"), "ORCPT=rfc822;a+40b,." },
	/* A blank must stand in front. */
	{ BYTES("SIZE=1"), "!" },
	{ BYTES("x"), "!" },
	{ BYTES(">"), "!" },
	/* Keywords. */
	{ BYTES(" =1"), "!" },
	{ BYTES(" -X=1"), "!" },
	{ BYTES(" X_Y=1"), "!" },
	{ BYTES(" X.Y"), "!" },
	{ BYTES(" <a@b>"), "!" },
	{ BYTES(" \xc3\xa4=1"), "!" },
	{ BYTES(" X\0=1"), "!" },
	{ BYTES(" X\0"), "!" },
	{ BYTES(" \0"), "!" },
	{ BYTES(" X\r"), "!" },
	/* Values. */
	{ BYTES(" X="), "!" },
	{ BYTES(" X= "), "!" },
	{ BYTES(" X= 1"), "!" },
	{ BYTES(" X =1"), "X,!" },
	{ BYTES(" X=a=b"), "!" },
	{ BYTES(" X=="), "!" },
	{ BYTES(" X=a\0b"), "!" },
	{ BYTES(" X=a\x7f"), "!" },
	{ BYTES(" X=a\x1f"), "!" },
	{ BYTES(" X=\xff"), "!" },
	/* What came before stays good. */
	{ BYTES(" SIZE=1 X="), "SIZE=1,!" },
};

START_TEST(parameters_come_one_by_one_until_end_or_error)
{
	struct buf out = { 0 };

	read_all(lists[_i].text, &out);
	ASSERT_BUF_EQ(&out, lists[_i].result);
	buf_fini(&out);
}
END_TEST

START_TEST(each_byte_of_a_value_is_judged)
{
	for (int c = 0; c < 256; c++) {
		char text[] = " K=aXb";
		struct span rest = SPAN_LITERAL(text);
		struct smtp_param param;

		text[4] = (char)c;
		rest.ptr = text;
		enum smtp_param_result result = smtp_param_next(&rest, &param);

		if (c == ' ' || c == '\t')
			ASSERT_SPAN_EQ(rest, span_of(text + 4, 2));
		else if (c >= 33 && c <= 126 && c != '=')
			ck_assert_int_eq(result, SMTP_PARAM_FOUND);
		else
			ck_assert_int_eq(result, SMTP_PARAM_MALFORMED);
	}
}
END_TEST

START_TEST(no_value_and_empty_value_are_not_the_same)
{
	struct span rest = SPAN_LITERAL(" X");
	struct smtp_param param;

	ck_assert_int_eq(smtp_param_next(&rest, &param), SMTP_PARAM_FOUND);
	ck_assert_ptr_null(param.value.ptr);
	ck_assert_int_eq(smtp_param_next(&rest, &param), SMTP_PARAM_END);
	ck_assert_int_eq(smtp_param_next(&rest, &param), SMTP_PARAM_END);
}
END_TEST

static const struct {
	struct span text;
	bool is_ok;
	uint64_t octets;
} sizes[] = {
	{ BYTES("0"), true, 0 },
	{ BYTES("1000"), true, 1000 },
	{ BYTES("00000000000000000001"), true, 1 },
	{ BYTES("18446744073709551615"), true, UINT64_MAX },
	{ BYTES("18446744073709551616"), true, UINT64_MAX },
	{ BYTES("99999999999999999999"), true, UINT64_MAX },
	{ BYTES("000000000000000000001"), false, 77 },
	{ BYTES(""), false, 77 },
	{ BYTES("-1"), false, 77 },
	{ BYTES("+1"), false, 77 },
	{ BYTES("1k"), false, 77 },
	{ BYTES("1\0"), false, 77 },
	{ BYTES("0x10"), false, 77 },
	{ BYTES("9999999999999999999a"), false, 77 },
	{ { NULL, 0 }, false, 77 },
};

START_TEST(size_is_up_to_20_digits_and_saturates)
{
	uint64_t octets = 77;

	ck_assert_int_eq(smtp_param_size(sizes[_i].text, &octets), sizes[_i].is_ok);
	ck_assert_uint_eq(octets, sizes[_i].octets);
}
END_TEST

static const struct {
	struct span text;
	int type; /* -1: refused */
} bodies[] = {
	{ BYTES("7BIT"), SMTP_BODY_7BIT },
	{ BYTES("7bit"), SMTP_BODY_7BIT },
	{ BYTES("8BITMIME"), SMTP_BODY_8BITMIME },
	{ BYTES("8BitMime"), SMTP_BODY_8BITMIME },
	{ BYTES("BINARYMIME"), SMTP_BODY_BINARYMIME },
	{ BYTES("binarymime"), SMTP_BODY_BINARYMIME },
	{ BYTES("BINARY"), -1 },
	{ BYTES("8BIT"), -1 },
	{ BYTES("7BITx"), -1 },
	{ BYTES(""), -1 },
	{ { NULL, 0 }, -1 },
};

START_TEST(body_is_one_of_three_in_any_case)
{
	enum smtp_body_type type = SMTP_BODY_7BIT;

	ck_assert_int_eq(smtp_param_body(bodies[_i].text, &type), bodies[_i].type >= 0);
	if (bodies[_i].type >= 0)
		ck_assert_int_eq(type, bodies[_i].type);
}
END_TEST

static const struct {
	struct span text;
	int ret; /* -1: refused */
} rets[] = {
	{ BYTES("FULL"), SMTP_DSN_RET_FULL },
	{ BYTES("hdrs"), SMTP_DSN_RET_HDRS },
	{ BYTES("BODY"), -1 },
	{ BYTES("FULLx"), -1 },
	{ BYTES(""), -1 },
	{ { NULL, 0 }, -1 },
};

START_TEST(ret_is_full_or_hdrs)
{
	enum smtp_dsn_ret ret = SMTP_DSN_RET_NONE;

	ck_assert_int_eq(smtp_param_ret(rets[_i].text, &ret), rets[_i].ret >= 0);
	if (rets[_i].ret >= 0)
		ck_assert_int_eq(ret, rets[_i].ret);
}
END_TEST

static const struct {
	struct span text;
	unsigned notify; /* 0: refused */
} notifies[] = {
	{ BYTES("NEVER"), SMTP_DSN_NOTIFY_NEVER },
	{ BYTES("never"), SMTP_DSN_NOTIFY_NEVER },
	{ BYTES("SUCCESS"), SMTP_DSN_NOTIFY_SUCCESS },
	{ BYTES("failure"), SMTP_DSN_NOTIFY_FAILURE },
	{ BYTES("DELAY,SUCCESS"), SMTP_DSN_NOTIFY_DELAY | SMTP_DSN_NOTIFY_SUCCESS },
	{ BYTES("SUCCESS,FAILURE,DELAY"),
	  SMTP_DSN_NOTIFY_SUCCESS | SMTP_DSN_NOTIFY_FAILURE | SMTP_DSN_NOTIFY_DELAY },
	{ BYTES("NEVER,SUCCESS"), 0 },
	{ BYTES("SUCCESS,NEVER"), 0 },
	{ BYTES("SUCCESS,"), 0 },
	{ BYTES(",SUCCESS"), 0 },
	{ BYTES("SUCCESS,,DELAY"), 0 },
	{ BYTES("SUCCESSFAILURE"), 0 },
	{ BYTES("SUCCES"), 0 },
	{ BYTES(""), 0 },
	{ { NULL, 0 }, 0 },
};

START_TEST(notify_is_never_or_a_list)
{
	unsigned notify;

	ck_assert_int_eq(smtp_param_notify(notifies[_i].text, &notify), notifies[_i].notify != 0);
	if (notifies[_i].notify)
		ck_assert_uint_eq(notify, notifies[_i].notify);
}
END_TEST

static const struct {
	struct span text;
	bool is_envid, is_orcpt;
} xtexts[] = {
	{ BYTES("QQ314159"), true, false },
	{ BYTES("+2B+3D+20"), true, false },
	{ BYTES("a;b"), true, true },
	{ BYTES("rfc822;Bob+2Bx@example.org"), true, true },
	{ BYTES("utf-8;\\x{394}@example.org"), true, true },
	{ BYTES("x-1!;+7E"), true, true },
	{ BYTES(";a"), true, false },
	{ BYTES("rfc822;"), true, false },
	{ BYTES("rfc822"), true, false },
	{ BYTES("a(b;c"), true, false },
	{ BYTES("a+41;c"), true, true },
	/* Lower case, cut off, no digit. */
	{ BYTES("a;+2b"), false, false },
	{ BYTES("a;+2"), false, false },
	{ BYTES("a;+"), false, false },
	{ BYTES("a;+2G"), false, false },
	{ BYTES("a;b=c"), false, false },
	/* Control characters, and what is not ASCII. */
	{ BYTES("a;+0A"), false, false },
	{ BYTES("a;+0D+0A"), false, false },
	{ BYTES("a;+00"), false, false },
	{ BYTES("a;+09"), false, false },
	{ BYTES("a;+7F"), false, false },
	{ BYTES("a;+80"), false, false },
	{ BYTES("a;+FF"), false, false },
	{ BYTES("a;\xc3\xa4"), false, false },
	{ BYTES("a;b c"), false, false },
	{ BYTES(""), false, false },
	{ { NULL, 0 }, false, false },
};

START_TEST(xtext_stands_for_printable_ascii_only)
{
	struct span copy = span_exact_copy(xtexts[_i].text);

	ck_assert_int_eq(smtp_param_envid(copy), xtexts[_i].is_envid);
	ck_assert_int_eq(smtp_param_orcpt(copy), xtexts[_i].is_orcpt);
	free((void *)(uintptr_t)copy.ptr);
}
END_TEST

START_TEST(envid_has_100_octets_at_most_and_orcpt_500)
{
	char text[502];

	memset(text, 'x', sizeof(text));
	text[1] = ';';
	ck_assert(smtp_param_envid(span_of(text, 100)));
	ck_assert(!smtp_param_envid(span_of(text, 101)));
	ck_assert(smtp_param_orcpt(span_of(text, 500)));
	ck_assert(!smtp_param_orcpt(span_of(text, 501)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("param");
	TCase *tcase = tcase_create("param");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, parameters_come_one_by_one_until_end_or_error, lists);
	tcase_add_test(tcase, each_byte_of_a_value_is_judged);
	tcase_add_test(tcase, no_value_and_empty_value_are_not_the_same);
	ADD_ROWS(tcase, size_is_up_to_20_digits_and_saturates, sizes);
	ADD_ROWS(tcase, body_is_one_of_three_in_any_case, bodies);
	ADD_ROWS(tcase, ret_is_full_or_hdrs, rets);
	ADD_ROWS(tcase, notify_is_never_or_a_list, notifies);
	ADD_ROWS(tcase, xtext_stands_for_printable_ascii_only, xtexts);
	tcase_add_test(tcase, envid_has_100_octets_at_most_and_orcpt_500);
	return unit_main(suite);
}
