#include "unit.h"

#include "proto/proxy.h"

/* Offer the text whole, byte by byte, and cut in two everywhere: all must come to the same. */
static enum proxy_result feed(struct proxy_header *h, struct span text, size_t piece, size_t *used)
{
	enum proxy_result result = PROXY_MORE;
	size_t n;

	memset(h, 0, sizeof(*h));
	*used = 0;
	while (result == PROXY_MORE && *used < text.len) {
		struct span in = span_head(span_from(text, *used), piece);

		result = proxy_header_next(h, in, &n);
		*used += n;
		ck_assert(result != PROXY_MORE || n == in.len);
	}
	return result;
}

static enum proxy_result judge(struct span text, struct proxy_header *h, size_t *used)
{
	enum proxy_result whole = feed(h, text, text.len, used);

	for (size_t piece = 1; piece < text.len; piece++) {
		struct proxy_header other;
		size_t other_used;

		ck_assert_int_eq(feed(&other, text, piece, &other_used), whole);
		ck_assert_uint_eq(other_used, *used);
	}
	return whole;
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x21\x11"
#define ADDRS4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x00\x19" /* 192.0.2.1:12345, 198.51.100.2:25 */

static const struct {
	struct span text;
	const char *client; /* as addr_format() has it; NULL: local */
} good[] = {
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\n"), "192.0.2.1:12345" },
	{ BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), "[2001:db8::1]:1" },
	{ BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n"),
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ BYTES("PROXY UNKNOWN\r\n"), NULL },
	{ BYTES("PROXY UNKNOWN ffff::1 whatever stands here\r\n"), NULL },
	{ BYTES(SIGNATURE V4 "\0\x0c" ADDRS4), "192.0.2.1:12345" },
	{ BYTES(SIGNATURE V4 "\0\x0f" ADDRS4 "\x04\0\0"), "192.0.2.1:12345" },
	{ BYTES(SIGNATURE "\x21\x21\0\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2" "\1\0\0\x19"), "[2001:db8::1]:256" },
	{ BYTES(SIGNATURE "\x21\x21\0\x24" "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1"
		"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\2" "\1\0\0\x19"), "192.0.2.1:256" },
	{ BYTES(SIGNATURE "\x20\0\0\0"), NULL },
	{ BYTES(SIGNATURE "\x20\x11\0\3xyz"), NULL },
	{ BYTES(SIGNATURE "\x21\0\0\0"), NULL },
};

START_TEST(header_is_taken_however_it_is_cut_and_nothing_behind_it)
{
	char text[400], format[ADDR_TEXT_SIZE];
	struct proxy_header h;
	struct proxy_facts facts;
	size_t used;

	memcpy(text, good[_i].text.ptr, good[_i].text.len);
	memcpy(text + good[_i].text.len, "EHLO x\r\n", 8);
	ck_assert_int_eq(judge(span_of(text, good[_i].text.len + 8), &h, &used), PROXY_WHOLE);
	ck_assert_uint_eq(used, good[_i].text.len);
	ck_assert(proxy_header_read(&h, &facts));
	ck_assert_int_eq(facts.is_local, good[_i].client == NULL);
	ck_assert(!facts.has_tls);
	if (good[_i].client)
		ck_assert_str_eq(addr_format(&facts.client, format), good[_i].client);
	/* One byte less is not whole. */
	ck_assert_int_eq(judge(span_head(good[_i].text, good[_i].text.len - 1), &h, &used), PROXY_MORE);
}
END_TEST

static const struct span malformed[] = {
	BYTES("EHLO x\r\n"),
	BYTES("\n"),
	BYTES("PROXY\r\n"),
	BYTES("PROXY \r\n"),
	BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\n"),
	BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n"),
	BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25 \r\n"),
	BYTES("PROXY TCP4  192.0.2.1 198.51.100.2 12345 25\r\n"),
	BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 12345 65536\r\n"),
	BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 012 25\r\n"),
	BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n"),
	BYTES("PROXY TCP4 192.0.2.256 198.51.100.2 12345 25\r\n"),
	BYTES("PROXY TCP4 2001:db8::1 2001:db8::2 12345 25\r\n"),
	BYTES("PROXY TCP6 192.0.2.1 198.51.100.2 12345 25\r\n"),
	BYTES("PROXY TCP5 192.0.2.1 198.51.100.2 12345 25\r\n"),
	BYTES("proxy TCP4 192.0.2.1 198.51.100.2 12345 25\r\n"),
	BYTES("PROXY TCP4 192.0.2.1\0 198.51.100.2 12345 25\r\n"),
	BYTES("PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
	BYTES(SIGNATURE "\x11\x11\0\x0c" ADDRS4), /* version */
	BYTES(SIGNATURE "\x22\x11\0\x0c" ADDRS4), /* command */
	BYTES(SIGNATURE "\x21\x12\0\x0c" ADDRS4), /* UDP */
	BYTES(SIGNATURE "\x21\x41\0\x0c" ADDRS4), /* family */
	BYTES(SIGNATURE V4 "\0\x0b" ADDRS4),      /* too short */
	BYTES(SIGNATURE V4 "\0\x0d" ADDRS4 "\4"), /* half a TLV */
	BYTES(SIGNATURE V4 "\0\x0f" ADDRS4 "\4\0\1"),
	BYTES(SIGNATURE V4 "\0\x0f" ADDRS4 "\x20\0\0"), /* SSL without its five bytes */
	BYTES(SIGNATURE V4 "\0\x16" ADDRS4 "\x20\0\7\1\0\0\0\0\x21\0"), /* half a TLV within */
	BYTES(SIGNATURE V4 "\0\x13" ADDRS4 "\3\0\4\0\0\0\0"), /* checksum */
	BYTES(SIGNATURE V4 "\0\x12" ADDRS4 "\3\0\3\0\0\0"),
	BYTES(SIGNATURE V4 "\x08\x01"), /* 2049 bytes to come */
	BYTES("\r\n\r\n\0\r\nQUIT\r"),
};

START_TEST(what_is_no_header_is_malformed)
{
	struct proxy_header h;
	struct proxy_facts facts;
	size_t used;
	enum proxy_result result = judge(malformed[_i], &h, &used);

	ck_assert(result == PROXY_MALFORMED || (result == PROXY_WHOLE && !proxy_header_read(&h, &facts)));
}
END_TEST

START_TEST(tls_of_the_proxy_is_told)
{
	static const struct span text = BYTES(SIGNATURE V4 "\0\x3a" ADDRS4
					      "\x02\0\x0emx.example.org"
					      "\x20\0\x17" "\1\0\0\0\0" "\x21\0\7TLSv1.3" "\x23\0\5SUITE"
					      "\x05\0\0");
	struct proxy_header h;
	struct proxy_facts facts;
	size_t used;

	ck_assert_int_eq(judge(text, &h, &used), PROXY_WHOLE);
	ck_assert(proxy_header_read(&h, &facts));
	ck_assert(facts.has_tls);
	ASSERT_SPAN_EQ(facts.server_name, span_str("mx.example.org"));
	ASSERT_SPAN_EQ(facts.tls_version, span_str("TLSv1.3"));
	ASSERT_SPAN_EQ(facts.tls_cipher, span_str("SUITE"));
}
END_TEST

/* The sum was reckoned by another program. */
START_TEST(checksum_is_held_against_the_header)
{
	char text[] = SIGNATURE V4 "\0\x13" ADDRS4 "\3\0\4\0\0\0\0";
	struct span all = span_of(text, sizeof(text) - 1);
	struct proxy_header h;
	struct proxy_facts facts;
	size_t used, at = all.len - 4;
	unsigned right = 0;

	memcpy(text + at, "\x97\x8b\x0b\x4c", 4);
	ck_assert_int_eq(judge(all, &h, &used), PROXY_WHOLE);
	right += proxy_header_read(&h, &facts);
	text[at] ^= 1;
	ck_assert_int_eq(judge(all, &h, &used), PROXY_WHOLE);
	ck_assert(!proxy_header_read(&h, &facts));
	ck_assert_uint_eq(right, 1);
}
END_TEST

START_TEST(longest_header_is_taken)
{
	char text[PROXY_V2_FIXED + PROXY_V2_REST_MAX] = SIGNATURE V4 "\x08\0" ADDRS4 "\x04\x07\xf1";
	struct proxy_header h;
	struct proxy_facts facts;
	size_t used;

	ck_assert_int_eq(feed(&h, span_of(text, sizeof(text)), sizeof(text), &used), PROXY_WHOLE);
	ck_assert_uint_eq(used, sizeof(text));
	ck_assert(proxy_header_read(&h, &facts));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy");
	TCase *tcase = tcase_create("proxy");

	ADD_ROWS(tcase, header_is_taken_however_it_is_cut_and_nothing_behind_it, good);
	ADD_ROWS(tcase, what_is_no_header_is_malformed, malformed);
	tcase_add_test(tcase, tls_of_the_proxy_is_told);
	tcase_add_test(tcase, checksum_is_held_against_the_header);
	tcase_add_test(tcase, longest_header_is_taken);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
