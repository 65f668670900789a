#include "proto/address.h"

#include "base/addr.h"
#include "base/utf8.h"

static const struct span postmaster = SPAN_LITERAL("postmaster");

/* RFC 5322 3.2.3. */
static bool is_atext(char c)
{
	return ascii_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

static bool take_byte(struct span *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = span_from(*rest, 1);
	return true;
}

/* RFC 6531 3.3: octets of the character beyond ASCII that `s` begins with; 0: none that addresses may have. */
static size_t wide_len(struct span s, enum smtp_charset charset)
{
	uint32_t code_point;
	size_t len = charset == SMTP_CHARSET_UTF8 ? utf8_decode(s, &code_point) : 0;

	return len > 1 && !utf8_is_control(code_point) ? len : 0;
}

/* Length of the Dot-string that `s` begins with; 0 where there is none, or it ends in a dot. */
static size_t dot_string_len(struct span s, enum smtp_charset charset)
{
	bool in_atom = false;
	size_t n, len;

	for (n = 0; n < s.len; n += len) {
		bool is_dot = s.ptr[n] == '.' && in_atom;

		len = is_dot || is_atext(s.ptr[n]) ? 1 : wide_len(span_from(s, n), charset);
		if (len == 0)
			break;
		in_atom = !is_dot;
	}
	return in_atom ? n : 0;
}

static bool take_dot_string(struct smtp_address *a, enum smtp_charset charset, struct span *rest)
{
	size_t len = dot_string_len(*rest, charset);

	if (len == 0 || len > SMTP_LOCAL_PART_MAX)
		return false;
	memcpy(a->text, rest->ptr, len);
	a->local_len = (uint16_t)len;
	*rest = span_from(*rest, len);
	return true;
}

/*
 * RFC 5321 4.1.2: qtextSMTP and quoted-pairSMTP are printable ASCII; RFC 6531 3.3 adds
 * characters to the former only. The quotes count for the limit.
 */
static bool take_quoted_string(struct smtp_address *a, enum smtp_charset charset, struct span *rest)
{
	struct span s = span_head(*rest, SMTP_LOCAL_PART_MAX);
	size_t len;

	a->local_len = 0;
	for (size_t i = 1; i < s.len; i += len) {
		if (s.ptr[i] == '"') {
			*rest = span_from(*rest, i + 1);
			return true;
		}
		len = wide_len(span_from(s, i), charset);
		if (len == 0) {
			if (s.ptr[i] == '\\' && ++i == s.len)
				return false;
			if (!is_printable(s.ptr[i]))
				return false;
			len = 1;
		}
		memcpy(a->text + a->local_len, s.ptr + i, len);
		a->local_len = (uint16_t)(a->local_len + len);
	}
	return false;
}

static bool is_domain_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* Length of what could be a domain name at the front of `s`. */
static size_t domain_len(struct span s, enum smtp_charset charset)
{
	size_t n, len;

	for (n = 0; n < s.len; n += len) {
		len = is_domain_byte(s.ptr[n]) ? 1 : wide_len(span_from(s, n), charset);
		if (len == 0)
			break;
	}
	return n;
}

/* What limits a U-label is the length of its A-label (RFC 5890 2.3.2.1), which only a conversion can tell. */
static bool label_is_valid(struct span label)
{
	return label.len >= 1 && (label.len <= 63 || !utf8_is_ascii(label)) && label.ptr[0] != '-' &&
	       label.ptr[label.len - 1] != '-';
}

static bool labels_are_valid(struct span domain)
{
	size_t dot;

	if (domain.len > SMTP_DOMAIN_MAX)
		return false;
	while ((dot = span_find(domain, '.')) < domain.len) {
		if (!label_is_valid(span_head(domain, dot)))
			return false;
		domain = span_from(domain, dot + 1);
	}
	return label_is_valid(domain);
}

bool smtp_domain_is_valid(struct span domain)
{
	return domain_len(domain, SMTP_CHARSET_ASCII) == domain.len && labels_are_valid(domain);
}

/* Split the domain name off the front. */
static bool take_domain(enum smtp_charset charset, struct span *rest, struct span *domain)
{
	size_t len = domain_len(*rest, charset);

	*domain = span_head(*rest, len);
	*rest = span_from(*rest, len);
	return labels_are_valid(*domain);
}

/*
 * RFC 5321 4.1.3. An IPv4-mapped IPv6 address parses as IPv4, so the colon
 * tells which it was. No other tag is registered, hence none is taken. Numbers
 * with leading zeros are refused, because some read them as octal.
 */
static bool literal_is_valid(struct span inner)
{
	static const struct span tag = SPAN_LITERAL("IPv6:");
	bool is_ipv6 = span_istarts(inner, tag);
	struct addr ip;

	if (is_ipv6)
		inner = span_from(inner, tag.len);
	return addr_parse_ip(&ip, inner) && (span_find(inner, ':') < inner.len) == is_ipv6;
}

/* Split the address literal with its brackets off the front. */
static bool take_literal(struct span *rest, struct span *literal)
{
	size_t close = span_find(*rest, ']');

	if (close == rest->len)
		return false;
	*literal = span_head(*rest, close + 1);
	*rest = span_from(*rest, close + 1);
	return literal_is_valid(span_of(literal->ptr + 1, close - 1));
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static bool take_mailbox(struct smtp_address *a, enum smtp_charset charset, struct span *rest)
{
	bool is_quoted = rest->len && rest->ptr[0] == '"';
	struct span domain;

	if (!(is_quoted ? take_quoted_string(a, charset, rest) : take_dot_string(a, charset, rest)) ||
	    !take_byte(rest, '@'))
		return false;
	a->is_literal = rest->len && rest->ptr[0] == '[';
	if (!(a->is_literal ? take_literal(rest, &domain) : take_domain(charset, rest, &domain)))
		return false;
	memcpy(a->text + a->local_len, domain.ptr, domain.len);
	a->domain_len = (uint16_t)domain.len;
	a->text[a->local_len + a->domain_len] = 0;
	a->is_utf8 = !utf8_is_ascii(span_of(a->text, (size_t)a->local_len + a->domain_len));
	return true;
}

/* A-d-l ":" in front of the mailbox (RFC 5321 App. F.2): checked, then forgotten. It is older than UTF-8. */
static bool skip_source_route(struct span *rest)
{
	struct span domain;

	if (rest->len == 0 || rest->ptr[0] != '@')
		return true;
	do {
		if (!take_byte(rest, '@') || !take_domain(SMTP_CHARSET_ASCII, rest, &domain))
			return false;
	} while (take_byte(rest, ','));
	return take_byte(rest, ':');
}

static void set_without_domain(struct smtp_address *a, struct span local)
{
	memcpy(a->text, local.ptr, local.len);
	a->text[local.len] = 0;
	a->local_len = (uint16_t)local.len;
	a->domain_len = 0;
	a->is_literal = false;
	a->is_utf8 = false;
}

/* The one path of each kind that has no domain: <> and <postmaster>. */
static bool take_without_domain(struct smtp_address *a, enum smtp_path_kind kind, struct span *rest)
{
	size_t len = kind == SMTP_PATH_SENDER ? 0 : postmaster.len;

	if (!span_istarts(*rest, span_head(postmaster, len)) || rest->len == len || rest->ptr[len] != '>')
		return false;
	set_without_domain(a, span_head(*rest, len));
	*rest = span_from(*rest, len);
	return true;
}

bool smtp_path_parse(struct smtp_address *address, enum smtp_path_kind kind, enum smtp_charset charset,
		     struct span text, size_t *used)
{
	/* RFC 5321 4.5.3.1.3: a longer path loses its ">" here. */
	struct span rest = span_head(text, SMTP_PATH_MAX + 2);
	size_t len = rest.len;

	if (!take_byte(&rest, '<'))
		return false;
	if (!take_without_domain(address, kind, &rest) &&
	    !(skip_source_route(&rest) && take_mailbox(address, charset, &rest)))
		return false;
	if (!take_byte(&rest, '>'))
		return false;
	*used = len - rest.len;
	return true;
}

bool smtp_address_parse(struct smtp_address *address, enum smtp_charset charset, struct span text)
{
	return text.len <= SMTP_PATH_MAX && take_mailbox(address, charset, &text) && text.len == 0;
}

bool smtp_address_is_bare_postmaster(const struct smtp_address *a)
{
	return a->domain_len == 0 && span_ieq(smtp_address_local(a), postmaster);
}

bool smtp_address_is_postmaster(const struct smtp_address *a)
{
	return a->domain_len > 0 && span_ieq(smtp_address_local(a), postmaster);
}

/* Write the local part in quotes; returns behind the last byte written. */
static char *put_quoted(char *to, struct span local)
{
	*to++ = '"';
	for (size_t i = 0; i < local.len; i++) {
		if (local.ptr[i] == '"' || local.ptr[i] == '\\')
			*to++ = '\\';
		*to++ = local.ptr[i];
	}
	*to++ = '"';
	return to;
}

static char *put_span(char *to, struct span s)
{
	memcpy(to, s.ptr, s.len);
	return to + s.len;
}

bool smtp_address_write(struct buf *out, const struct smtp_address *address)
{
	char text[2 * SMTP_LOCAL_PART_MAX + sizeof("\"\"@") + SMTP_DOMAIN_MAX];
	struct span local = smtp_address_local(address);
	bool is_quoted = local.len == 0 || dot_string_len(local, SMTP_CHARSET_UTF8) != local.len;
	char *end = text;

	BUG_ON(local.len > SMTP_LOCAL_PART_MAX || address->domain_len > SMTP_DOMAIN_MAX);
	if (address->domain_len == 0)
		return buf_add_span(out, local);
	end = is_quoted ? put_quoted(end, local) : put_span(end, local);
	*end++ = '@';
	end = put_span(end, smtp_address_domain(address));
	return buf_add(out, text, (size_t)(end - text));
}
