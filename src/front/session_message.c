/*
 * The content on its way into the spool, and the message as a whole on its way
 * to the backend.
 */
#include "front/session_steps_private.h"

#include "base/clock.h"
#include "front/metrics.h"
#include "front/session_tls.h"
#include "front/session_trace.h"

#include <stdio.h>

static void spool_is_whole(struct session_shell *sh);

void session_step_lose_content(struct envelope *e, enum smtp_reply_name reply, const char *reason)
{
	e->content_refusal = smtp_reply(reply);
	snprintf(e->content_reason, sizeof(e->content_reason), "%s", reason);
	spool_fini(&e->spool);
	/* A next hop that has half of it must not take it for all. */
	if (e->is_streamed) {
		op_cancel(&e->spool_op);
		backend_transaction_free(&e->transaction);
	}
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

static bool spool_content(struct session_shell *sh, struct span content)
{
	struct envelope *e = sh->envelope;

	switch (spool_append(&e->spool, content)) {
	case SPOOL_OK:
		break;
	case SPOOL_BUSY:
		return !wait_for_spool(sh);
	case SPOOL_FULL:
		session_step_lose_content(e, SMTP_REPLY_NO_STORAGE, "spool_memory is used up");
		break;
	case SPOOL_NO_MEMORY:
		session_step_lose_content(e, SMTP_REPLY_NO_STORAGE, "out of memory");
		break;
	case SPOOL_FAILED:
		session_step_lose_content(e, SMTP_REPLY_NO_STORAGE, e->spool.reason);
		break;
	}
	return true;
}

static bool is_binary(const struct envelope *e)
{
	return e->mail.body_type == SMTP_BODY_BINARYMIME;
}

/* False: it was taken, but no more may come before spool_rested(). */
static bool stream_content(struct session_shell *sh, struct span content)
{
	struct envelope *e = sh->envelope;

	e->spool_op = (struct op){ .done = spool_rested, .owner = sh };
	return !backend_stream(e->transaction, content, &e->spool_op);
}

/* The empty line that tells that there is no header, for content that goes on at once. */
static void stream_empty_line(struct session_shell *sh)
{
	if (!stream_content(sh, is_binary(sh->envelope) ? SPAN_LITERAL("\r\n") : SPAN_LITERAL("\n")))
		session_step_lose_content(sh->envelope, SMTP_REPLY_LOCAL_ERROR, "the next hop takes nothing");
}

/* False: as above. */
static bool keep_content(struct session_shell *sh, struct span content, bool is_last)
{
	struct envelope *e = sh->envelope;
	bool was_begun;

	if (e->content_refusal)
		return true;
	was_begun = e->begin.is_any;
	content_begin_look(&e->begin, content);
	if (is_last)
		content_begin_finish(&e->begin);
	if (!was_begun && e->is_streamed && content_begin_is_blank(&e->begin))
		stream_empty_line(sh);
	if (content.len == 0 || e->content_refusal)
		return true;
	return e->is_streamed ? stream_content(sh, content) : spool_content(sh, content);
}

/*
 * Does an empty line go between our fields and the content? Nobody may put words into our own field. What a user's
 * program sends without any header is a body, for which we make the header (RFC 6409 8); mail of others we leave as
 * it is.
 */
static bool wants_empty_line(const struct envelope *e)
{
	return content_begin_is_blank(&e->begin) || (e->is_submission && e->begin.is_headless);
}

bool session_step_body(struct session_shell *sh, struct span content)
{
	struct envelope *e = sh->envelope;
	struct span passed;

	if (e->content_refusal)
		return true;
	if (authres_filter_next(&e->authres, content, &passed))
		return keep_content(sh, passed, false);
	session_step_lose_content(e, SMTP_REPLY_NO_STORAGE, "out of memory");
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
	if (e->authres.removed)
		log_u64("authres_removed", e->authres.removed);
	log_str("backend", envelope_backend(e)->name);
	log_u64("ms", loop_now_ms(sh->server->loop) - e->begun_ms);
	log_end();
}

/* Which of the recipients' outcomes did not agree. */
static void log_outcomes(const struct session_shell *sh)
{
	const struct envelope *e = sh->envelope;
	const struct envelope_recipient *r = e->first;

	for (size_t i = 0; e->delivery.each && r; i++, r = r->next) {
		const struct backend_answer *answer = &e->delivery.each[i];
		struct buf text = { 0 };

		log_begin(LOG_LEVEL_INFO, sh->id, "outcome");
		log_str("message", e->mail.message_id);
		if (smtp_address_write(&text, &r->address))
			log_span("recipient", buf_span(&text));
		buf_fini(&text);
		log_u64("code", smtp_reply_is_error(&answer->reply) ? answer->reply.code : 250);
		if (smtp_reply_is_error(&answer->reply))
			log_str("reply", answer->reply.text);
		log_end();
	}
}

/*
 * One reply for recipients that fared differently: with some served, the client is asked to send again, which
 * makes duplicates but loses nothing and blames nobody wrongly; with none, as bad as the least bad.
 */
static void sum_up(struct backend_delivery *delivery, size_t count)
{
	const struct backend_answer *refusal = NULL;
	bool is_any_served = false;

	for (size_t i = 0; delivery->each && i < count; i++) {
		const struct backend_answer *answer = &delivery->each[i];

		if (!smtp_reply_is_error(&answer->reply))
			is_any_served = true;
		else if (!refusal || !smtp_reply_is_permanent(&answer->reply))
			refusal = answer;
	}
	if (refusal && is_any_served)
		backend_answer_no(&delivery->answer, SMTP_REPLY_MIXED_OUTCOME, "some recipients were served");
	else if (refusal)
		backend_answer_copy(&delivery->answer, refusal);
}

/* The envelope, in which the answer is, goes before the verdict is given. */
static void copy_refusal(struct step_verdict *v, const struct smtp_reply *reply)
{
	snprintf(v->text, sizeof(v->text), "%s", reply->text);
	snprintf(v->status, sizeof(v->status), "%s", reply->status ? reply->status : "");
	v->own = (struct smtp_reply){ reply->code, reply->status ? v->status : NULL, v->text, reply->reason };
	v->reply = &v->own;
}

/* PRDR: tell the client about each recipient; it is then served with a message as soon as one of them is. */
static void answer_each(struct session_shell *sh)
{
	struct backend_delivery *d = &sh->envelope->delivery;
	bool is_any_served = false;

	for (size_t i = 0; i < sh->envelope->recipient_count; i++) {
		const struct smtp_reply *reply = &d->each[i].reply;
		bool is_served = !smtp_reply_is_error(reply);

		smtp_session_answer_each(sh->smtp, is_served ? NULL : reply);
		is_any_served |= is_served;
	}
	if (is_any_served)
		backend_answer_yes(&d->answer);
}

void session_step_count_delivery(const struct session_shell *sh, const struct smtp_reply *verdict)
{
	const struct envelope *e = sh->envelope;

	metrics_count_delivery(envelope_backend(e)->metrics, verdict,
			       loop_now_ms(sh->server->loop) - e->content_end_ms, e->recipient_count,
			       e->delivery.octets);
}

/* The delivery is over: the verdict of the message. */
static const struct smtp_reply *take_delivery_answer(struct session_shell *sh, struct step_verdict *v)
{
	const struct policy_facts facts = session_step_facts(sh);
	struct envelope *e = sh->envelope;
	char id[MESSAGE_ID_SIZE];

	session_shell_message_id(sh, id);
	sh->messages++;
	log_outcomes(sh);
	sum_up(&e->delivery, e->recipient_count);
	if (e->wants_each && e->delivery.each)
		answer_each(sh);
	session_step_count_delivery(sh, &e->delivery.answer.reply);
	if (smtp_reply_is_error(&e->delivery.answer.reply)) {
		copy_refusal(v, &e->delivery.answer.reply);
		session_shell_log_refusal(sh, v->reply, "message", SPAN_LITERAL(""), e->delivery.answer.detail);
		return v->reply;
	}
	log_accepted(sh, id);
	sh->accepted++;
	sh->server->accepted++;
	policy_chain_taken(&sh->setup->policies, &facts, e->delivery.octets);
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
		.client = sh->client,
		.hostname = sh->listener->options.hostname,
		.protocol = e->mail.protocol,
		.message_id = e->mail.message_id,
		.recipient = e->recipient_count == 1 ? &e->first->address : NULL,
		.time_s = clock_wall_us() / 1000000,
	};

	session_tls_trace(sh, &facts);
	/* With hide_client Received has neither the name nor the address of a user's machine. */
	if (sh->user && sh->listener->config->session.hide_client) {
		facts.helo_name = SPAN_LITERAL("");
		facts.client = (struct addr){ .family = ADDR_NONE };
	}
	return trace_write_received(out, &facts) &&
	       trace_write_submission(out, &facts, e->is_submission && e->lacks_date,
				      e->is_submission && e->lacks_message_id);
}

static struct backend_message message_of(struct envelope *e)
{
	return (struct backend_message){
		.mail = &e->mail,
		.recipients = envelope_recipients(e),
		.recipient_count = e->recipient_count,
		.has_lone_cr = e->has_lone_cr,
		.spool = e->is_streamed ? NULL : &e->spool,
	};
}

/* False: the answer is there already. */
static bool start_delivery(struct session_shell *sh)
{
	struct envelope *e = sh->envelope;
	struct buf trace = { 0 };
	struct backend_message m = message_of(e);
	bool is_running = false;

	session_trace_delivery(sh);
	e->delivery.op = (struct op){ .done = delivery_done, .owner = sh };
	if (m.recipients && (e->is_streamed || write_trace(sh, &trace)) &&
	    (!wants_empty_line(e) || e->is_streamed || buf_add_str(&trace, "\n"))) {
		m.trace = buf_span(&trace);
		is_running = backend_deliver_start(e->transaction, &e->delivery, &m);
	} else {
		backend_answer_no(&e->delivery.answer, SMTP_REPLY_NO_MEMORY, "out of memory");
	}
	buf_fini(&trace);
	return is_running;
}

/* ---- DATA ---- */

/* NULL: the content may come. */
static const struct smtp_reply *take_stream_answer(struct session_shell *sh)
{
	struct backend_answer *answer = &sh->envelope->check.answer;

	if (!smtp_reply_is_error(&answer->reply))
		return NULL;
	session_shell_log_refusal(sh, &answer->reply, "data", SPAN_LITERAL(""), answer->detail);
	return &answer->reply;
}

static void stream_begun(struct op *op)
{
	struct session_shell *sh = op->owner;

	session_shell_decided(sh, take_stream_answer(sh));
}

/* A backend that takes the content while it arrives says whether it may come. */
void session_step_data(struct session_shell *sh, struct step_verdict *v)
{
	struct envelope *e = sh->envelope;
	struct buf trace = { 0 };
	struct backend_message m;

	authres_filter_init(&e->authres, span_str(sh->listener->options.hostname), is_binary(e));
	/* What is missing in a header is known when it has been read: then it is too late for a stream. */
	e->is_streamed = envelope_backend(e)->streams && !e->is_submission;
	if (!e->is_streamed)
		return;
	m = message_of(e);
	if (m.recipients && write_trace(sh, &trace)) {
		m.trace = buf_span(&trace);
		e->check.op = (struct op){ .done = stream_begun, .owner = sh };
		v->is_pending = backend_stream_start(e->transaction, &e->check, &m);
	} else {
		backend_answer_no(&e->check.answer, SMTP_REPLY_NO_MEMORY, "out of memory");
	}
	buf_fini(&trace);
	if (!v->is_pending)
		v->reply = take_stream_answer(sh);
}

/* ---- the end of data ---- */

static void log_bare_dot(struct session_shell *sh)
{
	log_begin(LOG_LEVEL_INFO, sh->id, "bare_dot");
	log_addr("client", &sh->client);
	log_str("text", "a line with a single dot behind a bare LF did not end the message");
	log_end();
}

/* Hand the message over, if it is whole. */
static void conclude_message(struct session_shell *sh, struct step_verdict *v)
{
	struct envelope *e = sh->envelope;

	if (e->spool.is_failed && !e->content_refusal)
		session_step_lose_content(e, SMTP_REPLY_NO_STORAGE, e->spool.reason);
	if (e->content_refusal) {
		sh->messages++;
		session_step_refuse(sh, v, e->content_refusal, "message", e->content_reason);
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
	struct envelope *e = sh->envelope;

	e->content_end_ms = loop_now_ms(sh->server->loop);
	e->has_lone_cr = event->u.message.has_lone_cr;
	e->lacks_date = !event->u.message.has_date;
	e->lacks_message_id = !event->u.message.has_message_id;
	if (event->u.message.has_bare_dot)
		log_bare_dot(sh);
	v->is_pending = !keep_content(sh, authres_filter_finish(&e->authres), true) ||
			(!e->is_streamed && wait_for_spool(sh));
	if (!v->is_pending)
		conclude_message(sh, v);
}
