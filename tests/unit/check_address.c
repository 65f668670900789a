/* proto/address: paths and mailboxes by RFC 5321 4.1.2, strictly. */
#include "base/utf8.h"
#include "fail_malloc.h"
#include "proto/address.h"
#include "unit.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define A63 A60 "aaa"
#define A64 A60 "aaaa"
/* 63 + 1 + 63 + 1 + 63 + 1 + 63 octets */
#define DOMAIN_255 A63 "." A63 "." A63 "." A63

/* An exact copy on the heap is parsed, so that a read beyond the text is seen. */
static bool parse(struct smtp_address *a, enum smtp_path_kind kind, struct span text, size_t *used)
{
	struct span copy = span_exact_copy(text);
	bool is_ok = smtp_path_parse(a, kind, SMTP_CHARSET_ASCII, copy, used);

	free((void *)(uintptr_t)copy.ptr);
	return is_ok;
}

static bool parse_utf8(struct smtp_address *a, enum smtp_path_kind kind, struct span text, size_t *used)
{
	struct span copy = span_exact_copy(text);
	bool is_ok = smtp_path_parse(a, kind, SMTP_CHARSET_UTF8, copy, used);

	free((void *)(uintptr_t)copy.ptr);
	return is_ok;
}

static const struct {
	const char *path, *local, *domain;
} mailboxes[] = {
	{ "<a@b>", "a", "b" },
	{ "<anna@example.org>", "anna", "example.org" },
	{ "<Anna.Bell@Example.ORG>", "Anna.Bell", "Example.ORG" },
	{ "<a.b.c@d>", "a.b.c", "d" },
	{ "<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~", "x" },
	{ "<user%other@example.org>", "user%other", "example.org" },
	{ "<host!user@example.org>", "host!user", "example.org" },
	{ "<-a@x>", "-a", "x" },
	{ "<0@0>", "0", "0" },
	{ "<a@1.2.3.4>", "a", "1.2.3.4" },
	{ "<a@x-y.z--z>", "a", "x-y.z--z" },
	{ "<a@_dmarc.x_>", "a", "_dmarc.x_" },
	{ "<\"a b\"@x>", "a b", "x" },
	{ "<\"\"@x>", "", "x" },
	{ "<\"a\"@x>", "a", "x" },
	{ "<\"a@b\"@x>", "a@b", "x" },
	{ "<\">\"@x>", ">", "x" },
	{ "<\".a..b.\"@x>", ".a..b.", "x" },
	{ "<\"\\\"\\\\\\ \\a\"@x>", "\"\\ a", "x" },
	{ "<a@[192.0.2.1]>", "a", "[192.0.2.1]" },
	{ "<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]" },
	{ "<a@[ipv6:::]>", "a", "[ipv6:::]" },
	{ "<a@[IPv6:::ffff:192.0.2.1]>", "a", "[IPv6:::ffff:192.0.2.1]" },
	{ "<a@[IPv6:1:2:3:4:5:6:7:8]>", "a", "[IPv6:1:2:3:4:5:6:7:8]" },
	/* RFC 5321 App. F.2: source routes are read and forgotten. */
	{ "<@r:a@b>", "a", "b" },
	{ "<@r.example,@s.example:a@b>", "a", "b" },
	{ "<@r:\"a b\"@[192.0.2.1]>", "a b", "[192.0.2.1]" },
	/* The limits themselves are allowed. */
	{ "<" A64 "@x>", A64, "x" },
	{ "<\"" A60 "aa\"@x>", A60 "aa", "x" },
	{ "<a@" A63 ".x>", "a", A63 ".x" },
	{ "<\"" A60 "aa\"@" A63 "." A63 "." A63 ">", A60 "aa", A63 "." A63 "." A63 },
	{ "<" A64 "@" A63 "." A63 "." A63 ">", A64, A63 "." A63 "." A63 },
	/* 256 octets between the brackets. */
	{ "<@" A63 "." A63 ":" A64 "@" A60 "aa>", A64, A60 "aa" },
	{ "<postmaster@x>", "postmaster", "x" },
};

START_TEST(a_mailbox_is_split_and_unquoted)
{
	for (int kind = SMTP_PATH_SENDER; kind <= SMTP_PATH_RECIPIENT; kind++) {
		struct span text = span_str(mailboxes[_i].path);
		struct smtp_address a;
		size_t used = 0;

		ck_assert(parse(&a, (enum smtp_path_kind)kind, text, &used));
		ck_assert_uint_eq(used, text.len);
		ASSERT_SPAN_EQ(smtp_address_local(&a), span_str(mailboxes[_i].local));
		ASSERT_SPAN_EQ(smtp_address_domain(&a), span_str(mailboxes[_i].domain));
		ck_assert_int_eq(a.is_literal, mailboxes[_i].domain[0] == '[');
		ck_assert(!smtp_address_is_null(&a));
	}
}
END_TEST

START_TEST(what_is_written_parses_to_the_same)
{
	struct smtp_address a, again;
	struct buf out = { 0 };
	size_t used;

	ck_assert(smtp_path_parse(&a, SMTP_PATH_SENDER, SMTP_CHARSET_ASCII, span_str(mailboxes[_i].path), &used));
	ck_assert(buf_add_str(&out, "<") && smtp_address_write(&out, &a) && buf_add_str(&out, ">"));
	ck_assert(parse(&again, SMTP_PATH_RECIPIENT, buf_span(&out), &used));
	ck_assert_uint_eq(used, buf_len(&out));
	ASSERT_SPAN_EQ(smtp_address_local(&again), smtp_address_local(&a));
	ASSERT_SPAN_EQ(smtp_address_domain(&again), smtp_address_domain(&a));
	ck_assert_int_eq(again.is_literal, a.is_literal);
	buf_use(&out, 1);
	ck_assert(smtp_address_parse(&again, SMTP_CHARSET_ASCII, span_head(buf_span(&out), buf_len(&out) - 1)));
	ASSERT_SPAN_EQ(smtp_address_local(&again), smtp_address_local(&a));
	buf_fini(&out);
}
END_TEST

START_TEST(no_path_is_complete_without_its_last_byte)
{
	struct span text = span_str(mailboxes[_i].path);
	struct smtp_address a;
	size_t used;

	for (size_t len = 0; len < text.len; len++)
		ck_assert(!parse(&a, SMTP_PATH_SENDER, span_head(text, len), &used));
}
END_TEST

static const struct span malformed[] = {
	BYTES(""),
	BYTES("<"),
	BYTES(">"),
	BYTES("a@b"),
	BYTES(" <a@b>"),
	BYTES("< a@b>"),
	BYTES("<a@b >"),
	BYTES("<a@b"),
	BYTES("<<a@b>>"),
	BYTES("<a>"),
	BYTES("<a@>"),
	BYTES("<@b>"),
	BYTES("<@>"),
	BYTES("<a@b@c>"),
	BYTES("<a b@c>"),
	BYTES("<a\tb@c>"),
	BYTES("<a\0b@c>"),
	BYTES("<a@b\0>"),
	BYTES("<a@b\0.c>"),
	BYTES("<a\x7f@b>"),
	BYTES("<.a@b>"),
	BYTES("<a.@b>"),
	BYTES("<a..b@c>"),
	BYTES("<.@b>"),
	BYTES("<a(comment)@b>"),
	BYTES("<a,b@c>"),
	BYTES("<a;b@c>"),
	BYTES("<a:b@c>"),
	BYTES("<a\\b@c>"),
	BYTES("<[a]@c>"),
	/* Only where UTF-8 is asked for. */
	BYTES("<\xc3\xa4@b>"),
	BYTES("<\"\xc3\xa4\"@b>"),
	BYTES("<a@\xc3\xa4>"),
	/* Quoted strings. */
	BYTES("<\"a@b>"),
	BYTES("<\"a\"b@c>"),
	BYTES("<\"a\"\"b\"@c>"),
	BYTES("<a\"b\"@c>"),
	BYTES("<\"a\".b@c>"),
	BYTES("<\"a\\\"@c>"),
	BYTES("<\"a\\"),
	BYTES("<\"\n\"@b>"),
	BYTES("<\"\\\n\"@b>"),
	BYTES("<\"a\0b\"@c>"),
	BYTES("<\"\\\0\"@c>"),
	BYTES("<\"\t\"@b>"),
	BYTES("<\"\x7f\"@b>"),
	BYTES("<\"\\\x7f\"@b>"),
	BYTES("<\"\">"),
	BYTES("<\"\"@>"),
	/* Domains. */
	BYTES("<a@.b>"),
	BYTES("<a@b.>"),
	BYTES("<a@b..c>"),
	BYTES("<a@.>"),
	BYTES("<a@-b>"),
	BYTES("<a@b->"),
	BYTES("<a@b-.c>"),
	BYTES("<a@b.-c>"),
	BYTES("<a@b_c!>"),
	BYTES("<a@b/c>"),
	BYTES("<a@b:25>"),
	BYTES("<a@\"b\">"),
	/* Address literals. */
	BYTES("<a@[]>"),
	BYTES("<a@[>"),
	BYTES("<a@]>"),
	BYTES("<a@[1.2.3.4>"),
	BYTES("<a@1.2.3.4]>"),
	BYTES("<a@[1.2.3]>"),
	BYTES("<a@[1.2.3.256]>"),
	BYTES("<a@[1.2.3.04]>"),
	BYTES("<a@[1.2.3.4.5]>"),
	BYTES("<a@[ 1.2.3.4]>"),
	BYTES("<a@[1.2.3.4\0]>"),
	BYTES("<a@[1.2.3.4].x>"),
	BYTES("<a@x[1.2.3.4]>"),
	BYTES("<a@[::1]>"),
	BYTES("<a@[::ffff:1.2.3.4]>"),
	BYTES("<a@[IPv6:]>"),
	BYTES("<a@[IPv6:1.2.3.4]>"),
	BYTES("<a@[IPv6:::g]>"),
	BYTES("<a@[IPv6:fe80::1%1]>"),
	BYTES("<a@[IPv6:1:2:3:4:5:6:7:8:9]>"),
	BYTES("<a@[IPv4:1.2.3.4]>"),
	BYTES("<a@[IPv7:x]>"),
	BYTES("<a@[tag:content]>"),
	BYTES("<a@#1234>"),
	/* Source routes. */
	BYTES("<@r:>"),
	BYTES("<@r:a>"),
	BYTES("<@r>"),
	BYTES("<@r,:a@b>"),
	BYTES("<@r,s:a@b>"),
	BYTES("<@r,@s,:a@b>"),
	BYTES("<@r @s:a@b>"),
	BYTES("<@r, @s:a@b>"),
	BYTES("<@r: a@b>"),
	BYTES("<@:a@b>"),
	BYTES("<@-r:a@b>"),
	BYTES("<@r.:a@b>"),
	BYTES("<@r:@s:a@b>"),
	BYTES("<@[1.2.3.4]:a@b>"),
	BYTES("<:a@b>"),
	BYTES("<@r:postmaster>"),
	/* RFC 5321 4.5.3.1: one octet too long. */
	BYTES("<" A64 "a@x>"),
	BYTES("<\"" A60 "aaa\"@x>"),
	BYTES("<\"\\a" A60 "a\"@x>"),
	BYTES("<a@" A64 ">"),
	BYTES("<a@" DOMAIN_255 "a>"),
	BYTES("<a@" DOMAIN_255 ">"),
	BYTES("<@" A63 "." A63 ":" A64 "@" A60 "aaa>"),
	BYTES("<" A60 "aaaa@" A63 "." A63 "." A60 "aa.a>"),
};

START_TEST(what_the_grammar_does_not_allow_is_refused)
{
	struct smtp_address a;
	size_t used;

	ck_assert(!parse(&a, SMTP_PATH_SENDER, malformed[_i], &used));
	ck_assert(!parse(&a, SMTP_PATH_RECIPIENT, malformed[_i], &used));
	if (utf8_is_ascii(malformed[_i]))
		ck_assert(!parse_utf8(&a, SMTP_PATH_RECIPIENT, malformed[_i], &used));
}
END_TEST

START_TEST(what_follows_does_not_mend_a_malformed_path)
{
	struct buf text = { 0 };
	struct smtp_address a;
	size_t used;

	ck_assert(buf_add_span(&text, malformed[_i]) && buf_add_str(&text, " SIZE=1"));
	ck_assert(!parse(&a, SMTP_PATH_SENDER, buf_span(&text), &used));
	buf_fini(&text);
}
END_TEST

/* Two octets; three; four. */
#define UE "\xc3\xbc"
#define EURO "\xe2\x82\xac"
#define SMILE "\xf0\x9f\x98\x80"
#define UE30 UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE UE
/* 62 octets */
#define UE31 UE30 UE

static const struct {
	const char *path, *local, *domain;
} utf8_mailboxes[] = {
	{ "<" UE "@x>", UE, "x" },
	{ "<j" UE "rgen." EURO "." SMILE "@example.org>", "j" UE "rgen." EURO "." SMILE, "example.org" },
	{ "<\"" UE "\"@x>", UE, "x" },
	{ "<\"a " UE "\\\" b\"@x>", "a " UE "\" b", "x" },
	{ "<\"" UE "..\"@x>", UE "..", "x" },
	{ "<a@b" UE "cher.example>", "a", "b" UE "cher.example" },
	{ "<a@" UE ">", "a", UE },
	{ "<a@" UE "." EURO "." SMILE ">", "a", UE "." EURO "." SMILE },
	{ "<" UE "@" UE ">", UE, UE },
	{ "<" UE "@[192.0.2.1]>", UE, "[192.0.2.1]" },
	{ "<@r.example:" UE "@" UE ">", UE, UE },
	{ "<\xc2\xa0@x>", "\xc2\xa0", "x" },
	/* RFC 6531 3.3: the limits count octets, and those themselves are allowed. */
	{ "<" UE31 UE "@x>", UE31 UE, "x" },
	{ "<\"" UE31 "\"@x>", UE31, "x" },
	{ "<a@" UE31 UE31 UE31 UE31 "." UE ".xy>", "a", UE31 UE31 UE31 UE31 "." UE ".xy" },
};

START_TEST(utf8_is_taken_where_it_is_asked_for)
{
	struct span text = span_str(utf8_mailboxes[_i].path);
	struct smtp_address a, again;
	struct buf out = { 0 };
	size_t used = 0;

	ck_assert(parse_utf8(&a, SMTP_PATH_SENDER, text, &used));
	ck_assert_uint_eq(used, text.len);
	ASSERT_SPAN_EQ(smtp_address_local(&a), span_str(utf8_mailboxes[_i].local));
	ASSERT_SPAN_EQ(smtp_address_domain(&a), span_str(utf8_mailboxes[_i].domain));
	ck_assert(a.is_utf8);
	ck_assert(smtp_address_write(&out, &a));
	ck_assert(smtp_address_parse(&again, SMTP_CHARSET_UTF8, buf_span(&out)));
	ASSERT_SPAN_EQ(smtp_address_local(&again), smtp_address_local(&a));
	ASSERT_SPAN_EQ(smtp_address_domain(&again), smtp_address_domain(&a));
	ck_assert(again.is_utf8);
	ck_assert(!smtp_address_parse(&again, SMTP_CHARSET_ASCII, buf_span(&out)));
	ck_assert(!parse(&a, SMTP_PATH_SENDER, text, &used));
	buf_fini(&out);
}
END_TEST

START_TEST(no_path_in_utf8_is_complete_without_its_last_byte)
{
	struct span text = span_str(utf8_mailboxes[_i].path);
	struct smtp_address a;
	size_t used;

	for (size_t len = 0; len < text.len; len++)
		ck_assert(!parse_utf8(&a, SMTP_PATH_SENDER, span_head(text, len), &used));
}
END_TEST

START_TEST(ascii_is_the_same_where_utf8_is_asked_for)
{
	struct span text = span_str(mailboxes[_i].path);
	struct smtp_address a;
	size_t used = 0;

	ck_assert(parse_utf8(&a, SMTP_PATH_SENDER, text, &used));
	ck_assert_uint_eq(used, text.len);
	ASSERT_SPAN_EQ(smtp_address_local(&a), span_str(mailboxes[_i].local));
	ASSERT_SPAN_EQ(smtp_address_domain(&a), span_str(mailboxes[_i].domain));
	ck_assert(!a.is_utf8);
}
END_TEST

static const struct span utf8_malformed[] = {
	/* Cut off, alone, overlong, a surrogate, too big: in an atom, in quotes, in a domain. */
	BYTES("<\xc3@x>"),
	BYTES("<\xbc@x>"),
	BYTES("<a\xc3.b@x>"),
	BYTES("<\xe2\x82@x>"),
	BYTES("<\xf0\x9f\x98@x>"),
	BYTES("<\xc0\xaf@x>"),
	BYTES("<\xe0\x80\xaf@x>"),
	BYTES("<\xed\xa0\x80@x>"),
	BYTES("<\xf4\x90\x80\x80@x>"),
	BYTES("<\xff@x>"),
	BYTES("<j\xfcrgen@x>"),
	BYTES("<\"\xc3\"@x>"),
	BYTES("<\"j\xfcrgen\"@x>"),
	BYTES("<\"\xc0\xa2\"@x>"),
	BYTES("<a@\xc3>"),
	BYTES("<a@b\xfc" "cher.example>"),
	BYTES("<a@x\xc0\xae" "example>"),
	BYTES("<a@\xed\xa0\x80>"),
	/* Control characters. */
	BYTES("<\xc2\x80@x>"),
	BYTES("<\xc2\x85@x>"),
	BYTES("<\xc2\x9f@x>"),
	BYTES("<\"\xc2\x9b\"@x>"),
	BYTES("<a@\xc2\x85>"),
	/* RFC 6531 3.3 adds nothing to quoted pairs. */
	BYTES("<\"\\" UE "\"@x>"),
	/* What is wrong in ASCII. */
	BYTES("<" UE ">"),
	BYTES("<" UE "@>"),
	BYTES("<." UE "@x>"),
	BYTES("<" UE ".@x>"),
	BYTES("<" UE ".." UE "@x>"),
	BYTES("<" UE " " UE "@x>"),
	BYTES("<a@." UE ">"),
	BYTES("<a@" UE ".>"),
	BYTES("<a@" UE ".." UE ">"),
	BYTES("<a@-" UE ">"),
	BYTES("<a@" UE "->"),
	BYTES("<a@" UE "/>"),
	BYTES("<a@[" UE "]>"),
	BYTES("<" UE "postmaster>"),
	/* Source routes are older than that. */
	BYTES("<@" UE ":a@x>"),
	/* One octet too long, and one character. */
	BYTES("<a" UE31 UE "@x>"),
	BYTES("<" UE31 UE UE "@x>"),
	BYTES("<\"a" UE31 "\"@x>"),
	BYTES("<\"" UE31 UE "\"@x>"),
	BYTES("<a@" UE31 UE31 UE31 UE31 "." UE ".xyz>"),
};

START_TEST(what_is_no_utf8_or_none_for_addresses_is_refused)
{
	struct smtp_address a;
	size_t used;

	ck_assert(!parse_utf8(&a, SMTP_PATH_SENDER, utf8_malformed[_i], &used));
	ck_assert(!parse_utf8(&a, SMTP_PATH_RECIPIENT, utf8_malformed[_i], &used));
	ck_assert(!parse(&a, SMTP_PATH_RECIPIENT, utf8_malformed[_i], &used));
}
END_TEST

START_TEST(the_null_path_is_a_sender_only)
{
	struct smtp_address a;
	struct buf out = { 0 };
	size_t used = 0;

	ck_assert(parse(&a, SMTP_PATH_SENDER, span_str("<>"), &used));
	ck_assert_uint_eq(used, 2);
	ck_assert(smtp_address_is_null(&a));
	ck_assert(!a.is_literal);
	ck_assert(!smtp_address_is_bare_postmaster(&a));
	ck_assert(!smtp_address_is_postmaster(&a));
	ck_assert(smtp_address_write(&out, &a));
	ck_assert_uint_eq(buf_len(&out), 0);
	ck_assert(!parse(&a, SMTP_PATH_RECIPIENT, span_str("<>"), &used));
	buf_fini(&out);
}
END_TEST

static const char *const bare_postmasters[] = { "<postmaster>", "<Postmaster>", "<POSTMASTER>" };

START_TEST(bare_postmaster_is_a_recipient_only)
{
	struct span text = span_str(bare_postmasters[_i]);
	struct smtp_address a;
	struct buf out = { 0 };
	size_t used = 0;

	ck_assert(parse(&a, SMTP_PATH_RECIPIENT, text, &used));
	ck_assert_uint_eq(used, text.len);
	ck_assert(smtp_address_is_bare_postmaster(&a));
	ck_assert(!smtp_address_is_postmaster(&a));
	ck_assert(!smtp_address_is_null(&a));
	ck_assert_uint_eq(a.domain_len, 0);
	ck_assert(smtp_address_write(&out, &a));
	ASSERT_SPAN_EQ(buf_span(&out), span_of(text.ptr + 1, text.len - 2));
	ck_assert(!parse(&a, SMTP_PATH_SENDER, text, &used));
	buf_fini(&out);
}
END_TEST

static const char *const no_bare_postmasters[] = {
	"<\"postmaster\">", "<postmasters>", "<postmaste>", "<postmaster >", "<postmaster", "<hostmaster>",
	"<postmaster@>",
};

START_TEST(nothing_like_bare_postmaster_passes_as_it)
{
	struct smtp_address a;
	size_t used;

	ck_assert(!parse(&a, SMTP_PATH_RECIPIENT, span_str(no_bare_postmasters[_i]), &used));
}
END_TEST

START_TEST(postmaster_is_known_at_any_domain_in_any_case)
{
	struct smtp_address a;

	ck_assert(smtp_address_parse(&a, SMTP_CHARSET_ASCII, span_str("PostMaster@example.org")));
	ck_assert(smtp_address_is_postmaster(&a));
	ck_assert(!smtp_address_is_bare_postmaster(&a));
	ck_assert(smtp_address_parse(&a, SMTP_CHARSET_ASCII, span_str("\"postmaster\"@[192.0.2.1]")));
	ck_assert(smtp_address_is_postmaster(&a));
	ck_assert(smtp_address_parse(&a, SMTP_CHARSET_ASCII, span_str("postmaster.x@example.org")));
	ck_assert(!smtp_address_is_postmaster(&a));
}
END_TEST

START_TEST(what_follows_the_path_is_left_alone)
{
	struct smtp_address a;
	size_t used = 0;

	ck_assert(parse(&a, SMTP_PATH_SENDER, span_str("<a@b> SIZE=1"), &used));
	ck_assert_uint_eq(used, 5);
	ck_assert(parse(&a, SMTP_PATH_SENDER, span_str("<>>"), &used));
	ck_assert_uint_eq(used, 2);
	ck_assert(parse(&a, SMTP_PATH_RECIPIENT, span_str("<a@b>x"), &used));
	ck_assert_uint_eq(used, 5);
}
END_TEST

static const char *const no_addresses[] = {
	"",	 "a",	   "@b",	 "a@",	       "<a@b>",	 "a@b ",       " a@b",
	"a@b>", "a@b@c", "@r:a@b", "postmaster", "a@b,c@d", "a@" DOMAIN_255, A64 "a@x",
};

START_TEST(an_address_without_brackets_fills_its_text)
{
	struct smtp_address a;

	ck_assert(!smtp_address_parse(&a, SMTP_CHARSET_ASCII, span_str(no_addresses[_i])));
}
END_TEST

static const struct {
	const char *path, *text;
} canonical[] = {
	{ "<\"anna\"@x>", "anna@x" },
	{ "<\"an\\na\"@x>", "anna@x" },
	{ "<\"a.b\"@x>", "a.b@x" },
	{ "<\"a..b\"@x>", "\"a..b\"@x" },
	{ "<\".a\"@x>", "\".a\"@x" },
	{ "<\"a.\"@x>", "\"a.\"@x" },
	{ "<\"\"@x>", "\"\"@x" },
	{ "<\"a b\"@x>", "\"a b\"@x" },
	{ "<\"a\\ b\"@x>", "\"a b\"@x" },
	{ "<\"\\\"\\\\\"@x>", "\"\\\"\\\\\"@x" },
	{ "<\"a@b\"@x>", "\"a@b\"@x" },
	{ "<@r:a@X>", "a@X" },
};

START_TEST(the_local_part_is_quoted_only_where_it_must_be)
{
	struct smtp_address a;
	struct buf out = { 0 };
	size_t used;

	ck_assert(parse(&a, SMTP_PATH_SENDER, span_str(canonical[_i].path), &used));
	ck_assert(smtp_address_write(&out, &a));
	ASSERT_BUF_EQ(&out, canonical[_i].text);
	buf_fini(&out);
}
END_TEST

START_TEST(writing_without_memory_leaves_the_buffer)
{
	struct smtp_address a;
	struct buf out = { 0 };
	bool done;

	ck_assert(smtp_address_parse(&a, SMTP_CHARSET_ASCII, span_str("\"a b\"@example.org")));
	ck_assert(buf_add_str(&out, "kept"));
	while (buf_len(&out) < out.size)
		ck_assert(buf_add(&out, ".", 1));
	fail_malloc_at(1);
	done = smtp_address_write(&out, &a);
	ck_assert(fail_malloc_stop());
	ck_assert(!done);
	ck_assert_uint_eq(buf_len(&out), out.size);
	buf_fini(&out);
}
END_TEST

static const struct {
	struct span domain;
	bool is_valid;
} domains[] = {
	{ BYTES("x"), true },
	{ BYTES("example.org"), true },
	{ BYTES("a_b.example"), true },
	{ BYTES("xn--bcher-kva.example"), true },
	{ BYTES(A63 ".x"), true },
	{ BYTES(DOMAIN_255), true },
	{ BYTES(""), false },
	{ BYTES("."), false },
	{ BYTES("x."), false },
	{ BYTES(".x"), false },
	{ BYTES("x..y"), false },
	{ BYTES("-x"), false },
	{ BYTES("x-"), false },
	{ BYTES("x y"), false },
	{ BYTES("x\0"), false },
	{ BYTES("[192.0.2.1]"), false },
	{ BYTES("b\xc3\xbc" "cher.example"), false },
	{ BYTES(A64 ".x"), false },
	{ BYTES("x." A64), false },
	{ BYTES(A63 "." A63 "." A63 "." A60 "aa.a"), false },
	{ BYTES(DOMAIN_255 "a"), false },
	{ BYTES("a." DOMAIN_255), false },
};

START_TEST(a_domain_is_labels_of_letters_digits_and_hyphens)
{
	struct span copy = span_exact_copy(domains[_i].domain);

	ck_assert_int_eq(smtp_domain_is_valid(copy), domains[_i].is_valid);
	free((void *)(uintptr_t)copy.ptr);
}
END_TEST

static TCase *paths(void)
{
	TCase *tcase = tcase_create("paths");

	ADD_ROWS(tcase, a_mailbox_is_split_and_unquoted, mailboxes);
	ADD_ROWS(tcase, what_is_written_parses_to_the_same, mailboxes);
	ADD_ROWS(tcase, no_path_is_complete_without_its_last_byte, mailboxes);
	ADD_ROWS(tcase, what_the_grammar_does_not_allow_is_refused, malformed);
	ADD_ROWS(tcase, what_follows_does_not_mend_a_malformed_path, malformed);
	ADD_ROWS(tcase, utf8_is_taken_where_it_is_asked_for, utf8_mailboxes);
	ADD_ROWS(tcase, no_path_in_utf8_is_complete_without_its_last_byte, utf8_mailboxes);
	ADD_ROWS(tcase, ascii_is_the_same_where_utf8_is_asked_for, mailboxes);
	ADD_ROWS(tcase, what_is_no_utf8_or_none_for_addresses_is_refused, utf8_malformed);
	tcase_add_test(tcase, the_null_path_is_a_sender_only);
	ADD_ROWS(tcase, bare_postmaster_is_a_recipient_only, bare_postmasters);
	ADD_ROWS(tcase, nothing_like_bare_postmaster_passes_as_it, no_bare_postmasters);
	tcase_add_test(tcase, what_follows_the_path_is_left_alone);
	return tcase;
}

static TCase *addresses(void)
{
	TCase *tcase = tcase_create("addresses");

	tcase_add_test(tcase, postmaster_is_known_at_any_domain_in_any_case);
	ADD_ROWS(tcase, an_address_without_brackets_fills_its_text, no_addresses);
	ADD_ROWS(tcase, the_local_part_is_quoted_only_where_it_must_be, canonical);
	tcase_add_test(tcase, writing_without_memory_leaves_the_buffer);
	ADD_ROWS(tcase, a_domain_is_labels_of_letters_digits_and_hyphens, domains);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("address");

	suite_add_tcase(suite, paths());
	suite_add_tcase(suite, addresses());
	return unit_main(suite);
}
