#include "auth/attempt.h"

#include "auth/prepare.h"

#include <stdlib.h>
#include <string.h>

enum kind { KIND_PLAIN, KIND_LOGIN, KIND_SOURCE };

/* Messages of one exchange, by which even a mechanism that never ends does. */
enum { MESSAGES_MAX = 10 };

struct auth_attempt {
	const struct auth_chain *chain;
	struct auth_source *source;
	const struct auth_channel *channel;
	const char *mechanism;
	enum kind kind;
	unsigned messages;
	bool has_last_words;  /* they were sent; an empty message is to come */
	char user[AUTH_USER_MAX + 1];
	char password[AUTH_PASSWORD_MAX + 1];
	size_t at;            /* PLAIN, LOGIN: the source that is being asked */
	struct auth_check check;
	struct auth_exchange *exchange; /* owned, the source's; NULL: none yet */
	struct auth_step own;           /* what the source is asked by */
	struct buf message;             /* of the client, for the source */
	bool has_message;
	struct auth_step *step;         /* the owner's, while it waits */
};

struct auth_attempt *auth_attempt_new(const struct auth_chain *chain, struct auth_source *source,
				      const struct auth_channel *channel, const char *mechanism)
{
	struct auth_attempt *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->chain = chain;
	a->source = source;
	a->channel = channel;
	a->mechanism = mechanism;
	a->kind = strcmp(mechanism, "PLAIN") == 0 ? KIND_PLAIN : strcmp(mechanism, "LOGIN") == 0 ? KIND_LOGIN : KIND_SOURCE;
	return a;
}

void auth_attempt_free(struct auth_attempt **attempt)
{
	struct auth_attempt *a = *attempt;

	*attempt = NULL;
	if (!a)
		return;
	op_cancel(&a->check.op);
	op_cancel(&a->own.op);
	if (a->exchange)
		a->source->ops->exchange_free(a->exchange);
	auth_answer_clear(&a->check.answer);
	auth_answer_clear(&a->own.answer);
	buf_wipe(&a->message);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

struct span auth_attempt_user(const struct auth_attempt *a)
{
	return span_str(a->user);
}

struct span auth_attempt_secret(const struct auth_attempt *a)
{
	return span_str(a->password);
}

/* ---- what the client says ---- */

static void prompt(struct auth_answer *answer, const char *text)
{
	auth_answer_set(answer, AUTH_CONTINUE, NULL, NULL);
	if (!buf_add_str(&answer->challenge, text))
		auth_answer_set(answer, AUTH_UNAVAILABLE, "no_memory", NULL);
}

static void take_name(struct auth_attempt *a, struct span name, struct auth_answer *answer)
{
	if (auth_prepare(a->user, sizeof(a->user), name))
		auth_answer_name(answer, span_str(a->user));
	else
		auth_answer_set(answer, AUTH_WRONG, "bad_name", NULL);
}

static void take_password(struct auth_attempt *a, struct span password, struct auth_answer *answer)
{
	if (auth_prepare(a->password, sizeof(a->password), password))
		auth_answer_set(answer, AUTH_READY, NULL, NULL);
	else
		auth_answer_set(answer, AUTH_WRONG, "bad_password", NULL);
}

/* Nobody may be another than himself (RFC 4616 2: the authorization identity). */
static bool may_act_as(const struct auth_attempt *a, struct span other)
{
	char prepared[AUTH_USER_MAX + 1];

	return other.len == 0 ||
	       (auth_prepare(prepared, sizeof(prepared), other) && strcmp(prepared, a->user) == 0);
}

/* RFC 4616 2: [authzid] NUL authcid NUL passwd */
static void take_plain(struct auth_attempt *a, struct span message, struct auth_answer *answer)
{
	size_t first = span_find(message, '\0');
	struct span rest = span_from(message, first + 1);
	size_t second = span_find(rest, '\0');
	struct span password = span_from(rest, second + 1);

	if (first == message.len || second == rest.len || span_find(password, '\0') < password.len) {
		auth_answer_set(answer, AUTH_MALFORMED, "bad_message", NULL);
		return;
	}
	answer->result = AUTH_READY;
	take_name(a, span_head(rest, second), answer);
	if (answer->result == AUTH_READY && !may_act_as(a, span_head(message, first)))
		auth_answer_set(answer, AUTH_WRONG, "other_identity", NULL);
	if (answer->result == AUTH_READY)
		take_password(a, password, answer);
}

/* No RFC has LOGIN: the name, then the password, each asked for in words that mail programs know. */
static void take_login(struct auth_attempt *a, struct span message, struct auth_answer *answer)
{
	if (!message.ptr) {
		prompt(answer, "Username:");
		return;
	}
	if (*a->user) {
		auth_answer_name(answer, span_str(a->user));
		take_password(a, message, answer);
		return;
	}
	answer->result = AUTH_CONTINUE;
	take_name(a, message, answer);
	if (answer->result == AUTH_CONTINUE)
		prompt(answer, "Password:");
}

static void take_for_source(struct auth_attempt *a, struct span message, struct auth_answer *answer)
{
	auth_answer_name(answer, span_str(a->user));
	buf_wipe(&a->message);
	a->has_message = message.ptr != NULL;
	if (buf_add_span(&a->message, message))
		auth_answer_set(answer, AUTH_READY, NULL, NULL);
	else
		auth_answer_set(answer, AUTH_UNAVAILABLE, "no_memory", NULL);
}

/* RFC 4954 4: 235 carries no data, so that last words go as a challenge, and the client says nothing to them. */
static void take_acknowledgement(const struct auth_attempt *a, struct span message, struct auth_answer *answer)
{
	auth_answer_name(answer, span_str(a->user));
	if (message.len == 0)
		auth_answer_set(answer, AUTH_OK, NULL, NULL);
	else
		auth_answer_set(answer, AUTH_MALFORMED, "bad_message", NULL);
}

void auth_attempt_take(struct auth_attempt *a, struct span response, struct auth_answer *answer)
{
	if (a->has_last_words)
		take_acknowledgement(a, response, answer);
	else if (++a->messages > MESSAGES_MAX)
		auth_answer_set(answer, AUTH_MALFORMED, "too_many_messages", NULL);
	else if (a->kind == KIND_SOURCE)
		take_for_source(a, response, answer);
	else if (a->kind == KIND_LOGIN)
		take_login(a, response, answer);
	else if (!response.ptr)
		prompt(answer, "");
	else
		take_plain(a, response, answer);
}

/* ---- passwords: the chain ---- */

/* The next source with passwords from `at` on, which may be asked by this mechanism; NULL: none. */
static struct auth_source *next_source(const struct auth_attempt *a, size_t *at)
{
	for (; *at < a->chain->count; ++*at) {
		struct auth_source *source = a->chain->sources[*at];

		if (source->ops->check_start && auth_source_serves(source, a->channel, a->mechanism))
			return source;
	}
	return NULL;
}

/* Move the answer to the owner's step. */
static void move_answer(struct auth_step *step, struct auth_answer *answer)
{
	step->answer = *answer;
	*answer = (struct auth_answer){ 0 };
}

static void conclude_check(struct auth_attempt *a, struct auth_step *step)
{
	move_answer(step, &a->check.answer);
	if (step->answer.result == AUTH_UNKNOWN)
		step->answer.result = AUTH_WRONG;
	if (!*step->answer.user)
		auth_answer_name(&step->answer, span_str(a->user));
}

static void check_done(struct op *op);

/* Ask the sources from a->at on until one has to think. False: the answer is in a->check. */
static bool ask_sources(struct auth_attempt *a)
{
	struct auth_source *source;

	while ((source = next_source(a, &a->at))) {
		size_t after = a->at + 1;
		const struct auth_credentials credentials = {
			.user = a->user,
			.password = a->password,
			.channel = a->channel,
			.is_last = !next_source(a, &after),
		};

		auth_answer_clear(&a->check.answer);
		a->check.op = (struct op){ .done = check_done, .owner = a };
		if (source->ops->check_start(source, &a->check, &credentials))
			return true;
		if (a->check.answer.result != AUTH_UNKNOWN || credentials.is_last)
			return false;
		a->at++;
	}
	/* Its sources have changed since it was offered. */
	auth_answer_set(&a->check.answer, AUTH_UNAVAILABLE, "no_source", NULL);
	return false;
}

static void check_done(struct op *op)
{
	struct auth_attempt *a = op->owner;
	size_t after = a->at + 1;
	struct auth_step *step = a->step;

	if (a->check.answer.result == AUTH_UNKNOWN && next_source(a, &after)) {
		a->at++;
		if (ask_sources(a))
			return;
	}
	conclude_check(a, step);
	op_finish(&step->op);
}

/* ---- mechanisms of a source ---- */

static void note_answer(struct auth_attempt *a, struct auth_step *step)
{
	move_answer(step, &a->own.answer);
	if (*step->answer.user)
		memcpy(a->user, step->answer.user, sizeof(a->user));
	else
		auth_answer_name(&step->answer, span_str(a->user));
	if (step->answer.result == AUTH_UNKNOWN)
		step->answer.result = AUTH_WRONG;
	if (step->answer.result == AUTH_OK && buf_len(&step->answer.challenge) > 0) {
		step->answer.result = AUTH_CONTINUE;
		a->has_last_words = true;
	}
}

static void step_done(struct op *op)
{
	struct auth_attempt *a = op->owner;
	struct auth_step *step = a->step;

	note_answer(a, step);
	op_finish(&step->op);
}

/* False: the answer is in a->own. */
static bool ask_source(struct auth_attempt *a)
{
	struct span message = buf_span(&a->message);

	if (!a->exchange)
		a->exchange = a->source->ops->exchange_new(a->source, a->mechanism, a->channel);
	if (!a->exchange)
		return auth_answer_set(&a->own.answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	a->own.op = (struct op){ .done = step_done, .owner = a };
	return a->source->ops->step_start(a->exchange, &a->own, a->has_message ? message : (struct span){ NULL, 0 });
}

/* ---- both ---- */

static void cancel_step(struct op *op)
{
	struct auth_attempt *a = op->work;

	op_cancel(&a->check.op);
	op_cancel(&a->own.op);
}

bool auth_attempt_start(struct auth_attempt *a, struct auth_step *step)
{
	bool is_running = a->kind == KIND_SOURCE ? ask_source(a) : ask_sources(a);

	a->step = step;
	if (is_running)
		op_begin(&step->op, cancel_step, a);
	else if (a->kind == KIND_SOURCE)
		note_answer(a, step);
	else
		conclude_check(a, step);
	return is_running;
}
