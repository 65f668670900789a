/* base/log: one line per event, whatever a peer puts into a value. */
#include "base/log.h"
#include "unit.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STAMP_LEN = 25 }; /* "2026-11-22T10:20:52.123Z " */

static int log_fd;
static char text[256 * 1024];

static void open_log(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(log_fd, 0);
	unsetenv("JOURNAL_STREAM");
	log_open(log_fd, LOG_LEVEL_INFO);
}

static void close_log(void)
{
	close(log_fd);
}

/* All that has been written so far. */
static const char *written(void)
{
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = 0;
	return text;
}

static const char *flushed(void)
{
	log_flush();
	return written();
}

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

START_TEST(a_line_is_time_id_event_and_pairs)
{
	struct addr addr;

	ck_assert(addr_parse_ip(&addr, span_str("2001:db8::1")));
	log_begin(LOG_LEVEL_INFO, "k3", "connect");
	log_addr("client", &addr);
	log_u64("port", UINT64_MAX);
	log_str("left_out", NULL);
	log_str("helo", "mx.example.org");
	log_end();
	const char *line = flushed();

	ck_assert_str_eq(line + STAMP_LEN,
			 "k3 connect client=2001:db8::1 port=18446744073709551615 helo=mx.example.org\n");
}
END_TEST

START_TEST(the_stamp_is_utc_with_milliseconds)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	log_text(LOG_LEVEL_INFO, "start", "x");
	const char *line = flushed();

	for (size_t i = 0; i < STAMP_LEN; i++) {
		if (shape[i] == 'd')
			ck_assert_msg(isdigit((unsigned char)line[i]), "byte %zu of %s", i, line);
		else
			ck_assert_msg(line[i] == shape[i], "byte %zu of %s", i, line);
	}
}
END_TEST

static const struct {
	struct span value;
	const char *written;
} values[] = {
	{ BYTES("plain-1.2_3"), "plain-1.2_3" },
	{ BYTES("<a@b>"), "<a@b>" },
	{ BYTES(""), "\"\"" },
	{ BYTES("a b"), "\"a b\"" },
	{ BYTES("a=b"), "\"a=b\"" },
	{ BYTES("say \"hi\""), "\"say \\\"hi\\\"\"" },
	{ BYTES("back\\slash"), "\"back\\\\slash\"" },
	{ BYTES("a\r\nforged line"), "\"a\\x0d\\x0aforged line\"" },
	{ BYTES("\033[2J"), "\"\\x1b[2J\"" },
	{ BYTES("a\0b"), "\"a\\x00b\"" },
	{ BYTES("\x7f"), "\"\\x7f\"" },
	{ BYTES("\t"), "\"\\x09\"" },
	{ BYTES("\xc3\xa4\x9b"), "\"\\xc3\\xa4\\x9b\"" },
};

START_TEST(a_value_is_quoted_and_escaped_where_it_must_be)
{
	char expected[200];

	log_begin(LOG_LEVEL_INFO, NULL, "event");
	log_span("key", values[_i].value);
	log_end();
	snprintf(expected, sizeof(expected), "- event key=%s\n", values[_i].written);
	ck_assert_str_eq(flushed() + STAMP_LEN, expected);
}
END_TEST

START_TEST(no_byte_makes_a_second_line_or_reaches_a_terminal)
{
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;

		log_begin(LOG_LEVEL_INFO, NULL, "event");
		log_span("key", span_of(&byte, 1));
		log_end();
	}
	const char *lines = flushed();

	ck_assert_uint_eq(count_lines(lines), 256);
	for (; *lines; lines++)
		ck_assert(*lines == '\n' || (*lines >= ' ' && *lines <= '~'));
}
END_TEST

START_TEST(a_long_value_is_cut_and_marked)
{
	char value[LOG_VALUE_MAX + 1], expected[LOG_VALUE_MAX + 40];

	memset(value, 'v', sizeof(value));
	log_begin(LOG_LEVEL_INFO, NULL, "event");
	log_span("key", span_of(value, LOG_VALUE_MAX));
	log_end();
	snprintf(expected, sizeof(expected), "- event key=%.*s\n", LOG_VALUE_MAX, value);
	ck_assert_str_eq(flushed() + STAMP_LEN, expected);
	ck_assert_int_eq(ftruncate(log_fd, 0), 0);
	ck_assert_int_eq(lseek(log_fd, 0, SEEK_SET), 0);

	log_begin(LOG_LEVEL_INFO, NULL, "event");
	log_span("key", span_of(value, LOG_VALUE_MAX + 1));
	log_end();
	snprintf(expected, sizeof(expected), "- event key=%.*s...\n", LOG_VALUE_MAX, value);
	ck_assert_str_eq(flushed() + STAMP_LEN, expected);
}
END_TEST

START_TEST(a_long_line_is_cut_and_marked)
{
	char value[LOG_VALUE_MAX];

	memset(value, '\n', sizeof(value)); /* four bytes each once escaped */
	log_begin(LOG_LEVEL_INFO, NULL, "event");
	for (int i = 0; i < 20; i++)
		log_span("key", span_of(value, sizeof(value)));
	log_end();
	log_text(LOG_LEVEL_INFO, "next", "whole");
	const char *lines = flushed(), *end = strchr(lines, '\n');

	ck_assert_ptr_nonnull(end);
	ck_assert_int_le(end + 1 - lines, LOG_LINE_MAX);
	ck_assert_int_ge(end + 1 - lines, LOG_LINE_MAX - 8);
	ck_assert_mem_eq(end - 3, "...", 3);
	ck_assert_str_eq(end + 1 + STAMP_LEN, "- next text=whole\n");
}
END_TEST

START_TEST(lines_wait_for_the_flush_but_errors_do_not)
{
	log_text(LOG_LEVEL_INFO, "one", "x");
	ck_assert_str_eq(written(), "");
	log_text(LOG_LEVEL_ERROR, "two", "x");
	ck_assert_uint_eq(count_lines(written()), 2);
	log_text(LOG_LEVEL_WARNING, "three", "x");
	ck_assert_uint_eq(count_lines(written()), 2);
	ck_assert_uint_eq(count_lines(flushed()), 3);
}
END_TEST

START_TEST(a_full_buffer_loses_no_line)
{
	const char *lines;

	for (int i = 0; i < 3000; i++) {
		log_begin(LOG_LEVEL_INFO, NULL, "event");
		log_u64("number", (uint64_t)i);
		log_str("filler", "0123456789012345678901234567890");
		log_end();
	}
	lines = flushed();
	ck_assert_uint_eq(count_lines(lines), 3000);
	for (int i = 0; i < 3000; i++) {
		char expected[100];

		snprintf(expected, sizeof(expected),
			 "- event number=%d filler=0123456789012345678901234567890\n", i);
		ck_assert_mem_eq(lines + STAMP_LEN, expected, strlen(expected));
		lines += STAMP_LEN + strlen(expected);
	}
}
END_TEST

START_TEST(less_urgent_lines_than_the_level_are_dropped)
{
	log_open(log_fd, LOG_LEVEL_WARNING);
	ck_assert(log_enabled(LOG_LEVEL_ERROR) && log_enabled(LOG_LEVEL_WARNING));
	ck_assert(!log_enabled(LOG_LEVEL_NOTICE) && !log_enabled(LOG_LEVEL_DEBUG));
	log_begin(LOG_LEVEL_NOTICE, NULL, "dropped");
	log_str("key", "value");
	log_u64("number", 1);
	log_end();
	log_text(LOG_LEVEL_INFO, "dropped", "x");
	log_text(LOG_LEVEL_WARNING, "kept", "%d %s", 1, "x");
	ck_assert_str_eq(flushed() + STAMP_LEN, "- kept text=\"1 x\"\n");
}
END_TEST

START_TEST(under_the_journal_lines_carry_a_priority)
{
	static const char *const prefixes[LOG_LEVELS] = { "<3>", "<4>", "<5>", "<6>", "<7>" };
	char stream[64], expected[512] = "";
	struct stat st;

	ck_assert_int_eq(fstat(log_fd, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(log_fd, LOG_LEVEL_DEBUG);
	for (int level = 0; level < LOG_LEVELS; level++) {
		log_text((enum log_level)level, "event", "x");
		size_t used = strlen(expected);

		snprintf(expected + used, sizeof(expected) - used, "%s- event text=x\n", prefixes[level]);
	}
	ck_assert_str_eq(flushed(), expected);
}
END_TEST

static const char *const other_streams[] = { "", "8", "8:", "0:0", "x:y" };

START_TEST(another_journal_stream_is_not_ours)
{
	setenv("JOURNAL_STREAM", other_streams[_i], 1);
	log_open(log_fd, LOG_LEVEL_INFO);
	log_text(LOG_LEVEL_INFO, "event", "x");
	ck_assert_str_eq(flushed() + STAMP_LEN, "- event text=x\n");
}
END_TEST

START_TEST(a_full_disk_neither_hangs_nor_piles_up)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(full, 0);
	log_open(full, LOG_LEVEL_INFO);
	for (int i = 0; i < 5000; i++)
		log_text(LOG_LEVEL_INFO, "lost", "0123456789012345678901234567890123456789");
	log_open(log_fd, LOG_LEVEL_INFO);
	close(full);
	log_text(LOG_LEVEL_INFO, "kept", "x");
	ck_assert_str_eq(flushed() + STAMP_LEN, "- kept text=x\n");
}
END_TEST

/* As many lines as one who reads slowly and then stops for a while leaves room for. */
START_TEST(lines_that_are_dropped_leave_no_half_line)
{
	static const char whole[] = "- event text=01234567890123456789012345678901234567890123456789\n";
	int fds[2];
	size_t used = 0;
	ssize_t n;

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	log_open(fds[1], LOG_LEVEL_INFO);
	for (int i = 0; i < 5000; i++) {
		log_text(LOG_LEVEL_INFO, "event", "01234567890123456789012345678901234567890123456789");
		if (i % 1000 == 999 && (n = read(fds[0], text + used, 3000)) > 0)
			used += (size_t)n;
	}
	while (log_flush(), (n = read(fds[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = 0;
	log_open(log_fd, LOG_LEVEL_INFO);
	ck_assert_ptr_nonnull(strstr(text, "log_lost"));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *rest = line + STAMP_LEN;
		size_t len = strcspn(line, "\n");

		ck_assert_uint_gt(len, STAMP_LEN);
		ck_assert_msg(strncmp(rest, "- log_lost lines=", 17) == 0 ||
			      strncmp(rest, whole, len + 1 - STAMP_LEN) == 0, "%.*s", (int)len, line);
	}
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(each_level_has_a_name)
{
	ck_assert_str_eq(log_level_name(LOG_LEVEL_ERROR), "error");
	ck_assert_str_eq(log_level_name(LOG_LEVEL_DEBUG), "debug");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, open_log, close_log);
	tcase_add_test(tcase, a_line_is_time_id_event_and_pairs);
	tcase_add_test(tcase, the_stamp_is_utc_with_milliseconds);
	ADD_ROWS(tcase, a_value_is_quoted_and_escaped_where_it_must_be, values);
	tcase_add_test(tcase, no_byte_makes_a_second_line_or_reaches_a_terminal);
	tcase_add_test(tcase, a_long_value_is_cut_and_marked);
	tcase_add_test(tcase, a_long_line_is_cut_and_marked);
	tcase_add_test(tcase, lines_wait_for_the_flush_but_errors_do_not);
	tcase_add_test(tcase, a_full_buffer_loses_no_line);
	tcase_add_test(tcase, less_urgent_lines_than_the_level_are_dropped);
	tcase_add_test(tcase, under_the_journal_lines_carry_a_priority);
	ADD_ROWS(tcase, another_journal_stream_is_not_ours, other_streams);
	tcase_add_test(tcase, a_full_disk_neither_hangs_nor_piles_up);
	tcase_add_test(tcase, lines_that_are_dropped_leave_no_half_line);
	tcase_add_test(tcase, each_level_has_a_name);
	return unit_main(suite);
}
