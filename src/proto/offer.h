/*
 * What a next hop offers in its answer to EHLO or LHLO (RFC 5321 4.1.1.1): which
 * of the extensions that we know, with their numbers. Read line by line; what is
 * unknown is passed over, what is malformed counts as not offered. Plain data,
 * so it may be copied and remembered behind the end of the connection.
 */
#ifndef PROTO_OFFER_H
#define PROTO_OFFER_H

#include "base/span.h"

enum smtp_offer_bit {
	SMTP_OFFER_PIPELINING = 1 << 0,
	SMTP_OFFER_SIZE = 1 << 1,
	SMTP_OFFER_8BITMIME = 1 << 2,
	SMTP_OFFER_SMTPUTF8 = 1 << 3,
	SMTP_OFFER_STARTTLS = 1 << 4,
	SMTP_OFFER_CHUNKING = 1 << 5,
	SMTP_OFFER_BINARYMIME = 1 << 6,
	SMTP_OFFER_DSN = 1 << 7,
	SMTP_OFFER_REQUIRETLS = 1 << 8,
	SMTP_OFFER_ENHANCEDSTATUSCODES = 1 << 9,
	SMTP_OFFER_PRDR = 1 << 10,
	SMTP_OFFER_LIMITS = 1 << 11,
	SMTP_OFFER_AUTH = 1 << 12, /* with any mechanism */
	SMTP_OFFER_XCLIENT = 1 << 13,
	SMTP_OFFER_XFORWARD = 1 << 14,
};

/* Mechanisms that we speak as a client. */
enum smtp_offer_auth {
	SMTP_OFFER_AUTH_PLAIN = 1 << 0,
	SMTP_OFFER_AUTH_LOGIN = 1 << 1,
};

/* Attributes of XCLIENT and XFORWARD that we can fill in. */
enum smtp_client_attribute {
	SMTP_ATTRIBUTE_NAME = 1 << 0,
	SMTP_ATTRIBUTE_ADDR = 1 << 1,
	SMTP_ATTRIBUTE_PORT = 1 << 2,
	SMTP_ATTRIBUTE_PROTO = 1 << 3,
	SMTP_ATTRIBUTE_HELO = 1 << 4,
	SMTP_ATTRIBUTE_LOGIN = 1 << 5,
	SMTP_ATTRIBUTE_IDENT = 1 << 6,
	SMTP_ATTRIBUTE_SOURCE = 1 << 7,
};

struct smtp_offer {
	uint32_t bits;       /* of enum smtp_offer_bit; 0: the hop was greeted with HELO, or offers nothing */
	uint64_t max_size;   /* SIZE (RFC 1870): octets; 0: told none */
	uint32_t mail_max;   /* LIMITS (RFC 9422); 0: told none */
	uint32_t rcpt_max;
	uint32_t rcpt_domain_max;
	uint8_t auth;        /* bits of enum smtp_offer_auth */
	uint8_t xclient;     /* bits of enum smtp_client_attribute */
	uint8_t xforward;
};

static inline bool smtp_offer_has(const struct smtp_offer *o, enum smtp_offer_bit bit)
{
	return o->bits & bit;
}

/* Take one line of the answer, without code and line end; not the first, which is the hop's name. */
void smtp_offer_add_line(struct smtp_offer *o, struct span line);

#endif
