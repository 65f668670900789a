#include "front/session_auth.h"

#include "auth/attempt.h"
#include "base/base64.h"
#include "front/metrics.h"
#include "front/setup_auth.h"
#include "net/tls.h"

#include <stdlib.h>
#include <string.h>

/* What AUTH leaves in a session that has used it. */
struct session_auth {
	struct session_shell *sh;
	struct auth_attempt *attempt; /* owned; NULL: no exchange goes on */
	struct auth_step step;
	struct loop_timer delay;      /* before the proof is looked at */
	struct auth_guard_session guard;
	char mechanism[AUTH_MECHANISM_MAX + 1];
	struct auth_channel channel;
	char exporter[TLS_EXPORTER_SIZE];
	char certificate_name[AUTH_USER_MAX + 1];
	struct smtp_reply challenge;
	struct buf text;              /* of the challenge */
};

static const struct smtp_reply too_many_failures = {
	421, "4.7.0", "Too many failed logins; closing.", "auth_max_failures"
};
static const struct smtp_reply client_refused = {
	421, "4.7.0", "Too many failed logins from your address; try again later.", "auth_client_refused"
};
static const struct smtp_reply user_refused = {
	454, "4.7.0", "Too many failed logins for this user; try again later.", "auth_user_refused"
};

/* ---- what is offered ---- */

/* `exporter` and `name` are lent to the channel. */
static void fill_channel(const struct session_shell *sh, struct auth_channel *channel,
			 char exporter[TLS_EXPORTER_SIZE], char name[AUTH_USER_MAX + 1])
{
	const SSL *ssl = sh->is_tls ? conn_ssl(sh->conn) : NULL;

	*channel = (struct auth_channel){ .client = &sh->client, .session_id = sh->id, .is_tls = sh->is_tls };
	/* TLS may also run between the client and a proxy. */
	if (!ssl)
		return;
	if (tls_exporter_read(exporter, ssl))
		channel->exporter = span_of(exporter, TLS_EXPORTER_SIZE);
	if (tls_client_name_read(name, AUTH_USER_MAX + 1, ssl))
		channel->certificate_name = name;
}

void session_auth_offer(struct session_shell *sh)
{
	struct auth_channel channel;
	char exporter[TLS_EXPORTER_SIZE], name[AUTH_USER_MAX + 1];
	struct buf names = { 0 };

	free(sh->user);
	free(sh->auth_mechanisms);
	sh->user = sh->auth_mechanisms = NULL;
	if (!sh->options.offers_auth)
		return;
	fill_channel(sh, &channel, exporter, name);
	if (auth_chain_offers(&sh->setup->auth, &channel, &names) && buf_add(&names, "", 1))
		sh->auth_mechanisms = strdup(buf_span(&names).ptr);
	buf_fini(&names);
	smtp_session_offer_auth(sh->smtp, sh->auth_mechanisms);
	conn_set_wiping(sh->conn, true);
}

/* ---- the end of an exchange ---- */

static void stop(struct session_auth *a)
{
	loop_timer_stop(a->sh->server->loop, &a->delay);
	op_cancel(&a->step.op);
	auth_answer_clear(&a->step.answer);
	auth_attempt_free(&a->attempt);
}

static void log_auth(const struct session_auth *a, const char *result, const char *user, const char *reason,
		     const char *detail)
{
	const struct session_shell *sh = a->sh;

	metrics_count_auth(sh->server->metrics, a->mechanism, result);
	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	log_begin(LOG_LEVEL_INFO, sh->id, "auth");
	log_addr("client", &sh->client);
	log_str("result", result);
	log_str("mechanism", a->mechanism);
	log_str("user", user);
	log_str("reason", reason);
	if (detail && *detail)
		log_str("detail", detail);
	log_end();
}

/* What the guard makes of it; NULL: nothing that changes the answer. */
static const struct smtp_reply *tell_guard(struct session_auth *a, enum auth_guard_result result)
{
	const struct session_shell *sh = a->sh;

	switch (auth_guard_tell(sh->server->auth_guard, &a->guard, &sh->client, auth_attempt_user(a->attempt),
				auth_attempt_secret(a->attempt), result, loop_now_ms(sh->server->loop))) {
	case AUTH_GUARD_END_SESSION:
		return &too_many_failures;
	case AUTH_GUARD_REFUSE_CLIENT:
		return &client_refused;
	case AUTH_GUARD_REFUSE_USER:
	case AUTH_GUARD_GO_ON:
		break;
	}
	return NULL;
}

static const struct smtp_reply *reply_to(enum auth_result result)
{
	switch (result) {
	case AUTH_MALFORMED:
		return smtp_reply(SMTP_REPLY_AUTH_MALFORMED);
	case AUTH_DISABLED:
		return smtp_reply(SMTP_REPLY_AUTH_DISABLED);
	case AUTH_EXPIRED:
		return smtp_reply(SMTP_REPLY_AUTH_EXPIRED);
	case AUTH_UNAVAILABLE:
		return smtp_reply(SMTP_REPLY_AUTH_UNAVAILABLE);
	default:
		return smtp_reply(SMTP_REPLY_AUTH_FAILED);
	}
}

/* Somebody is who he says. NULL: the default success. */
static const struct smtp_reply *succeed(struct session_auth *a, const struct auth_answer *answer)
{
	struct session_shell *sh = a->sh;

	sh->user = strdup(answer->user);
	if (!sh->user) {
		log_auth(a, "unavailable", answer->user, "no_memory", NULL);
		return smtp_reply(SMTP_REPLY_AUTH_UNAVAILABLE);
	}
	(void)tell_guard(a, AUTH_GUARD_SUCCESS);
	conn_set_wiping(sh->conn, false); /* from the next input on */
	log_auth(a, "ok", sh->user, NULL, NULL);
	return NULL;
}

static const struct smtp_reply *fail(struct session_auth *a, const struct auth_answer *answer)
{
	/* Who tries again counts, whatever the reason: it may be a guess that will be right another day. */
	bool is_failure = answer->result == AUTH_WRONG || answer->result == AUTH_DISABLED ||
			  answer->result == AUTH_EXPIRED;
	bool is_down = answer->result == AUTH_UNAVAILABLE;
	const struct smtp_reply *reply = tell_guard(a, is_failure ? AUTH_GUARD_FAILURE : AUTH_GUARD_NEITHER);

	log_auth(a, is_down ? "unavailable" : "failed", answer->user, answer->reason, answer->detail);
	return reply ? reply : reply_to(answer->result);
}

static const struct smtp_reply *refuse_memory(struct session_auth *a)
{
	log_auth(a, "unavailable", NULL, "no_memory", NULL);
	return smtp_reply(SMTP_REPLY_AUTH_UNAVAILABLE);
}

/* 334 and the challenge in base64. */
static const struct smtp_reply *challenge(struct session_auth *a, const struct auth_answer *answer)
{
	struct span bytes = buf_span(&answer->challenge);
	size_t len = bytes.len > SMTP_CHALLENGE_MAX ? 0 : base64_encoded_len(bytes.len);

	buf_clear(&a->text);
	if (bytes.len > SMTP_CHALLENGE_MAX || !buf_reserve(&a->text, len + 1)) {
		log_auth(a, "unavailable", answer->user, "challenge_too_long", NULL);
		return smtp_reply(SMTP_REPLY_AUTH_UNAVAILABLE);
	}
	a->text.data[base64_encode(bytes, a->text.data)] = '\0';
	a->challenge = (struct smtp_reply){ 334, NULL, a->text.data, "challenge" };
	return &a->challenge;
}

/* The reply that an answer comes to; the exchange ends, unless it goes on. */
static const struct smtp_reply *conclude(struct session_auth *a, const struct auth_answer *answer)
{
	const struct smtp_reply *reply;

	switch (answer->result) {
	case AUTH_CONTINUE:
		reply = challenge(a, answer);
		break;
	case AUTH_OK:
		reply = succeed(a, answer);
		break;
	default:
		reply = fail(a, answer);
		break;
	}
	if (!reply || smtp_reply_is_error(reply))
		stop(a);
	if (reply && smtp_reply_is_error(reply))
		session_shell_log_refusal(a->sh, reply, "auth", SPAN_LITERAL(""), NULL);
	return reply;
}

/* ---- one message of the client ---- */

static void step_done(struct op *op)
{
	struct session_auth *a = op->owner;
	struct auth_answer answer = a->step.answer;
	const struct smtp_reply *reply;

	a->step.answer = (struct auth_answer){ 0 };
	reply = conclude(a, &answer);
	auth_answer_clear(&answer);
	session_shell_decided(a->sh, reply);
}

/* Ask the sources. True: step_done() will follow. */
static bool start(struct session_auth *a, const struct smtp_reply **reply)
{
	struct auth_answer answer;

	a->step.op = (struct op){ .done = step_done, .owner = a };
	if (auth_attempt_start(a->attempt, &a->step))
		return true;
	answer = a->step.answer;
	a->step.answer = (struct auth_answer){ 0 };
	*reply = conclude(a, &answer);
	auth_answer_clear(&answer);
	return false;
}

static void start_late(struct loop_timer *timer)
{
	struct session_auth *a = LIST_OWNER(timer, struct session_auth, delay);
	const struct smtp_reply *reply;

	if (!start(a, &reply))
		session_shell_decided(a->sh, reply);
}

static const struct smtp_reply *refuse_by_guard(struct session_auth *a, const struct smtp_reply *reply)
{
	char user[AUTH_USER_MAX + 1];
	struct span name = auth_attempt_user(a->attempt);

	memcpy(user, name.ptr, name.len);
	user[name.len] = '\0';
	log_auth(a, "refused", user, reply->reason, NULL);
	stop(a);
	session_shell_log_refusal(a->sh, reply, "auth", SPAN_LITERAL(""), NULL);
	return reply;
}

/* The client has said all that is to be looked at: may it, and when? True: it is pending. */
static bool ask_guard(struct session_auth *a, const struct smtp_reply **reply)
{
	struct session_shell *sh = a->sh;
	uint32_t delay_ms = 0;

	switch (auth_guard_ask(sh->server->auth_guard, &sh->client, auth_attempt_user(a->attempt),
			       loop_now_ms(sh->server->loop), &delay_ms)) {
	case AUTH_GUARD_END_SESSION:
		*reply = refuse_by_guard(a, &too_many_failures);
		return false;
	case AUTH_GUARD_REFUSE_CLIENT:
		*reply = refuse_by_guard(a, &client_refused);
		return false;
	case AUTH_GUARD_REFUSE_USER:
		*reply = refuse_by_guard(a, &user_refused);
		return false;
	case AUTH_GUARD_GO_ON:
		break;
	}
	if (delay_ms == 0)
		return start(a, reply);
	loop_timer_start(sh->server->loop, &a->delay, delay_ms, start_late);
	return true;
}

static void take_message(struct session_auth *a, struct span response, struct step_verdict *v)
{
	struct auth_answer answer = { 0 };

	auth_attempt_take(a->attempt, response, &answer);
	if (answer.result == AUTH_READY)
		v->is_pending = ask_guard(a, &v->reply);
	else
		v->reply = conclude(a, &answer);
	auth_answer_clear(&answer);
}

/* NULL: out of memory. */
static struct session_auth *used(struct session_shell *sh)
{
	if (!sh->auth)
		sh->auth = calloc(1, sizeof(*sh->auth));
	if (sh->auth)
		sh->auth->sh = sh;
	return sh->auth;
}

static void begin(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	struct session_auth *a = used(sh);
	struct auth_source *source;

	if (!a) {
		v->reply = smtp_reply(SMTP_REPLY_AUTH_UNAVAILABLE);
		session_shell_log_refusal(sh, v->reply, "auth", SPAN_LITERAL(""), "out of memory");
		return;
	}
	fill_channel(sh, &a->channel, a->exporter, a->certificate_name);
	memcpy(a->mechanism, event->u.auth.mechanism, strlen(event->u.auth.mechanism) + 1);
	/* What was offered at the begin may be gone since, because the users have changed. */
	source = auth_chain_find(&sh->setup->auth, &a->channel, a->mechanism);
	if (!source) {
		v->reply = smtp_reply(SMTP_REPLY_AUTH_UNKNOWN_MECHANISM);
		session_shell_log_refusal(sh, v->reply, "auth", SPAN_LITERAL(""), NULL);
		return;
	}
	a->attempt = auth_attempt_new(&sh->setup->auth, source, &a->channel, a->mechanism);
	if (a->attempt)
		take_message(a, event->u.auth.response, v);
	else
		v->reply = refuse_memory(a);
}

void session_auth_decide(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	if (event->type == SMTP_EVENT_AUTH)
		begin(sh, event, v);
	else
		take_message(sh->auth, event->u.auth.response, v);
}

/* ---- from outside ---- */

void session_auth_drop(struct session_shell *sh, const char *reason)
{
	struct session_auth *a = sh->auth;

	if (!a || !a->attempt)
		return;
	(void)tell_guard(a, AUTH_GUARD_NEITHER);
	log_auth(a, "cancelled", NULL, reason, NULL);
	stop(a);
}

void session_auth_expire(struct session_shell *sh)
{
	const struct smtp_reply *reply = smtp_reply(SMTP_REPLY_AUTH_UNAVAILABLE);

	log_auth(sh->auth, "unavailable", NULL, "timeout", NULL);
	stop(sh->auth);
	session_shell_log_refusal(sh, reply, "auth", SPAN_LITERAL(""), "the source of users did not answer in time");
	session_shell_decided(sh, reply);
}

void session_auth_free(struct session_shell *sh)
{
	struct session_auth *a = sh->auth;

	sh->auth = NULL;
	free(sh->user);
	free(sh->auth_mechanisms);
	sh->user = sh->auth_mechanisms = NULL;
	if (!a)
		return;
	stop(a);
	buf_wipe(&a->text);
	explicit_bzero(a, sizeof(*a));
	free(a);
}
