#include "conf/name.h"

#include "base/endpoint.h"
#include "base/utf8.h"

enum {
	NAME_LABEL_MAX = 63,
	NAME_DOMAIN_MAX = 253, /* 255 on the wire of DNS (RFC 1035 2.3.4) */
	NAME_LOCAL_MAX = 64,
	NAME_PATTERN_MAX = 2048,
	NAME_PRIORITY_MAX = 1000,
	NAME_GREETING_LINE_MAX = 500, /* 512 without "220-", " ESMTP" and CRLF */
	NAME_GREETING_MAX = 4000,
	NAME_TAG_MAX = 32, /* RFC 3164 4.1.3 */
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

/* A Dot-string (RFC 5321 4.1.2, RFC 6531 3.3) */
static bool is_dot_string(struct span local, bool takes_utf8)
{
	if (!utf8_is_ascii(local) && !(takes_utf8 && utf8_is_text(local)))
		return false;
	for (size_t i = 0; i < local.len; i++) {
		bool is_inner = i > 0 && i + 1 < local.len;
		bool is_inner_dot = is_inner && local.ptr[i] == '.' && local.ptr[i - 1] != '.';

		if ((unsigned char)local.ptr[i] < 0x80 && !is_atext(local.ptr[i]) && !is_inner_dot)
			return false;
	}
	return true;
}

static const char *check_address(struct span address, bool takes_utf8)
{
	size_t at = span_find(address, '@');
	const char *wrong;

	if (at == address.len)
		return "is no mail address: it has no @";
	if (at == 0 || at > NAME_LOCAL_MAX)
		return "is no mail address: 1 to 64 octets must stand before the @";
	if (!is_dot_string(span_head(address, at), takes_utf8))
		return "is no plain mail address";
	wrong = name_check_domain(span_from(address, at + 1));
	return wrong ? "is no mail address: what follows the @ is no valid domain name" : NULL;
}

const char *name_check_address(struct span address)
{
	return check_address(address, false);
}

const char *name_check_mailbox(struct span mailbox)
{
	if (span_find(mailbox, '@') < mailbox.len)
		return check_address(mailbox, true);
	if (mailbox.len == 0 || mailbox.len > NAME_LOCAL_MAX || !is_dot_string(mailbox, true))
		return "is neither a mail address nor what may stand before its @";
	return NULL;
}

const char *name_check_delimiters(struct span delimiters)
{
	if (delimiters.len == 0)
		return "is empty; leave it out for none";
	for (size_t i = 0; i < delimiters.len; i++)
		if (ascii_is_alnum(delimiters.ptr[i]) || !is_atext(delimiters.ptr[i]))
			return "may hold only characters such as +, - and =, which can stand in an address";
	return NULL;
}

const char *name_check_path(struct span path)
{
	if (path.len == 0 || path.ptr[0] != '/')
		return "is not an absolute path";
	return path.len > NAME_PATTERN_MAX ? "is too long" : NULL;
}

const char *name_check_host_pattern(struct span name)
{
	if (name.len && name.ptr[0] == '.')
		name = span_from(name, 1);
	return name_check_hostname(name);
}

const char *name_check_alias(struct span alias)
{
	size_t colon = span_find(alias, ':');

	if (colon == 0 || colon + 1 >= alias.len)
		return "is no alias; write \"info: anna@example.org\"";
	return NULL;
}

const char *name_check_suffix(struct span suffix)
{
	static const char wrong[] = "is no suffix; write \".domain\" or \"@domain\"";
	size_t at = span_find(suffix, '@');

	if (suffix.len == 0)
		return NULL;
	if (at == suffix.len)
		return suffix.ptr[0] != '.' || name_check_domain(span_from(suffix, 1)) ? wrong : NULL;
	if (at > NAME_LOCAL_MAX || (at && !is_dot_string(span_head(suffix, at), false)))
		return wrong;
	return name_check_domain(span_from(suffix, at + 1)) ? wrong : NULL;
}

const char *name_check_text(struct span text)
{
	if (text.len == 0)
		return "is empty";
	if (text.len > 255)
		return "is too long";
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < ' ' || text.ptr[i] > '~')
			return "may hold only printable ASCII";
	return NULL;
}

const char *name_check_priority(struct span priority)
{
	if (priority.len == 0)
		return "is empty";
	if (priority.len > NAME_PRIORITY_MAX)
		return "is too long";
	for (size_t i = 0; i < priority.len; i++)
		if (priority.ptr[i] <= ' ' || priority.ptr[i] > '~')
			return "has a blank, or a character that is not ASCII";
	return NULL;
}

/* The octets of what begins with a %, or 0 where it means nothing: %d, %{2n}, %% */
static size_t directive_len(struct span text)
{
	size_t i = 1;

	if (text.len > 1 && memchr("dnu%", text.ptr[1], 4))
		return 2;
	if (text.len < 2 || text.ptr[i++] != '{')
		return 0;
	if (i == text.len || text.ptr[i] < '1' || text.ptr[i++] > '9')
		return 0;
	if (text.len < i + 2 || !memchr("dnu", text.ptr[i], 3) || text.ptr[i + 1] != '}')
		return 0;
	return i + 2;
}

const char *name_check_pattern(struct span pattern)
{
	const char *wrong = name_check_path(pattern);
	size_t len;

	for (size_t i = 0; !wrong && i < pattern.len; i += len) {
		len = pattern.ptr[i] == '%' ? directive_len(span_from(pattern, i)) : 1;
		if (len == 0)
			wrong = "has a % that means nothing; there are %d (domain), %n (local part), %u "
				"(address), "
				"the first characters of them such as %{2n}, and %%";
	}
	return wrong;
}

const char *name_check_tag(struct span tag)
{
	if (tag.len == 0)
		return "is empty";
	if (tag.len > NAME_TAG_MAX)
		return "is longer than 32 octets";
	for (size_t i = 0; i < tag.len; i++)
		if (!ascii_is_alnum(tag.ptr[i]) && !memchr("-._/", tag.ptr[i], 4))
			return "may hold only letters, digits and any of \"-._/\"";
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

const char *name_check_endpoint(struct span text)
{
	struct endpoint endpoint;
	struct err err;

	if (endpoint_parse(&endpoint, text, 0, &err))
		return NULL;
	return "is none of ADDRESS:PORT, [ADDRESS]:PORT, NAME:PORT and unix:/PATH";
}

const char *name_check_offer(struct span text)
{
	static const char *const offers[] = { "BINARYMIME", "DSN", "REQUIRETLS" };

	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++)
		if (span_eq(text, span_str(offers[i])))
			return NULL;
	return "is none of \"BINARYMIME\", \"DSN\" and \"REQUIRETLS\"";
}

const char *name_check_argument(struct span text)
{
	if (text.len > NAME_PATTERN_MAX)
		return "is too long";
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
			return "may not hold control characters";
	return NULL;
}

const char *name_check_variable(struct span text)
{
	struct span name = span_head(text, span_find(text, '='));

	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '_')
			name.len = 0;
	if (name.len == 0 || ascii_is_digit(name.ptr[0]))
		return "is neither NAME nor NAME=value";
	return name_check_argument(text);
}

const char *name_check_mechanism(struct span mechanism)
{
	if (mechanism.len == 0 || mechanism.len > 20)
		return "is no name of 1 to 20 characters";
	for (size_t i = 0; i < mechanism.len; i++) {
		char c = mechanism.ptr[i];

		if (!(c >= 'A' && c <= 'Z') && !ascii_is_digit(c) && c != '-' && c != '_')
			return "must be the name of a mechanism in capitals, such as \"SCRAM-SHA-256\"";
	}
	return NULL;
}
