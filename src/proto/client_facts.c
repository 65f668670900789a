/*
 * XCLIENT and XFORWARD: what a next hop is told of our own client. Values go out
 * as xtext; one that is unknown, over long or has a control character in it is
 * [UNAVAILABLE].
 */
#include "proto/client_private.h"
#include "proto/xtext.h"

enum {
	VALUE_MAX = 255,
	COMMAND_TEXT_MAX = 510, /* RFC 5321 4.5.3.1.4: 512 with CRLF */
	SCRATCH_SIZE = sizeof("IPV6:") + ADDR_TEXT_SIZE,
};

static struct span port_text(uint16_t port, char *scratch)
{
	size_t n = 5;

	for (; port; port /= 10)
		scratch[--n] = (char)('0' + port % 10);
	return span_of(scratch + n, 5 - n);
}

static struct span address_text(const struct addr *client, char *scratch)
{
	struct addr plain = *client;
	size_t n = client->family == ADDR_IPV6 ? strlen("IPV6:") : 0;

	if (client->family == ADDR_NONE)
		return span_of("", 0);
	plain.scope_id = 0;
	memcpy(scratch, "IPV6:", n);
	addr_format_ip(&plain, scratch + n);
	return span_str(scratch);
}

static struct span attribute_value(const struct smtp_client_facts *f, enum smtp_client_attribute attribute,
				   bool is_xclient, char *scratch)
{
	switch (attribute) {
	case SMTP_ATTRIBUTE_NAME:
		return f->name;
	case SMTP_ATTRIBUTE_ADDR:
		return address_text(&f->client, scratch);
	case SMTP_ATTRIBUTE_PORT:
		return port_text(f->client.port, scratch);
	case SMTP_ATTRIBUTE_PROTO:
		/* XCLIENT knows SMTP and ESMTP only. */
		if (!is_xclient || span_eq(f->protocol, SPAN_LITERAL("SMTP")))
			return f->protocol;
		return SPAN_LITERAL("ESMTP");
	case SMTP_ATTRIBUTE_HELO:
		return f->helo;
	case SMTP_ATTRIBUTE_LOGIN:
		return f->login;
	case SMTP_ATTRIBUTE_IDENT:
		return f->ident;
	case SMTP_ATTRIBUTE_SOURCE:
		return SPAN_LITERAL("REMOTE");
	}
	BUG_ON(true);
}

static bool is_available(struct span value)
{
	if (value.len == 0 || value.len > VALUE_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
			return false;
	return true;
}

static void put_attribute(struct smtp_client *c, const char *name, struct span value)
{
	client_put_str(c, " ");
	client_put_str(c, name);
	client_put_str(c, "=");
	if (!is_available(value))
		client_put_str(c, "[UNAVAILABLE]");
	else if (!xtext_encode(&c->out, value))
		c->has_failed = true;
}

static const struct {
	const char *name;
	enum smtp_client_attribute bit;
} attributes[] = {
	{ "NAME", SMTP_ATTRIBUTE_NAME },   { "ADDR", SMTP_ATTRIBUTE_ADDR },
	{ "PORT", SMTP_ATTRIBUTE_PORT },   { "PROTO", SMTP_ATTRIBUTE_PROTO },
	{ "HELO", SMTP_ATTRIBUTE_HELO },   { "LOGIN", SMTP_ATTRIBUTE_LOGIN },
	{ "IDENT", SMTP_ATTRIBUTE_IDENT }, { "SOURCE", SMTP_ATTRIBUTE_SOURCE },
};

enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

/* XCLIENT is one command, because the session begins anew behind each. */
static void put_xclient(struct smtp_client *c, const struct smtp_client_facts *facts)
{
	client_put_str(c, "XCLIENT");
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		char scratch[SCRATCH_SIZE];

		if (c->xclient_attributes & attributes[i].bit)
			put_attribute(c, attributes[i].name,
				      attribute_value(facts, attributes[i].bit, true, scratch));
	}
}

/* XFORWARD may be several commands, each within the length of a command line. */
static void say_xforward(struct smtp_client *c, const struct smtp_client_facts *facts)
{
	size_t from = client_mark(c);

	client_put_str(c, "XFORWARD");
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		char scratch[SCRATCH_SIZE];
		struct span value = attribute_value(facts, attributes[i].bit, false, scratch);
		size_t before = client_mark(c);

		if (!(c->offer.xforward & attributes[i].bit))
			continue;
		put_attribute(c, attributes[i].name, value);
		if (client_mark(c) - from <= COMMAND_TEXT_MAX || before - from == strlen("XFORWARD"))
			continue;
		c->out.end = c->out.start + before;
		client_ask(c, COMMAND_XFORWARD, from);
		from = client_mark(c);
		client_put_str(c, "XFORWARD");
		put_attribute(c, attributes[i].name, value);
	}
	client_ask(c, COMMAND_XFORWARD, from);
}

/* Said already on this connection? Otherwise it is noted as said. */
static bool is_known(struct smtp_client *c, struct span command)
{
	if (span_eq(command, buf_span(&c->xclient)))
		return true;
	buf_clear(&c->xclient);
	if (!buf_add_span(&c->xclient, command))
		c->has_failed = true;
	return false;
}

static bool introduce_by_xclient(struct smtp_client *c, const struct smtp_client_facts *facts)
{
	size_t from = client_mark(c);

	c->xclient_attributes |= c->offer.xclient;
	put_xclient(c, facts);
	if (!c->has_failed && is_known(c, span_from(buf_span(&c->out), from))) {
		c->out.end = c->out.start + from;
		return false;
	}
	/* Another client would go by the name of the one before. */
	if (!smtp_offer_has(&c->offer, SMTP_OFFER_XCLIENT))
		client_close(c, "xclient_sticks");
	c->has_xclient_login = c->xclient_attributes & SMTP_ATTRIBUTE_LOGIN && is_available(facts->login);
	client_ask(c, COMMAND_XCLIENT, from);
	if (c->state != CLIENT_CLOSED)
		c->state = CLIENT_OPENING;
	return true;
}

bool smtp_client_introduce(struct smtp_client *c, const struct smtp_client_facts *facts)
{
	const struct smtp_client_options *o = c->options;

	if (c->state == CLIENT_CLOSED)
		return true;
	BUG_ON(c->state != CLIENT_READY || c->is_ready_due);
	if (buf_len(&c->xclient) || (o->sends_xclient && smtp_offer_has(&c->offer, SMTP_OFFER_XCLIENT)))
		return introduce_by_xclient(c, facts);
	if (o->sends_xforward && smtp_offer_has(&c->offer, SMTP_OFFER_XFORWARD))
		say_xforward(c, facts);
	return false;
}
