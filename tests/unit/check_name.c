/* conf/name: which domains, host names, addresses, paths and greetings are taken. */
#include "conf/name.h"
#include "unit.h"

#define L10 "abcdefghij"
#define L60 L10 L10 L10 L10 L10 L10
#define L63 L60 "abc"

typedef const char *(*check_fn)(struct span);

static const struct {
	check_fn check;
	struct span text;
	bool is_good;
} rows[] = {
	{ name_check_domain, BYTES("example.org"), true },
	{ name_check_domain, BYTES("localhost"), true },
	{ name_check_domain, BYTES("EXAMPLE.org"), true },
	{ name_check_domain, BYTES("xn--mller-kva.example"), true },
	{ name_check_domain, BYTES("_dmarc.example.org"), true },
	{ name_check_domain, BYTES("3.example"), true },
	{ name_check_domain, BYTES(L63 ".org"), true },
	{ name_check_domain, BYTES(L63 "." L63 "." L63 "." L60 "a"), true },
	{ name_check_domain, BYTES(L63 "." L63 "." L63 "." L60 "ab"), false },
	{ name_check_domain, BYTES(L63 "d.org"), false },
	{ name_check_domain, BYTES(""), false },
	{ name_check_domain, BYTES("."), false },
	{ name_check_domain, BYTES(".org"), false },
	{ name_check_domain, BYTES("example.org."), false },
	{ name_check_domain, BYTES("example..org"), false },
	{ name_check_domain, BYTES("-a.org"), false },
	{ name_check_domain, BYTES("a-.org"), false },
	{ name_check_domain, BYTES("a b.org"), false },
	{ name_check_domain, BYTES("a@b.org"), false },
	{ name_check_domain, BYTES("*.org"), false },
	{ name_check_domain, BYTES("[192.0.2.1]"), false },
	{ name_check_domain, BYTES("m\xc3\xbcller.example"), false },
	{ name_check_domain, BYTES("a\0b.org"), false },
	{ name_check_hostname, BYTES("mx.example.org"), true },
	{ name_check_hostname, BYTES("vm"), true },
	{ name_check_hostname, BYTES("mx1"), true },
	{ name_check_hostname, BYTES("1mx.example.org"), true },
	{ name_check_hostname, BYTES("mx_1.example.org"), false },
	{ name_check_hostname, BYTES("192.0.2.1"), false },
	{ name_check_hostname, BYTES("25"), false },
	{ name_check_hostname, BYTES("mx.example.org."), false },
	{ name_check_hostname, BYTES("mx.example.org:25"), false },
	{ name_check_address, BYTES("anna@example.org"), true },
	{ name_check_address, BYTES("anna.b+tag@example.org"), true },
	{ name_check_address, BYTES("a!#$%&'*/=?^_`{|}~-@example.org"), true },
	{ name_check_address, BYTES(L60 "abcd@example.org"), true },
	{ name_check_address, BYTES(L60 "abcde@example.org"), false },
	{ name_check_address, BYTES("anna"), false },
	{ name_check_address, BYTES("@example.org"), false },
	{ name_check_address, BYTES("anna@"), false },
	{ name_check_address, BYTES(".anna@example.org"), false },
	{ name_check_address, BYTES("anna.@example.org"), false },
	{ name_check_address, BYTES("an..na@example.org"), false },
	{ name_check_address, BYTES("an na@example.org"), false },
	{ name_check_address, BYTES("<anna@example.org>"), false },
	{ name_check_address, BYTES("\"anna\"@example.org"), false },
	{ name_check_address, BYTES("anna@b@example.org"), false },
	{ name_check_address, BYTES("an\0na@example.org"), false },
	{ name_check_address, BYTES("j\xc3\xb6rg@example.org"), false },
	{ name_check_address, BYTES("anna@m\xc3\xbcller.example"), false },
	{ name_check_mailbox, BYTES("j\xc3\xb6rg.x"), true },
	{ name_check_mailbox, BYTES("j\xc3\xb6rg@example.org"), true },
	{ name_check_mailbox, BYTES("j\xf6rg"), false },
	{ name_check_mailbox, BYTES("\xc2\x85"), false },
	{ name_check_mailbox, BYTES("\xc3\xb6..x"), false },
	{ name_check_mailbox, BYTES("\xc3\xb6 x"), false },
	{ name_check_mailbox, BYTES(L60 "\xe2\x82\xac" "bc"), false },
	{ name_check_pattern, BYTES("/var/vmail/%d/%n"), true },
	{ name_check_pattern, BYTES("/var/vmail/%u"), true },
	{ name_check_pattern, BYTES("/var/100%%/%n"), true },
	{ name_check_pattern, BYTES("/"), true },
	{ name_check_pattern, BYTES(""), false },
	{ name_check_pattern, BYTES("var/vmail/%n"), false },
	{ name_check_pattern, BYTES("%d/%n"), false },
	{ name_check_pattern, BYTES("/var/%"), false },
	{ name_check_pattern, BYTES("/var/%x"), false },
	{ name_check_pattern, BYTES("/var/%D"), false },
	{ name_check_pattern, BYTES("/var/%%%"), false },
	{ name_check_pattern, BYTES("/var/%\0"), false },
	{ name_check_tag, BYTES("smtpfrontd"), true },
	{ name_check_tag, BYTES("mx-in_2.example/a"), true },
	{ name_check_tag, BYTES(L10 L10 L10 "xx"), true },
	{ name_check_tag, BYTES(L10 L10 L10 "xxx"), false },
	{ name_check_tag, BYTES(""), false },
	{ name_check_tag, BYTES("a b"), false },
	{ name_check_tag, BYTES("a:"), false },
	{ name_check_tag, BYTES("a[1]"), false },
	{ name_check_tag, BYTES("a\0b"), false },
	{ name_check_tag, BYTES("m\xc3\xbcller"), false },
	{ name_check_greeting, BYTES("mx.example.org at your service"), true },
	{ name_check_greeting, BYTES("one\ntwo\nthree"), true },
	{ name_check_greeting, BYTES(""), false },
	{ name_check_greeting, BYTES("\n"), false },
	{ name_check_greeting, BYTES("one\n"), false },
	{ name_check_greeting, BYTES("one\n\ntwo"), false },
	{ name_check_greeting, BYTES("one\rtwo"), false },
	{ name_check_greeting, BYTES("one\ttwo"), false },
	{ name_check_greeting, BYTES("m\xc3\xbcller"), false },
	{ name_check_greeting, BYTES(L60 L60 L60 L60 L60 L60 L60 L60 L10 L10), true },
	{ name_check_greeting, BYTES(L60 L60 L60 L60 L60 L60 L60 L60 L10 L10 "x"), false },
	{ name_check_greeting, BYTES("a\n" L60 L60 L60 L60 L60 L60 L60 L60 L10 L10 "x"), false },
};

START_TEST(names_are_judged)
{
	struct span copy = span_exact_copy(rows[_i].text);
	const char *wrong = rows[_i].check(copy);

	free((void *)(uintptr_t)copy.ptr);
	ck_assert_msg((wrong == NULL) == rows[_i].is_good, "\"%.*s\" %s", (int)rows[_i].text.len,
		      rows[_i].text.ptr, wrong ? wrong : "was taken");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("name");
	TCase *tcase = tcase_create("name");

	ADD_ROWS(tcase, names_are_judged, rows);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
