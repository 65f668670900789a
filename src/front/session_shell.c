#include "front/session_shell.h"

#include "front/session_proxy.h"
#include "front/session_auth.h"
#include "front/session_log.h"
#include "front/session_rate.h"
#include "front/session_steps.h"
#include "front/session_tls.h"
#include "front/session_trace.h"
#include "policy/client_rule.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	/* Events handled for one session before others have their turn, and as how many more a refusal counts. */
	EVENTS_PER_TURN = 64,
	REFUSAL_EVENTS = 4,
	/* Refusals for which nobody has to wait, and what others cost: see server.idle_work. */
	FREE_REFUSALS = 3,
	REFUSAL_BYTES = 4096,
	/* Bytes read at once while commands are expected; a body may fill the loop's scratch. */
	COMMAND_READ_MAX = 4096,
	/* How long a peer may take to read the last replies. */
	LAST_WORDS_MS = 10 * 1000,
	/* How late a deadline that cannot act now is looked at again. */
	LOOK_AGAIN_MS = 1000,
};

static uint64_t now_ms(const struct session_shell *sh)
{
	return loop_now_ms(sh->server->loop);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

const char *session_shell_message_id(const struct session_shell *sh, char text[MESSAGE_ID_SIZE])
{
	snprintf(text, MESSAGE_ID_SIZE, "%s-%u", sh->id, (unsigned)(sh->messages + 1));
	return text;
}

/* ---- the end ---- */

static void free_shell(struct loop_garbage *garbage)
{
	struct session_shell *sh = LIST_OWNER(garbage, struct session_shell, garbage);

	smtp_session_free(&sh->smtp);
	setup_put(&sh->setup); /* the machine was lent its options */
	free(sh->helo_name);
	free(sh->user);
	free(sh);
}

enum ending { CLOSE_NOW, CLOSE_LINGERING };

/* Every session ends here. */
static void end_session(struct session_shell *sh, const char *reason, int error, enum ending ending)
{
	struct server *server = sh->server;
	const struct addr client = sh->client;

	session_log_disconnect(sh, reason, error);
	loop_timer_stop(server->loop, &sh->timer);
	throttle_cancel(&sh->rest);
	op_cancel(&sh->host_op);
	session_auth_free(sh);
	envelope_free(&sh->envelope);
	if (ending == CLOSE_NOW)
		conn_close(&sh->conn);
	else
		conn_linger(&sh->conn);
	list_remove(&sh->link);
	loop_reap(server->loop, &sh->garbage, free_shell);
	server_session_gone(server, &client, sh->is_settled);
}

static void look_at_clocks(struct loop_timer *timer);

/* ---- output ---- */

/* Send what the machine owes. False: the session is over. */
static bool flush_output(struct session_shell *sh)
{
	struct span out = smtp_session_output(sh->smtp);
	size_t sent = 0;
	int error = 0;

	if (out.len == 0)
		return true;
	if (!conn_send(sh->conn, out, &sent, &error)) {
		end_session(sh, "lost", error, CLOSE_NOW);
		return false;
	}
	smtp_session_sent(sh->smtp, sent);
	if (sent)
		sh->active_ms = now_ms(sh);
	sh->is_blocked = sent < out.len;
	return true;
}

static void part(struct session_shell *sh)
{
	end_session(sh, sh->parting, 0, sh->is_parting_clean ? CLOSE_NOW : CLOSE_LINGERING);
}

static void part_late(struct loop_timer *timer)
{
	part(LIST_OWNER(timer, struct session_shell, timer));
}

static bool has_output(const struct session_shell *sh)
{
	return sh->is_blocked || conn_has_output(sh->conn);
}

/* The machine is through: send its last words and close, when they have left or have had their time. */
static void finish(struct session_shell *sh, const char *reason, bool has_unread)
{
	if (!flush_output(sh))
		return;
	sh->parting = reason;
	sh->is_parting_clean = sh->is_eof || (!has_unread && strcmp(reason, "quit") == 0);
	if (has_output(sh))
		loop_timer_start(sh->server->loop, &sh->timer, LAST_WORDS_MS, part_late);
	else
		part(sh);
}

/* ---- the machine ---- */

enum turn {
	TURN_GOES_ON,
	TURN_WAITS, /* for input, for the peer to read, or for an op */
	TURN_ENDED, /* the session is no more */
};

static void look_at_clocks_soon(struct session_shell *sh)
{
	loop_timer_start(sh->server->loop, &sh->timer, LOOK_AGAIN_MS, look_at_clocks);
}

static void end_greeting_delay(struct session_shell *sh, const struct smtp_reply *reply)
{
	sh->is_greeting_late = false;
	look_at_clocks_soon(sh);
	session_shell_decided(sh, reply);
}

static void greet_late(struct loop_timer *timer)
{
	end_greeting_delay(LIST_OWNER(timer, struct session_shell, timer), NULL);
}

/* The greeting waits, so that those who do not are found out. */
static enum turn delay_greeting(struct session_shell *sh)
{
	sh->is_deciding = sh->is_greeting_late = true;
	sh->deciding_since_ms = now_ms(sh);
	loop_timer_start(sh->server->loop, &sh->timer,
			 1000ULL * sh->listener->config->session.greeting_delay_s, greet_late);
	return TURN_WAITS;
}

/* RFC 5321 4.3.1: a client should wait for the greeting. One that does not is no mail server. */
static void refuse_early_talker(struct session_shell *sh)
{
	const struct smtp_reply *reply = smtp_reply(SMTP_REPLY_EARLY_TALKER);

	session_shell_log_refusal(sh, reply, "connect", SPAN_LITERAL(""), NULL);
	end_greeting_delay(sh, reply);
}

/* No input is used before session_shell_decided() or session_shell_resume(). */
static enum turn wait_for_op(struct session_shell *sh)
{
	sh->is_deciding = true;
	sh->deciding_since_ms = now_ms(sh);
	return TURN_WAITS;
}

/* The 220 has left: now the client shakes hands. */
static enum turn start_handshake(struct session_shell *sh)
{
	sh->is_tls_due = false;
	if (!session_tls_start(sh)) {
		end_session(sh, "tls_unavailable", 0, CLOSE_NOW);
		return TURN_ENDED;
	}
	look_at_clocks_soon(sh);
	return TURN_WAITS;
}

static void settle(struct session_shell *sh)
{
	if (!sh->is_settled)
		server_session_settled(sh->server, &sh->client);
	sh->is_settled = true;
}

/* Handshakes cost, so that one client may have only so many of them at a time. */
static bool unsettle(struct session_shell *sh)
{
	if (sh->is_settled && !server_session_unsettled(sh->server, &sh->client))
		return false;
	sh->is_settled = false;
	return true;
}

static void refuse_tls(struct session_shell *sh)
{
	const struct smtp_reply *reply = smtp_reply(SMTP_REPLY_TLS_UNAVAILABLE);

	session_shell_log_refusal(sh, reply, "starttls", SPAN_LITERAL(""), "too many handshakes of this client");
	smtp_session_verdict(sh->smtp, reply);
}

/*
 * RFC 3207 4.2, and what happens where it is not heeded: bytes that came behind
 * STARTTLS in plain text must never be taken for what came over TLS. They may be
 * read already or still lie in the kernel; either way this is an attack.
 */
static enum turn begin_starttls(struct session_shell *sh, bool has_unread)
{
	if (has_unread || conn_has_unread(sh->conn)) {
		end_session(sh, "starttls_injection", 0, CLOSE_NOW);
		return TURN_ENDED;
	}
	if (!unsettle(sh)) {
		refuse_tls(sh);
		return TURN_GOES_ON;
	}
	smtp_session_verdict(sh->smtp, NULL);
	sh->is_tls_due = true;
	if (!flush_output(sh))
		return TURN_ENDED;
	return sh->is_blocked ? TURN_WAITS : start_handshake(sh);
}

/* Much input is expected while content comes, and little otherwise. */
static void give_verdict(struct session_shell *sh, const struct smtp_reply *reply)
{
	enum smtp_event_type type = smtp_session_waiting(sh->smtp);

	session_trace_verdict(sh, reply);
	smtp_session_verdict(sh->smtp, reply);
	if (type == SMTP_EVENT_DATA && smtp_session_in_body(sh->smtp)) {
		conn_set_read_max(sh->conn, LOOP_SCRATCH_SIZE);
		session_rate_start(sh);
	} else if (type == SMTP_EVENT_MESSAGE) {
		conn_set_read_max(sh->conn, COMMAND_READ_MAX);
	}
}

static enum turn decide(struct session_shell *sh, const struct smtp_event *event)
{
	struct step_verdict verdict;

	session_step_decide(sh, event, &verdict);
	if (event->type == SMTP_EVENT_CONNECT && !verdict.is_pending && !verdict.reply &&
	    sh->listener->config->session.greeting_delay_s)
		return delay_greeting(sh);
	if (verdict.is_pending)
		return wait_for_op(sh);
	give_verdict(sh, verdict.reply);
	if (event->type == SMTP_EVENT_HELO && !verdict.reply)
		settle(sh);
	return TURN_GOES_ON;
}

/* Handle one event; `has_unread` tells whether input is left behind it. */
static enum turn handle(struct session_shell *sh, const struct smtp_event *event, bool has_unread)
{
	switch (event->type) {
	case SMTP_EVENT_NEED_INPUT:
		if (!sh->is_eof)
			return TURN_WAITS;
		finish(sh, "lost", false);
		return TURN_ENDED;
	case SMTP_EVENT_NEED_OUTPUT:
		if (!flush_output(sh))
			return TURN_ENDED;
		return sh->is_blocked ? TURN_WAITS : TURN_GOES_ON;
	case SMTP_EVENT_WAITING:
		return TURN_WAITS;
	case SMTP_EVENT_BODY:
		return session_step_body(sh, event->u.body) ? TURN_GOES_ON : wait_for_op(sh);
	case SMTP_EVENT_RESET:
		session_step_reset(sh);
		conn_set_read_max(sh->conn, COMMAND_READ_MAX);
		return TURN_GOES_ON;
	case SMTP_EVENT_REPLIED:
		session_auth_drop(sh, event->u.replied.reply->reason);
		session_shell_log_refusal(sh, event->u.replied.reply, smtp_session_stage(sh->smtp),
					  event->u.replied.line, NULL);
		return TURN_GOES_ON;
	case SMTP_EVENT_STARTTLS:
		return begin_starttls(sh, has_unread);
	case SMTP_EVENT_QUIT:
		finish(sh, "quit", has_unread);
		return TURN_ENDED;
	case SMTP_EVENT_CLOSE:
		finish(sh, sh->last_reason ? sh->last_reason : "closed", true);
		return TURN_ENDED;
	default:
		return decide(sh, event);
	}
}

static void go_on(struct session_shell *sh);

/* While it rests it is us who do not read: the time until now is none of the client's. */
static void forgive_rest(struct session_shell *sh)
{
	uint64_t now = now_ms(sh), rested_ms = now - sh->resting_since_ms;

	sh->resting_since_ms = now;
	sh->active_ms = earlier(now, sh->active_ms + rested_ms);
	sh->rate_since_ms = earlier(now, sh->rate_since_ms + rested_ms);
}

static void stop_resting(struct throttle_waiter *waiter)
{
	struct session_shell *sh = LIST_OWNER(waiter, struct session_shell, rest);

	forgive_rest(sh);
	sh->is_resting = false;
	go_on(sh);
}

/*
 * What a turn cost of which nobody had anything: bytes that were thrown away, and refusals, also those that came of
 * an op before it.
 */
static uint64_t wasted_bytes(struct session_shell *sh, size_t used)
{
	uint64_t bytes = smtp_session_is_discarding(sh->smtp) ? used : 0;
	uint32_t refusals = sh->errors - sh->errors_reckoned;

	sh->errors_reckoned = sh->errors;
	return sh->errors > FREE_REFUSALS ? bytes + (uint64_t)REFUSAL_BYTES * refusals : bytes;
}

/* It could not be told before, because a message was under way. */
static void close_for_stop(struct session_shell *sh)
{
	const struct smtp_reply *reply = smtp_reply(SMTP_REPLY_SHUTDOWN);
	const char *stage = smtp_session_stage(sh->smtp);

	if (smtp_session_close(sh->smtp, reply))
		session_shell_log_refusal(sh, reply, stage, SPAN_LITERAL(""), NULL);
}

/* Run the machine for one turn; returns the input used. One write at its end. */
static size_t run_turn(struct session_shell *sh, struct span in, enum turn *turn)
{
	struct smtp_event event;
	size_t used = 0;
	unsigned events = 0;
	const uint32_t errors = sh->errors;
	struct throttle *throttle = sh->server->idle_work;
	uint64_t wasted;

	*turn = TURN_GOES_ON;
	while (*turn == TURN_GOES_ON && events + (sh->errors - errors) * REFUSAL_EVENTS < EVENTS_PER_TURN) {
		/* The process stops: messages that are under way come to their end, and no other begins. */
		if (sh->server->is_stopping && !sh->envelope)
			close_for_stop(sh);
		used += smtp_session_next(sh->smtp, span_from(in, used), &event);
		/* Content is bounded by what is read at once. */
		events += event.type != SMTP_EVENT_BODY;
		*turn = handle(sh, &event, used < in.len);
	}
	wasted = wasted_bytes(sh, used);
	if (*turn == TURN_ENDED || !flush_output(sh)) {
		*turn = TURN_ENDED;
		throttle_charge(throttle, wasted);
		return in.len;
	}
	if (!throttle_pay(throttle, &sh->rest, wasted, stop_resting)) {
		sh->is_resting = true;
		sh->resting_since_ms = now_ms(sh);
	} else if (*turn == TURN_GOES_ON)
		conn_resume(sh->conn); /* others first */
	else if (!sh->is_blocked && !sh->is_deciding && !sh->is_handshaking)
		smtp_session_trim(sh->smtp);
	return used;
}

/* Between two chunks of BDAT a client may take its time; each is judged by itself. */
static void note_content_begins(struct session_shell *sh)
{
	bool is_in_body = smtp_session_in_body(sh->smtp);

	if (is_in_body && !sh->is_in_body)
		session_rate_start(sh);
	sh->is_in_body = is_in_body;
}

static size_t take_input(void *owner, struct span in, bool is_eof)
{
	struct session_shell *sh = owner;
	enum turn turn;
	size_t used;

	sh->is_eof |= is_eof;
	if (sh->parting) {
		sh->is_parting_clean &= in.len == 0;
		return in.len;
	}
	/* 220 to STARTTLS has not left yet: see begin_starttls(). */
	if (sh->is_tls_due && in.len) {
		end_session(sh, "starttls_injection", 0, CLOSE_NOW);
		return in.len;
	}
	if (sh->is_greeting_late && in.len) {
		refuse_early_talker(sh);
		return in.len;
	}
	if (sh->is_blocked || sh->is_deciding || sh->is_resting)
		return 0;
	used = run_turn(sh, in, &turn);
	if (turn == TURN_ENDED)
		return used;
	/* A command line that comes in drops is inactivity until it is whole. */
	if (!smtp_session_in_line(sh->smtp))
		sh->active_ms = now_ms(sh);
	note_content_begins(sh);
	return used;
}

/* What held the session up is over. Replies to input that was kept leave together, a little later in this turn. */
static void go_on(struct session_shell *sh)
{
	enum turn turn;

	if (sh->is_resting)
		return;
	if (conn_has_input(sh->conn))
		conn_resume(sh->conn);
	else
		run_turn(sh, SPAN_LITERAL(""), &turn);
}

static void take_writable(void *owner)
{
	struct session_shell *sh = owner;

	if (!flush_output(sh) || sh->is_blocked)
		return;
	if (sh->parting) {
		if (!has_output(sh))
			part(sh);
	} else if (sh->is_tls_due)
		start_handshake(sh);
	else
		go_on(sh);
}

static void take_secured(void *owner)
{
	struct session_shell *sh = owner;
	enum turn turn;

	sh->is_handshaking = false;
	sh->is_tls = true;
	sh->active_ms = now_ms(sh);
	free(sh->helo_name);
	sh->helo_name = NULL;
	sh->is_extended = false;
	session_tls_note_secured(sh);
	smtp_session_tls_started(sh->smtp);
	session_auth_offer(sh);
	/* It may still have to pay for what came before STARTTLS. */
	if (!sh->is_resting)
		run_turn(sh, SPAN_LITERAL(""), &turn);
}

/* A message that is being delivered is delivered, and that is told before the session ends. */
static void take_lost(void *owner, int error)
{
	struct session_shell *sh = owner;

	if (sh->is_committing) {
		sh->is_lost = true;
		sh->lost_error = error;
		return;
	}
	end_session(sh, sh->is_handshaking ? "tls_handshake" : "lost", error, CLOSE_NOW);
}

static const struct conn_ops shell_conn_ops = {
	.input = take_input,
	.writable = take_writable,
	.lost = take_lost,
	.secured = take_secured,
};

void session_shell_decided(struct session_shell *sh, const struct smtp_reply *reply)
{
	session_trace_slow(sh);
	sh->is_deciding = sh->is_committing = false;
	sh->active_ms = now_ms(sh);
	if (sh->is_lost) {
		end_session(sh, "lost", sh->lost_error, CLOSE_NOW);
		return;
	}
	give_verdict(sh, reply);
	go_on(sh);
}

void session_shell_resume(struct session_shell *sh)
{
	sh->is_deciding = false;
	sh->active_ms = now_ms(sh);
	session_rate_start(sh); /* while we were busy the peer could send nothing */
	go_on(sh);
}

/* ---- the clocks ---- */

static void close_with(struct session_shell *sh, enum smtp_reply_name name)
{
	const char *stage = smtp_session_stage(sh->smtp);
	bool is_stuck = has_output(sh);
	struct smtp_event event;

	op_cancel(&sh->host_op);
	/* In the middle of a handshake there are no words. */
	if (sh->is_handshaking) {
		end_session(sh, smtp_reply(name)->reason, 0, CLOSE_NOW);
		return;
	}
	session_shell_log_refusal(sh, smtp_reply(name), stage, SPAN_LITERAL(""), NULL);
	session_auth_drop(sh, smtp_reply(name)->reason);
	smtp_session_close(sh->smtp, smtp_reply(name));
	do
		smtp_session_next(sh->smtp, SPAN_LITERAL(""), &event);
	while (event.type != SMTP_EVENT_CLOSE);
	/* Also where no RESET came, since a sender who is still being decided about has begun no transaction. */
	session_step_reset(sh);
	/* Who did not read until now is not waited for. */
	if (!is_stuck)
		finish(sh, smtp_reply(name)->reason, true);
	else if (flush_output(sh))
		end_session(sh, smtp_reply(name)->reason, 0, CLOSE_LINGERING);
}

/*
 * One timer a session, never moved by activity: it fires when something could
 * be due, and looks. Inactivity counts only while the peer is waited for.
 */
static void look_at_clocks(struct loop_timer *timer)
{
	struct session_shell *sh = LIST_OWNER(timer, struct session_shell, timer);
	const struct session_config *config = &sh->listener->config->session;
	uint64_t now = now_ms(sh), next, idle_due;
	uint64_t session_due = sh->begun_ms + 1000ULL * config->session_timeout_s;

	if (sh->is_resting)
		forgive_rest(sh);
	idle_due = sh->active_ms + 1000ULL * config->timeout_s;
	if (sh->is_handshaking) {
		idle_due = sh->handshake_since_ms + 1000ULL * config->tls_handshake_timeout_s;
		if (now >= idle_due) {
			end_session(sh, "tls_handshake_timeout", 0, CLOSE_NOW);
			return;
		}
	} else if (sh->is_deciding) {
		idle_due = sh->deciding_since_ms + session_step_deadline_ms(sh);
		if (now >= idle_due) {
			session_step_expire(sh);
			return;
		}
	} else if (now >= idle_due) {
		close_with(sh, SMTP_REPLY_IDLE_TIMEOUT);
		return;
	}
	if (!sh->is_deciding && session_rate_is_too_low(sh, now)) {
		close_with(sh, SMTP_REPLY_TOO_SLOW);
		return;
	}
	/* No timer cuts a commit that has begun. */
	if (sh->is_committing && session_due <= now)
		session_due = now + LOOK_AGAIN_MS;
	if (now >= session_due) {
		close_with(sh, SMTP_REPLY_SESSION_TIMEOUT);
		return;
	}
	next = earlier(session_due, idle_due);
	/* While we decide, `timeout` may be shorter than the op's deadline once that is over. */
	loop_timer_start(sh->server->loop, &sh->timer,
			 earlier(next - now, sh->is_deciding ? LOOK_AGAIN_MS : session_rate_period_ms(sh)), look_at_clocks);
}

/* ---- the begin ---- */

static void make_id(struct server *server, char id[SESSION_ID_SIZE])
{
	snprintf(id, SESSION_ID_SIZE, "%012llx", (unsigned long long)(server->next_session++ & 0xffffffffffff));
}

void session_shell_greet(struct session_shell *sh, const struct smtp_reply *reply)
{
	if (reply || sh->listener->config->session.greeting_delay_s == 0) {
		session_shell_decided(sh, reply);
		return;
	}
	delay_greeting(sh);
	/* What came meanwhile came too early. */
	if (conn_has_input(sh->conn))
		conn_resume(sh->conn);
}

void session_shell_take_rule(struct session_shell *sh, const struct client_config *rule)
{
	sh->rule = rule;
	sh->options = setup_options_for(sh->setup, sh->listener, rule);
	sh->options.offers_xclient = sh->may_xclient;
}

bool session_shell_start(struct server *server, struct setup *setup, const struct setup_listener *listener, int fd,
			 const struct addr *peer, const struct proxy_facts *proxy)
{
	struct session_shell *sh = calloc(1, sizeof(*sh));
	enum turn turn;

	if (sh) {
		sh->server = server;
		sh->setup = setup_get(setup);
		sh->listener = listener;
		sh->client = *peer;
		sh->may_xclient = session_proxy_may_xclient(listener, peer);
		if (proxy)
			session_proxy_note(sh, proxy);
		session_shell_take_rule(sh, client_rule_find(setup->config, &sh->client, NULL));
		sh->smtp = smtp_session_new(&sh->options);
	}
	/* conn_new() takes the descriptor over and closes it when it fails. */
	if (sh && sh->smtp)
		sh->conn = conn_new(server->loop, fd, peer, &shell_conn_ops, sh);
	if (!sh || !sh->conn) {
		if (sh)
			free_shell(&sh->garbage);
		return false;
	}
	make_id(server, sh->id);
	conn_set_read_max(sh->conn, COMMAND_READ_MAX);
	sh->begun_ms = sh->active_ms = now_ms(sh);
	list_append(&server->sessions, &sh->link);
	session_log_begin(sh, peer);
	look_at_clocks_soon(sh);
	session_auth_offer(sh);
	if (session_tls_is_immediate(listener))
		start_handshake(sh);
	else if (sh->is_tls)
		take_secured(sh); /* between client and proxy */
	else
		run_turn(sh, SPAN_LITERAL(""), &turn);
	return true;
}

void session_shell_shut_down(struct session_shell *sh, bool is_patient)
{
	if (!sh->is_committing && !sh->parting && !(is_patient && sh->envelope))
		close_with(sh, SMTP_REPLY_SHUTDOWN);
}

void session_shell_abandon(struct session_shell *sh)
{
	end_session(sh, "stopped", 0, CLOSE_NOW);
}
