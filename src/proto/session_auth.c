/*
 * AUTH (RFC 4954): the command, and the lines of the client that answer
 * challenges. The machine knows base64 and nothing of mechanisms. What a client
 * sends here is never told for the log, and is wiped as soon as it was used.
 */
#include "proto/session_private.h"

#include "base/base64.h"
#include "proto/xtext.h"

bool session_offers_auth(const struct smtp_session *s)
{
	return s->options->offers_auth && s->auth_mechanisms && *s->auth_mechanisms && !s->is_authenticated &&
	       (s->is_tls || s->options->auth_without_tls);
}

void smtp_session_offer_auth(struct smtp_session *s, const char *mechanisms)
{
	s->auth_mechanisms = mechanisms;
}

bool smtp_session_in_auth(const struct smtp_session *s)
{
	return s->state == SESSION_AUTH || s->waiting == SMTP_EVENT_AUTH || s->waiting == SMTP_EVENT_AUTH_STEP;
}

void session_wipe_secret(struct smtp_session *s)
{
	buf_wipe(&s->secret);
}

/* Leave the exchange with an error; the owner learns it from REPLIED. */
static enum session_step fail(struct smtp_session *s, enum smtp_reply_name name, struct smtp_event *event)
{
	/* What stands behind the verb is a secret, and so is all of a response. */
	struct span line = s->state == SESSION_AUTH ? SPAN_LITERAL("") : SPAN_LITERAL("AUTH");

	s->state = SESSION_COMMAND;
	s->is_secret_due = true;
	session_wipe_secret(s);
	return session_answer(s, name, line, event);
}

enum session_step session_refuse_overlong_auth_line(struct smtp_session *s, struct smtp_event *event)
{
	s->stage = "auth";
	return fail(s, SMTP_REPLY_AUTH_LINE_TOO_LONG, event);
}

/* Tell the owner what the client said; ptr NULL: nothing. False: it is no base64. */
static bool decode(struct smtp_session *s, struct span text, struct span *response)
{
	size_t len;

	if (!base64_decode(text, s->secret.data, &len))
		return false;
	s->secret.end = len;
	*response = buf_span(&s->secret);
	return true;
}

/*
 * A client whose AUTH was refused may go on with what it would have said next, in
 * base64. What has no blank is not shown then, until it says a command that is one.
 */
struct span session_shown_line(const struct smtp_session *s, struct span line)
{
	static const struct span verb = { "AUTH", 4 };

	struct span words = span_trim(line);

	if (s->state != SESSION_AUTH && span_istarts(words, verb))
		return span_head(words, verb.len);
	if (s->state == SESSION_AUTH || (s->is_secret_due && span_find(words, ' ') == words.len))
		return SPAN_LITERAL("");
	return line;
}

/* ---- the command ---- */

static char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

/* Is it among those that are offered? Notes it in upper case. */
static bool take_mechanism(struct smtp_session *s, struct span name)
{
	struct span rest = span_str(s->auth_mechanisms);

	if (name.len > SMTP_MECHANISM_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		s->mechanism[i] = ascii_upper(name.ptr[i]);
	s->mechanism[name.len] = '\0';
	while (rest.len) {
		size_t n = span_find(rest, ' ');

		if (span_eq(span_head(rest, n), span_str(s->mechanism)))
			return true;
		rest = span_from(rest, n + 1);
	}
	return false;
}

/* Why AUTH may not come now; SMTP_REPLY_OK: it may. */
static enum smtp_reply_name untimely(const struct smtp_session *s)
{
	if (s->is_authenticated)
		return SMTP_REPLY_AUTH_TWICE;
	if (s->transaction.is_open)
		return SMTP_REPLY_AUTH_IN_TRANSACTION;
	/* What is no part of the reply to EHLO was not offered. */
	if (!s->has_ehlo && !s->options->is_lenient)
		return SMTP_REPLY_EHLO_FIRST;
	if (!s->is_tls && !s->options->auth_without_tls)
		return SMTP_REPLY_AUTH_NEEDS_TLS;
	return SMTP_REPLY_OK;
}

/* RFC 4954 4: "=" is an initial response of no octets. */
static enum smtp_reply_name take_initial(struct smtp_session *s, struct span text, struct span *initial)
{
	if (text.len == 0) {
		*initial = (struct span){ NULL, 0 };
		return SMTP_REPLY_OK;
	}
	if (!buf_reserve(&s->secret, base64_decoded_max(text.len) + 1))
		return SMTP_REPLY_AUTH_UNAVAILABLE;
	if (span_eq(text, SPAN_LITERAL("="))) {
		*initial = SPAN_LITERAL("");
		return SMTP_REPLY_OK;
	}
	return decode(s, text, initial) ? SMTP_REPLY_OK : SMTP_REPLY_AUTH_BAD_BASE64;
}

enum session_step session_handle_auth(struct smtp_session *s, struct span argument, struct smtp_event *event)
{
	enum smtp_reply_name name = untimely(s);
	size_t n = span_find(argument, ' ');
	struct span initial = span_trim(span_from(argument, n));

	if (name != SMTP_REPLY_OK)
		return fail(s, name, event);
	if (argument.len == 0)
		return fail(s, SMTP_REPLY_AUTH_SYNTAX, event);
	if (!take_mechanism(s, span_head(argument, n)))
		return fail(s, SMTP_REPLY_AUTH_UNKNOWN_MECHANISM, event);
	name = take_initial(s, initial, &event->u.auth.response);
	if (name != SMTP_REPLY_OK)
		return fail(s, name, event);
	event->u.auth.mechanism = s->mechanism;
	return session_ask(s, SMTP_EVENT_AUTH, event);
}

/*
 * RFC 4954 5: who submitted the message, as "<>" or an address, in xtext. It is checked and forgotten: we
 * have no way to know whether a client may speak for others, and then it is as if it said "<>".
 */
bool session_takes_auth_parameter(struct span value)
{
	enum { VALUE_MAX = 500 };
	char text[VALUE_MAX];
	struct smtp_address address;
	size_t len;

	if (!value.ptr || value.len == 0 || value.len > VALUE_MAX || !xtext_decode(value, text, &len))
		return false;
	return span_eq(span_of(text, len), SPAN_LITERAL("<>")) ||
	       smtp_address_parse(&address, SMTP_CHARSET_UTF8, span_of(text, len));
}

/* ---- the lines that answer challenges ---- */

static enum session_step take_response(struct smtp_session *s, struct span line, struct smtp_event *event)
{
	if (!buf_reserve(&s->secret, base64_decoded_max(line.len) + 1))
		return fail(s, SMTP_REPLY_AUTH_UNAVAILABLE, event);
	if (!decode(s, line, &event->u.auth.response))
		return fail(s, SMTP_REPLY_AUTH_BAD_BASE64, event);
	event->u.auth.mechanism = s->mechanism;
	return session_ask(s, SMTP_EVENT_AUTH_STEP, event);
}

enum session_step session_take_auth_line(struct smtp_session *s, struct span line, struct smtp_event *event)
{
	s->stage = "auth";
	if (span_eq(line, SPAN_LITERAL("*")))
		return fail(s, SMTP_REPLY_AUTH_CANCELLED, event);
	return take_response(s, line, event);
}
