/* idn: however a domain is written, there is one form in which it is compared. */
#include "idn/idn.h"
#include "unit.h"

#include <idn2.h>

#define L10 "abcdefghij"
#define L60 L10 L10 L10 L10 L10 L10
#define L63 L60 "abc"
#define DOMAIN_255 L63 "." L63 "." L63 "." L63
/* u with diaeresis, as one character and as two */
#define UE "\xc3\xbc"
#define UE5 UE "." UE "." UE "." UE "." UE "."
#define UE10 UE5 UE5
#define UE_DECOMPOSED "u\xcc\x88"

/* What libidn2 is to answer; IDN2_OK: what it does. */
static int forced_code;

int __real_idn2_lookup_u8(const uint8_t *src, uint8_t **lookupname, int flags);
int __wrap_idn2_lookup_u8(const uint8_t *src, uint8_t **lookupname, int flags);

int __wrap_idn2_lookup_u8(const uint8_t *src, uint8_t **lookupname, int flags)
{
	return forced_code == IDN2_OK ? __real_idn2_lookup_u8(src, lookupname, flags) : forced_code;
}

static enum idn_result convert(struct idn_domain *ascii, struct span domain)
{
	struct span copy = span_exact_copy(domain);
	enum idn_result result;

	memset(ascii, 0x5a, sizeof(*ascii));
	result = idn_domain_to_ascii(ascii, copy);
	free((void *)(uintptr_t)copy.ptr);
	return result;
}

static const struct {
	struct span domain;
	const char *ascii;
} good[] = {
	{ BYTES("example.org"), "example.org" },
	{ BYTES("Example.ORG"), "example.org" },
	{ BYTES("XN--BCHER-KVA.example"), "xn--bcher-kva.example" },
	{ BYTES("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]" },
	{ BYTES(""), "" },
	{ BYTES(DOMAIN_255), DOMAIN_255 },
	{ BYTES("b" UE "cher.example"), "xn--bcher-kva.example" },
	{ BYTES("B\xc3\x9c" "CHER.Example"), "xn--bcher-kva.example" },
	{ BYTES("b" UE_DECOMPOSED "cher.example"), "xn--bcher-kva.example" },
	{ BYTES("www.b" UE "cher.xn--bcher-kva"), "www.xn--bcher-kva.xn--bcher-kva" },
	{ BYTES("_dmarc.b" UE "cher.example"), "_dmarc.xn--bcher-kva.example" },
	/* Sharp s and final sigma are letters of their own (RFC 5894 7.2). */
	{ BYTES("fa\xc3\x9f.de"), "xn--fa-hia.de" },
	{ BYTES("\xce\xb2\xcf\x8c\xce\xbb\xce\xbf\xcf\x82.com"), "xn--nxasmm1c.com" },
	{ BYTES("\xd9\x85\xd8\xab\xd8\xa7\xd9\x84.\xd8\xa5\xd8\xae\xd8\xaa\xd8\xa8\xd8\xa7\xd8\xb1"),
	  "xn--mgbh0fb.xn--kgbechtv" },
	{ BYTES("\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95"), "xn--fsqu00a.xn--0zwm56d" },
	/* 28 characters, 84 octets, and yet an A-label of no more than 63. */
	{ BYTES("\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80"
		"\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80"
		"\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80"
		"\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80.x"),
	  "xn--4gqaaaaaaaaaaaaaaaaaaaaaaaaaaa.x" },
};

START_TEST(a_domain_has_one_form_in_ascii)
{
	struct idn_domain ascii;

	ck_assert_int_eq(convert(&ascii, good[_i].domain), IDN_OK);
	ck_assert_str_eq(ascii.text, good[_i].ascii);
	ASSERT_SPAN_EQ(idn_domain_span(&ascii), span_str(good[_i].ascii));
}
END_TEST

START_TEST(the_form_in_ascii_is_its_own)
{
	struct idn_domain ascii, again;

	ck_assert_int_eq(convert(&ascii, good[_i].domain), IDN_OK);
	ck_assert_int_eq(convert(&again, idn_domain_span(&ascii)), IDN_OK);
	ASSERT_SPAN_EQ(idn_domain_span(&again), idn_domain_span(&ascii));
}
END_TEST

static const struct span bad[] = {
	/* Not UTF-8, or not to be seen in a name. */
	BYTES("b\xfc" "cher.example"),
	BYTES("b\xc3"),
	BYTES(UE "\0.example"),
	BYTES(UE ".example\0"),
	BYTES(UE " .example"),
	BYTES(UE "\n.example"),
	BYTES(UE "\xc2\x85.example"),
	BYTES(UE "@example"),
	BYTES(UE "/.example"),
	/* Characters that IDNA does not have, or not there (RFC 5892). */
	BYTES("i\xe2\x9d\xa4.ws"),
	BYTES("a\xe2\x80\x8d" "b.de"),
	BYTES("\xcc\x88" "a.de"),
	BYTES("xn--" UE ".de"),
	/* Labels. */
	BYTES(UE "..example"),
	BYTES("." UE),
	BYTES(UE "."),
	BYTES(UE ".-a"),
	BYTES(UE "-.example"),
	BYTES("-" UE ".example"),
	BYTES(L63 "d." UE),
	BYTES(L60 UE UE ".example"),
	BYTES("xn--." UE),
	/* What mapping would make other labels of than are there: a dot, a slash, two dots, nothing. */
	BYTES("example\xe3\x80\x82org"),
	BYTES("b" UE "cher\xef\xbc\x8e" "example"),
	BYTES("a\xe2\x84\x80" "b.org"),
	BYTES("\xe2\x80\xa5.org"),
	BYTES("\xc2\xad." UE),
	BYTES(UE ".\xc2\xad"),
	/* Too long before, and afterwards. */
	BYTES(DOMAIN_255 "a"),
	BYTES(L63 "." L63 "." L63 "." L60 UE UE),
	BYTES(UE10 UE10 L63 "." L63 "." L63),
};

START_TEST(what_is_the_name_of_nothing_is_invalid)
{
	struct idn_domain ascii;

	ck_assert_int_eq(convert(&ascii, bad[_i]), IDN_INVALID);
}
END_TEST

START_TEST(that_memory_is_short_makes_no_name_invalid)
{
	struct idn_domain ascii;

	forced_code = IDN2_MALLOC;
	ck_assert_int_eq(convert(&ascii, span_str(UE ".example")), IDN_NO_MEMORY);
	ck_assert_int_eq(convert(&ascii, span_str("plain.example")), IDN_OK);
	forced_code = IDN2_TOO_BIG_DOMAIN;
	ck_assert_int_eq(convert(&ascii, span_str(UE ".example")), IDN_INVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("idn");
	TCase *tcase = tcase_create("idn");

	ADD_ROWS(tcase, a_domain_has_one_form_in_ascii, good);
	ADD_ROWS(tcase, the_form_in_ascii_is_its_own, good);
	ADD_ROWS(tcase, what_is_the_name_of_nothing_is_invalid, bad);
	tcase_add_test(tcase, that_memory_is_short_makes_no_name_invalid);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
