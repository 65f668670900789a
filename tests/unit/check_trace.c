/* proto/trace: Received, Return-Path and Delivered-To, and the date in them. */
#include "fail_malloc.h"
#include "proto/trace.h"
#include "unit.h"

#include <time.h>

static const struct {
	uint64_t time_s;
	const char *text;
} dates[] = {
	{ 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ 86399, "Thu, 01 Jan 1970 23:59:59 +0000" },
	{ 86400, "Fri, 02 Jan 1970 00:00:00 +0000" },
	{ 68169600, "Tue, 29 Feb 1972 00:00:00 +0000" },
	{ 951782399, "Mon, 28 Feb 2000 23:59:59 +0000" },
	{ 951782400, "Tue, 29 Feb 2000 00:00:00 +0000" },
	{ 951868800, "Wed, 01 Mar 2000 00:00:00 +0000" },
	{ 978307199, "Sun, 31 Dec 2000 23:59:59 +0000" },
	{ 1709164800, "Thu, 29 Feb 2024 00:00:00 +0000" },
	{ 1795342852, "Sun, 22 Nov 2026 10:20:52 +0000" },
	{ 2147483647, "Tue, 19 Jan 2038 03:14:07 +0000" },
	{ 2147483648, "Tue, 19 Jan 2038 03:14:08 +0000" },
	{ 4107542399, "Sun, 28 Feb 2100 23:59:59 +0000" },
	{ 4107542400, "Mon, 01 Mar 2100 00:00:00 +0000" },
	{ 4294967296, "Sun, 07 Feb 2106 06:28:16 +0000" },
	{ 253402300799, "Fri, 31 Dec 9999 23:59:59 +0000" },
	{ 253402300800, "Sat, 01 Jan 10000 00:00:00 +0000" },
};

START_TEST(a_date_is_written_as_rfc_5322_has_it)
{
	struct buf out = { 0 };

	ck_assert(trace_write_date(&out, dates[_i].time_s));
	ASSERT_BUF_EQ(&out, dates[_i].text);
	buf_fini(&out);
}
END_TEST

START_TEST(every_day_of_430_years_is_the_c_librarys)
{
	struct buf out = { 0 };

	for (time_t day = 0; day < 430 * 366; day++) {
		time_t second = day * 86400 + day % 86400;
		char expected[64];
		struct tm tm;

		ck_assert_ptr_nonnull(gmtime_r(&second, &tm));
		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S +0000", &tm);
		if (!trace_write_date(&out, (uint64_t)second) || !span_eq(buf_span(&out), span_str(expected)))
			ck_abort_msg("day %ld: %.*s is not %s", (long)day, (int)buf_len(&out), out.data,
				     expected);
		buf_clear(&out);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(the_last_second_of_64_bits_is_no_overflow)
{
	struct buf out = { 0 };

	ck_assert(trace_write_date(&out, UINT64_MAX));
	ASSERT_BUF_EQ(&out, "Thu, 09 Nov 584554051223 07:00:15 +0000");
	buf_fini(&out);
}
END_TEST

static const struct {
	struct span name;
	const char *written;
} names[] = {
	{ BYTES("mx.example.org"), "mx.example.org" },
	{ BYTES("[192.0.2.1]"), "[192.0.2.1]" },
	{ BYTES("[IPv6:2001:db8::1]"), "[IPv6:2001:db8::1]" },
	{ BYTES("a_b-c"), "a_b-c" },
	{ BYTES(""), "unknown" },
	{ { NULL, 0 }, "unknown" },
	{ BYTES("a (b) [c]; d"), "a??b??[c]??d" },
	{ BYTES("a\r\nX: y"), "a??X:?y" },
	{ BYTES("a\0b\x7f\xc3\xa4\"\\<>@"), "a?b????????" },
};

START_TEST(nothing_a_peer_says_as_its_name_can_harm)
{
	struct buf out = { 0 };

	ck_assert(trace_write_safe_name(&out, names[_i].name));
	ASSERT_BUF_EQ(&out, names[_i].written);
	buf_fini(&out);
}
END_TEST

#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10

static const struct {
	const char *helo_name, *client, *recipient;
	uint32_t scope_id;
	const char *written;
} receiveds[] = {
	{ "client.example", "192.0.2.1", "anna@example.org", 0,
	  "Received: from client.example ([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1\n"
	  "\tfor <anna@example.org>; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	{ "client.example", "2001:db8::1", "\"a b\"@example.org", 0,
	  "Received: from client.example ([IPv6:2001:db8::1])\n"
	  "\tby mx.example.org with ESMTP id k3-1\n"
	  "\tfor <\"a b\"@example.org>; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	{ "client.example", "::ffff:192.0.2.1", "anna@example.org", 0,
	  "Received: from client.example ([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1\n"
	  "\tfor <anna@example.org>; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	/* A scope means nothing to others. */
	{ "client.example", "fe80::1", NULL, 3,
	  "Received: from client.example ([IPv6:fe80::1])\n"
	  "\tby mx.example.org with ESMTP id k3-1; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	/* Several recipients: none is told to the others. */
	{ "client.example", "192.0.2.1", NULL, 0,
	  "Received: from client.example ([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	/* Over a unix socket. */
	{ "client.example", NULL, NULL, 0,
	  "Received: from client.example\n"
	  "\tby mx.example.org with ESMTP id k3-1; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	{ "", NULL, "postmaster", 0,
	  "Received: from unknown\n"
	  "\tby mx.example.org with ESMTP id k3-1\n"
	  "\tfor <postmaster>; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	{ "a\n\nb", "192.0.2.1", NULL, 0,
	  "Received: from a??b ([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	/* RFC 6531 3.7.3: in UTF-8 where the message may have it. */
	{ "client.example", "192.0.2.1", "j\xc3\xb6rg@b\xc3\xbc" "cher.example", 0,
	  "Received: from client.example ([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1\n"
	  "\tfor <j\xc3\xb6rg@b\xc3\xbc" "cher.example>; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	/* Lines of up to 78 octets stay, longer ones are folded. */
	{ A10 A10 A10 A10 "aaaaaaaaa", "192.0.2.1", "anna.bellamy@mail.example.org", 0,
	  "Received: from " A10 A10 A10 A10 "aaaaaaaaa ([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1\n"
	  "\tfor <anna.bellamy@mail.example.org>; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	{ A50, "192.0.2.1", NULL, 0,
	  "Received: from " A50 "\n"
	  "\t([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1; Sun, 22 Nov 2026 10:20:52 +0000\n" },
	{ A50 A10, "192.0.2.1", A50 "@example.org", 0,
	  "Received: from " A50 A10 "\n"
	  "\t([192.0.2.1])\n"
	  "\tby mx.example.org with ESMTP id k3-1\n"
	  "\tfor <" A50 "@example.org>;\n"
	  "\tSun, 22 Nov 2026 10:20:52 +0000\n" },
};

static struct smtp_address address_of(const char *text)
{
	struct smtp_address a = { .local_len = 0 };

	if (strcmp(text, "postmaster") == 0) {
		size_t used;

		ck_assert(smtp_path_parse(&a, SMTP_PATH_RECIPIENT, SMTP_CHARSET_ASCII, span_str("<postmaster>"), &used));
	} else if (*text) {
		ck_assert(smtp_address_parse(&a, SMTP_CHARSET_UTF8, span_str(text)));
	}
	return a;
}

static struct trace_facts facts_of(int row, struct smtp_address *recipient)
{
	struct trace_facts facts = {
		.helo_name = span_str(receiveds[row].helo_name),
		.hostname = "mx.example.org",
		.protocol = "ESMTP",
		.message_id = "k3-1",
		.time_s = 1795342852,
	};

	if (receiveds[row].client)
		ck_assert(addr_parse_ip(&facts.client, span_str(receiveds[row].client)));
	facts.client.scope_id = receiveds[row].scope_id;
	if (receiveds[row].recipient) {
		*recipient = address_of(receiveds[row].recipient);
		facts.recipient = recipient;
	}
	return facts;
}

START_TEST(received_tells_from_by_with_id_for_and_date)
{
	struct smtp_address recipient;
	struct trace_facts facts = facts_of(_i, &recipient);
	struct buf out = { 0 };

	ck_assert(trace_write_received(&out, &facts));
	ASSERT_BUF_EQ(&out, receiveds[_i].written);
	buf_fini(&out);
}
END_TEST

START_TEST(received_over_tls_tells_version_and_suite)
{
	struct trace_facts facts = {
		.helo_name = SPAN_LITERAL("client.example"),
		.hostname = "mx.example.org",
		.protocol = "ESMTPS",
		.message_id = "k3-1",
		.tls_version = "TLSv1.3",
		.tls_suite = "TLS_AES_256_GCM_SHA384",
		.time_s = 1795342852,
	};
	struct buf out = { 0 };

	ck_assert(trace_write_received(&out, &facts));
	ASSERT_BUF_EQ(&out, "Received: from client.example\n"
			    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\n"
			    "\tby mx.example.org with ESMTPS id k3-1; Sun, 22 Nov 2026 10:20:52 +0000\n");
	buf_fini(&out);
}
END_TEST

START_TEST(where_received_begins_does_not_matter_for_its_folds)
{
	struct smtp_address recipient;
	struct trace_facts facts = facts_of(_i, &recipient);
	struct buf out = { 0 };

	for (int i = 0; i < 100; i++)
		ck_assert(buf_add_str(&out, "x"));
	ck_assert(trace_write_received(&out, &facts));
	buf_use(&out, 100);
	ASSERT_BUF_EQ(&out, receiveds[_i].written);
	buf_fini(&out);
}
END_TEST

START_TEST(no_line_of_received_is_over_998_octets)
{
	char helo_name[100000];
	struct smtp_address recipient;
	struct trace_facts facts = facts_of(0, &recipient);
	struct buf out = { 0 };
	size_t line = 0;

	memset(helo_name, 'h', sizeof(helo_name));
	facts.helo_name = span_of(helo_name, sizeof(helo_name));
	ck_assert(trace_write_received(&out, &facts));
	for (size_t i = 0; i < buf_len(&out); i++) {
		line = buf_span(&out).ptr[i] == '\n' ? 0 : line + 1;
		ck_assert_uint_le(line, 998);
	}
	ck_assert_uint_eq(line, 0);
	buf_fini(&out);
}
END_TEST

static const struct {
	unsigned flags;
	const char *name;
} protocols[] = {
	{ 0, "SMTP" },
	{ TRACE_TLS | TRACE_AUTH | TRACE_SMTPUTF8, "SMTP" },
	{ TRACE_EXTENDED, "ESMTP" },
	{ TRACE_EXTENDED | TRACE_TLS, "ESMTPS" },
	{ TRACE_EXTENDED | TRACE_AUTH, "ESMTPA" },
	{ TRACE_EXTENDED | TRACE_TLS | TRACE_AUTH, "ESMTPSA" },
	{ TRACE_EXTENDED | TRACE_SMTPUTF8, "UTF8SMTP" },
	{ TRACE_EXTENDED | TRACE_SMTPUTF8 | TRACE_TLS, "UTF8SMTPS" },
	{ TRACE_EXTENDED | TRACE_SMTPUTF8 | TRACE_AUTH, "UTF8SMTPA" },
	{ TRACE_EXTENDED | TRACE_SMTPUTF8 | TRACE_TLS | TRACE_AUTH, "UTF8SMTPSA" },
};

START_TEST(the_protocol_has_its_registered_name)
{
	ck_assert_str_eq(trace_protocol(protocols[_i].flags), protocols[_i].name);
}
END_TEST

static const struct {
	const char *address, *return_path, *delivered_to;
} paths[] = {
	{ "anna@example.org", "Return-Path: <anna@example.org>\n", "Delivered-To: anna@example.org\n" },
	{ "\"a b\"@x", "Return-Path: <\"a b\"@x>\n", "Delivered-To: \"a b\"@x\n" },
	{ "a@[IPv6:::1]", "Return-Path: <a@[IPv6:::1]>\n", "Delivered-To: a@[IPv6:::1]\n" },
	{ "postmaster", "Return-Path: <postmaster>\n", "Delivered-To: postmaster\n" },
	{ "j\xc3\xb6rg@b\xc3\xbc" "cher.example", "Return-Path: <j\xc3\xb6rg@b\xc3\xbc" "cher.example>\n",
	  "Delivered-To: j\xc3\xb6rg@b\xc3\xbc" "cher.example\n" },
	{ "", "Return-Path: <>\n", "Delivered-To: \n" },
};

START_TEST(paths_are_written_as_they_are_quoted)
{
	struct smtp_address a = address_of(paths[_i].address);
	struct buf out = { 0 };

	ck_assert(trace_write_return_path(&out, &a));
	ASSERT_BUF_EQ(&out, paths[_i].return_path);
	buf_clear(&out);
	ck_assert(trace_write_delivered_to(&out, &a));
	ASSERT_BUF_EQ(&out, paths[_i].delivered_to);
	buf_fini(&out);
}
END_TEST

/* Made before memory runs out. */
static struct smtp_address anna;
static struct trace_facts anna_facts;

static bool write_received(struct buf *out)
{
	return trace_write_received(out, &anna_facts);
}

static bool write_return_path(struct buf *out)
{
	return trace_write_return_path(out, &anna);
}

static bool write_delivered_to(struct buf *out)
{
	return trace_write_delivered_to(out, &anna);
}

static bool write_date(struct buf *out)
{
	return trace_write_date(out, 0);
}

static bool write_safe_name(struct buf *out)
{
	return trace_write_safe_name(out, span_str("name"));
}

static bool write_submission(struct buf *out)
{
	return trace_write_submission(out, &anna_facts, true, true);
}

static bool (*const writers[])(struct buf *) = {
	write_received, write_return_path, write_delivered_to, write_date, write_safe_name,
	write_submission,
};

START_TEST(what_submission_adds_is_what_was_missing)
{
	const struct trace_facts facts = {
		.hostname = "mx.example.org", .message_id = "0123456789ab-1", .time_s = 1795346452
	};
	static const char date[] = "Date: Sun, 22 Nov 2026 11:20:52 +0000\n";
	static const char id[] = "Message-ID: <0123456789ab-1.1795346452@mx.example.org>\n";
	struct buf out = { 0 };

	ck_assert(trace_write_submission(&out, &facts, false, false));
	ASSERT_BUF_EQ(&out, "");
	ck_assert(trace_write_submission(&out, &facts, true, false));
	ASSERT_BUF_EQ(&out, date);
	buf_clear(&out);
	ck_assert(trace_write_submission(&out, &facts, false, true));
	ASSERT_BUF_EQ(&out, id);
	ck_assert(trace_write_submission(&out, &facts, true, false));
	ck_assert_uint_eq(buf_len(&out), strlen(date) + strlen(id));
	buf_fini(&out);
}
END_TEST

/* With every possible room left in the buffer when memory runs out. */
START_TEST(without_memory_the_buffer_is_left_as_it_was)
{
	struct buf whole = { 0 };
	size_t len;

	anna_facts = facts_of(0, &anna);
	ck_assert(writers[_i](&whole));
	len = buf_len(&whole);
	buf_fini(&whole);
	for (size_t room = 0; room < len; room++) {
		struct buf out = { 0 };
		size_t before;
		bool done;

		ck_assert(buf_reserve(&out, 256));
		memset(out.data, 'k', out.size);
		before = out.size - room;
		buf_added(&out, before);
		out.data[out.end - 1] = '\n';
		fail_malloc_at(1);
		done = writers[_i](&out);
		ck_assert(fail_malloc_stop());
		ck_assert(!done);
		ck_assert_uint_eq(buf_len(&out), before);
		ck_assert_int_eq(out.data[out.end - 1], '\n');
		buf_fini(&out);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace");
	TCase *tcase = tcase_create("trace");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	ADD_ROWS(tcase, a_date_is_written_as_rfc_5322_has_it, dates);
	tcase_add_test(tcase, every_day_of_430_years_is_the_c_librarys);
	tcase_add_test(tcase, the_last_second_of_64_bits_is_no_overflow);
	ADD_ROWS(tcase, nothing_a_peer_says_as_its_name_can_harm, names);
	ADD_ROWS(tcase, received_tells_from_by_with_id_for_and_date, receiveds);
	tcase_add_test(tcase, received_over_tls_tells_version_and_suite);
	ADD_ROWS(tcase, where_received_begins_does_not_matter_for_its_folds, receiveds);
	tcase_add_test(tcase, no_line_of_received_is_over_998_octets);
	ADD_ROWS(tcase, the_protocol_has_its_registered_name, protocols);
	ADD_ROWS(tcase, paths_are_written_as_they_are_quoted, paths);
	tcase_add_test(tcase, what_submission_adds_is_what_was_missing);
	ADD_ROWS(tcase, without_memory_the_buffer_is_left_as_it_was, writers);
	return unit_main(suite);
}
