/*
 * The content on its way into the spool, and the message as a whole on its way
 * to the backend.
 */
#include "front/session_steps_private.h"

#include "base/clock.h"
#include "front/session_tls.h"

#include <stdio.h>

static void spool_is_whole(struct session_shell *sh);

void session_step_lose_content(struct envelope *e, const char *reason)
{
	e->is_spool_lost = true;
	snprintf(e->spool_reason, sizeof(e->spool_reason), "%s", reason);
	spool_fini(&e->spool);
}

void session_step_content_rests(struct session_shell *sh)
{
	if (smtp_session_waiting(sh->smtp) == SMTP_EVENT_MESSAGE)
		spool_is_whole(sh);
	else
		session_shell_resume(sh);
}

/* What was on its way to disk is there, or never will be. */
static void spool_rested(struct op *op)
{
	session_step_content_rests(op->owner);
}

/* False: nothing is being written, and spool_rested() will not be called. */
static bool wait_for_spool(struct session_shell *sh)
{
	struct envelope *e = sh->envelope;

	e->spool_op = (struct op){ .done = spool_rested, .owner = sh };
	return spool_wait_start(&e->spool, &e->spool_op);
}

bool session_step_body(struct session_shell *sh, struct span content)
{
	struct envelope *e = sh->envelope;

	if (e->is_spool_lost)
		return true;
	switch (spool_append(&e->spool, content)) {
	case SPOOL_OK:
		break;
	case SPOOL_BUSY:
		return !wait_for_spool(sh);
	case SPOOL_FULL:
		session_step_lose_content(e, "spool_memory is used up");
		break;
	case SPOOL_NO_MEMORY:
		session_step_lose_content(e, "out of memory");
		break;
	case SPOOL_FAILED:
		session_step_lose_content(e, e->spool.reason);
		break;
	}
	return true;
}

static void log_accepted(struct session_shell *sh, const char *message_id)
{
	struct envelope *e = sh->envelope;
	char sender[2 * SMTP_PATH_MAX];
	struct buf text = { 0 };

	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	log_begin(LOG_LEVEL_INFO, sh->id, "accepted");
	log_str("message", message_id);
	if (smtp_address_write(&text, &e->sender))
		log_span("sender", span_head(buf_span(&text), sizeof(sender)));
	buf_clear(&text);
	if (smtp_address_write(&text, &e->first->address))
		log_span("recipient", buf_span(&text));
	buf_fini(&text);
	log_u64("recipients", e->recipient_count);
	log_u64("octets", e->delivery.octets);
	log_str("backend", envelope_backend(e)->name);
	log_u64("ms", loop_now_ms(sh->server->loop) - e->begun_ms);
	log_end();
}

/* The delivery is over: the verdict of the message. */
static const struct smtp_reply *take_delivery_answer(struct session_shell *sh, struct step_verdict *v)
{
	struct envelope *e = sh->envelope;
	char id[MESSAGE_ID_SIZE];

	session_shell_message_id(sh, id);
	sh->messages++;
	if (smtp_reply_is_error(&e->delivery.answer.reply)) {
		v->own = e->delivery.answer.reply;
		v->reply = &v->own;
		session_shell_log_refusal(sh, v->reply, "message", SPAN_LITERAL(""), e->delivery.answer.detail);
		return v->reply;
	}
	log_accepted(sh, id);
	sh->accepted++;
	snprintf(v->text, sizeof(v->text), "Message accepted: %s", id);
	v->own = (struct smtp_reply){ 250, "2.0.0", v->text, "message_ok" };
	v->reply = &v->own;
	return v->reply;
}

static void delivery_done(struct op *op)
{
	struct session_shell *sh = op->owner;
	struct step_verdict v = { 0 };

	take_delivery_answer(sh, &v);
	envelope_free(&sh->envelope);
	session_shell_decided(sh, v.reply);
}

static bool write_trace(struct session_shell *sh, struct buf *out)
{
	const struct envelope *e = sh->envelope;
	struct trace_facts facts = {
		.helo_name = span_str(sh->helo_name),
		.client = *conn_peer(sh->conn),
		.hostname = sh->listener->options.hostname,
		.protocol = e->mail.protocol,
		.message_id = e->mail.message_id,
		.recipient = e->recipient_count == 1 ? &e->first->address : NULL,
		.time_s = clock_wall_us() / 1000000,
	};

	session_tls_trace(sh, &facts);
	return trace_write_received(out, &facts);
}

/* False: the answer is there already. */
static bool start_delivery(struct session_shell *sh)
{
	struct envelope *e = sh->envelope;
	struct buf trace = { 0 };
	struct backend_message m = {
		.mail = &e->mail,
		.recipients = envelope_recipients(e),
		.recipient_count = e->recipient_count,
		.has_lone_cr = e->has_lone_cr,
		.spool = &e->spool,
	};
	bool is_running = false;

	e->delivery.op = (struct op){ .done = delivery_done, .owner = sh };
	if (m.recipients && write_trace(sh, &trace)) {
		m.trace = buf_span(&trace);
		is_running = backend_deliver_start(e->transaction, &e->delivery, &m);
	} else {
		e->delivery.answer.reply = *smtp_reply(SMTP_REPLY_NO_MEMORY);
	}
	buf_fini(&trace);
	return is_running;
}

static void log_bare_dot(struct session_shell *sh)
{
	log_begin(LOG_LEVEL_INFO, sh->id, "bare_dot");
	log_addr("client", conn_peer(sh->conn));
	log_str("text", "a line with a single dot behind a bare LF did not end the message");
	log_end();
}

/* Hand the message over, if it is whole. */
static void conclude_message(struct session_shell *sh, struct step_verdict *v)
{
	struct envelope *e = sh->envelope;

	if (e->spool.is_failed)
		session_step_lose_content(e, e->spool.reason);
	if (e->is_spool_lost) {
		sh->messages++;
		session_step_refuse(sh, v, smtp_reply(SMTP_REPLY_NO_STORAGE), "message", e->spool_reason);
	} else if (start_delivery(sh)) {
		v->is_pending = true;
		sh->is_committing = true;
		return;
	} else {
		take_delivery_answer(sh, v);
	}
	envelope_free(&sh->envelope);
}

static void spool_is_whole(struct session_shell *sh)
{
	struct step_verdict v = { 0 };

	conclude_message(sh, &v);
	if (!v.is_pending)
		session_shell_decided(sh, v.reply);
}

void session_step_message(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	sh->envelope->has_lone_cr = event->u.message.has_lone_cr;
	if (event->u.message.has_bare_dot)
		log_bare_dot(sh);
	v->is_pending = wait_for_spool(sh);
	if (!v->is_pending)
		conclude_message(sh, v);
}
