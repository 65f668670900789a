#include "conf/name.h"

enum {
	NAME_LABEL_MAX = 63,
	NAME_DOMAIN_MAX = 253, /* 255 on the wire of DNS (RFC 1035 2.3.4) */
	NAME_LOCAL_MAX = 64,
	NAME_PATTERN_MAX = 2048,
	NAME_GREETING_LINE_MAX = 500, /* 512 without "220-", " ESMTP" and CRLF */
	NAME_GREETING_MAX = 4000,
};

static bool label_is_valid(struct span label)
{
	if (label.len == 0 || label.len > NAME_LABEL_MAX)
		return false;
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
			return false;
	return true;
}

const char *name_check_domain(struct span name)
{
	if (name.len == 0)
		return "is empty";
	if (name.len > NAME_DOMAIN_MAX)
		return "is too long for a domain name";
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] >= 0x80)
			return "is not in ASCII; write an international domain name in its xn-- form";
	for (size_t start = 0, len; start <= name.len; start += len + 1) {
		len = span_find(span_from(name, start), '.');
		if (!label_is_valid(span_head(span_from(name, start), len)))
			return "is no valid domain name";
	}
	return NULL;
}

/* A last label of digits alone means that somebody wrote an address. */
static bool looks_like_ip(struct span name)
{
	size_t i = name.len;

	while (i && ascii_is_digit(name.ptr[i - 1]))
		i--;
	return i < name.len && (i == 0 || name.ptr[i - 1] == '.');
}

const char *name_check_hostname(struct span name)
{
	const char *wrong = name_check_domain(name);

	if (wrong)
		return wrong;
	if (span_find(name, '_') < name.len)
		return "is no valid host name; it may hold letters, digits, hyphens and dots";
	if (looks_like_ip(name))
		return "looks like an IP address, and is no host name";
	return NULL;
}

/* RFC 5322 3.2.3 */
static bool is_atext(char c)
{
	return ascii_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

const char *name_check_address(struct span address)
{
	size_t at = span_find(address, '@');
	const char *wrong;

	if (at == address.len)
		return "is no mail address: it has no @";
	if (at == 0 || at > NAME_LOCAL_MAX)
		return "is no mail address: 1 to 64 octets must stand before the @";
	for (size_t i = 0; i < at; i++) {
		bool is_inner_dot = address.ptr[i] == '.' && i > 0 && i + 1 < at && address.ptr[i - 1] != '.';

		if (!is_atext(address.ptr[i]) && !is_inner_dot)
			return "is no plain mail address";
	}
	wrong = name_check_domain(span_from(address, at + 1));
	return wrong ? "is no mail address: what follows the @ is no valid domain name" : NULL;
}

const char *name_check_pattern(struct span pattern)
{
	if (pattern.len == 0 || pattern.ptr[0] != '/')
		return "is not an absolute path";
	if (pattern.len > NAME_PATTERN_MAX)
		return "is too long";
	for (size_t i = 0; i < pattern.len; i++) {
		if (pattern.ptr[i] != '%')
			continue;
		if (++i == pattern.len || !memchr("dnu%", pattern.ptr[i], 4))
			return "has a % that means nothing; there are %d (domain), %n (local part), %u "
			       "(address) and %%";
	}
	return NULL;
}

const char *name_check_greeting(struct span text)
{
	if (text.len == 0)
		return "is empty; leave it out for the default";
	if (text.len > NAME_GREETING_MAX)
		return "is too long";
	for (size_t start = 0, len; start <= text.len; start += len + 1) {
		struct span line = span_from(text, start);

		len = span_find(line, '\n');
		if (len == 0)
			return "has an empty line";
		if (len > NAME_GREETING_LINE_MAX)
			return "has a line of more than 500 octets";
		for (size_t i = 0; i < len; i++)
			if (line.ptr[i] < ' ' || line.ptr[i] > '~')
				return "may hold only printable ASCII";
	}
	return NULL;
}
