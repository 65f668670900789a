/*
 * Envelope addresses: the Path and Reverse-path of RFC 5321 4.1.2, parsed
 * strictly, with quoting removed and source routes stripped (RFC 5321 App. F.2);
 * where it is asked for, with the characters beyond ASCII that RFC 6531 3.3 adds.
 */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include "base/buf.h"

/* RFC 5321 4.5.3.1: octets of the local part as written, of the domain, of the path without <>. */
enum { SMTP_LOCAL_PART_MAX = 64, SMTP_DOMAIN_MAX = 255, SMTP_PATH_MAX = 256 };

struct smtp_address {
	uint16_t local_len;
	uint16_t domain_len; /* 0: no domain (null sender, bare postmaster) */
	bool is_literal;     /* the domain is an address literal; text holds it with its brackets */
	bool is_utf8;        /* there are characters beyond ASCII in it */
	/* Local part without quoting, directly followed by the domain as it was written. */
	char text[SMTP_LOCAL_PART_MAX + SMTP_DOMAIN_MAX + 1];
};

static inline struct span smtp_address_local(const struct smtp_address *a)
{
	return span_of(a->text, a->local_len);
}

static inline struct span smtp_address_domain(const struct smtp_address *a)
{
	return span_of(a->text + a->local_len, a->domain_len);
}

/* The null sender <>. */
static inline bool smtp_address_is_null(const struct smtp_address *a)
{
	return a->local_len == 0 && a->domain_len == 0;
}

/* The bare recipient <postmaster> (RFC 5321 4.1.1.3), in any case of letters. */
bool smtp_address_is_bare_postmaster(const struct smtp_address *a);

/* Is it postmaster at some domain? */
bool smtp_address_is_postmaster(const struct smtp_address *a);

enum smtp_path_kind {
	SMTP_PATH_SENDER,    /* Reverse-path: <> is allowed */
	SMTP_PATH_RECIPIENT, /* <postmaster> is allowed */
};

/* What an address may consist of. The limits count octets in either case. */
enum smtp_charset {
	SMTP_CHARSET_ASCII,
	SMTP_CHARSET_UTF8, /* in local parts and domains well-formed UTF-8, control characters excepted */
};

/*
 * Parse a path with its angle brackets from the front of `text`. *used tells how
 * many bytes it took; what follows is the caller's affair. False: malformed or
 * over a length limit; *address is then undefined.
 */
MUST_CHECK bool smtp_path_parse(struct smtp_address *address, enum smtp_path_kind kind,
				enum smtp_charset charset, struct span text, size_t *used);

/* An address without brackets, as configuration has it; all of `text` must be used. */
MUST_CHECK bool smtp_address_parse(struct smtp_address *address, enum smtp_charset charset, struct span text);

/* A domain name in ASCII by RFC 5321: letters, digits, hyphens, dots, underscores, too; 1 to 255 octets. */
bool smtp_domain_is_valid(struct span domain);

/* Append it as a path has it between its brackets, quoted where needed; "" for the null sender. */
MUST_CHECK bool smtp_address_write(struct buf *out, const struct smtp_address *address);

#endif
