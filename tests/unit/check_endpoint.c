#include "base/endpoint.h"

#include "unit.h"

#include <stdio.h>

static const struct {
	const char *text, *formatted;
	enum endpoint_kind kind;
	uint16_t default_port;
} good[] = {
	{ "192.0.2.1:25", "192.0.2.1:25", ENDPOINT_ADDR, 0 },
	{ "192.0.2.1", "192.0.2.1:24", ENDPOINT_ADDR, 24 },
	{ "192.0.2.1:2525", "192.0.2.1:2525", ENDPOINT_ADDR, 24 },
	{ "[2001:db8::1]:25", "[2001:db8::1]:25", ENDPOINT_ADDR, 0 },
	{ "[2001:db8::1]", "[2001:db8::1]:24", ENDPOINT_ADDR, 24 },
	{ "[::ffff:192.0.2.1]:25", "192.0.2.1:25", ENDPOINT_ADDR, 0 },
	{ "mx.example.org:25", "mx.example.org:25", ENDPOINT_NAME, 0 },
	{ "localhost", "localhost:25", ENDPOINT_NAME, 25 },
	{ "_smtp._tcp.example.org:65535", "_smtp._tcp.example.org:65535", ENDPOINT_NAME, 0 },
	{ "1.mx.example.org:1", "1.mx.example.org:1", ENDPOINT_NAME, 0 },
	{ "unix:/run/lmtp", "unix:/run/lmtp", ENDPOINT_UNIX, 0 },
	{ "/run/a:25", "unix:/run/a:25", ENDPOINT_UNIX, 24 },
};

START_TEST(an_endpoint_is_what_was_written)
{
	struct endpoint endpoint;
	char text[ENDPOINT_TEXT_SIZE];
	struct err err;

	ck_assert_msg(endpoint_parse(&endpoint, span_str(good[_i].text), good[_i].default_port, &err), "%s",
		      err.text);
	ck_assert_int_eq(endpoint.kind, good[_i].kind);
	ck_assert_str_eq(endpoint_format(&endpoint, text), good[_i].formatted);
}
END_TEST

static const struct {
	struct span text;
	const char *says;
} bad[] = {
	{ BYTES(""), "is no host" },
	{ BYTES(":25"), "is no host" },
	{ BYTES("192.0.2.1"), "has no port" },
	{ BYTES("mx.example.org"), "has no port" },
	{ BYTES("mx.example.org:"), "bad port" },
	{ BYTES("mx.example.org:0"), "bad port" },
	{ BYTES("mx.example.org:65536"), "bad port" },
	{ BYTES("mx.example.org:smtp"), "bad port" },
	{ BYTES("mx.example.org:+25"), "bad port" },
	{ BYTES("2001:db8::1"), "is no host" },
	{ BYTES("[2001:db8::1]25"), "is no host" },
	{ BYTES("[192.0.2.1]:25"), "is no host" },
	{ BYTES("[mx.example.org]:25"), "is no host" },
	{ BYTES("[]:25"), "is no host" },
	{ BYTES("192.0.2:25"), "is no host" },
	{ BYTES("256.0.2.1:25"), "is no host" },
	{ BYTES(".example.org:25"), "is no host" },
	{ BYTES("-mx.example.org:25"), "is no host" },
	{ BYTES("mx example.org:25"), "is no host" },
	{ BYTES("mx\0.example.org:25"), "is no host" },
	{ BYTES("*:25"), "is no host" },
	{ BYTES("unix:run/lmtp"), "absolute path" },
	{ BYTES("unix:"), "absolute path" },
	{ BYTES("/run/\0lmtp"), "absolute path" },
};

START_TEST(what_is_no_endpoint_is_told)
{
	struct endpoint endpoint = { .kind = ENDPOINT_UNIX };
	struct err err;

	ck_assert(!endpoint_parse(&endpoint, bad[_i].text, 0, &err));
	ck_assert_msg(strstr(err.text, bad[_i].says) != NULL, "%s", err.text);
	ck_assert_int_eq(endpoint.kind, ENDPOINT_NONE);
}
END_TEST

/* Names and paths at their limit, and one character more. */
START_TEST(names_and_paths_have_a_longest)
{
	char text[ENDPOINT_TEXT_SIZE + 8], formatted[ENDPOINT_TEXT_SIZE];
	struct endpoint endpoint;

	memset(text, 'a', sizeof(text));
	ck_assert(endpoint_parse(&endpoint, span_of(text, ENDPOINT_NAME_MAX), 65535, NULL));
	ck_assert_uint_eq(strlen(endpoint_format(&endpoint, formatted)), ENDPOINT_NAME_MAX + 6);
	ck_assert(!endpoint_parse(&endpoint, span_of(text, ENDPOINT_NAME_MAX + 1), 25, NULL));
	text[0] = '/';
	ck_assert(endpoint_parse(&endpoint, span_of(text, ENDPOINT_PATH_MAX), 0, NULL));
	ck_assert_uint_eq(strlen(endpoint.name), ENDPOINT_PATH_MAX);
	ck_assert(!endpoint_parse(&endpoint, span_of(text, ENDPOINT_PATH_MAX + 1), 0, NULL));
}
END_TEST

START_TEST(nothing_is_nowhere)
{
	struct endpoint endpoint = { 0 };
	char text[ENDPOINT_TEXT_SIZE];

	ck_assert_str_eq(endpoint_format(&endpoint, text), "nowhere");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("endpoint");
	TCase *tcase = tcase_create("endpoint");

	ADD_ROWS(tcase, an_endpoint_is_what_was_written, good);
	ADD_ROWS(tcase, what_is_no_endpoint_is_told, bad);
	tcase_add_test(tcase, names_and_paths_have_a_longest);
	tcase_add_test(tcase, nothing_is_nowhere);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
