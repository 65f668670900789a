#include "proto/param.h"

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
	else
		return false;
	return true;
}
