#include "idn/idn.h"

#include "base/utf8.h"

#include <idn2.h>

enum { LABEL_MAX = 63 };

static bool label_is_valid(struct span label)
{
	if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
			return false;
	return true;
}

/* Number of labels; 0: one of them is malformed. */
static size_t count_valid_labels(struct span domain)
{
	size_t count = 0;

	for (size_t start = 0, len; start <= domain.len; start += len + 1) {
		struct span rest = span_from(domain, start);

		len = span_find(rest, '.');
		if (!label_is_valid(span_head(rest, len)))
			return 0;
		count++;
	}
	return count;
}

static size_t count_dots(struct span domain)
{
	size_t count = 0;

	for (size_t i = 0; i < domain.len; i++)
		count += domain.ptr[i] == '.';
	return count;
}

static void set_lower(struct idn_domain *to, struct span domain)
{
	for (size_t i = 0; i < domain.len; i++)
		to->text[i] = ascii_lower(domain.ptr[i]);
	to->text[domain.len] = '\0';
	to->len = domain.len;
}

/*
 * What the mapping made of it. Some characters become a dot, a slash or nothing at
 * all: nothing may come out of it that was not a name of as many labels before.
 */
static enum idn_result take_converted(struct idn_domain *to, struct span domain, struct span converted)
{
	if (converted.len > IDN_DOMAIN_MAX || count_valid_labels(converted) != count_dots(domain) + 1)
		return IDN_INVALID;
	set_lower(to, converted);
	return IDN_OK;
}

static enum idn_result convert(struct idn_domain *to, struct span domain)
{
	uint8_t text[IDN_DOMAIN_MAX + 1], *converted = NULL;
	enum idn_result result;
	int code;

	memcpy(text, domain.ptr, domain.len);
	text[domain.len] = '\0';
	code = idn2_lookup_u8(text, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (code == IDN2_MALLOC)
		return IDN_NO_MEMORY;
	if (code != IDN2_OK)
		return IDN_INVALID;
	result = take_converted(to, domain, span_str((const char *)converted));
	idn2_free(converted);
	return result;
}

enum idn_result idn_domain_to_ascii(struct idn_domain *ascii, struct span domain)
{
	if (domain.len > IDN_DOMAIN_MAX)
		return IDN_INVALID;
	if (utf8_is_ascii(domain)) {
		set_lower(ascii, domain);
		return IDN_OK;
	}
	return utf8_is_text(domain) ? convert(ascii, domain) : IDN_INVALID;
}
