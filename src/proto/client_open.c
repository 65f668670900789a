/*
 * The client machine's opening: greeting, EHLO or LHLO, STARTTLS, AUTH; and what
 * XCLIENT makes begin anew.
 */
#include "base/base64.h"
#include "proto/client_private.h"

#include <stdlib.h>

/* Octets of base64 that go out with AUTH itself: RFC 5321 4.5.3.1.4 has 512 for a command line. */
enum { INITIAL_RESPONSE_MAX = 480 };

void client_open_begin(struct smtp_client *c)
{
	c->state = CLIENT_OPENING;
	client_await(c, COMMAND_GREETING, 0);
}

static void say_name(struct smtp_client *c, enum client_command command, const char *verb)
{
	size_t from = client_mark(c);

	client_put_str(c, verb);
	client_put_str(c, c->options->hostname);
	client_ask(c, command, from);
}

void client_say_hello(struct smtp_client *c)
{
	c->state = CLIENT_OPENING;
	c->offer = (struct smtp_offer){ 0 };
	say_name(c, COMMAND_EHLO, c->options->is_lmtp ? "LHLO " : "EHLO ");
}

void smtp_client_tls_started(struct smtp_client *c)
{
	if (c->state == CLIENT_CLOSED)
		return;
	BUG_ON(c->state != CLIENT_NEW && c->state != CLIENT_TLS);
	c->is_tls = true;
	/* RFC 3207 4.2: what was offered before is forgotten. */
	if (c->state == CLIENT_TLS)
		client_say_hello(c);
}

/* ---- AUTH (RFC 4954) ---- */

/* Put a secret out in base64, with room for CRLF: if it moved, a copy would stay behind. */
static void put_secret(struct smtp_client *c, struct span secret)
{
	if (!buf_reserve(&c->out, base64_encoded_len(secret.len) + 2)) {
		c->has_failed = true;
		return;
	}
	c->has_secret = true;
	buf_added(&c->out, base64_encode(secret, c->out.data + c->out.end));
}

size_t client_plain_len(const struct smtp_client *c)
{
	return strlen(c->options->user) + strlen(c->options->password) + 2;
}

/* RFC 4616 2: no identity to act as, the user, the password. */
void client_write_plain(const struct smtp_client *c, char *plain)
{
	size_t user_len = strlen(c->options->user);

	plain[0] = plain[1 + user_len] = '\0';
	memcpy(plain + 1, c->options->user, user_len);
	memcpy(plain + 2 + user_len, c->options->password, strlen(c->options->password));
}

static void put_plain(struct smtp_client *c)
{
	size_t len = client_plain_len(c);
	char *plain = malloc(len);

	if (!plain) {
		c->has_failed = true;
		return;
	}
	client_write_plain(c, plain);
	put_secret(c, span_of(plain, len));
	explicit_bzero(plain, len);
	free(plain);
}

static void say_auth_plain(struct smtp_client *c)
{
	if (base64_encoded_len(client_plain_len(c)) > INITIAL_RESPONSE_MAX) {
		c->auth_step = AUTH_PLAIN;
		client_say(c, COMMAND_AUTH, "AUTH PLAIN");
		return;
	}
	size_t from = client_mark(c);

	c->auth_step = AUTH_DONE;
	client_put_str(c, "AUTH PLAIN ");
	put_plain(c);
	client_ask(c, COMMAND_AUTH, from);
}

static void say_auth(struct smtp_client *c)
{
	if (!c->is_tls && !c->options->auth_without_tls) {
		client_close(c, "auth_without_tls");
	} else if (c->offer.auth & SMTP_OFFER_AUTH_PLAIN) {
		say_auth_plain(c);
	} else if (c->offer.auth & SMTP_OFFER_AUTH_LOGIN) {
		c->auth_step = AUTH_LOGIN_USER;
		client_say(c, COMMAND_AUTH, "AUTH LOGIN");
	} else {
		client_close(c, "auth_not_offered");
	}
}

/* What a 334 asks for. */
static void say_auth_step(struct smtp_client *c)
{
	size_t from = client_mark(c);

	switch ((enum client_auth_step)c->auth_step) {
	case AUTH_PLAIN:
		c->auth_step = AUTH_DONE;
		put_plain(c);
		break;
	case AUTH_LOGIN_USER:
		c->auth_step = AUTH_LOGIN_PASSWORD;
		put_secret(c, span_str(c->options->user));
		break;
	case AUTH_LOGIN_PASSWORD:
		c->auth_step = AUTH_DONE;
		put_secret(c, span_str(c->options->password));
		break;
	case AUTH_DONE:
		client_close_by_reply(c, "unexpected_code");
		return;
	}
	client_ask(c, COMMAND_AUTH, from);
}

static void take_auth(struct smtp_client *c)
{
	if (c->reply.code >= 400)
		client_close_by_reply(c, "auth_refused");
	else if (c->reply.code >= 300)
		say_auth_step(c);
	else if (c->auth_step == AUTH_DONE)
		client_become_ready(c);
	else
		client_close_by_reply(c, "unexpected_code");
}

/* ---- the way to READY ---- */

/* Is there somebody to log in as? Behind XCLIENT only where the hop asks for it once more. */
static bool wants_auth(const struct smtp_client *c)
{
	if (!c->options->user)
		return false;
	return buf_len(&c->xclient) == 0 || (c->offer.auth && !c->has_xclient_login);
}

static void go_on_behind_tls(struct smtp_client *c)
{
	if (wants_auth(c))
		say_auth(c);
	else
		client_become_ready(c);
}

static void go_on_behind_hello(struct smtp_client *c)
{
	enum smtp_client_tls starttls = c->is_tls ? SMTP_CLIENT_TLS_NEVER : c->options->starttls;

	if (starttls != SMTP_CLIENT_TLS_NEVER && smtp_offer_has(&c->offer, SMTP_OFFER_STARTTLS))
		client_say(c, COMMAND_STARTTLS, "STARTTLS");
	else if (starttls == SMTP_CLIENT_TLS_MUST)
		client_close(c, "tls_not_offered");
	else
		go_on_behind_tls(c);
}

static void take_ehlo(struct smtp_client *c)
{
	if (c->reply.code < 300)
		go_on_behind_hello(c);
	else if (c->reply.code >= 500 && !c->options->is_lmtp)
		say_name(c, COMMAND_HELO, "HELO "); /* RFC 5321 3.2 */
	else
		client_close_by_reply(c, "hello_refused");
}

static void take_starttls(struct smtp_client *c)
{
	if (c->reply.code < 300)
		c->state = CLIENT_TLS;
	else if (c->options->starttls == SMTP_CLIENT_TLS_MUST)
		client_close_by_reply(c, "tls_refused");
	else
		go_on_behind_tls(c);
}

/* Go on, or give up where it was refused. */
static void take_or_close(struct smtp_client *c, void (*go_on)(struct smtp_client *), const char *reason)
{
	if (c->reply.code < 400)
		go_on(c);
	else
		client_close_by_reply(c, reason);
}

void client_open_take(struct smtp_client *c, enum client_command command)
{
	switch (command) {
	case COMMAND_GREETING:
		take_or_close(c, client_say_hello, "greeting_refused");
		return;
	case COMMAND_EHLO:
		take_ehlo(c);
		return;
	case COMMAND_HELO:
		take_or_close(c, go_on_behind_hello, "hello_refused");
		return;
	case COMMAND_STARTTLS:
		take_starttls(c);
		return;
	case COMMAND_AUTH:
		take_auth(c);
		return;
	case COMMAND_XCLIENT:
		/* It answers with a greeting: the session is a new one. */
		take_or_close(c, client_say_hello, "xclient_refused");
		return;
	case COMMAND_XFORWARD:
		/* A hop that does not know who the client is would take us for it, and trust us. */
		if (c->reply.code >= 400)
			client_close_by_reply(c, "xforward_refused");
		return;
	default:
		BUG_ON(true);
	}
}
