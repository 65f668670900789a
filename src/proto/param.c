#include "proto/param.h"

#include "base/utf8.h"
#include "proto/xtext.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static size_t keyword_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && (ascii_is_alnum(s.ptr[n]) || (n && s.ptr[n] == '-')))
		n++;
	return n;
}

/* esmtp-value = 1*(%d33-60 / %d62-126): any printable but "=" and SP. */
static size_t value_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] > ' ' && s.ptr[n] <= '~' && s.ptr[n] != '=')
		n++;
	return n;
}

static size_t blank_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && is_blank(s.ptr[n]))
		n++;
	return n;
}

enum smtp_param_result smtp_param_next(struct span *rest, struct smtp_param *param)
{
	size_t blanks = blank_len(*rest);
	struct span s = span_from(*rest, blanks);
	struct span value = { NULL, 0 };

	if (s.len == 0) {
		*rest = s;
		return SMTP_PARAM_END;
	}
	struct span keyword = span_head(s, keyword_len(s));

	if (blanks == 0 || keyword.len == 0)
		return SMTP_PARAM_MALFORMED;
	s = span_from(s, keyword.len);
	if (s.len && s.ptr[0] == '=') {
		s = span_from(s, 1);
		value = span_head(s, value_len(s));
		if (value.len == 0)
			return SMTP_PARAM_MALFORMED;
		s = span_from(s, value.len);
	}
	if (s.len && !is_blank(s.ptr[0]))
		return SMTP_PARAM_MALFORMED;
	*param = (struct smtp_param){ keyword, value };
	*rest = s;
	return SMTP_PARAM_FOUND;
}

bool smtp_param_size(struct span value, uint64_t *octets)
{
	/* RFC 1870 4: size-value ::= 1*20DIGIT */
	if (value.len == 0 || value.len > 20)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (!ascii_is_digit(value.ptr[i]))
			return false;
	if (!span_to_u64(value, octets))
		*octets = UINT64_MAX;
	return true;
}

bool smtp_param_body(struct span value, enum smtp_body_type *type)
{
	if (span_ieq(value, SPAN_LITERAL("7BIT")))
		*type = SMTP_BODY_7BIT;
	else if (span_ieq(value, SPAN_LITERAL("8BITMIME")))
		*type = SMTP_BODY_8BITMIME;
	else if (span_ieq(value, SPAN_LITERAL("BINARYMIME")))
		*type = SMTP_BODY_BINARYMIME;
	else
		return false;
	return true;
}

/* ---- delivery status notifications (RFC 3461) ---- */

enum { ENVID_MAX = 100, ORCPT_MAX = 500 }; /* RFC 3461 4.4 and 4.2 */

bool smtp_param_ret(struct span value, enum smtp_dsn_ret *ret)
{
	if (span_ieq(value, SPAN_LITERAL("FULL")))
		*ret = SMTP_DSN_RET_FULL;
	else if (span_ieq(value, SPAN_LITERAL("HDRS")))
		*ret = SMTP_DSN_RET_HDRS;
	else
		return false;
	return true;
}

/* The bit of one word; 0: there is no such word. */
static unsigned notify_bit(struct span word)
{
	if (span_ieq(word, SPAN_LITERAL("SUCCESS")))
		return SMTP_DSN_NOTIFY_SUCCESS;
	if (span_ieq(word, SPAN_LITERAL("FAILURE")))
		return SMTP_DSN_NOTIFY_FAILURE;
	return span_ieq(word, SPAN_LITERAL("DELAY")) ? SMTP_DSN_NOTIFY_DELAY : 0;
}

bool smtp_param_notify(struct span value, unsigned *notify)
{
	unsigned bit;

	*notify = 0;
	/* RFC 3461 4.1: NEVER goes with nothing else. */
	if (span_ieq(value, SPAN_LITERAL("NEVER"))) {
		*notify = SMTP_DSN_NOTIFY_NEVER;
		return true;
	}
	do {
		size_t n = span_find(value, ',');

		bit = notify_bit(span_head(value, n));
		*notify |= bit;
		if (n == value.len)
			return bit != 0;
		value = span_from(value, n + 1);
	} while (bit);
	return false;
}

/* Of text that may be told on: RFC 3461 4.4 and 4.2 have printable ASCII and blanks, encoded as xtext. */
static bool is_ascii_xtext(struct span value)
{
	char text[ORCPT_MAX];
	size_t len;

	return value.len > 0 && value.len <= sizeof(text) && xtext_decode(value, text, &len) &&
	       utf8_is_ascii(span_of(text, len));
}

bool smtp_param_envid(struct span value)
{
	return value.len <= ENVID_MAX && is_ascii_xtext(value);
}

/* RFC 5322 3.2.3 atext */
static bool is_atom(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.ptr[i]) && (s.ptr[i] == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~", s.ptr[i])))
			return false;
	return s.len > 0;
}

bool smtp_param_orcpt(struct span value)
{
	size_t n = span_find(value, ';');

	return value.len <= ORCPT_MAX && is_atom(span_head(value, n)) && is_ascii_xtext(span_from(value, n + 1));
}
