/* proto/offer: what a hop's answer to EHLO offers. */
#include "proto/offer.h"
#include "unit.h"

enum { BOTH_AUTH = SMTP_OFFER_AUTH_PLAIN | SMTP_OFFER_AUTH_LOGIN };

static const struct {
	const char *lines; /* separated by '|' */
	struct smtp_offer expected;
} rows[] = {
	{ "", { 0 } },
	{ "PIPELINING", { .bits = SMTP_OFFER_PIPELINING } },
	{ "pipelining|8bitmime|smtputf8",
	  { .bits = SMTP_OFFER_PIPELINING | SMTP_OFFER_8BITMIME | SMTP_OFFER_SMTPUTF8 } },
	{ "STARTTLS|CHUNKING|BINARYMIME|DSN|REQUIRETLS|ENHANCEDSTATUSCODES|PRDR",
	  { .bits = SMTP_OFFER_STARTTLS | SMTP_OFFER_CHUNKING | SMTP_OFFER_BINARYMIME | SMTP_OFFER_DSN |
		    SMTP_OFFER_REQUIRETLS | SMTP_OFFER_ENHANCEDSTATUSCODES | SMTP_OFFER_PRDR } },
	{ "SIZE", { .bits = SMTP_OFFER_SIZE } },
	{ "SIZE 0", { .bits = SMTP_OFFER_SIZE } },
	{ "SIZE 52428800", { .bits = SMTP_OFFER_SIZE, .max_size = 52428800 } },
	{ "SIZE 99999999999999999999", { .bits = SMTP_OFFER_SIZE, .max_size = UINT64_MAX } },
	{ "SIZE 10M", { 0 } },
	{ "SIZE -1", { 0 } },
	{ "SIZE 10|SIZE x", { 0 } },
	{ "SIZE=10", { 0 } },
	{ "SIZED", { 0 } },
	{ "X-SIZE 10", { 0 } },
	{ "  SIZE \t 10  ", { .bits = SMTP_OFFER_SIZE, .max_size = 10 } },
	{ "AUTH PLAIN", { .bits = SMTP_OFFER_AUTH, .auth = SMTP_OFFER_AUTH_PLAIN } },
	{ "AUTH CRAM-MD5 login plain", { .bits = SMTP_OFFER_AUTH, .auth = BOTH_AUTH } },
	{ "AUTH PLAINER XLOGIN", { .bits = SMTP_OFFER_AUTH } },
	{ "AUTH", { .bits = SMTP_OFFER_AUTH } },
	{ "AUTH=LOGIN|AUTH PLAIN", { .bits = SMTP_OFFER_AUTH, .auth = BOTH_AUTH } },
	{ "AUTH=PLAIN LOGIN", { .bits = SMTP_OFFER_AUTH, .auth = BOTH_AUTH } },
	{ "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
	  { .bits = SMTP_OFFER_XCLIENT,
	    .xclient = SMTP_ATTRIBUTE_NAME | SMTP_ATTRIBUTE_ADDR | SMTP_ATTRIBUTE_PORT |
		    SMTP_ATTRIBUTE_PROTO | SMTP_ATTRIBUTE_HELO | SMTP_ATTRIBUTE_LOGIN } },
	{ "XCLIENT", { 0 } },
	{ "XCLIENT DESTADDR", { 0 } },
	{ "XFORWARD NAME IDENT SOURCE",
	  { .bits = SMTP_OFFER_XFORWARD,
	    .xforward = SMTP_ATTRIBUTE_NAME | SMTP_ATTRIBUTE_IDENT | SMTP_ATTRIBUTE_SOURCE } },
	{ "LIMITS MAILMAX=10 RCPTMAX=999999 RCPTDOMAINMAX=1",
	  { .bits = SMTP_OFFER_LIMITS, .mail_max = 10, .rcpt_max = 999999, .rcpt_domain_max = 1 } },
	{ "LIMITS RCPTMAX=1000000 MAILMAX= FOO=1 RCPTDOMAINMAX RCPTMAXX=3 MAILMAX=x",
	  { .bits = SMTP_OFFER_LIMITS } },
	{ "LIMITS", { .bits = SMTP_OFFER_LIMITS } },
	{ "hop.example at your service|HELP|ETRN|VRFY", { 0 } },
};

static void add_lines(struct smtp_offer *o, struct span lines)
{
	while (lines.len) {
		size_t n = span_find(lines, '|');
		struct span line = span_exact_copy(span_head(lines, n));

		smtp_offer_add_line(o, line);
		free((char *)line.ptr);
		lines = span_from(lines, n + 1);
	}
}

START_TEST(an_answer_offers_what_it_says)
{
	const struct smtp_offer *expected = &rows[_i].expected;
	struct smtp_offer o = { 0 };

	add_lines(&o, span_str(rows[_i].lines));
	ck_assert_uint_eq(o.bits, expected->bits);
	if (smtp_offer_has(&o, SMTP_OFFER_SIZE))
		ck_assert_uint_eq(o.max_size, expected->max_size);
	ck_assert_uint_eq(o.mail_max, expected->mail_max);
	ck_assert_uint_eq(o.rcpt_max, expected->rcpt_max);
	ck_assert_uint_eq(o.rcpt_domain_max, expected->rcpt_domain_max);
	ck_assert_uint_eq(o.auth, expected->auth);
	ck_assert_uint_eq(o.xclient, expected->xclient);
	ck_assert_uint_eq(o.xforward, expected->xforward);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("offer");
	TCase *tcase = tcase_create("offer");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, an_answer_offers_what_it_says, rows);
	return unit_main(suite);
}
