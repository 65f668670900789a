/*
 * The spool: what goes in comes out, in one copy, and the budget counts every
 * byte that was allocated.
 */
#include "spool/spool.h"

#include "unit.h"

enum { ROOMY = 64 * 1024 * 1024 };

static unsigned spool_chunks(const struct spool *spool)
{
	unsigned count = 0;

	for (const struct spool_chunk *c = spool->first; c; c = c->next)
		count++;
	return count;
}

/* The whole content, to be freed. */
static char *spool_gather(const struct spool *spool)
{
	char *all = malloc(spool->octets + 1);
	size_t used = 0;

	ck_assert_ptr_nonnull(all);
	for (const struct spool_chunk *c = spool->first; c; c = c->next) {
		memcpy(all + used, c->bytes, c->len);
		used += c->len;
	}
	ck_assert_uint_eq(used, spool->octets);
	return all;
}

/* Bytes that tell their place, NUL and LF among them. */
static char *pattern_new(size_t len)
{
	char *bytes = malloc(len + 1);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 31 + i / 251);
	return bytes;
}

static const size_t part_sizes[] = { 1, 7, 998, 4096, 8168, 8169, 65536, 300000 };

START_TEST(content_comes_out_as_it_went_in)
{
	enum { TOTAL = 300000 };
	size_t part = part_sizes[_i];
	struct spool_budget budget = { .max_bytes = ROOMY };
	char *bytes = pattern_new(TOTAL), *all;
	struct spool spool;

	spool_init(&spool, &budget);
	for (size_t at = 0; at < TOTAL; at += part) {
		struct span next = span_head(span_of(bytes + at, TOTAL - at), part);

		ck_assert_int_eq(spool_append(&spool, next), SPOOL_OK);
	}
	ck_assert_uint_eq(spool.octets, TOTAL);
	all = spool_gather(&spool);
	ck_assert_int_eq(memcmp(all, bytes, TOTAL), 0);
	ck_assert_uint_eq(budget.used_bytes, spool.allocated);
	spool_fini(&spool);
	ck_assert_uint_eq(budget.used_bytes, 0);
	free(all);
	free(bytes);
}
END_TEST

START_TEST(message_of_4_kib_needs_one_allocation)
{
	struct spool_budget budget = { .max_bytes = ROOMY };
	char *bytes = pattern_new(4096);
	struct spool spool;

	spool_init(&spool, &budget);
	for (size_t at = 0; at < 4096; at += 64)
		ck_assert_int_eq(spool_append(&spool, span_of(bytes + at, 64)), SPOOL_OK);
	ck_assert_uint_eq(spool_chunks(&spool), 1);
	ck_assert_uint_eq(spool.allocated, 8192);
	spool_fini(&spool);
	free(bytes);
}
END_TEST

START_TEST(empty_spool_owns_nothing)
{
	struct spool_budget budget = { .max_bytes = ROOMY };
	struct spool spool;

	spool_init(&spool, &budget);
	ck_assert_int_eq(spool_append(&spool, span_of("", 0)), SPOOL_OK);
	ck_assert_ptr_null(spool.first);
	ck_assert_uint_eq(budget.used_bytes, 0);
	spool_fini(&spool);
}
END_TEST

START_TEST(budget_is_never_exceeded)
{
	struct spool_budget budget = { .max_bytes = 8192 + 65536 };
	char *bytes = pattern_new(1024);
	enum spool_result result = SPOOL_OK;
	struct spool one, two;
	unsigned appended = 0;

	spool_init(&one, &budget);
	spool_init(&two, &budget);
	while (result == SPOOL_OK) {
		ck_assert_uint_le(budget.used_bytes, budget.max_bytes);
		result = spool_append(&one, span_of(bytes, 1024));
		appended++;
		ck_assert_uint_le(appended, 100);
	}
	ck_assert_int_eq(result, SPOOL_FULL);
	ck_assert_uint_eq(budget.used_bytes, budget.max_bytes);
	/* The budget is shared: what one spool took another cannot have. */
	ck_assert_int_eq(spool_append(&two, span_of(bytes, 1)), SPOOL_FULL);
	spool_fini(&one);
	ck_assert_int_eq(spool_append(&two, span_of(bytes, 1)), SPOOL_OK);
	spool_fini(&two);
	ck_assert_uint_eq(budget.used_bytes, 0);
	free(bytes);
}
END_TEST

START_TEST(lowered_budget_is_full)
{
	struct spool_budget budget = { .max_bytes = ROOMY };
	struct spool one, two;

	spool_init(&one, &budget);
	spool_init(&two, &budget);
	ck_assert_int_eq(spool_append(&one, SPAN_LITERAL("x")), SPOOL_OK);
	budget.max_bytes = 1;
	ck_assert_int_eq(spool_append(&two, SPAN_LITERAL("x")), SPOOL_FULL);
	spool_fini(&one);
	spool_fini(&two);
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(moved_content_leaves_an_empty_spool_behind)
{
	struct spool_budget budget = { .max_bytes = ROOMY };
	struct spool from, to;
	char *all;

	spool_init(&from, &budget);
	ck_assert_int_eq(spool_append(&from, SPAN_LITERAL("hello\n")), SPOOL_OK);
	spool_move(&to, &from);
	ck_assert_ptr_null(from.first);
	ck_assert_uint_eq(from.octets, 0);
	ck_assert_uint_eq(to.octets, 6);
	/* The old one takes the next message, and its end takes nothing from the moved one. */
	ck_assert_int_eq(spool_append(&from, SPAN_LITERAL("next")), SPOOL_OK);
	spool_fini(&from);
	ck_assert_uint_eq(budget.used_bytes, to.allocated);
	all = spool_gather(&to);
	ck_assert_int_eq(memcmp(all, "hello\n", 6), 0);
	free(all);
	spool_fini(&to);
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spool");
	TCase *tcase = tcase_create("spool");

	tcase_set_timeout(tcase, 60);
	ADD_ROWS(tcase, content_comes_out_as_it_went_in, part_sizes);
	tcase_add_test(tcase, message_of_4_kib_needs_one_allocation);
	tcase_add_test(tcase, empty_spool_owns_nothing);
	tcase_add_test(tcase, budget_is_never_exceeded);
	tcase_add_test(tcase, lowered_budget_is_full);
	tcase_add_test(tcase, moved_content_leaves_an_empty_spool_behind);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
