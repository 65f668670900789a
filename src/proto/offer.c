/*
 * See offer.h. A keyword is a row of a table; what stands behind it is read by
 * the row's function, if it has one.
 */
#include "proto/offer.h"

#include "proto/param.h"

/* The first word of *rest, taken off it with the blanks around it. */
static struct span take_word(struct span *rest)
{
	size_t n = 0;

	*rest = span_trim(*rest);
	while (n < rest->len && rest->ptr[n] != ' ' && rest->ptr[n] != '\t')
		n++;
	struct span word = span_head(*rest, n);

	*rest = span_from(*rest, n);
	return word;
}

struct word_bit {
	struct span word;
	unsigned bit;
};

/* The bits of those words that are in the table. */
static unsigned words_bits(struct span words, const struct word_bit *table, size_t len)
{
	unsigned bits = 0;
	struct span word;

	while ((word = take_word(&words)).len)
		for (size_t i = 0; i < len; i++)
			if (span_ieq(word, table[i].word))
				bits |= table[i].bit;
	return bits;
}

#define WORD(text) { (text), sizeof(text) - 1 }

static const struct word_bit attributes[] = {
	{ WORD("NAME"), SMTP_ATTRIBUTE_NAME },   { WORD("ADDR"), SMTP_ATTRIBUTE_ADDR },
	{ WORD("PORT"), SMTP_ATTRIBUTE_PORT },   { WORD("PROTO"), SMTP_ATTRIBUTE_PROTO },
	{ WORD("HELO"), SMTP_ATTRIBUTE_HELO },   { WORD("LOGIN"), SMTP_ATTRIBUTE_LOGIN },
	{ WORD("IDENT"), SMTP_ATTRIBUTE_IDENT }, { WORD("SOURCE"), SMTP_ATTRIBUTE_SOURCE },
};

static uint8_t attribute_bits(struct span words)
{
	return (uint8_t)words_bits(words, attributes, sizeof(attributes) / sizeof(attributes[0]));
}

/* RFC 1870 4: the number may be missing; 0 means that there is no fixed limit. */
static bool read_size(struct smtp_offer *o, struct span rest)
{
	struct span word = take_word(&rest);

	o->max_size = 0;
	return word.len == 0 || smtp_param_size(word, &o->max_size);
}

static bool read_auth(struct smtp_offer *o, struct span rest)
{
	static const struct word_bit mechanisms[] = {
		{ WORD("PLAIN"), SMTP_OFFER_AUTH_PLAIN },
		{ WORD("LOGIN"), SMTP_OFFER_AUTH_LOGIN },
	};

	o->auth |= (uint8_t)words_bits(rest, mechanisms, sizeof(mechanisms) / sizeof(mechanisms[0]));
	return true;
}

static bool read_xclient(struct smtp_offer *o, struct span rest)
{
	o->xclient = attribute_bits(rest);
	return o->xclient;
}

static bool read_xforward(struct smtp_offer *o, struct span rest)
{
	o->xforward = attribute_bits(rest);
	return o->xforward;
}

/* RFC 9422 4: NAME=NUMBER, the number of 1 to 6 digits and not 0. */
static bool read_limits(struct smtp_offer *o, struct span rest)
{
	const struct {
		struct span name;
		uint32_t *value;
	} rows[] = {
		{ WORD("MAILMAX"), &o->mail_max },
		{ WORD("RCPTMAX"), &o->rcpt_max },
		{ WORD("RCPTDOMAINMAX"), &o->rcpt_domain_max },
	};
	struct span word;

	while ((word = take_word(&rest)).len) {
		size_t n = span_find(word, '=');
		uint64_t value = 0;

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (span_ieq(span_head(word, n), rows[i].name) && word.len - n <= 7 &&
			    span_to_u64(span_from(word, n + 1), &value))
				*rows[i].value = (uint32_t)value;
	}
	return true;
}

static const struct keyword {
	struct span word;
	enum smtp_offer_bit bit;
	/* Reads what stands behind the keyword; false: it is malformed, and nothing is offered. */
	bool (*read)(struct smtp_offer *o, struct span rest);
} keywords[] = {
	{ WORD("PIPELINING"), SMTP_OFFER_PIPELINING, NULL },
	{ WORD("SIZE"), SMTP_OFFER_SIZE, read_size },
	{ WORD("8BITMIME"), SMTP_OFFER_8BITMIME, NULL },
	{ WORD("SMTPUTF8"), SMTP_OFFER_SMTPUTF8, NULL },
	{ WORD("STARTTLS"), SMTP_OFFER_STARTTLS, NULL },
	{ WORD("CHUNKING"), SMTP_OFFER_CHUNKING, NULL },
	{ WORD("BINARYMIME"), SMTP_OFFER_BINARYMIME, NULL },
	{ WORD("DSN"), SMTP_OFFER_DSN, NULL },
	{ WORD("REQUIRETLS"), SMTP_OFFER_REQUIRETLS, NULL },
	{ WORD("ENHANCEDSTATUSCODES"), SMTP_OFFER_ENHANCEDSTATUSCODES, NULL },
	{ WORD("PRDR"), SMTP_OFFER_PRDR, NULL },
	{ WORD("LIMITS"), SMTP_OFFER_LIMITS, read_limits },
	{ WORD("AUTH"), SMTP_OFFER_AUTH, read_auth },
	{ WORD("XCLIENT"), SMTP_OFFER_XCLIENT, read_xclient },
	{ WORD("XFORWARD"), SMTP_OFFER_XFORWARD, read_xforward },
};

void smtp_offer_add_line(struct smtp_offer *o, struct span line)
{
	struct span word = take_word(&line);

	/* "AUTH=LOGIN PLAIN" is how servers for very old clients say it. */
	if (span_istarts(word, SPAN_LITERAL("AUTH="))) {
		o->bits |= SMTP_OFFER_AUTH;
		read_auth(o, span_from(word, strlen("AUTH=")));
		read_auth(o, line);
		return;
	}
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		const struct keyword *k = &keywords[i];

		if (!span_ieq(word, k->word))
			continue;
		if (!k->read || k->read(o, line))
			o->bits |= k->bit;
		else
			o->bits &= ~(uint32_t)k->bit;
	}
}
