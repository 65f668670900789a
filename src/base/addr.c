#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static size_t family_octets(unsigned family)
{
	return family == ADDR_IPV4 ? 4 : family == ADDR_IPV6 ? 16 : 0;
}

static void fold_mapped(struct addr *addr)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (addr->family != ADDR_IPV6 || memcmp(addr->ip, mapped, sizeof(mapped)) != 0)
		return;
	memmove(addr->ip, addr->ip + 12, 4);
	memset(addr->ip + 4, 0, 12);
	addr->family = ADDR_IPV4;
}

bool addr_parse_ip(struct addr *addr, struct span text)
{
	char copy[INET6_ADDRSTRLEN];

	*addr = (struct addr){ 0 };
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, 0, text.len))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET, copy, addr->ip) == 1)
		addr->family = ADDR_IPV4;
	else if (inet_pton(AF_INET6, copy, addr->ip) == 1)
		addr->family = ADDR_IPV6;
	else
		return false;
	fold_mapped(addr);
	return true;
}

static bool parse_host(struct addr *addr, struct span host)
{
	if (span_eq(host, SPAN_LITERAL("*")))
		host = SPAN_LITERAL("[::]");
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
		host = span_head(span_from(host, 1), host.len - 2);
		return addr_parse_ip(addr, host) && span_find(host, ':') < host.len;
	}
	return addr_parse_ip(addr, host) && addr->family == ADDR_IPV4;
}

bool addr_parse(struct addr *addr, struct span text, struct err *err)
{
	size_t colon = text.len;
	uint64_t port;

	while (colon && text.ptr[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return err_set(err, "\"%.*s\" has no port; write 192.0.2.1:25 or [2001:db8::1]:25", (int)text.len,
			       text.ptr);
	if (!parse_host(addr, span_head(text, colon - 1)))
		return err_set(err, "\"%.*s\" is not an address and port; write 192.0.2.1:25 or [2001:db8::1]:25",
			       (int)text.len, text.ptr);
	if (!span_to_u64(span_from(text, colon), &port) || port > 65535)
		return err_set(err, "\"%.*s\" has a bad port; it must be a number from 0 to 65535", (int)text.len,
			       text.ptr);
	addr->port = (uint16_t)port;
	return true;
}

static void mask_bits(uint8_t *ip, unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits >= 8 ? 8 : bits;

		ip[i] = (uint8_t)(ip[i] & (0xffu << (8 - keep)));
		bits -= keep;
	}
}

bool addr_parse_prefix(struct addr_prefix *prefix, struct span text, struct err *err)
{
	size_t slash = span_find(text, '/');
	struct addr addr;
	uint64_t bits, most;

	if (!addr_parse_ip(&addr, span_head(text, slash)))
		return err_set(err, "\"%.*s\" is not an address range; write 192.0.2.0/24 or 2001:db8::/32",
			       (int)text.len, text.ptr);
	bits = most = 8 * family_octets(addr.family);
	if (slash < text.len && (!span_to_u64(span_from(text, slash + 1), &bits) || bits > most))
		return err_set(err, "\"%.*s\" has a bad prefix length; it must be from 0 to %u", (int)text.len, text.ptr,
			       (unsigned)most);
	*prefix = addr_prefix_of(&addr, (unsigned)bits, (unsigned)bits);
	if (memcmp(prefix->ip, addr.ip, 16) != 0)
		return err_set(err, "\"%.*s\" has bits set behind its prefix length", (int)text.len, text.ptr);
	return true;
}

const char *addr_format_ip(const struct addr *addr, char *text)
{
	int af = addr->family == ADDR_IPV4 ? AF_INET : AF_INET6;

	if (addr->family == ADDR_NONE || !inet_ntop(af, addr->ip, text, INET6_ADDRSTRLEN)) {
		memcpy(text, "unknown", sizeof("unknown"));
		return text;
	}
	if (addr->scope_id) {
		size_t used = strlen(text);

		snprintf(text + used, ADDR_TEXT_SIZE - used, "%%%u", (unsigned)addr->scope_id);
	}
	return text;
}

const char *addr_format(const struct addr *addr, char *text)
{
	char ip[ADDR_TEXT_SIZE];

	addr_format_ip(addr, ip);
	if (addr->family == ADDR_NONE)
		memcpy(text, ip, sizeof("unknown"));
	else
		snprintf(text, ADDR_TEXT_SIZE, addr->family == ADDR_IPV6 ? "[%.60s]:%u" : "%.60s:%u", ip,
			 (unsigned)addr->port);
	return text;
}

struct addr_prefix addr_prefix_of(const struct addr *addr, unsigned bits4, unsigned bits6)
{
	struct addr_prefix p = { .family = addr->family };
	unsigned bits = addr->family == ADDR_IPV4 ? bits4 : addr->family == ADDR_IPV6 ? bits6 : 0;
	unsigned most = (unsigned)(8 * family_octets(addr->family));

	p.bits = (uint8_t)(bits < most ? bits : most);
	memcpy(p.ip, addr->ip, sizeof(p.ip));
	mask_bits(p.ip, p.bits);
	return p;
}

bool addr_in_prefix(const struct addr *addr, const struct addr_prefix *prefix)
{
	struct addr_prefix p = addr_prefix_of(addr, prefix->bits, prefix->bits);

	return addr->family == prefix->family && memcmp(p.ip, prefix->ip, sizeof(p.ip)) == 0;
}

bool addr_prefix_eq(const struct addr_prefix *a, const struct addr_prefix *b)
{
	return a->family == b->family && a->bits == b->bits && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}
