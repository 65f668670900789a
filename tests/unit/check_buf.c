/* base/buf: filled at the end, used up from the front, whole or unchanged when memory runs out. */
#include "fail_malloc.h"
#include "unit.h"

#include <signal.h>

START_TEST(all_zero_is_a_valid_empty_buffer)
{
	struct buf b = { 0 };

	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_ptr_nonnull(buf_span(&b).ptr);
	buf_use(&b, 0);
	buf_clear(&b);
	buf_release_empty(&b);
	ck_assert(buf_add(&b, NULL, 0));
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_fini(&b);
}
END_TEST

START_TEST(what_is_added_comes_in_order)
{
	struct buf b = { 0 };

	ck_assert(buf_add(&b, "a\0", 2));
	ck_assert(buf_add_str(&b, "bc"));
	ck_assert(buf_add_span(&b, SPAN_LITERAL("d")));
	ck_assert(buf_add_u64(&b, 7));
	ASSERT_SPAN_EQ(buf_span(&b), SPAN_LITERAL("a\0bcd7"));
	buf_fini(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(buf_len(&b), 0);
}
END_TEST

static const struct {
	uint64_t value;
	const char *text;
} numbers[] = {
	{ 0, "0" },
	{ 9, "9" },
	{ 10, "10" },
	{ UINT64_C(1000000007), "1000000007" },
	{ UINT64_MAX, "18446744073709551615" },
};

START_TEST(a_number_is_written_in_decimal)
{
	struct buf b = { 0 };

	ck_assert(buf_add_u64(&b, numbers[_i].value));
	ASSERT_BUF_EQ(&b, numbers[_i].text);
	buf_fini(&b);
}
END_TEST

/* A queue of bytes of changing length, against a plain counter on both sides. */
START_TEST(bytes_leave_in_the_order_they_came)
{
	unsigned char in = 0, out = 0;
	struct buf b = { 0 };

	for (size_t round = 0; round < 2000; round++) {
		unsigned char chunk[97];
		size_t added = round * 7 % sizeof(chunk), used;

		for (size_t i = 0; i < added; i++)
			chunk[i] = in++;
		ck_assert(buf_add(&b, chunk, added));
		used = round * 13 % (buf_len(&b) + 1);
		for (size_t i = 0; i < used; i++)
			ck_assert_uint_eq((unsigned char)buf_span(&b).ptr[i], out++);
		buf_use(&b, used);
	}
	ck_assert_uint_eq((unsigned char)(in - out), (unsigned char)buf_len(&b));
	buf_fini(&b);
}
END_TEST

START_TEST(a_steady_flow_does_not_grow_the_memory)
{
	struct buf b = { 0 };

	for (int i = 0; i < 10000; i++) {
		ck_assert(buf_add_str(&b, "0123456789"));
		if (i >= 3)
			buf_use(&b, 10);
	}
	ck_assert_uint_eq(buf_len(&b), 30);
	ck_assert_uint_le(b.size, 256);
	buf_fini(&b);
}
END_TEST

START_TEST(reserved_room_can_be_written_directly)
{
	struct buf b = { 0 };

	ck_assert(buf_add_str(&b, "x"));
	ck_assert(buf_reserve(&b, 1000));
	memset(b.data + b.end, 'y', 1000);
	buf_added(&b, 1000);
	ck_assert_uint_eq(buf_len(&b), 1001);
	ck_assert_int_eq(buf_span(&b).ptr[1000], 'y');
	buf_fini(&b);
}
END_TEST

START_TEST(failed_growth_leaves_the_contents)
{
	struct buf b = { 0 };
	bool done;

	fail_malloc_at(1);
	done = buf_add_str(&b, "a");
	ck_assert(fail_malloc_stop());
	ck_assert(!done);
	ck_assert_uint_eq(buf_len(&b), 0);

	ck_assert(buf_add_str(&b, "kept"));
	fail_malloc_at(1);
	done = buf_reserve(&b, b.size);
	ck_assert(fail_malloc_stop());
	ck_assert(!done);
	ASSERT_BUF_EQ(&b, "kept");
	buf_fini(&b);
}
END_TEST

START_TEST(absurd_sizes_fail_without_overflow)
{
	struct buf b = { 0 };

	ck_assert(buf_add_str(&b, "kept"));
	ck_assert(!buf_reserve(&b, SIZE_MAX));
	ck_assert(!buf_reserve(&b, SIZE_MAX - 3));
	ck_assert(!buf_reserve(&b, SIZE_MAX / 2));
	ASSERT_BUF_EQ(&b, "kept");
	buf_fini(&b);
}
END_TEST

START_TEST(memory_is_given_back_only_when_empty)
{
	struct buf b = { 0 };

	ck_assert(buf_add_str(&b, "ab"));
	buf_use(&b, 1);
	buf_release_empty(&b);
	ASSERT_BUF_EQ(&b, "b");
	buf_use(&b, 1);
	ck_assert_ptr_nonnull(b.data);
	buf_release_empty(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.size, 0);
}
END_TEST

START_TEST(clearing_keeps_the_memory)
{
	struct buf b = { 0 };

	ck_assert(buf_add_str(&b, "ab"));
	buf_clear(&b);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_ptr_nonnull(b.data);
	buf_fini(&b);
}
END_TEST

START_TEST(using_more_than_there_is_is_a_bug)
{
	struct buf b = { 0 };

	ck_assert(buf_add_str(&b, "ab"));
	buf_use(&b, 3);
}
END_TEST

START_TEST(adding_beyond_the_reserve_is_a_bug)
{
	struct buf b = { 0 };

	ck_assert(buf_reserve(&b, 1));
	buf_added(&b, b.size + 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tcase = tcase_create("buf");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, all_zero_is_a_valid_empty_buffer);
	tcase_add_test(tcase, what_is_added_comes_in_order);
	ADD_ROWS(tcase, a_number_is_written_in_decimal, numbers);
	tcase_add_test(tcase, bytes_leave_in_the_order_they_came);
	tcase_add_test(tcase, a_steady_flow_does_not_grow_the_memory);
	tcase_add_test(tcase, reserved_room_can_be_written_directly);
	tcase_add_test(tcase, failed_growth_leaves_the_contents);
	tcase_add_test(tcase, absurd_sizes_fail_without_overflow);
	tcase_add_test(tcase, memory_is_given_back_only_when_empty);
	tcase_add_test(tcase, clearing_keeps_the_memory);
	tcase_add_test_raise_signal(tcase, using_more_than_there_is_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tcase, adding_beyond_the_reserve_is_a_bug, SIGABRT);
	return unit_main(suite);
}
