/*
 * Path patterns of Maildirs: what an address may do to a path, and above all
 * what it may not.
 */
#include "backend/maildir_path.h"

#include "unit.h"

static struct smtp_address address_of(struct span local, const char *domain)
{
	struct smtp_address a = { .local_len = (uint16_t)local.len, .domain_len = (uint16_t)strlen(domain) };

	ck_assert_uint_le(local.len + a.domain_len, sizeof(a.text));
	memcpy(a.text, local.ptr, local.len);
	memcpy(a.text + local.len, domain, a.domain_len);
	a.is_literal = domain[0] == '[';
	return a;
}

static const struct {
	const char *pattern, *local, *domain, *path;
} expansions[] = {
	{ "/var/vmail/%d/%n", "anna", "example.org", "/var/vmail/example.org/anna" },
	{ "/var/vmail/%d/%n", "Anna.Maria", "Example.ORG", "/var/vmail/example.org/anna.maria" },
	{ "/var/vmail/%u", "Anna", "Example.org", "/var/vmail/anna@example.org" },
	{ "/v/%n/Maildir/", "anna", "example.org", "/v/anna/Maildir/" },
	{ "/v/100%%/%n", "anna", "example.org", "/v/100%/anna" },
	{ "/v/%%n", "anna", "example.org", "/v/%n" },
	{ "/v/%d%n", "anna", "example.org", "/v/example.organna" },
	{ "/v/all", "anna", "example.org", "/v/all" },
	{ "/v/%d/%n", "anna", "[1.2.3.4]", "/v/[1.2.3.4]/anna" },
	{ "/v/%d/%n", "anna", "[IPv6:2001:DB8::1]", "/v/[ipv6:2001:db8::1]/anna" },
	{ "/v/%n", "postmaster", "", "/v/postmaster" },
	{ "/v/%{1n}/%n", "Anna", "example.org", "/v/a/anna" },
	{ "/v/%{2n}/%n", "anna", "example.org", "/v/an/anna" },
	{ "/v/%{9n}/%n", "anna", "example.org", "/v/anna/anna" },
	{ "/v/%{1d}/%{2u}/%n", "anna", "Example.org", "/v/e/an/anna" },
	{ "/v/%{1n}{1n}", "anna", "example.org", "/v/a{1n}" },
	{ "/v/%{1n}/%{2n}/%n", "\xc3\xa4rger", "example.org", "/v/\xc3\xa4/\xc3\xa4r/\xc3\xa4rger" },
	{ "/v/%n", "%d", "example.org", "/v/%d" },
	{ "/v/%n", "a b", "example.org", "/v/a b" },
	{ "/v/%n", "a@b", "example.org", "/v/a@b" },
	{ "/v/%n", "a..", "example.org", "/v/a.." },
	{ "/v/%n", "\xc3\x84rger", "example.org", "/v/\xc3\x84rger" },
};

START_TEST(pattern_is_filled_in)
{
	struct smtp_address a = address_of(span_str(expansions[_i].local), expansions[_i].domain);
	char path[MAILDIR_PATH_SIZE];

	ck_assert(maildir_path_check_pattern(expansions[_i].pattern, NULL));
	ck_assert(maildir_path_expand(path, expansions[_i].pattern, &a));
	ck_assert_str_eq(path, expansions[_i].path);
}
END_TEST

static const struct {
	const char *pattern;
	struct span local;
	const char *domain;
} dangers[] = {
	{ "/v/%d/%n", BYTES(""), "example.org" },
	{ "/v/%d/%n", BYTES("."), "example.org" },
	{ "/v/%d/%n", BYTES(".."), "example.org" },
	{ "/v/%d/%n", BYTES(".Sent"), "example.org" },
	{ "/v/%d/%n", BYTES("../bert"), "example.org" },
	{ "/v/%d/%n", BYTES("a/../../bert"), "example.org" },
	{ "/v/%d/%n", BYTES("anna/new"), "example.org" },
	{ "/v/%d/%n", BYTES("/etc/passwd"), "example.org" },
	{ "/v/%d/%n", BYTES("anna\0x"), "example.org" },
	{ "/v/%d/%n", BYTES("\0"), "example.org" },
	{ "/v/%d/%n", BYTES("an\nna"), "example.org" },
	{ "/v/%d/%n", BYTES("an\x1bna"), "example.org" },
	{ "/v/%d/%n", BYTES("anna\x7f"), "example.org" },
	{ "/v/%d/%n", BYTES("anna"), "" },
	{ "/v/%d/%n", BYTES("anna"), ".." },
	{ "/v/%d/%n", BYTES("anna"), ".example.org" },
	{ "/v/%d/%n", BYTES("anna"), "a/b" },
	{ "/v/%{1n}/x", BYTES("/x"), "example.org" },
	{ "/v/%{2n}/x", BYTES(".."), "example.org" },
	{ "/v/%{1n}", BYTES(".x"), "example.org" },
	{ "/v/%u", BYTES("postmaster"), "" },
	{ "/v/%u", BYTES("../anna"), "example.org" },
	{ "/v/x%n", BYTES("/../y"), "example.org" },
};

START_TEST(dangerous_address_has_no_mailbox)
{
	struct smtp_address a = address_of(dangers[_i].local, dangers[_i].domain);
	char path[MAILDIR_PATH_SIZE];

	ck_assert(!maildir_path_expand(path, dangers[_i].pattern, &a));
}
END_TEST

/* A local part and a domain that are each within the limits of SMTP. */
static struct smtp_address longest_address(size_t local_len, size_t domain_len)
{
	struct smtp_address a = { .local_len = (uint16_t)local_len, .domain_len = (uint16_t)domain_len };

	memset(a.text, 'x', local_len + domain_len);
	return a;
}

START_TEST(component_over_name_max_has_no_mailbox)
{
	struct smtp_address fits = longest_address(10, 255), over = longest_address(11, 245);
	char path[MAILDIR_PATH_SIZE];

	ck_assert(maildir_path_expand(path, "/v/%d/%n", &fits));
	ck_assert(!maildir_path_expand(path, "/v/%u", &over)); /* 11 + 1 + 245 = 257 */
	over = longest_address(10, 245);                       /* 256 */
	ck_assert(!maildir_path_expand(path, "/v/%u", &over));
	over = longest_address(10, 244);                       /* 255 */
	ck_assert(maildir_path_expand(path, "/v/%u", &over));
	ck_assert(!maildir_path_expand(path, "/v/a%d", &fits));
}
END_TEST

/* "/xxx.../xxx..." of `len` bytes in components of up to 99, then "/%n". */
static char *long_pattern(size_t len)
{
	char *pattern = malloc(len + 4);

	ck_assert_ptr_nonnull(pattern);
	for (size_t i = 0; i < len; i++)
		pattern[i] = i % 100 == 0 ? '/' : 'x';
	memcpy(pattern + len, "/%n", 4);
	return pattern;
}

START_TEST(path_over_path_max_has_no_mailbox)
{
	struct smtp_address ten = longest_address(10, 10), eleven = longest_address(11, 10);
	char *pattern = long_pattern(MAILDIR_PATH_SIZE - 1 - 11);
	char path[MAILDIR_PATH_SIZE];

	ck_assert(maildir_path_check_pattern(pattern, NULL));
	ck_assert(maildir_path_expand(path, pattern, &ten));
	ck_assert_uint_eq(strlen(path), MAILDIR_PATH_SIZE - 1);
	ck_assert(!maildir_path_expand(path, pattern, &eleven));
	free(pattern);
}
END_TEST

static const struct {
	const char *pattern, *complaint;
} bad_patterns[] = {
	{ "", "does not begin with /" },
	{ "vmail/%n", "does not begin with /" },
	{ "%d/%n", "does not begin with /" },
	{ "/v/%", "lone %" },
	{ "/v/%%%", "lone %" },
	{ "/v/%x", "unknown %x" },
	{ "/v/%D/%n", "unknown %D" },
	{ "/v/%{n}", "unknown %{n}" },
	{ "/v/%{0n}", "unknown %{0n}" },
	{ "/v/%{10n}", "unknown %{10n" },
	{ "/v/%{1x}", "unknown %{1x}" },
	{ "/v/%{1n", "unknown %{1n" },
	{ "/v/%{", "unknown %{" },
};

START_TEST(bad_pattern_is_told)
{
	struct err err = { .text = "" };

	ck_assert(!maildir_path_check_pattern(bad_patterns[_i].pattern, &err));
	ck_assert_msg(strstr(err.text, bad_patterns[_i].complaint) != NULL, "err is \"%s\"", err.text);
}
END_TEST

START_TEST(pattern_that_fits_nobody_is_told)
{
	char *pattern = long_pattern(MAILDIR_PATH_SIZE);
	struct err err = { .text = "" };

	ck_assert(!maildir_path_check_pattern(pattern, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "too long"));
	free(pattern);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("maildir_path");
	TCase *tcase = tcase_create("maildir_path");

	ADD_ROWS(tcase, pattern_is_filled_in, expansions);
	ADD_ROWS(tcase, dangerous_address_has_no_mailbox, dangers);
	tcase_add_test(tcase, component_over_name_max_has_no_mailbox);
	tcase_add_test(tcase, path_over_path_max_has_no_mailbox);
	ADD_ROWS(tcase, bad_pattern_is_told, bad_patterns);
	tcase_add_test(tcase, pattern_that_fits_nobody_is_told);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
