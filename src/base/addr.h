/*
 * Network addresses without the network: parsing, printing, prefixes. An IPv4
 * address that arrived over an IPv6 socket (::ffff:a.b.c.d) is IPv4 here, so
 * that a client has one name whatever socket it came by.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/err.h"
#include "base/span.h"

enum addr_family {
	ADDR_NONE, /* unknown, or a unix socket */
	ADDR_IPV4,
	ADDR_IPV6,
};

struct addr {
	uint8_t ip[16];    /* network order; IPv4 uses the first four */
	uint32_t scope_id; /* IPv6 link-local only */
	uint16_t port;     /* host order */
	uint8_t family;    /* enum addr_family */
};

/* An address range such as 192.0.2.0/24; bits beyond the length are zero. */
struct addr_prefix {
	uint8_t ip[16];
	uint8_t family; /* enum addr_family */
	uint8_t bits;   /* 0 to 32 or 128 */
};

/* Longest text of addr_format() with NUL: "[" 45 "%" 10 "]:" 5. */
enum { ADDR_TEXT_SIZE = 72 };

/*
 * "192.0.2.1:25", "[2001:db8::1]:25" or "*:25" (the same as "[::]:25"); the
 * port is required, 0 lets the kernel choose.
 */
bool addr_parse(struct addr *addr, struct span text, struct err *err);

/* An IP address alone, IPv6 without brackets; the port becomes 0. */
bool addr_parse_ip(struct addr *addr, struct span text);

/* "192.0.2.0/24", "2001:db8::/32", or an address alone. Host bits must be zero. */
bool addr_parse_prefix(struct addr_prefix *prefix, struct span text, struct err *err);

/* The address alone, without port; `text` has ADDR_TEXT_SIZE bytes. Returns text. "unknown" for ADDR_NONE. */
const char *addr_format_ip(const struct addr *addr, char *text);

/* With port: "192.0.2.1:25" or "[2001:db8::1]:25". */
const char *addr_format(const struct addr *addr, char *text);

/* The prefix of this length that holds the address: bits4 for IPv4, bits6 for IPv6. */
struct addr_prefix addr_prefix_of(const struct addr *addr, unsigned bits4, unsigned bits6);

bool addr_in_prefix(const struct addr *addr, const struct addr_prefix *prefix);
bool addr_prefix_eq(const struct addr_prefix *a, const struct addr_prefix *b);

#endif
