/* base/addr: network addresses and prefixes as text and back. */
#include "base/addr.h"
#include "unit.h"

static const struct {
	const char *text, *formatted;
	int family;
} addresses[] = {
	{ "192.0.2.1:25", "192.0.2.1:25", ADDR_IPV4 },
	{ "0.0.0.0:0", "0.0.0.0:0", ADDR_IPV4 },
	{ "255.255.255.255:65535", "255.255.255.255:65535", ADDR_IPV4 },
	{ "[2001:db8::1]:25", "[2001:db8::1]:25", ADDR_IPV6 },
	{ "[2001:DB8:0:0:0:0:0:1]:25", "[2001:db8::1]:25", ADDR_IPV6 },
	{ "[::]:25", "[::]:25", ADDR_IPV6 },
	{ "*:25", "[::]:25", ADDR_IPV6 },
	{ "[::ffff:192.0.2.1]:25", "192.0.2.1:25", ADDR_IPV4 },
};

START_TEST(an_address_with_port_parses_and_prints)
{
	struct addr addr;
	struct err err;
	char text[ADDR_TEXT_SIZE];

	ck_assert_msg(addr_parse(&addr, span_str(addresses[_i].text), &err), "%s", err.text);
	ck_assert_int_eq(addr.family, addresses[_i].family);
	ck_assert_str_eq(addr_format(&addr, text), addresses[_i].formatted);
}
END_TEST

static const struct span bad_addresses[] = {
	BYTES(""),	      BYTES(":"),	    BYTES(":25"),	  BYTES("192.0.2.1"),
	BYTES("192.0.2.1:"),  BYTES("192.0.2.1:+1"), BYTES("192.0.2.1:65536"), BYTES("192.0.2.256:25"),
	BYTES("192.0.2:25"),  BYTES("::1:25"),	    BYTES("[::1]"),	  BYTES("[::1]25"),
	BYTES("[::1:25"),     BYTES("[]:25"),	    BYTES("[192.0.2.1]:25"), BYTES("[fe80::1%eth0]:25"),
	BYTES("localhost:25"), BYTES("1.2.3.4\0:25"), BYTES("01.2.3.4:25"), BYTES("1.2.3.4 :25"),
	BYTES("[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:25"),
};

START_TEST(what_is_no_address_with_port_is_told_in_words)
{
	struct addr addr;
	struct err err = { .text = "" };

	ck_assert(!addr_parse(&addr, bad_addresses[_i], &err));
	ck_assert_str_ne(err.text, "");
	ck_assert(!addr_parse(&addr, bad_addresses[_i], NULL));
}
END_TEST

START_TEST(an_ip_alone_has_no_port_and_no_brackets)
{
	struct addr addr;
	char text[ADDR_TEXT_SIZE];

	ck_assert(addr_parse_ip(&addr, span_str("2001:db8::1")));
	ck_assert_uint_eq(addr.port, 0);
	ck_assert_str_eq(addr_format_ip(&addr, text), "2001:db8::1");
	ck_assert(addr_parse_ip(&addr, span_str("::ffff:10.0.0.1")));
	ck_assert_int_eq(addr.family, ADDR_IPV4);
	ck_assert_str_eq(addr_format_ip(&addr, text), "10.0.0.1");
	ck_assert(!addr_parse_ip(&addr, span_str("[::1]")));
	ck_assert(!addr_parse_ip(&addr, span_str("")));
	ck_assert(!addr_parse_ip(&addr, SPAN_LITERAL("1.2.3.4\0")));
}
END_TEST

START_TEST(an_unknown_address_prints_as_unknown)
{
	struct addr none = { .family = ADDR_NONE, .port = 25 };
	char text[ADDR_TEXT_SIZE];

	ck_assert_str_eq(addr_format_ip(&none, text), "unknown");
	ck_assert_str_eq(addr_format(&none, text), "unknown");
}
END_TEST

#define LONGEST "fe80:1111:2222:3333:4444:5555:6666:7777%4294967295"

START_TEST(the_longest_text_fits_its_size)
{
	struct addr addr;
	char text[ADDR_TEXT_SIZE];

	ck_assert(addr_parse_ip(&addr, span_str("fe80:1111:2222:3333:4444:5555:6666:7777")));
	addr.port = 65535;
	addr.scope_id = UINT32_MAX;
	ck_assert_str_eq(addr_format_ip(&addr, text), LONGEST);
	ck_assert_str_eq(addr_format(&addr, text), "[" LONGEST "]:65535");
}
END_TEST

static const struct {
	const char *prefix, *address;
	bool is_in;
} memberships[] = {
	{ "192.0.2.0/24", "192.0.2.0", true },
	{ "192.0.2.0/24", "192.0.2.255", true },
	{ "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.128/25", "192.0.2.129", true },
	{ "10.0.0.0/7", "11.255.255.255", true },
	{ "10.0.0.0/7", "12.0.0.0", false },
	{ "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "::1", false },
	{ "::/0", "::1", true },
	{ "::/0", "192.0.2.1", false },
	{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
	{ "2001:db8::/32", "2001:db8:ffff::1", true },
	{ "2001:db8::/32", "2001:db9::1", false },
	{ "2001:db8::1/128", "2001:db8::1", true },
	{ "2001:db8::1", "2001:db8::2", false },
	{ "2001:db8::/33", "2001:db8:8000::", false },
};

START_TEST(a_prefix_holds_the_addresses_that_share_its_bits)
{
	struct addr_prefix prefix;
	struct addr addr;
	struct err err;

	ck_assert_msg(addr_parse_prefix(&prefix, span_str(memberships[_i].prefix), &err), "%s", err.text);
	ck_assert(addr_parse_ip(&addr, span_str(memberships[_i].address)));
	ck_assert_int_eq(addr_in_prefix(&addr, &prefix), memberships[_i].is_in);
}
END_TEST

static const char *const bad_prefixes[] = {
	"",	     "/24",	     "192.0.2.0/",  "192.0.2.0/33", "192.0.2.1/24",    "2001:db8::/129",
	"2001::1/64", "192.0.2.0/-1", "192.0.2.0/8/8", "example.org",  "[2001:db8::]/32", "192.0.2.0/ 24",
};

START_TEST(what_is_no_prefix_is_told_in_words)
{
	struct addr_prefix prefix;
	struct err err = { .text = "" };

	ck_assert(!addr_parse_prefix(&prefix, span_str(bad_prefixes[_i]), &err));
	ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(clients_of_one_prefix_are_told_from_others)
{
	struct addr a, b, c;

	ck_assert(addr_parse_ip(&a, span_str("2001:db8:1:2:3::1")));
	ck_assert(addr_parse_ip(&b, span_str("2001:db8:1:2:ffff::9")));
	ck_assert(addr_parse_ip(&c, span_str("2001:db8:1:3::1")));
	struct addr_prefix pa = addr_prefix_of(&a, 32, 64), pb = addr_prefix_of(&b, 32, 64);
	struct addr_prefix pc = addr_prefix_of(&c, 32, 64);

	ck_assert(addr_prefix_eq(&pa, &pb));
	ck_assert(!addr_prefix_eq(&pa, &pc));
	pb = addr_prefix_of(&b, 32, 65);
	ck_assert(!addr_prefix_eq(&pa, &pb));
	a.port = 1;
	pb = addr_prefix_of(&a, 32, 64);
	ck_assert(addr_prefix_eq(&pa, &pb));
}
END_TEST

START_TEST(prefix_lengths_beyond_the_family_are_clamped)
{
	struct addr addr;

	ck_assert(addr_parse_ip(&addr, span_str("192.0.2.1")));
	ck_assert_uint_eq(addr_prefix_of(&addr, 99, 1).bits, 32);
	ck_assert(addr_parse_ip(&addr, span_str("::1")));
	ck_assert_uint_eq(addr_prefix_of(&addr, 1, 999).bits, 128);
	addr = (struct addr){ .family = ADDR_NONE };
	ck_assert_uint_eq(addr_prefix_of(&addr, 32, 64).bits, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("addr");
	TCase *tcase = tcase_create("addr");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, an_address_with_port_parses_and_prints, addresses);
	ADD_ROWS(tcase, what_is_no_address_with_port_is_told_in_words, bad_addresses);
	tcase_add_test(tcase, an_ip_alone_has_no_port_and_no_brackets);
	tcase_add_test(tcase, an_unknown_address_prints_as_unknown);
	tcase_add_test(tcase, the_longest_text_fits_its_size);
	ADD_ROWS(tcase, a_prefix_holds_the_addresses_that_share_its_bits, memberships);
	ADD_ROWS(tcase, what_is_no_prefix_is_told_in_words, bad_prefixes);
	tcase_add_test(tcase, clients_of_one_prefix_are_told_from_others);
	tcase_add_test(tcase, prefix_lengths_beyond_the_family_are_clamped);
	return unit_main(suite);
}
