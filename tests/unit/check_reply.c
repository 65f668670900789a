/* proto/reply: the replies by name, and how one is written. */
#include "fail_malloc.h"
#include "proto/reply.h"
#include "unit.h"

#include <signal.h>

static const struct {
	struct smtp_reply reply;
	const char *written;
} replies[] = {
	{ { 250, "2.0.0", "OK", "ok" }, "250 2.0.0 OK\r\n" },
	{ { 354, NULL, "Go", "go" }, "354 Go\r\n" },
	{ { 250, NULL, "mx\nSIZE 1\nPIPELINING", "ok" }, "250-mx\r\n250-SIZE 1\r\n250 PIPELINING\r\n" },
	{ { 550, "5.1.1", "No such\nmailbox", "x" }, "550-5.1.1 No such\r\n550 5.1.1 mailbox\r\n" },
	{ { 250, NULL, "", "x" }, "250 \r\n" },
	{ { 250, NULL, "a\n", "x" }, "250-a\r\n250 \r\n" },
};

START_TEST(each_line_has_the_code_and_only_the_last_a_blank)
{
	struct buf out = { 0 };

	ck_assert(smtp_reply_write(&out, &replies[_i].reply));
	ASSERT_BUF_EQ(&out, replies[_i].written);
	ck_assert(smtp_reply_write(&out, &replies[_i].reply));
	buf_use(&out, strlen(replies[_i].written));
	ASSERT_BUF_EQ(&out, replies[_i].written);
	buf_fini(&out);
}
END_TEST

START_TEST(each_name_has_a_reply_that_may_be_sent)
{
	const struct smtp_reply *r = smtp_reply((enum smtp_reply_name)_i);

	ck_assert(r->code >= 200 && r->code <= 599);
	for (const char *c = r->text; *c; c++)
		ck_assert(*c == '\n' || (*c >= ' ' && *c <= '~'));
	ck_assert_uint_gt(strlen(r->text), 0);
	/* RFC 5321 4.5.3.1.5: a reply line has up to 512 octets. */
	ck_assert_uint_le(strlen(r->text) + sizeof("250 2.0.0 \r\n"), 512);
	/* One word, or the log line would be harder to search. */
	ck_assert_uint_gt(strlen(r->reason), 0);
	for (const char *c = r->reason; *c; c++)
		ck_assert((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_');
	ck_assert_int_eq(smtp_reply_is_error(r), r->code >= 400);
	ck_assert_int_eq(smtp_reply_is_permanent(r), r->code >= 500);
}
END_TEST

/* RFC 2034 4: class.subject.detail, and the class agrees with the code. */
START_TEST(each_status_agrees_with_its_code)
{
	const struct smtp_reply *r = smtp_reply((enum smtp_reply_name)_i);

	if (!r->status) {
		ck_assert_int_eq(r->code / 100, 3);
		return;
	}
	ck_assert_int_eq(r->status[0] - '0', r->code / 100);
	/* The detail may have several digits: 5.7.11. */
	ck_assert_uint_ge(strlen(r->status), 5);
	for (int i = 0; r->status[i]; i++)
		ck_assert(i == 1 || i == 3 ? r->status[i] == '.' : ascii_is_digit(r->status[i]));
}
END_TEST

START_TEST(an_unknown_name_is_a_bug)
{
	smtp_reply(SMTP_REPLIES);
}
END_TEST

/* With every possible room left in the buffer when memory runs out. */
START_TEST(without_memory_the_buffer_is_left_as_it_was)
{
	struct smtp_reply r = { 550, "5.1.1", "No such\nmailbox", "x" };
	size_t len = strlen("550-5.1.1 No such\r\n550 5.1.1 mailbox\r\n");

	for (size_t room = 0; room < len; room++) {
		struct buf out = { 0 };
		size_t before;
		bool done;

		ck_assert(buf_reserve(&out, 256));
		before = out.size - room;
		memset(out.data, 'k', out.size);
		buf_added(&out, before);
		fail_malloc_at(1);
		done = smtp_reply_write(&out, &r);
		ck_assert(fail_malloc_stop());
		ck_assert(!done);
		ck_assert_uint_eq(buf_len(&out), before);
		buf_fini(&out);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reply");
	TCase *tcase = tcase_create("reply");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, each_line_has_the_code_and_only_the_last_a_blank, replies);
	tcase_add_loop_test(tcase, each_name_has_a_reply_that_may_be_sent, 0, SMTP_REPLIES);
	tcase_add_loop_test(tcase, each_status_agrees_with_its_code, 0, SMTP_REPLIES);
	tcase_add_test_raise_signal(tcase, an_unknown_name_is_a_bug, SIGABRT);
	tcase_add_test(tcase, without_memory_the_buffer_is_left_as_it_was);
	return unit_main(suite);
}
