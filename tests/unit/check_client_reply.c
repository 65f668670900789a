/* proto/client_reply: limits and texts, to the octet. What replies mean is in the scripts. */
#include "proto/client_reply.h"
#include "unit.h"

/* Read all of `in` in blocks; the last step, and the reply in *r. */
static enum client_reply_step read_in_blocks(struct client_reply *r, struct span in, size_t block,
					     bool may_be_utf8)
{
	enum client_reply_step step = CLIENT_REPLY_MORE;

	while (in.len && step != CLIENT_REPLY_LAST && step != CLIENT_REPLY_BAD) {
		struct span part = span_exact_copy(span_head(in, block)), text;
		size_t used;

		step = client_reply_take(r, part, &used, &text);
		if (step == CLIENT_REPLY_LINE || step == CLIENT_REPLY_LAST)
			ck_assert(client_reply_add_text(r, text, may_be_utf8));
		in = span_from(in, used);
		free((char *)part.ptr);
	}
	return step;
}

static const size_t blocks[] = { SIZE_MAX, 1, 2, 3, 7, 100, 4095, 4096, 4097 };

/* The text of a reply must be this, however it is cut. */
static void assert_text(struct span in, const char *status, const char *text)
{
	for (int i = 0; i < ROWS(blocks); i++) {
		struct client_reply r = { 0 };

		ck_assert_int_eq(read_in_blocks(&r, in, blocks[i], true), CLIENT_REPLY_LAST);
		ck_assert(client_reply_finish(&r, "2.0.0"));
		ck_assert_str_eq(buf_span(&r.text).ptr, text);
		ck_assert_str_eq(r.status, status);
		client_reply_fini(&r);
	}
}

static void assert_fault(struct span in, const char *fault)
{
	for (int i = 0; i < ROWS(blocks); i++) {
		struct client_reply r = { 0 };

		ck_assert_int_eq(read_in_blocks(&r, in, blocks[i], true), CLIENT_REPLY_BAD);
		ck_assert_str_eq(r.fault, fault);
		client_reply_fini(&r);
	}
}

static const struct {
	const char *in, *status, *text;
} texts[] = {
	{ "250 OK\r\n", "2.0.0", "OK" },
	{ "250 2.1.5 OK\r\n", "2.1.5", "OK" },
	{ "250 2.1.5\tOK\r\n", "2.1.5", "OK" },
	{ "250 2.1.5\r\n", "2.1.5", "OK" },
	{ "250 \r\n", "2.0.0", "OK" },
	{ "450\n", "4.2.0", "Refused without a reason." },
	{ "550 5.999.999 x\r\n", "5.999.999", "x" },
	{ "550 5.0.0 x\r\n", "5.0.0", "x" },
	{ "550 5.1000.1 x\r\n", "5.0.0", "5.1000.1 x" },
	{ "550 5.01.1 x\r\n", "5.0.0", "5.01.1 x" },
	{ "550 5.1.1x\r\n", "5.0.0", "5.1.1x" },
	{ "550 5.1. x\r\n", "5.0.0", "5.1. x" },
	{ "550 5..1 x\r\n", "5.0.0", "5..1 x" },
	{ "550 5.1\r\n", "5.0.0", "5.1" },
	{ "550 5.123\r\n", "5.0.0", "5.123" },
	{ "550 3.1.1 x\r\n", "5.0.0", "3.1.1 x" },
	{ "550 4.1.1 x\r\n", "5.0.0", "x" },
	{ "550-x\r\n550 5.1.1 y\r\n", "5.1.1", "x\ny" },
	{ "550-5.1.1 x\r\n550 5.1.2 y\r\n", "5.1.1", "x\ny" },
	{ "550-\r\n550- \r\n550 y\r\n", "5.0.0", "y" },
	{ "550   x  \r\n", "5.0.0", "x" },
	{ "550 \xf0\x9f\x93\xa7\r\n", "5.0.0", "\xf0\x9f\x93\xa7" },
	{ "550 \xf0\x9f\x93\r\n", "5.0.0", "???" },
	{ "550 \xc0\xaf\xed\xa0\x80\r\n", "5.0.0", "?????" },
	{ "421 x\r\n", "4.3.2", "x" },
	{ "499 x\r\n", "4.0.0", "x" },
	{ "354 x\r\n", "2.0.0", "x" },
};

START_TEST(a_text_is_fit_to_be_passed_on)
{
	assert_text(span_str(texts[_i].in), texts[_i].status, texts[_i].text);
}
END_TEST

static struct span filled(struct buf *b, const char *head, size_t len, const char *tail)
{
	ck_assert(buf_add_str(b, head));
	ck_assert(buf_reserve(b, len));
	memset(b->data + b->end, 'x', len);
	buf_added(b, len);
	ck_assert(buf_add_str(b, tail));
	return buf_span(b);
}

START_TEST(a_line_is_passed_on_up_to_400_octets)
{
	static const size_t lens[] = { 399, 400, 401, 4087, 4088, 4091, 4092, 4093, 5000, 60000 };
	struct buf in = { 0 }, expected = { 0 };
	size_t len = lens[_i];

	filled(&in, "550 ", len, "\r\n");
	filled(&expected, "", len < 400 ? len : 400, "");
	ck_assert(buf_add(&expected, "", 1));
	assert_text(buf_span(&in), "5.0.0", buf_span(&expected).ptr);
	buf_fini(&in);
	buf_fini(&expected);
}
END_TEST

START_TEST(a_character_is_not_cut_in_two)
{
	struct buf in = { 0 }, expected = { 0 };

	filled(&in, "550 ", 399, "\xc3\xa4\r\n");
	filled(&expected, "", 399, "");
	ck_assert(buf_add(&expected, "", 1));
	assert_text(buf_span(&in), "5.0.0", buf_span(&expected).ptr);
	buf_fini(&in);
	buf_fini(&expected);
}
END_TEST

START_TEST(a_text_is_passed_on_up_to_2000_octets)
{
	struct buf in = { 0 };

	for (int i = 0; i < 127; i++)
		filled(&in, "550-", 90, "\r\n");
	filled(&in, "550 ", 90, "\r\n");
	for (int i = 0; i < ROWS(blocks); i++) {
		struct client_reply r = { 0 };
		struct span text;

		ck_assert_int_eq(read_in_blocks(&r, buf_span(&in), blocks[i], false), CLIENT_REPLY_LAST);
		text = buf_span(&r.text);
		ck_assert_uint_gt(text.len, CLIENT_REPLY_TEXT_MAX - 91);
		ck_assert_uint_le(text.len, CLIENT_REPLY_TEXT_MAX);
		ck_assert_int_eq(text.ptr[text.len - 1], 'x');
		client_reply_fini(&r);
	}
	buf_fini(&in);
}
END_TEST

START_TEST(a_reply_has_64_KiB_at_most)
{
	struct buf in = { 0 };

	filled(&in, "550 ", CLIENT_REPLY_OCTETS_MAX - 6, "\r\n");
	for (int i = 0; i < ROWS(blocks); i++) {
		struct client_reply r = { 0 };

		ck_assert_int_eq(read_in_blocks(&r, buf_span(&in), blocks[i], false), CLIENT_REPLY_LAST);
		ck_assert_uint_le(r.line.size, 2 * CLIENT_REPLY_LINE_MAX);
		client_reply_fini(&r);
	}
	buf_clear(&in);
	filled(&in, "550 ", CLIENT_REPLY_OCTETS_MAX - 5, "\r\n");
	assert_fault(buf_span(&in), "reply_too_long");
	buf_fini(&in);
}
END_TEST

START_TEST(ten_megabytes_of_reply_cost_no_memory)
{
	struct client_reply r = { 0 };
	char block[1024];
	struct span text;
	size_t used;
	int n = 0;

	memset(block, '2', sizeof(block));
	while (client_reply_take(&r, span_of(block, sizeof(block)), &used, &text) == CLIENT_REPLY_MORE)
		ck_assert_int_lt(++n, 10 * 1024);
	ck_assert_int_eq(n, 64);
	ck_assert_uint_le(r.line.size, 2 * CLIENT_REPLY_LINE_MAX);
	client_reply_fini(&r);
}
END_TEST

static const struct {
	const char *in, *fault;
} faults[] = {
	{ "\r\n", "malformed_reply" },
	{ "\n", "malformed_reply" },
	{ "25\r\n", "malformed_reply" },
	{ "250\rOK\r\n", "malformed_reply" },
	{ "250_OK\r\n", "malformed_reply" },
	{ "2 50\r\n", "malformed_reply" },
	{ "+50 x\r\n", "malformed_reply" },
	{ "000 x\r\n", "malformed_reply" },
	{ "199 x\r\n", "malformed_reply" },
	{ "600 x\r\n", "malformed_reply" },
	{ "999 x\r\n", "malformed_reply" },
	{ "250-x\r\n251 x\r\n", "mixed_codes" },
	{ "250-x\r\nx\r\n", "malformed_reply" },
};

START_TEST(what_is_no_reply_is_told)
{
	assert_fault(span_str(faults[_i].in), faults[_i].fault);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_reply");
	TCase *tcase = tcase_create("client_reply");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, a_text_is_fit_to_be_passed_on, texts);
	tcase_add_loop_test(tcase, a_line_is_passed_on_up_to_400_octets, 0, 10);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_character_is_not_cut_in_two);
	tcase_add_test(tcase, a_text_is_passed_on_up_to_2000_octets);
	tcase_add_test(tcase, a_reply_has_64_KiB_at_most);
	tcase_add_test(tcase, ten_megabytes_of_reply_cost_no_memory);
	ADD_ROWS(tcase, what_is_no_reply_is_told, faults);
	return unit_main(suite);
}
