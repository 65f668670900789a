/*
 * What the unit tests share: running one suite with an exit code, table rows
 * as loop tests, and comparing spans and buffers with text. Each test case runs
 * in a process of its own (Check forks), so state of the process is fresh.
 */
#ifndef UNIT_H
#define UNIT_H

#include "base/buf.h"

#include <check.h>
#include <stdlib.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* Add a test that runs once per row of a table, with the row's index in _i. */
#define ADD_ROWS(tcase, test, table) tcase_add_loop_test(tcase, test, 0, ROWS(table))

/* A span of a string literal that may hold NUL bytes. */
#define BYTES(s) { (s), sizeof(s) - 1 }

#define ASSERT_SPAN_EQ(actual, expected)                                                               \
	do {                                                                                           \
		struct span actual_ = (actual), expected_ = (expected);                                \
		ck_assert_msg(span_eq(actual_, expected_), "\"%.*s\" (%zu) is not \"%.*s\" (%zu)",      \
			      (int)actual_.len, actual_.len ? actual_.ptr : "", actual_.len,           \
			      (int)expected_.len, expected_.len ? expected_.ptr : "", expected_.len); \
	} while (0)

#define ASSERT_BUF_EQ(buf, text) ASSERT_SPAN_EQ(buf_span(buf), span_str(text))

/*
 * A copy on the heap of exactly its length, so that a sanitizer sees a read
 * beyond it. The caller frees .ptr.
 */
static inline struct span span_exact_copy(struct span s)
{
	char *copy = malloc(s.len ? s.len : 1);

	ck_assert_ptr_nonnull(copy);
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return span_of(copy, s.len);
}

/*
 * valgrind keeps the limit of descriptors to itself, so that nothing is told of
 * the kernel's; whoever runs us in it sets UNIT_IN_VALGRIND.
 */
static inline bool unit_limits_are_real(void)
{
	return getenv("UNIT_IN_VALGRIND") == NULL;
}

static inline int unit_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	if (srunner_ntests_run(runner) == 0)
		failed = 1;
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
