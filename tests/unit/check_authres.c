/*
 * proto/authres: which fields are taken out, whole, byte by byte and at every
 * cut in two; that nothing else is touched, and little is copied.
 */
#include "fail_malloc.h"
#include "unit.h"

#include "proto/authres.h"

#define OURS "mx.example.org"
#define FIELD "Authentication-Results: " OURS "; spf=pass"

/* What stands in brackets is to be taken out. */
static const struct row {
	const char *text;
	bool is_binary;
} rows[] = {
	{ "A: b\n[" FIELD "\n]C: d\n\nbody\n", false },
	{ "[" FIELD "\n]\n", false },
	{ "[" FIELD "\n smtp.mailfrom=a@b\n\tx\n]C: d\n\n", false },
	{ "[" FIELD "\n][" FIELD "\n x\n][" FIELD "\n]C: d\n", false },
	{ "[authentication-RESULTS: MX.Example.ORG; none\n]\n", false },
	{ "[Authentication-Results:" OURS ";none\n]\n", false },
	{ "[Authentication-Results \t : " OURS "\n]\n", false },
	{ "[Authentication-Results: " OURS " 1; none\n]\n", false },
	{ "[Authentication-Results: " OURS "(x); none\n]\n", false },
	{ "[Authentication-Results: " OURS ".; none\n]\n", false },
	{ "[Authentication-Results: " OURS ".\n]\n", false },
	{ "[Authentication-Results:\n " OURS "\n ; none\n]\n", false },
	{ "[Authentication-Results:\n\t\n " OURS "; none\n]\n", false },
	{ "[Authentication-Results: (a (b) \\) c) (\n ) " OURS "; none\n]A: b\n", false },
	{ "[Authentication-Results: (\\\n )" OURS "; none\n]A: b\n", false },
	{ "[Authentication-Results: \"" OURS "\"; none\n]\n", false },
	{ "[Authentication-Results: \"mx.\\example.org\"; none\n]\n", false },
	{ "[Authentication-Results: \"" OURS ".\"; none\n]\n", false },
	{ "[Authentication-Results: " OURS "/1; none\n]\n", false },
	{ "[Authentication-Results: " OURS "\r\n]\r\n" FIELD "\r\n", true },
	{ "[" FIELD "\r\n\tx\r\n]A: b\r\n\r\n" FIELD "\r\n", true },
	{ "bad line\n[" FIELD "\n]\n" FIELD "\n", false },
	{ "From a@b\n[" FIELD "\n]\n", false },
	{ " \n[" FIELD "\n]\n", false },
	/* A line with a lone CR is none that is empty. */
	{ "A: b\n\r\n[" FIELD "\n]\n" FIELD "\n", false },
	{ "A: b\n\rx\n[" FIELD "\n]\n", true },
	/* Others, the body, and what only begins like it. */
	{ "", false },
	{ "\n" FIELD "\n", false },
	{ "A: b\n\n" FIELD "\n", false },
	{ "A: " FIELD "\n", false },
	{ "A: b\n " FIELD "\n\n", false },
	{ "Authentication-Results: mx.example.com; spf=pass\n\n", false },
	{ "Authentication-Results: mx.example.or; none\n\n", false },
	{ "Authentication-Results: mx.example.orgs; none\n\n", false },
	{ "Authentication-Results: mx.example.org.example.com; none\n\n", false },
	{ "Authentication-Results: x" OURS "; none\n\n", false },
	{ "Authentication-Results: \"" OURS "x\"; none\n\n", false },
	{ "Authentication-Results: \"" OURS ".x\"; none\n\n", false },
	{ "Authentication-Results: \"mx\n example.org\"; none\n\n", false },
	{ "Authentication-Results: \"mx.\\xample.org\"; none\n\n", false },
	{ "Authentication-Results: (" OURS ") mx.example.com; none\n\n", false },
	{ "Authentication-Results: (" OURS "\nA: b\n\n", false },
	{ "Authentication-Results: (\\\nA: b\n\n", false },
	{ "Authentication-Results:\nA: b\n\n", false },
	{ "Authentication-Results:\n\n" FIELD "\n", false },
	{ "Authentication-Results:\n[" FIELD "\n]\n", false },
	{ "Authentication-Results: ;\n\n", false },
	{ "Authentication-Results; " OURS "\n\n", false },
	{ "Authentication-Results x: " OURS "\n\n", false },
	{ "Authentication-Result: " OURS "\n\n", false },
	{ "Authentication-Resultss: " OURS "\n\n", false },
	{ "ARC-" FIELD "\n\n", false },
	{ "X-" FIELD "\n\n", false },
	{ "A\n\n", false },
	{ "Authentication-Res", false },
	{ "Authentication-Results: mx.exam", false },
	{ "Authentication-Results:\n", false },
	{ "[" FIELD "]", false },
};

struct result {
	char text[4096];
	size_t len;
};

static void take(struct result *r, struct span s)
{
	ck_assert_uint_le(s.len, sizeof(r->text) - r->len);
	memcpy(r->text + r->len, s.ptr, s.len);
	r->len += s.len;
}

/* In memory of its own, which is gone when the call is over. */
static void feed(struct authres_filter *f, struct result *r, struct span block)
{
	struct span copy = span_exact_copy(block), passed;

	ck_assert(authres_filter_next(f, copy, &passed));
	take(r, passed);
	free((void *)(uintptr_t)copy.ptr);
}

static void filter(struct result *r, struct span text, size_t first, size_t others, bool is_binary)
{
	struct authres_filter f;

	r->len = 0;
	authres_filter_init(&f, SPAN_LITERAL(OURS), is_binary);
	feed(&f, r, span_head(text, first));
	text = span_from(text, first);
	for (; text.len; text = span_from(text, others))
		feed(&f, r, span_head(text, others));
	take(r, authres_filter_finish(&f));
	ck_assert_uint_eq(authres_filter_finish(&f).len, 0);
	authres_filter_fini(&f);
}

static void strip_brackets(const char *row, char *text, char *expected)
{
	bool is_inside = false;

	for (; *row; row++) {
		if (*row == '[' || *row == ']') {
			is_inside = *row == '[';
			continue;
		}
		*text++ = *row;
		if (!is_inside)
			*expected++ = *row;
	}
	*text = *expected = '\0';
}

START_TEST(our_fields_and_no_others_are_taken_out)
{
	char text[1024], expected[1024];
	struct result r;

	strip_brackets(rows[_i].text, text, expected);
	for (size_t cut = 0; cut <= strlen(text); cut++) {
		filter(&r, span_str(text), cut, SIZE_MAX, rows[_i].is_binary);
		ASSERT_SPAN_EQ(span_of(r.text, r.len), span_str(expected));
	}
	for (size_t step = 1; step < 8; step++) {
		filter(&r, span_str(text), 1, step, rows[_i].is_binary);
		ASSERT_SPAN_EQ(span_of(r.text, r.len), span_str(expected));
	}
}
END_TEST

/* With so many blanks before the id nobody means well; and all cuts agree on how many are too many. */
START_TEST(what_takes_too_long_to_decide_is_taken_out)
{
	enum { PREFIX = sizeof("Authentication-Results:") - 1 };
	char text[1200];
	struct result r;

	for (size_t blanks = AUTHRES_UNDECIDED_MAX - PREFIX - 3; blanks < AUTHRES_UNDECIDED_MAX; blanks++) {
		size_t len = PREFIX + blanks + 4;
		bool is_too_long = PREFIX + blanks + 1 > AUTHRES_UNDECIDED_MAX;

		memcpy(text, "Authentication-Results:", PREFIX);
		memset(text + PREFIX, ' ', blanks);
		memcpy(text + PREFIX + blanks, "mz\n\n", 4);
		for (size_t cut = 0; cut <= len; cut += 7) {
			filter(&r, span_of(text, len), cut, 1000, false);
			ck_assert_uint_eq(r.len, is_too_long ? 1 : len);
		}
	}
}
END_TEST

START_TEST(fields_taken_out_are_counted)
{
	struct authres_filter f;
	struct span passed;

	authres_filter_init(&f, SPAN_LITERAL(OURS), false);
	ck_assert(authres_filter_next(&f, SPAN_LITERAL(FIELD "\n" FIELD "\n x\nA: b\n\n" FIELD "\n"), &passed));
	ck_assert_uint_eq(f.removed, 2);
	authres_filter_fini(&f);
}
END_TEST

/* No memory is there to copy with. */
START_TEST(what_is_not_changed_is_not_copied)
{
	static const char text[] = "A: b\nAuthentication-Results: other; none\nC: d\n\n";
	struct authres_filter f;
	struct span passed;
	bool is_taken;

	authres_filter_init(&f, SPAN_LITERAL(OURS), false);
	fail_malloc_at(1);
	is_taken = authres_filter_next(&f, SPAN_LITERAL(text), &passed) && passed.ptr == text &&
		   passed.len == sizeof(text) - 1 && authres_filter_next(&f, SPAN_LITERAL("body " FIELD), &passed);
	ck_assert(!fail_malloc_stop());
	ck_assert(is_taken);
	ck_assert_uint_eq(passed.len, sizeof("body " FIELD) - 1);
	ck_assert_ptr_null(f.out.data);
	authres_filter_fini(&f);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
	struct authres_filter f;
	struct span passed;
	bool is_taken;

	authres_filter_init(&f, SPAN_LITERAL(OURS), false);
	fail_malloc_at(1);
	is_taken = authres_filter_next(&f, SPAN_LITERAL("A: b\n" FIELD "\nC: d\n"), &passed);
	ck_assert(fail_malloc_stop());
	ck_assert(!is_taken);
	authres_filter_fini(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("authres");
	TCase *tcase = tcase_create("authres");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, our_fields_and_no_others_are_taken_out, rows);
	tcase_add_test(tcase, what_takes_too_long_to_decide_is_taken_out);
	tcase_add_test(tcase, fields_taken_out_are_counted);
	tcase_add_test(tcase, what_is_not_changed_is_not_copied);
	tcase_add_test(tcase, without_memory_it_says_so);
	return unit_main(suite);
}
