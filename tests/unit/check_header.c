/* proto/header: what the scanner counts, however the content is cut. */
#include "proto/header.h"
#include "unit.h"

#define NAME_10 "nnnnnnnnnn"
#define NAME_90 NAME_10 NAME_10 NAME_10 NAME_10 NAME_10 NAME_10 NAME_10 NAME_10 NAME_10
#define NAME_98 NAME_90 "nnnnnnnn"
#define NAME_100 NAME_90 NAME_10
#define NAME_900 \
	NAME_100 NAME_100 NAME_100 NAME_100 NAME_100 NAME_100 NAME_100 NAME_100 NAME_100
#define BLANKS_97                                                                                          \
	"                                                 "                                                \
	"                                                "

static const struct {
	struct span header; /* what counts as header */
	struct span after;  /* what follows it */
	uint32_t received;
	bool has_ended;
} messages[] = {
	{ BYTES(""), BYTES(""), 0, false },
	{ BYTES("\n"), BYTES(""), 0, true },
	{ BYTES("\n"), BYTES("Received: in the body\n\n"), 0, true },
	{ BYTES("Subject: x\n\n"), BYTES("Received: in the body\n"), 0, true },
	{ BYTES("Received: a\n\n"), BYTES("x\n"), 1, true },
	{ BYTES("Received: a\nReceived: b\nTo: c\nReceived: d\n\n"), BYTES("\n"), 3, true },
	{ BYTES("RECEIVED: a\nreceived:b\nrEcEiVeD:\n\n"), BYTES(""), 3, true },
	{ BYTES("Received : a\nReceived\t \t: b\n\n"), BYTES(""), 2, true },
	{ BYTES("Received: a\n"), BYTES(""), 1, false },
	{ BYTES("Received: a"), BYTES(""), 1, false },
	/* Fields that are not it. */
	{ BYTES("X-Received: a\nReceived-SPF: b\nReceive: c\nReceivedd: d\nR: e\n\n"), BYTES(""), 0, true },
	/* Folded lines never count, and do not end the header. */
	{ BYTES("To: a\n Received: b\n\tReceived: c\n \n\n"), BYTES("x"), 0, true },
	{ BYTES("Received: a\n\tby b\n with c\n\n"), BYTES(""), 1, true },
	/* NUL and 8-bit bytes may be in a field's body, a CR too. */
	{ BYTES("Subject: a\0b\xff\xc3\xa4\r\x1b\nReceived: \0\n\n"), BYTES("x"), 1, true },
	/* A line that is no field is the body's. */
	{ BYTES(""), BYTES("Hello world\nReceived: a\n\n"), 0, true },
	{ BYTES(""), BYTES("Hello\nReceived: a\n\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("Hello\nReceived: a\n\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("Received a\nReceived: a\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("Received \nReceived: a\n"), 0, true },
	{ BYTES("To: a\n"), BYTES(": b\nReceived: a\n"), 0, true },
	{ BYTES(""), BYTES(" folded from nothing\nReceived: a\n"), 0, true },
	{ BYTES(""), BYTES("\0: a\nReceived: a\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("N\xc3\xa4me: b\nReceived: a\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("a\0b: c\nReceived: a\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("\r\nReceived: a\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("To\r: b\nReceived: a\n"), 0, true },
	{ BYTES("To: a\n"), BYTES("unfinished"), 0, false },
	/* mbox: as the first line only, and only in this case of letters. */
	{ BYTES("From anna@example.org Sun Nov 22 10:20:52 2026\nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES("From a: b\nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES("From \nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES("From x\n folded\nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES("From : anna@example.org\nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES("From: anna@example.org\nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES("To: a\n"), BYTES("From anna\nReceived: a\n\n"), 0, true },
	{ BYTES(""), BYTES("from anna\nReceived: a\n\n"), 0, true },
	{ BYTES(""), BYTES("From\nReceived: a\n\n"), 0, true },
	{ BYTES(""), BYTES("Fro anna\nReceived: a\n\n"), 0, true },
	{ BYTES(""), BYTES("Fromm anna\nReceived: a\n\n"), 0, true },
	{ BYTES(""), BYTES(">From anna\nReceived: a\n\n"), 0, true },
	/* RFC 5322 2.1.1: a name longer than a line is none. */
	{ BYTES(NAME_900 NAME_98 ": a\nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES(""), BYTES(NAME_900 NAME_98 "n: a\nReceived: a\n\n"), 0, true },
	{ BYTES("To: a\n"), BYTES(NAME_900 NAME_100 NAME_100), 0, true },
	{ BYTES(NAME_900 "n" BLANKS_97 ": a\nReceived: a\n\n"), BYTES(""), 1, true },
	{ BYTES(""), BYTES(NAME_900 "nn" BLANKS_97 ": a\nReceived: a\n\n"), 0, true },
	{ BYTES(""), BYTES(NAME_900 NAME_98 " : a\nReceived: a\n\n"), 0, true },
};

static void feed(struct header_scan *scan, struct span content, size_t from, size_t to)
{
	struct span part = span_exact_copy(span_of(content.ptr + from, to - from));
	uint64_t octets = scan->octets;

	header_scan_feed(scan, part);
	ck_assert_uint_ge(scan->octets, octets);
	ck_assert_uint_le(scan->octets - octets, 998 + part.len); /* what may be pending */
	free((void *)(uintptr_t)part.ptr);
}

static void expect(const struct header_scan *scan, int row)
{
	ck_assert_uint_eq(scan->received, messages[row].received);
	ck_assert_uint_eq(scan->octets, messages[row].header.len);
	ck_assert_int_eq(header_scan_ended(scan), messages[row].has_ended);
}

static struct span whole_message(int row, struct buf *b)
{
	ck_assert(buf_add_span(b, messages[row].header) && buf_add_span(b, messages[row].after));
	return buf_span(b);
}

START_TEST(fields_and_octets_are_counted_up_to_the_end_of_the_header)
{
	struct buf b = { 0 };
	struct span message = whole_message(_i, &b);
	struct header_scan scan;

	header_scan_init(&scan);
	feed(&scan, message, 0, message.len);
	expect(&scan, _i);
	buf_fini(&b);
}
END_TEST

START_TEST(cut_into_single_bytes_it_counts_the_same)
{
	struct buf b = { 0 };
	struct span message = whole_message(_i, &b);
	struct header_scan scan;

	header_scan_init(&scan);
	for (size_t i = 0; i < message.len; i++) {
		feed(&scan, message, i, i);
		feed(&scan, message, i, i + 1);
	}
	expect(&scan, _i);
	buf_fini(&b);
}
END_TEST

START_TEST(cut_in_two_anywhere_it_counts_the_same)
{
	struct buf b = { 0 };
	struct span message = whole_message(_i, &b);

	for (size_t cut = 0; cut <= message.len; cut++) {
		struct header_scan scan;

		header_scan_init(&scan);
		feed(&scan, message, 0, cut);
		feed(&scan, message, cut, message.len);
		expect(&scan, _i);
	}
	buf_fini(&b);
}
END_TEST

START_TEST(after_its_end_nothing_counts)
{
	struct header_scan scan, before;

	header_scan_init(&scan);
	header_scan_feed(&scan, SPAN_LITERAL("Received: a\n\n"));
	before = scan;
	header_scan_feed(&scan, SPAN_LITERAL("Received: b\n\n"));
	header_scan_feed(&scan, (struct span){ NULL, 0 });
	ck_assert_uint_eq(scan.octets, before.octets);
	ck_assert_uint_eq(scan.received, 1);
	ck_assert(header_scan_ended(&scan));
}
END_TEST

START_TEST(many_fields_are_many_hops)
{
	struct header_scan scan;

	header_scan_init(&scan);
	for (int i = 0; i < 100000; i++)
		header_scan_feed(&scan, SPAN_LITERAL("Received: a\n"));
	ck_assert_uint_eq(scan.received, 100000);
	ck_assert_uint_eq(scan.octets, 1200000);
}
END_TEST

static const struct {
	const char *content;
	bool has_date, has_message_id;
} submissions[] = {
	{ "Subject: x\n\nDate: y\nMessage-ID: z\n", false, false },
	{ "Date: x\n\n", true, false },
	{ "DATE : x\nmessage-id: <y>\n\n", true, true },
	{ "To: a\nMessage-Id:\n <y>\n\n", false, true },
	{ "Resent-Date: x\nDates: y\nDat: z\nMessage-IDs: a\nMessage: b\n\n", false, false },
	{ "To: a\n Date: b\n\n", false, false },
	{ "From anna\nDate: b\n\n", true, false },
	{ "Date b\nMessage-ID: c\n", false, false },
};

START_TEST(date_and_message_id_are_seen_in_the_header_only)
{
	struct span content = span_str(submissions[_i].content);

	for (size_t cut = 0; cut <= content.len; cut++) {
		struct header_scan scan;

		header_scan_init(&scan);
		feed(&scan, content, 0, cut);
		feed(&scan, content, cut, content.len);
		ck_assert_int_eq(scan.has_date, submissions[_i].has_date);
		ck_assert_int_eq(scan.has_message_id, submissions[_i].has_message_id);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("header");
	TCase *tcase = tcase_create("header");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, fields_and_octets_are_counted_up_to_the_end_of_the_header, messages);
	ADD_ROWS(tcase, cut_into_single_bytes_it_counts_the_same, messages);
	ADD_ROWS(tcase, cut_in_two_anywhere_it_counts_the_same, messages);
	ADD_ROWS(tcase, date_and_message_id_are_seen_in_the_header_only, submissions);
	tcase_add_test(tcase, after_its_end_nothing_counts);
	tcase_add_test(tcase, many_fields_are_many_hops);
	return unit_main(suite);
}
