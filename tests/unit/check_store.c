/* policy/store, policy/bucket, base/siphash: bounded memory of moments, and rates made of it. */
#include "policy/bucket.h"

#include "unit.h"

static const uint64_t second = UINT64_C(1000000000);

static struct store_key key_of(uint8_t kind, uint64_t name)
{
	return (struct store_key){ .kind = kind, .name = name };
}

/* Appendix A of the SipHash paper: key 00 to 0f, text 00 to 0e. */
START_TEST(siphash_is_what_its_authors_say)
{
	const struct siphash_key key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
	char text[15];

	for (int i = 0; i < 15; i++)
		text[i] = (char)i;
	ck_assert_uint_eq(siphash(&key, span_of(text, sizeof(text))), UINT64_C(0xa129ca6149be45e5));
	ck_assert_uint_eq(siphash(&key, span_of(text, 0)), UINT64_C(0x726fdb47dd0e0e31));
	ck_assert_uint_eq(siphash_lower(&key, SPAN_LITERAL("Anna@EXAMPLE.org")),
			  siphash(&key, SPAN_LITERAL("anna@example.org")));
}
END_TEST

START_TEST(a_moment_is_remembered_until_it_comes)
{
	struct store *store = store_memory_new(2, 4);
	const struct store_key a = key_of(0, 7), b = key_of(1, 7);

	ck_assert_uint_eq(store_get(store, &a, 1), 0);
	store_set(store, &a, 100, 1);
	store_set(store, &b, 50, 1);
	ck_assert_uint_eq(store_get(store, &a, 99), 100);
	ck_assert_uint_eq(store_get(store, &b, 49), 50);
	ck_assert_uint_eq(store_get(store, &b, 50), 0);
	store_set(store, &a, 200, 99);
	ck_assert_uint_eq(store_get(store, &a, 199), 200);
	ck_assert_uint_eq(store_get(store, &a, 200), 0);
	ck_assert_uint_eq(store_memory_count(store, 0), 0);
	ck_assert_uint_eq(store_memory_count(store, 1), 0);
	store_free(&store);
}
END_TEST

START_TEST(a_past_moment_forgets_the_key)
{
	struct store *store = store_memory_new(1, 4);
	const struct store_key a = key_of(0, 1);

	store_set(store, &a, 100, 1);
	store_set(store, &a, 0, 2);
	ck_assert_uint_eq(store_get(store, &a, 3), 0);
	store_set(store, &a, 1, 5);
	ck_assert_uint_eq(store_memory_count(store, 0), 0);
	store_free(&store);
}
END_TEST

START_TEST(the_nearest_moment_is_dropped_first_and_only_of_its_kind)
{
	enum { MAX = 100, ALL = 1000 };
	struct store *store = store_memory_new(2, MAX);
	const struct store_key other = key_of(1, 1);

	store_set(store, &other, 2, 1);
	for (uint64_t i = 0; i < ALL; i++) {
		/* Each number from 0 to 999 once, in an order without order. */
		struct store_key key = key_of(0, i * 387 % ALL + 1);

		store_set(store, &key, 10 + i * 387 % ALL, 1);
		ck_assert_uint_le(store_memory_count(store, 0), MAX);
	}
	ck_assert_uint_eq(store_get(store, &other, 1), 2);
	/* The last one that came has a place, too, however near its moment. */
	for (uint64_t i = ALL - MAX + 1; i < ALL; i++) {
		struct store_key key = key_of(0, i + 1);

		ck_assert_uint_eq(store_get(store, &key, 1), 10 + i);
	}
	ck_assert_uint_eq(store_memory_count(store, 0), MAX);
	store_free(&store);
}
END_TEST

/* Against an array that forgets nothing: as long as there is room both must tell the same. */
START_TEST(it_does_what_an_array_does)
{
	enum { NAMES = 64 };
	struct store *store = store_memory_new(1, NAMES);
	uint64_t plain[NAMES] = { 0 }, now = 1;
	uint32_t random = 12345;

	for (int step = 0; step < 20000; step++) {
		uint64_t name, expected;
		struct store_key key;

		random = random * 1664525 + 1013904223;
		name = random >> 26;
		key = key_of(0, name + 1);
		now += random >> 12 & 3;
		if (random >> 8 & 1) {
			plain[name] = now + (random >> 16 & 63);
			store_set(store, &key, plain[name], now);
		}
		expected = plain[name] > now ? plain[name] : 0;
		ck_assert_uint_eq(store_get(store, &key, now), expected);
	}
	store_free(&store);
}
END_TEST

START_TEST(names_are_the_same_in_both_cases_and_never_nothing)
{
	struct store *store = store_memory_new(1, 4);

	ck_assert_uint_eq(store_name(store, SPAN_LITERAL("Anna")), store_name(store, SPAN_LITERAL("aNNa")));
	ck_assert_uint_ne(store_name(store, SPAN_LITERAL("anna")), store_name(store, SPAN_LITERAL("ann")));
	ck_assert_uint_ne(store_name(store, SPAN_LITERAL("")), 0);
	store_free(&store);
}
END_TEST

START_TEST(a_bucket_takes_a_period_at_once_and_drains_evenly)
{
	struct store *store = store_memory_new(1, 4);
	const struct store_key key = key_of(0, 1);
	const struct rate_config rate = { 10, 100 };
	uint64_t now = 5 * second;

	for (int i = 0; i < 10; i++) {
		ck_assert(bucket_has_room(store, &key, &rate, 1, now));
		bucket_add(store, &key, &rate, 1, now);
		ck_assert_uint_eq(bucket_level(store, &key, &rate, now), i + 1);
	}
	ck_assert(!bucket_has_room(store, &key, &rate, 1, now));
	ck_assert(!bucket_has_room(store, &key, &rate, 1, now + 10 * second - 1));
	ck_assert(bucket_has_room(store, &key, &rate, 1, now + 10 * second));
	ck_assert(!bucket_has_room(store, &key, &rate, 2, now + 10 * second));
	ck_assert_uint_eq(bucket_level(store, &key, &rate, now + 99 * second), 1);
	ck_assert_uint_eq(bucket_level(store, &key, &rate, now + 100 * second), 0);
	store_free(&store);
}
END_TEST

START_TEST(more_than_a_bucket_goes_into_an_empty_one_only)
{
	struct store *store = store_memory_new(1, 4);
	const struct store_key key = key_of(0, 1);
	const struct rate_config rate = { 1000, 10 };

	ck_assert(bucket_has_room(store, &key, &rate, UINT64_MAX, second));
	bucket_add(store, &key, &rate, 1, second);
	ck_assert(!bucket_has_room(store, &key, &rate, 1001, second));
	ck_assert(bucket_has_room(store, &key, &rate, 999, second));
	/* However much went in, it is over after two periods. */
	bucket_add(store, &key, &rate, UINT64_MAX, second);
	ck_assert(!bucket_has_room(store, &key, &rate, 1, 11 * second));
	ck_assert(bucket_has_room(store, &key, &rate, 1000, 21 * second));
	store_free(&store);
}
END_TEST

START_TEST(a_rate_of_nothing_has_no_limit)
{
	struct store *store = store_memory_new(1, 4);
	const struct store_key key = key_of(0, 1);
	const struct rate_config rate = { 0, 0 };

	bucket_add(store, &key, &rate, 1000, second);
	ck_assert(bucket_has_room(store, &key, &rate, UINT64_MAX, second));
	ck_assert_uint_eq(bucket_level(store, &key, &rate, second), 0);
	ck_assert_uint_eq(store_memory_count(store, 0), 0);
	store_free(&store);
}
END_TEST

/* 1 TiB an hour drains an octet in less than 4 ns: nothing may be lost in rounding. */
START_TEST(big_rates_are_exact_enough)
{
	struct store *store = store_memory_new(1, 4);
	const struct store_key key = key_of(0, 1);
	const struct rate_config rate = { UINT64_C(1) << 40, 3600 };

	for (int i = 0; i < 1024; i++)
		bucket_add(store, &key, &rate, UINT64_C(1) << 30, second);
	ck_assert(!bucket_has_room(store, &key, &rate, UINT64_C(1) << 20, second));
	ck_assert(bucket_has_room(store, &key, &rate, UINT64_C(1) << 20, 2 * second));
	store_free(&store);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");

	tcase_add_test(tcase, siphash_is_what_its_authors_say);
	tcase_add_test(tcase, a_moment_is_remembered_until_it_comes);
	tcase_add_test(tcase, a_past_moment_forgets_the_key);
	tcase_add_test(tcase, the_nearest_moment_is_dropped_first_and_only_of_its_kind);
	tcase_add_test(tcase, it_does_what_an_array_does);
	tcase_add_test(tcase, names_are_the_same_in_both_cases_and_never_nothing);
	tcase_add_test(tcase, a_bucket_takes_a_period_at_once_and_drains_evenly);
	tcase_add_test(tcase, more_than_a_bucket_goes_into_an_empty_one_only);
	tcase_add_test(tcase, a_rate_of_nothing_has_no_limit);
	tcase_add_test(tcase, big_rates_are_exact_enough);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
