/*
 * Laws of proto/address: what is parsed keeps the limits and the grammar, is
 * judged by its own bytes alone, and is the same again when it is written and
 * parsed once more.
 */
#include "fuzz.h"
#include "proto/address.h"

static bool same(const struct smtp_address *a, const struct smtp_address *b)
{
	return span_eq(smtp_address_local(a), smtp_address_local(b)) &&
	       span_eq(smtp_address_domain(a), smtp_address_domain(b)) && a->is_literal == b->is_literal;
}

static void hold_limits(const struct smtp_address *a)
{
	struct span local = smtp_address_local(a), domain = smtp_address_domain(a);

	LAW(local.len <= SMTP_LOCAL_PART_MAX && domain.len <= SMTP_DOMAIN_MAX);
	for (size_t i = 0; i < local.len; i++)
		LAW(local.ptr[i] >= ' ' && local.ptr[i] <= '~');
	if (a->is_literal)
		LAW(domain.len > 2 && domain.ptr[0] == '[' && span_find(domain, ']') == domain.len - 1);
	else
		LAW(domain.len == 0 || smtp_domain_is_valid(domain));
	LAW(a->domain_len || smtp_address_is_null(a) || smtp_address_is_bare_postmaster(a));
}

static bool write_path(struct buf *out, const struct smtp_address *a)
{
	return buf_add_str(out, "<") && smtp_address_write(out, a) && buf_add_str(out, ">");
}

static void hold_round_trip(const struct smtp_address *a, enum smtp_path_kind kind)
{
	struct buf first = { 0 }, second = { 0 };
	struct smtp_address again;
	size_t used = 0;

	LAW(write_path(&first, a));
	LAW(buf_len(&first) <= SMTP_PATH_MAX + 2);
	LAW(smtp_path_parse(&again, kind, buf_span(&first), &used));
	LAW(used == buf_len(&first) && same(a, &again));
	LAW(write_path(&second, &again));
	LAW(span_eq(buf_span(&first), buf_span(&second)));
	if (a->domain_len) {
		LAW(smtp_address_parse(&again, span_of(first.data + 1, buf_len(&first) - 2)));
		LAW(same(a, &again));
	}
	buf_fini(&first);
	buf_fini(&second);
}

static void try_path(enum smtp_path_kind kind, struct span text)
{
	struct smtp_address a, again;
	size_t used = 0, used_again = 0;

	if (!smtp_path_parse(&a, kind, text, &used))
		return;
	LAW(used >= 2 && used <= text.len && used <= SMTP_PATH_MAX + 2);
	LAW(text.ptr[0] == '<' && text.ptr[used - 1] == '>');
	hold_limits(&a);
	LAW(kind == SMTP_PATH_SENDER ? !smtp_address_is_bare_postmaster(&a) : !smtp_address_is_null(&a));
	hold_round_trip(&a, kind);
	/* Its own bytes are enough, and none of them can be spared. */
	LAW(smtp_path_parse(&again, kind, span_head(text, used), &used_again));
	LAW(used_again == used && same(&a, &again));
	for (size_t len = 0; len < used; len++)
		LAW(!smtp_path_parse(&again, kind, span_head(text, len), &used_again));
}

static void try_address(struct span text)
{
	struct smtp_address a;

	if (!smtp_address_parse(&a, text))
		return;
	LAW(a.domain_len > 0);
	hold_limits(&a);
	hold_round_trip(&a, SMTP_PATH_SENDER);
	hold_round_trip(&a, SMTP_PATH_RECIPIENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);

	try_path(SMTP_PATH_SENDER, text);
	try_path(SMTP_PATH_RECIPIENT, text);
	try_address(text);
	return 0;
}
