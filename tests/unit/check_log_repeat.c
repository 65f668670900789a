/*
 * base/log_repeat: a warning of the process that says the same again is only
 * counted, told once its time is over, and forgotten then. Linked with --wrap
 * for the clock, so that time passes when the test says so.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "unit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int log_fd;
static uint64_t now_ms;
static char text[64 * 1024];

uint64_t __wrap_clock_monotonic_ms(void);

uint64_t __wrap_clock_monotonic_ms(void)
{
	return now_ms;
}

static void begin(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(log_fd, 0);
	unsetenv("JOURNAL_STREAM");
	now_ms = 1000000;
	log_open(log_fd, LOG_LEVEL_INFO);
}

static void end(void)
{
	close(log_fd);
}

static unsigned count_of(const char *what)
{
	unsigned count = 0;
	ssize_t n;

	log_flush();
	n = pread(log_fd, text, sizeof(text) - 1, 0);
	ck_assert_int_ge(n, 0);
	text[n] = 0;
	for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
		count++;
	return count;
}

static void warn(const char *words)
{
	log_text(LOG_LEVEL_WARNING, "trouble", "%s", words);
}

START_TEST(a_warning_said_again_is_counted_and_told_later)
{
	for (int i = 0; i < 10; i++)
		warn("the disk is slow");
	ck_assert_uint_eq(count_of("the disk is slow"), 1);
	now_ms += LOG_REPEAT_MS - 1;
	ck_assert_uint_eq(count_of(" repeated "), 0);
	now_ms++;
	ck_assert_uint_eq(count_of(" repeated what=trouble times=9\n"), 1);
	now_ms += 10 * LOG_REPEAT_MS;
	ck_assert_uint_eq(count_of(" repeated "), 1);
}
END_TEST

START_TEST(after_its_time_it_is_said_anew)
{
	warn("the disk is slow");
	now_ms += LOG_REPEAT_MS;
	warn("the disk is slow");
	ck_assert_uint_eq(count_of("the disk is slow"), 2);
	ck_assert_uint_eq(count_of(" repeated "), 0);
}
END_TEST

START_TEST(another_warning_is_said_at_once)
{
	warn("the disk is slow");
	warn("the disk is full");
	ck_assert_uint_eq(count_of("the disk is slow"), 1);
	ck_assert_uint_eq(count_of("the disk is full"), 1);
}
END_TEST

START_TEST(what_a_session_says_is_never_held_back)
{
	for (int i = 0; i < 3; i++) {
		log_begin(LOG_LEVEL_INFO, "k3", "refused");
		log_str("reason", "helo_first");
		log_end();
	}
	ck_assert_uint_eq(count_of("reason=helo_first"), 3);
}
END_TEST

START_TEST(more_different_warnings_than_are_remembered_are_all_said)
{
	char words[32];

	for (int i = 0; i < 4 * LOG_REPEAT_SLOTS; i++) {
		snprintf(words, sizeof(words), "number %d.", i);
		warn(words);
	}
	ck_assert_uint_eq(count_of(" trouble "), 4 * LOG_REPEAT_SLOTS);
}
END_TEST

START_TEST(each_of_several_is_told_with_its_count)
{
	for (int i = 0; i < 3; i++)
		warn("the disk is slow");
	now_ms += LOG_REPEAT_MS / 2;
	for (int i = 0; i < 5; i++)
		warn("the disk is full");
	now_ms += LOG_REPEAT_MS / 2;
	ck_assert_uint_eq(count_of(" repeated what=trouble times=2\n"), 1);
	ck_assert_uint_eq(count_of(" repeated "), 1);
	now_ms += LOG_REPEAT_MS / 2;
	ck_assert_uint_eq(count_of(" repeated what=trouble times=4\n"), 1);
	ck_assert_uint_eq(count_of(" repeated "), 2);
}
END_TEST

START_TEST(a_long_name_of_an_event_is_cut)
{
	struct log_repeat r = { 0 };
	const struct log_repeat_slot *slot;
	char name[200];

	memset(name, 'e', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	ck_assert(!log_repeat_is_known(&r, SPAN_LITERAL("line"), name, 1, 10));
	ck_assert(log_repeat_is_known(&r, SPAN_LITERAL("line"), name, 2, 10));
	ck_assert_ptr_null(log_repeat_take_over(&r, 10));
	slot = log_repeat_take_over(&r, 11);
	ck_assert_ptr_nonnull(slot);
	ck_assert_uint_eq(slot->count, 1);
	ck_assert_uint_lt(strlen(slot->event), sizeof(slot->event));
	ck_assert_ptr_null(log_repeat_take_over(&r, 11));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("repeated warnings");
	TCase *tcase = tcase_create("repeated warnings");

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, a_warning_said_again_is_counted_and_told_later);
	tcase_add_test(tcase, after_its_time_it_is_said_anew);
	tcase_add_test(tcase, another_warning_is_said_at_once);
	tcase_add_test(tcase, what_a_session_says_is_never_held_back);
	tcase_add_test(tcase, more_different_warnings_than_are_remembered_are_all_said);
	tcase_add_test(tcase, each_of_several_is_told_with_its_count);
	tcase_add_test(tcase, a_long_name_of_an_event_is_cut);
	return unit_main(suite);
}
