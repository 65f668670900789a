/*
 * front/metrics, front/metrics_text and front/http_request: what is counted and
 * how it is told, tables that are full, and requests good and bad.
 */
#include "front/http_request.h"
#include "front/metrics.h"

#include "fail_malloc.h"
#include "unit.h"

#include <stdio.h>

static struct buf out;
static struct metrics_text text;
static struct metrics *metrics;

static void setup(void)
{
	text = (struct metrics_text){ .out = &out };
	metrics = metrics_new();
	ck_assert_ptr_nonnull(metrics);
}

static void teardown(void)
{
	metrics_free(&metrics);
	ck_assert_ptr_null(metrics);
	buf_fini(&out);
}

/* Everything that is told, as a string. */
static const char *told(void)
{
	buf_clear(&out);
	metrics_write(metrics, &text);
	ck_assert(!text.out_of_memory);
	ck_assert(buf_add(&out, "", 1));
	return buf_span(&out).ptr;
}

static void assert_tells(const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	ck_assert_msg(strstr(told(), whole) != NULL, "no line \"%s\" in\n%s", line, told());
}

static unsigned count_of(const char *part)
{
	unsigned count = 0;

	for (const char *at = told(); (at = strstr(at, part)); at++)
		count++;
	return count;
}

/* ---- the text ---- */

START_TEST(a_family_has_help_type_and_samples)
{
	metrics_text_family(&text, "a_total", "counter", "What it is.");
	metrics_text_begin(&text, "");
	metrics_text_label(&text, "x", "1");
	metrics_text_label(&text, "y", "");
	metrics_text_u64(&text, UINT64_MAX);
	metrics_text_begin(&text, "_sum");
	metrics_text_ms(&text, 61005);
	metrics_text_gauge(&text, "b", "Now.", 0);
	ASSERT_BUF_EQ(&out, "# HELP a_total What it is.\n# TYPE a_total counter\n"
			    "a_total{x=\"1\",y=\"\"} 18446744073709551615\na_total_sum 61.005\n"
			    "# HELP b Now.\n# TYPE b gauge\nb 0\n");
}
END_TEST

static const struct {
	const char *value, *escaped;
} values[] = {
	{ "plain [::]:25", "plain [::]:25" },
	{ "a\"b\\c\nd", "a\\\"b\\\\c\\nd" },
	{ "\xc3\xa4", "\xc3\xa4" },
	{ "\xff", "\\\\xff" },
	{ "a\xc3", "a\\\\xc3" },
	{ "\x1b[0m\t", "\\\\x1b[0m\\\\x09" },
	{ "\xc2\x9b", "\\\\xc2\\\\x9b" },
};

START_TEST(values_of_labels_are_escaped_and_stay_apart)
{
	char expected[128];

	metrics_text_family(&text, "a", "gauge", "A.");
	buf_clear(&out);
	metrics_text_begin(&text, "");
	metrics_text_label(&text, "x", values[_i].value);
	metrics_text_u64(&text, 1);
	snprintf(expected, sizeof(expected), "a{x=\"%s\"} 1\n", values[_i].escaped);
	ASSERT_BUF_EQ(&out, expected);
}
END_TEST

START_TEST(without_memory_nothing_is_told_as_whole)
{
	bool failed;

	for (unsigned long n = 1;; n++) {
		buf_fini(&out);
		text.out_of_memory = false;
		fail_malloc_at(n);
		metrics_write(metrics, &text);
		failed = fail_malloc_stop();
		ck_assert(text.out_of_memory == failed);
		if (!failed)
			break;
		ck_assert_uint_lt(n, 100);
	}
}
END_TEST

/* ---- counters ---- */

START_TEST(refusals_are_counted_by_all_their_labels)
{
	struct smtp_reply reply = { 550, "5.1.1", "No.", "unknown_mailbox" };

	metrics_count_refusal(metrics, "rcpt", &reply);
	metrics_count_refusal(metrics, "rcpt", &reply);
	metrics_count_refusal(metrics, "mail", &reply);
	reply.code = 450;
	reply.status = NULL;
	metrics_count_refusal(metrics, "rcpt", &reply);
	assert_tells("smtpfrontd_refusals_total{stage=\"rcpt\",code=\"550\",status=\"5.1.1\",reason=\"unknown_mailbox\"} 2");
	assert_tells("smtpfrontd_refusals_total{stage=\"mail\",code=\"550\",status=\"5.1.1\",reason=\"unknown_mailbox\"} 1");
	assert_tells("smtpfrontd_refusals_total{stage=\"rcpt\",code=\"450\",status=\"\",reason=\"unknown_mailbox\"} 1");
}
END_TEST

START_TEST(what_finds_no_place_is_counted_as_other)
{
	char status[16];
	struct smtp_reply reply = { 550, status, "No.", "passed_on" };

	for (unsigned i = 0; i < METRICS_REFUSALS_MAX + 20; i++) {
		snprintf(status, sizeof(status), "5.1.%u", i);
		metrics_count_refusal(metrics, "rcpt", &reply);
	}
	snprintf(status, sizeof(status), "5.1.0");
	metrics_count_refusal(metrics, "rcpt", &reply);
	assert_tells("smtpfrontd_refusals_total{stage=\"rcpt\",code=\"550\",status=\"5.1.0\",reason=\"passed_on\"} 2");
	assert_tells("smtpfrontd_refusals_total{stage=\"other\",code=\"other\",status=\"other\",reason=\"other\"} 20");
	ck_assert_uint_eq(count_of("\nsmtpfrontd_refusals_total{"), METRICS_REFUSALS_MAX + 1);
}
END_TEST

START_TEST(long_values_are_cut_and_stay_one_series)
{
	char longer[200];

	memset(longer, 'x', sizeof(longer));
	longer[199] = '\0';
	metrics_count_session_end(metrics, longer, 1, 2);
	longer[150] = '\0';
	metrics_count_session_end(metrics, longer, 10, 20);
	longer[METRICS_VALUE_SIZE - 2] = '\0';
	metrics_count_session_end(metrics, longer, 100, 200);
	ck_assert_uint_eq(count_of("\nsmtpfrontd_session_ends_total{"), 2);
	ck_assert_uint_eq(count_of("} 2\n"), 1);
	assert_tells("smtpfrontd_bytes_received_total 111");
	assert_tells("smtpfrontd_bytes_sent_total 222");
}
END_TEST

START_TEST(what_comes_often_moves_to_the_front_and_no_count_is_lost)
{
	static const char *const reasons[] = { "a", "b", "c", "d" };

	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j <= i; j++)
			metrics_count_session_end(metrics, reasons[i], 0, 0);
	for (unsigned j = 0; j < 10; j++)
		metrics_count_session_end(metrics, "d", 0, 0);
	ck_assert_str_eq(metrics->session_ends.series[0].values[0], "d");
	assert_tells("smtpfrontd_session_ends_total{reason=\"a\"} 1");
	assert_tells("smtpfrontd_session_ends_total{reason=\"b\"} 2");
	assert_tells("smtpfrontd_session_ends_total{reason=\"c\"} 3");
	assert_tells("smtpfrontd_session_ends_total{reason=\"d\"} 14");
}
END_TEST

static const struct {
	uint64_t ms;
	unsigned bucket;
} durations[] = {
	{ 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 2 }, { 5, 2 }, { 6, 3 }, { 1000, 9 }, { 1001, 10 }, { 60000, 13 },
	{ 60001, METRICS_BUCKETS }, { UINT64_C(1) << 40, METRICS_BUCKETS },
};

START_TEST(a_duration_is_in_the_bucket_whose_bound_it_does_not_exceed)
{
	struct metrics_histogram h = { 0 };

	metrics_histogram_add(&h, durations[_i].ms);
	for (unsigned i = 0; i <= METRICS_BUCKETS; i++)
		ck_assert_uint_eq(h.buckets[i], i == durations[_i].bucket);
	ck_assert_uint_eq(h.count, 1);
	ck_assert_uint_eq(h.sum_ms, durations[_i].ms);
}
END_TEST

START_TEST(deliveries_are_told_as_a_histogram_good_or_bad)
{
	const struct smtp_reply yes = { 0 }, later = { 451, "4.3.0", "No.", "x" }, never = { 554, "5.0.0", "No.", "x" };
	struct metrics_backend *b = metrics_backend(metrics, "in\"box");

	metrics_count_delivery(b, &yes, 3, 2, 1000);
	metrics_count_delivery(b, &later, 2000, 5, 77);
	metrics_count_delivery(b, &never, 70000, 5, 77);
	assert_tells("smtpfrontd_messages_total{backend=\"in\\\"box\"} 1");
	assert_tells("smtpfrontd_message_bytes_total{backend=\"in\\\"box\"} 1000");
	assert_tells("smtpfrontd_recipients_total{backend=\"in\\\"box\"} 2");
	assert_tells("smtpfrontd_delivery_failures_total{backend=\"in\\\"box\",kind=\"temporary\"} 1");
	assert_tells("smtpfrontd_delivery_failures_total{backend=\"in\\\"box\",kind=\"permanent\"} 1");
	assert_tells("smtpfrontd_delivery_seconds_bucket{backend=\"in\\\"box\",le=\"0.002\"} 0");
	assert_tells("smtpfrontd_delivery_seconds_bucket{backend=\"in\\\"box\",le=\"0.005\"} 1");
	assert_tells("smtpfrontd_delivery_seconds_bucket{backend=\"in\\\"box\",le=\"2.5\"} 2");
	assert_tells("smtpfrontd_delivery_seconds_bucket{backend=\"in\\\"box\",le=\"60\"} 2");
	assert_tells("smtpfrontd_delivery_seconds_bucket{backend=\"in\\\"box\",le=\"+Inf\"} 3");
	assert_tells("smtpfrontd_delivery_seconds_sum{backend=\"in\\\"box\"} 72.003");
	assert_tells("smtpfrontd_delivery_seconds_count{backend=\"in\\\"box\"} 3");
}
END_TEST

START_TEST(records_are_the_same_for_the_same_name)
{
	ck_assert_ptr_eq(metrics_backend(metrics, "a"), metrics_backend(metrics, "a"));
	ck_assert_ptr_ne(metrics_backend(metrics, "a"), metrics_backend(metrics, "b"));
	ck_assert_ptr_eq(metrics_listener(metrics, "a"), metrics_listener(metrics, "a"));
	ck_assert_ptr_ne(metrics_listener(metrics, "a"), metrics_listener(metrics, "b"));
}
END_TEST

START_TEST(too_many_names_share_a_record_with_whoever_is_called_other)
{
	const struct smtp_reply yes = { 0 };
	char name[16];

	for (unsigned i = 0; i < METRICS_NAMES_MAX + 10; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		metrics_count_delivery(metrics_backend(metrics, name), &yes, 1, 1, 1);
		metrics_listener(metrics, name)->sessions++;
	}
	metrics_count_delivery(metrics_backend(metrics, "other"), &yes, 1, 1, 1);
	metrics_listener(metrics, "other")->sessions++;
	assert_tells("smtpfrontd_messages_total{backend=\"n127\"} 1");
	assert_tells("smtpfrontd_messages_total{backend=\"other\"} 11");
	assert_tells("smtpfrontd_sessions_total{listener=\"other\"} 11");
	ck_assert_uint_eq(count_of("\nsmtpfrontd_messages_total{"), METRICS_NAMES_MAX + 1);
	/* The largest text that names can come to, refusals aside. */
	ck_assert_uint_lt(strlen(told()), 256 * 1024);
}
END_TEST

START_TEST(reloads_tell_how_the_last_one_went)
{
	assert_tells("smtpfrontd_reload_successful 1");
	assert_tells("smtpfrontd_last_reload_time_seconds 0");
	metrics_count_reload(metrics, false);
	assert_tells("smtpfrontd_reload_successful 0");
	metrics_count_reload(metrics, true);
	assert_tells("smtpfrontd_reload_successful 1");
	assert_tells("smtpfrontd_reloads_total{result=\"ok\"} 1");
	assert_tells("smtpfrontd_reloads_total{result=\"failed\"} 1");
}
END_TEST

/* ---- requests ---- */

#define HOST "Host: x\r\n"

static const struct {
	const char *in;
	enum http_request_state state;
	const char *path;
} requests[] = {
	{ "GET /metrics HTTP/1.1\r\n" HOST "\r\n", HTTP_REQUEST_GET, "/metrics" },
	{ "GET /metrics HTTP/1.0\n\n", HTTP_REQUEST_GET, "/metrics" },
	{ "HEAD /m?q=1 HTTP/1.1\r\n" HOST "\r\nrest", HTTP_REQUEST_HEAD, "/m" },
	{ "\r\n\n\r\nGET / HTTP/1.0\r\nX:\ty\xff\r\n\r\n", HTTP_REQUEST_GET, "/" },
	{ "GET HTTP://x:1/a HTTP/1.1\r\nhost:x\r\n\r\n", HTTP_REQUEST_GET, "/a" },
	{ "BREW / HTTP/1.9\r\n" HOST "\r\n", HTTP_REQUEST_OTHER_METHOD, "/" },
	{ "get / HTTP/1.0\r\n\r\n", HTTP_REQUEST_OTHER_METHOD, "/" },
	{ "", HTTP_REQUEST_MORE, NULL },
	{ "\r\n", HTTP_REQUEST_MORE, NULL },
	{ "GET /metrics HTTP/1.1", HTTP_REQUEST_MORE, NULL },
	{ "GET /metrics HTTP/1.1\r\n" HOST, HTTP_REQUEST_MORE, NULL },
	{ "GET /metrics HTTP/1.1\r\n" HOST "\r", HTTP_REQUEST_MORE, NULL },
	{ "GET / HTTP/1.1\r\n\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0\r\n" HOST HOST "\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET /\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ " GET / HTTP/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET  / HTTP/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0 \r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / http/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET /\x01 HTTP/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET /\xc3\xa4 HTTP/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET metrics HTTP/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET http://x HTTP/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "G(T / HTTP/1.0\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0\r\nX\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0\r\n: y\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0\r\nX : y\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0\r\nX: y\r\n folded\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0\r\nX: \x1b\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/1.0\r\nX: y\rz\r\n", HTTP_REQUEST_MALFORMED, NULL },
	{ "GET / HTTP/2.0\r\n", HTTP_REQUEST_OTHER_VERSION, NULL },
	{ "GET / HTTP/0.9\r\n", HTTP_REQUEST_OTHER_VERSION, NULL },
};

START_TEST(requests_are_judged)
{
	struct span path = { 0 };

	ck_assert_int_eq(http_request_read(span_str(requests[_i].in), &path), requests[_i].state);
	if (requests[_i].path)
		ASSERT_SPAN_EQ(path, span_str(requests[_i].path));
}
END_TEST

/* Whatever is said once is said of every longer input, and before that there is only MORE. */
START_TEST(a_verdict_does_not_depend_on_how_the_bytes_come)
{
	const struct span in = span_str(requests[_i].in);
	enum http_request_state state = HTTP_REQUEST_MORE;
	struct span path;

	for (size_t len = 0; len <= in.len && state == HTTP_REQUEST_MORE; len++)
		state = http_request_read(span_head(in, len), &path);
	ck_assert_int_eq(state, requests[_i].state);
}
END_TEST

START_TEST(no_request_of_full_length_waits_for_more)
{
	static const char *const begins[] = { "", "\r\n", "GET /", "GET / HTTP/1.0\r\n", "GET / HTTP/1.0\r\nX: ",
					      "GET / HTTP/1.0\r\nX: y\r\n" };
	static char in[HTTP_REQUEST_MAX];
	static const char fill[] = { '\0', 'a', '\n', '\r', ' ', (char)0xff };
	struct span path;

	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++) {
		for (size_t j = 0; j < sizeof(fill); j++) {
			memset(in, fill[j], sizeof(in));
			memcpy(in, begins[i], strlen(begins[i]));
			ck_assert_int_ne(http_request_read(span_of(in, sizeof(in)), &path), HTTP_REQUEST_MORE);
		}
	}
	memset(in, 'a', sizeof(in));
	ck_assert_int_eq(http_request_read(span_of(in, sizeof(in)), &path), HTTP_REQUEST_LINE_TOO_LONG);
	memcpy(in, "GET / HTTP/1.0\r\nX: ", 19);
	ck_assert_int_eq(http_request_read(span_of(in, sizeof(in)), &path), HTTP_REQUEST_TOO_LONG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tcase = tcase_create("metrics");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_family_has_help_type_and_samples);
	ADD_ROWS(tcase, values_of_labels_are_escaped_and_stay_apart, values);
	tcase_add_test(tcase, without_memory_nothing_is_told_as_whole);
	tcase_add_test(tcase, refusals_are_counted_by_all_their_labels);
	tcase_add_test(tcase, what_finds_no_place_is_counted_as_other);
	tcase_add_test(tcase, long_values_are_cut_and_stay_one_series);
	tcase_add_test(tcase, what_comes_often_moves_to_the_front_and_no_count_is_lost);
	ADD_ROWS(tcase, a_duration_is_in_the_bucket_whose_bound_it_does_not_exceed, durations);
	tcase_add_test(tcase, deliveries_are_told_as_a_histogram_good_or_bad);
	tcase_add_test(tcase, records_are_the_same_for_the_same_name);
	tcase_add_test(tcase, too_many_names_share_a_record_with_whoever_is_called_other);
	tcase_add_test(tcase, reloads_tell_how_the_last_one_went);
	ADD_ROWS(tcase, requests_are_judged, requests);
	ADD_ROWS(tcase, a_verdict_does_not_depend_on_how_the_bytes_come, requests);
	tcase_add_test(tcase, no_request_of_full_length_waits_for_more);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
