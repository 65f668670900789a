/*
 * base/log_sink: what reaches a syslog socket, and that no reader of the log,
 * slow or gone, ever holds up the writer.
 */
#include "base/log.h"
#include "base/log_sink.h"
#include "temp_dir.h"
#include "unit.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct temp_dir dir;
static char path[300];
static int daemon_fd; /* a syslog daemon of our own */
static int pipe_fds[2];

static void begin(void)
{
	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/log", dir.path);
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	ck_assert_int_eq(pipe(pipe_fds), 0);
	unsetenv("JOURNAL_STREAM");
	log_open(pipe_fds[1], LOG_LEVEL_INFO);
	daemon_fd = -1;
	log_sink_take_lost();
}

static void end(void)
{
	struct err err;

	ck_assert(log_open_syslog(NULL, 0, NULL, &err));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	if (daemon_fd >= 0)
		close(daemon_fd);
	temp_dir_fini(&dir);
}

static void start_daemon(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	daemon_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_ge(daemon_fd, 0);
	ck_assert_int_eq(bind(daemon_fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
}

static void open_syslog(unsigned facility, const char *tag)
{
	struct err err;

	ck_assert(log_open_syslog(path, facility, tag, &err));
	ck_assert(log_sink_has_syslog());
}

/* The next datagram; it is there already or it will never be. */
static const char *received(void)
{
	static char text[LOG_LINE_MAX + 200];
	ssize_t n = recv(daemon_fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	ck_assert_msg(n >= 0, "there is no datagram");
	text[n] = 0;
	return text;
}

static const struct {
	enum log_level level;
	unsigned severity; /* RFC 5424 6.2.1 */
} severities[] = {
	{ LOG_LEVEL_ERROR, 3 }, { LOG_LEVEL_WARNING, 4 }, { LOG_LEVEL_NOTICE, 5 }, { LOG_LEVEL_INFO, 6 },
};

START_TEST(a_line_has_facility_severity_and_tag)
{
	char expected[128];

	start_daemon();
	open_syslog(19, "mx-in");
	log_begin(severities[_i].level, "k3", "event");
	log_str("key", "value");
	log_end();
	snprintf(expected, sizeof(expected), "<%u>mx-in[%ld]: k3 event key=value", 19 * 8 + severities[_i].severity,
		 (long)getpid());
	ck_assert_str_eq(received(), expected);
}
END_TEST

START_TEST(a_peer_cannot_make_a_second_line)
{
	const char *text;

	start_daemon();
	open_syslog(2, "smtpfrontd");
	log_begin(LOG_LEVEL_INFO, "k3", "event");
	log_span("key", SPAN_LITERAL("a\n<0>forged[1]: x\r\0\033[2J\xff"));
	log_end();
	text = received();
	for (const char *p = text; *p; p++)
		ck_assert_msg(*p >= ' ' && *p <= '~', "a raw byte: %s", text);
	ck_assert(strstr(text, "\\n<0>forged") || strstr(text, "\\x0a<0>forged"));
}
END_TEST

START_TEST(lines_go_to_both)
{
	char text[4096];
	ssize_t n;

	start_daemon();
	open_syslog(2, "smtpfrontd");
	log_text(LOG_LEVEL_NOTICE, "start", "here");
	log_flush();
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = 0;
	ck_assert_ptr_nonnull(strstr(text, " - start text=here\n"));
	ck_assert_ptr_nonnull(strstr(received(), "]: - start text=here"));
	ck_assert_uint_eq(log_sink_lost(), 0);
}
END_TEST

START_TEST(a_syslog_daemon_that_is_away_costs_the_line_only)
{
	open_syslog(2, "smtpfrontd");
	log_sink_syslog(6, SPAN_LITERAL("into the void"));
	ck_assert_uint_eq(log_sink_lost(), 1);
	/* It comes back, and nobody has to be told. */
	start_daemon();
	log_sink_syslog(6, SPAN_LITERAL("heard"));
	ck_assert_ptr_nonnull(strstr(received(), "heard"));
	ck_assert_uint_eq(log_sink_take_lost(), 1);
	ck_assert_uint_eq(log_sink_lost(), 0);
}
END_TEST

START_TEST(lost_lines_are_told_once)
{
	char text[4096];
	ssize_t n;

	open_syslog(2, "smtpfrontd");
	log_text(LOG_LEVEL_NOTICE, "start", "here");
	log_text(LOG_LEVEL_NOTICE, "start", "there");
	log_sink_open_syslog(NULL, 0, NULL, NULL);
	log_flush();
	log_flush();
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = 0;
	ck_assert_ptr_nonnull(strstr(text, " - log_lost lines=2\n"));
	ck_assert_ptr_null(strstr(strstr(text, "log_lost") + 1, "log_lost"));
}
END_TEST

START_TEST(a_syslog_daemon_that_does_not_read_holds_nobody_up)
{
	start_daemon();
	open_syslog(2, "smtpfrontd");
	for (int i = 0; i < 5000; i++)
		log_sink_syslog(6, SPAN_LITERAL("a line"));
	ck_assert_uint_gt(log_sink_lost(), 0);
	ck_assert_uint_lt(log_sink_lost(), 5000);
}
END_TEST

START_TEST(a_path_too_long_for_a_socket_is_refused)
{
	char long_path[200];
	struct err err;

	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = 0;
	ck_assert(!log_open_syslog(long_path, 2, "smtpfrontd", &err));
	ck_assert(!log_sink_has_syslog());
}
END_TEST

START_TEST(a_reader_that_does_not_read_holds_nobody_up)
{
	static char lines[1 << 20];
	size_t done;

	memset(lines, 'x', sizeof(lines));
	done = log_sink_write(span_of(lines, sizeof(lines)));
	ck_assert_uint_gt(done, 0);
	ck_assert_uint_lt(done, sizeof(lines));
	ck_assert_uint_eq(log_sink_write(span_of(lines, sizeof(lines))), 0);
	/* Some room, some more. */
	ck_assert_int_gt(read(pipe_fds[0], lines, 65536), 0);
	ck_assert_uint_gt(log_sink_write(span_of(lines, sizeof(lines))), 0);
}
END_TEST

START_TEST(a_reader_that_is_gone_is_not_waited_for)
{
	close(pipe_fds[0]);
	ck_assert_uint_eq(log_sink_write(SPAN_LITERAL("a line\n")), 7);
	ck_assert_int_eq(pipe(pipe_fds), 0);
}
END_TEST

START_TEST(a_full_pipe_without_blocking_keeps_the_rest)
{
	static char lines[1 << 20];

	ck_assert_int_eq(fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK), 0);
	ck_assert_uint_lt(log_sink_write(span_of(lines, sizeof(lines))), sizeof(lines));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log sink");
	TCase *tcase = tcase_create("log sink");

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, begin, end);
	ADD_ROWS(tcase, a_line_has_facility_severity_and_tag, severities);
	tcase_add_test(tcase, a_peer_cannot_make_a_second_line);
	tcase_add_test(tcase, lines_go_to_both);
	tcase_add_test(tcase, a_syslog_daemon_that_is_away_costs_the_line_only);
	tcase_add_test(tcase, lost_lines_are_told_once);
	tcase_add_test(tcase, a_syslog_daemon_that_does_not_read_holds_nobody_up);
	tcase_add_test(tcase, a_path_too_long_for_a_socket_is_refused);
	tcase_add_test(tcase, a_reader_that_does_not_read_holds_nobody_up);
	tcase_add_test(tcase, a_reader_that_is_gone_is_not_waited_for);
	tcase_add_test(tcase, a_full_pipe_without_blocking_keeps_the_rest);
	return unit_main(suite);
}
