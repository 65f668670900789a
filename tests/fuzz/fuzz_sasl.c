/*
 * Laws of what strangers say in PLAIN and LOGIN (auth/attempt), and of secrets in
 * password files (auth/secret): whoever gets as far as being looked at has a name
 * and a password that are text; in PLAIN they are the fields of the message, and
 * who acts for another is refused; no exchange is endless. The first byte chooses;
 * then come messages, each behind a byte that is its length.
 */
#include "auth/attempt.h"
#include "auth/secret.h"
#include "base/utf8.h"
#include "fuzz.h"

#include <string.h>

static const struct auth_mechanism *passwords(struct auth_source *source, const struct auth_channel *channel,
					      size_t *count)
{
	static const struct auth_mechanism both[] = { { "PLAIN", AUTH_REACH_USERS }, { "LOGIN", AUTH_REACH_USERS } };

	(void)source;
	(void)channel;
	*count = 2;
	return both;
}

static bool believe(struct auth_source *source, struct auth_check *check, const struct auth_credentials *c)
{
	(void)source;
	LAW(*c->user && strlen(c->user) <= AUTH_USER_MAX && utf8_is_text(span_str(c->user)));
	LAW(*c->password && strlen(c->password) <= AUTH_PASSWORD_MAX && utf8_is_text(span_str(c->password)));
	auth_answer_name(&check->answer, span_str(c->user));
	return auth_answer_set(&check->answer, AUTH_OK, NULL, NULL);
}

static const struct auth_source_ops believer_ops = {
	.type = "believer", .mechanisms = passwords, .check_start = believe
};

/* RFC 4616 2, by ASCII alone: there SASLprep changes nothing. */
static void hold_plain(const struct auth_attempt *a, struct span message)
{
	size_t first = span_find(message, '\0');
	struct span rest = span_from(message, first + 1);
	size_t second = span_find(rest, '\0');
	struct span identity = span_head(message, first);

	LAW(first < message.len && second < rest.len);
	LAW(span_find(span_from(rest, second + 1), '\0') == rest.len - second - 1);
	if (!utf8_is_ascii(message))
		return;
	LAW(span_eq(auth_attempt_user(a), span_head(rest, second)));
	LAW(span_eq(auth_attempt_secret(a), span_from(rest, second + 1)));
	LAW(identity.len == 0 || span_eq(identity, auth_attempt_user(a)));
}

/* True: the exchange goes on. */
static bool say(struct auth_attempt *a, bool is_plain, struct span message)
{
	struct auth_answer answer = { 0 };
	struct auth_step step = { 0 };
	enum auth_result result;

	auth_attempt_take(a, message, &answer);
	result = answer.result;
	auth_answer_clear(&answer);
	LAW(result == AUTH_CONTINUE || result == AUTH_READY || result == AUTH_WRONG || result == AUTH_MALFORMED);
	if (result != AUTH_READY)
		return result == AUTH_CONTINUE;
	if (is_plain)
		hold_plain(a, message);
	LAW(!auth_attempt_start(a, &step) && step.answer.result == AUTH_OK);
	LAW(span_eq(span_str(step.answer.user), auth_attempt_user(a)));
	auth_answer_clear(&step.answer);
	return false;
}

static void converse(bool is_plain, struct span rest)
{
	struct auth_source believer = { .ops = &believer_ops, .name = "believer" };
	struct auth_source *sources[] = { &believer };
	const struct auth_chain chain = { .sources = sources, .count = 1 };
	const struct auth_channel channel = { .session_id = "fuzz" };
	struct auth_attempt *a = auth_attempt_new(&chain, &believer, &channel, is_plain ? "PLAIN" : "LOGIN");
	bool goes_on = a && say(a, is_plain, (struct span){ NULL, 0 });

	for (unsigned messages = 0; goes_on && rest.len > 0; messages++) {
		size_t len = (unsigned char)rest.ptr[0];

		LAW(messages < 20);
		goes_on = say(a, is_plain, span_head(span_from(rest, 1), len));
		rest = span_from(rest, 1 + len);
	}
	auth_attempt_free(&a);
}

static void read_secret(struct span text)
{
	struct arena arena = { 0 };
	struct secret secret;
	struct err err;

	if (secret_parse(&secret, &arena, text, &err)) {
		LAW(secret.kind & SECRET_ANY);
		LAW((secret.text != NULL) != (secret.keys != NULL));
		LAW(!secret.keys || (secret.keys->iterations > 0 && secret.keys->salt_len > 0 &&
				     secret.keys->salt_len <= SECRET_SALT_MAX));
	} else {
		LAW(*err.text);
	}
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data + 1, size ? size - 1 : 0);

	if (size == 0)
		return 0;
	if (data[0] % 3 == 2)
		read_secret(rest);
	else
		converse(data[0] % 3 == 0, rest);
	return 0;
}
