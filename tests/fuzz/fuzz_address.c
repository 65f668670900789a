/*
 * Laws of proto/address: what is parsed keeps the limits and the grammar, is
 * judged by its own bytes alone, and is the same again when it is written and
 * parsed once more. Where UTF-8 is asked for all that is taken in ASCII is taken
 * alike, and what is taken beyond that is UTF-8 by a second reading.
 */
#include "base/utf8.h"
#include "fuzz.h"
#include "proto/address.h"

static bool same(const struct smtp_address *a, const struct smtp_address *b)
{
	return span_eq(smtp_address_local(a), smtp_address_local(b)) &&
	       span_eq(smtp_address_domain(a), smtp_address_domain(b)) && a->is_literal == b->is_literal &&
	       a->is_utf8 == b->is_utf8;
}

static void hold_limits(const struct smtp_address *a)
{
	struct span local = smtp_address_local(a), domain = smtp_address_domain(a);

	LAW(local.len <= SMTP_LOCAL_PART_MAX && domain.len <= SMTP_DOMAIN_MAX);
	LAW(utf8_is_text(local) && utf8_is_text(domain));
	LAW(a->is_utf8 == !(utf8_is_ascii(local) && utf8_is_ascii(domain)));
	if (a->is_literal)
		LAW(domain.len > 2 && domain.ptr[0] == '[' && span_find(domain, ']') == domain.len - 1);
	else if (utf8_is_ascii(domain))
		LAW(domain.len == 0 || smtp_domain_is_valid(domain));
	else
		LAW(span_find(domain, ' ') == domain.len && domain.ptr[0] != '.' &&
		    domain.ptr[domain.len - 1] != '.' && span_find(domain, '/') == domain.len);
	LAW(a->domain_len || smtp_address_is_null(a) || smtp_address_is_bare_postmaster(a));
}

static bool write_path(struct buf *out, const struct smtp_address *a)
{
	return buf_add_str(out, "<") && smtp_address_write(out, a) && buf_add_str(out, ">");
}

static void hold_round_trip(const struct smtp_address *a, enum smtp_path_kind kind, enum smtp_charset charset)
{
	struct buf first = { 0 }, second = { 0 };
	struct smtp_address again;
	size_t used = 0;

	LAW(write_path(&first, a));
	LAW(buf_len(&first) <= SMTP_PATH_MAX + 2);
	LAW(smtp_path_parse(&again, kind, charset, buf_span(&first), &used));
	LAW(used == buf_len(&first) && same(a, &again));
	LAW(write_path(&second, &again));
	LAW(span_eq(buf_span(&first), buf_span(&second)));
	if (a->domain_len) {
		LAW(smtp_address_parse(&again, charset, span_of(first.data + 1, buf_len(&first) - 2)));
		LAW(same(a, &again));
	}
	buf_fini(&first);
	buf_fini(&second);
}

static void try_path(enum smtp_path_kind kind, enum smtp_charset charset, struct span text)
{
	struct smtp_address a, again;
	size_t used = 0, used_again = 0;

	if (!smtp_path_parse(&a, kind, charset, text, &used))
		return;
	LAW(used >= 2 && used <= text.len && used <= SMTP_PATH_MAX + 2);
	LAW(text.ptr[0] == '<' && text.ptr[used - 1] == '>');
	hold_limits(&a);
	LAW(kind == SMTP_PATH_SENDER ? !smtp_address_is_bare_postmaster(&a) : !smtp_address_is_null(&a));
	hold_round_trip(&a, kind, charset);
	/* Its own bytes are enough, and none of them can be spared. */
	LAW(smtp_path_parse(&again, kind, charset, span_head(text, used), &used_again));
	LAW(used_again == used && same(&a, &again));
	for (size_t len = 0; len < used; len++)
		LAW(!smtp_path_parse(&again, kind, charset, span_head(text, len), &used_again));
}

static void try_address(enum smtp_charset charset, struct span text)
{
	struct smtp_address a;

	if (!smtp_address_parse(&a, charset, text))
		return;
	LAW(a.domain_len > 0);
	hold_limits(&a);
	hold_round_trip(&a, SMTP_PATH_SENDER, charset);
	hold_round_trip(&a, SMTP_PATH_RECIPIENT, charset);
}

/* To ask for UTF-8 adds addresses beyond ASCII, and changes nothing else. */
static void compare_charsets(enum smtp_path_kind kind, struct span text)
{
	struct smtp_address ascii, utf8;
	size_t used_ascii = 0, used_utf8 = 0;
	bool is_ascii = smtp_path_parse(&ascii, kind, SMTP_CHARSET_ASCII, text, &used_ascii);
	bool is_utf8 = smtp_path_parse(&utf8, kind, SMTP_CHARSET_UTF8, text, &used_utf8);

	LAW(is_ascii == (is_utf8 && !utf8.is_utf8));
	if (is_ascii)
		LAW(used_ascii == used_utf8 && same(&ascii, &utf8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);

	for (int charset = SMTP_CHARSET_ASCII; charset <= SMTP_CHARSET_UTF8; charset++) {
		try_path(SMTP_PATH_SENDER, (enum smtp_charset)charset, text);
		try_path(SMTP_PATH_RECIPIENT, (enum smtp_charset)charset, text);
		try_address((enum smtp_charset)charset, text);
	}
	compare_charsets(SMTP_PATH_SENDER, text);
	compare_charsets(SMTP_PATH_RECIPIENT, text);
	return 0;
}
