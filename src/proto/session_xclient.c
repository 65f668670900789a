/*
 * XCLIENT: a proxy that we trust says on whose behalf it speaks, command by
 * command as Postfix has it: attributes with values in xtext. The session then
 * begins anew as that client's, with another greeting.
 */
#include "proto/session_private.h"

#include "proto/xtext.h"

/* ADDR: an IPv4 address, or "IPV6:" and an IPv6 one. */
static bool take_address(struct smtp_xclient *x, struct span value)
{
	static const struct span ipv6 = { "IPV6:", 5 };
	bool is_ipv6 = span_istarts(value, ipv6);
	uint16_t port = x->client.port;

	if (!addr_parse_ip(&x->client, is_ipv6 ? span_from(value, ipv6.len) : value) || x->client.scope_id)
		return false;
	/* ::ffff:192.0.2.1 is IPv4 to us, whatever it was called. */
	if (!is_ipv6 && x->client.family != ADDR_IPV4)
		return false;
	x->client.port = port;
	x->has_client = true;
	return true;
}

static bool take_port(struct smtp_xclient *x, struct span value)
{
	uint32_t port = 0;

	if (value.len == 0 || value.len > 5)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return false;
		port = port * 10 + (uint32_t)(value.ptr[i] - '0');
	}
	x->client.port = (uint16_t)port;
	return port <= UINT16_MAX;
}

static bool take_login(struct smtp_xclient *x, struct span value)
{
	if (value.len == 0 || value.len >= sizeof(x->login))
		return false;
	memcpy(x->login, value.ptr, value.len);
	x->login[value.len] = '\0';
	return !memchr(x->login, '\0', value.len);
}

static bool is_unavailable(struct span value)
{
	return span_ieq(value, SPAN_LITERAL("[UNAVAILABLE]")) || span_ieq(value, SPAN_LITERAL("[TEMPUNAVAIL]"));
}

/* What names a host or the proxy's own address is of no use to us, but is no mistake either. */
static bool is_of_no_use(struct span name)
{
	static const struct span names[] = {
		SPAN_LITERAL("NAME"),	  SPAN_LITERAL("HELO"),	    SPAN_LITERAL("PROTO"),
		SPAN_LITERAL("DESTADDR"), SPAN_LITERAL("DESTPORT"), SPAN_LITERAL("REVERSE_NAME"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_ieq(name, names[i]))
			return true;
	return false;
}

/* False: an unknown attribute, or a value that it cannot have. */
static bool take_attribute(struct smtp_xclient *x, struct span name, struct span value)
{
	if (is_of_no_use(name) || is_unavailable(value))
		return is_of_no_use(name) || span_ieq(name, SPAN_LITERAL("ADDR")) ||
		       span_ieq(name, SPAN_LITERAL("PORT")) || span_ieq(name, SPAN_LITERAL("LOGIN"));
	if (span_ieq(name, SPAN_LITERAL("ADDR")))
		return take_address(x, value);
	if (span_ieq(name, SPAN_LITERAL("PORT")))
		return take_port(x, value);
	return span_ieq(name, SPAN_LITERAL("LOGIN")) && take_login(x, value);
}

/* NAME=value of the attributes, one after the other; at least one. */
static bool take_attributes(struct smtp_xclient *x, struct span text)
{
	char value[SMTP_XCLIENT_VALUE_MAX];
	bool has_one = false;

	for (text = span_trim(text); text.len; text = span_trim(text)) {
		struct span word = span_head(text, span_find(text, ' '));
		size_t equals = span_find(word, '='), len = 0;
		struct span xtext = span_from(word, equals < word.len ? equals + 1 : equals);

		if (equals == word.len || xtext.len > sizeof(value) || !xtext_decode(xtext, value, &len) ||
		    !take_attribute(x, span_head(word, equals), span_of(value, len)))
			return false;
		text = span_from(text, word.len);
		has_one = true;
	}
	return has_one;
}

enum session_step session_handle_xclient(struct smtp_session *s, struct span line, struct span argument,
					 struct smtp_event *event)
{
	struct smtp_xclient x = { 0 };

	if (s->transaction.is_open)
		return session_answer(s, SMTP_REPLY_XCLIENT_IN_TRANSACTION, line, event);
	if (!take_attributes(&x, argument))
		return session_answer(s, SMTP_REPLY_XCLIENT_SYNTAX, line, event);
	event->u.xclient = x;
	s->has_login = *x.login != '\0';
	return session_ask(s, SMTP_EVENT_XCLIENT, event);
}

void session_begin_anew(struct smtp_session *s)
{
	s->has_helo = s->has_ehlo = s->is_extended = false;
	s->chunk = (struct session_chunk){ 0 };
	s->is_authenticated = s->has_login;
	s->line_ending = LINE_ENDING_UNKNOWN;
	s->errors = 0;
	s->stage = "command";
}
