#include "front/session_steps.h"

#include "base/clock.h"
#include "front/session_tls.h"
#include "idn/idn.h"
#include "proto/trace.h"

#include <stdio.h>
#include <stdlib.h>

static void refuse(struct session_shell *sh, struct step_verdict *v, const struct smtp_reply *reply,
		   const char *stage, const char *detail)
{
	v->reply = reply;
	session_shell_log_refusal(sh, reply, stage, SPAN_LITERAL(""), detail);
}

static void refuse_by_name(struct session_shell *sh, struct step_verdict *v, enum smtp_reply_name name,
			   const char *stage)
{
	refuse(sh, v, smtp_reply(name), stage, NULL);
}

/* ---- HELO and MAIL ---- */

static void decide_helo(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	char *name = strndup(event->u.helo.name.ptr, event->u.helo.name.len);

	if (!name) {
		refuse_by_name(sh, v, SMTP_REPLY_NO_MEMORY, "helo");
		return;
	}
	free(sh->helo_name);
	sh->helo_name = name;
	sh->is_extended = event->u.helo.is_extended;
}

/* NULL: converted. Otherwise why not; `invalid` is for a domain that can be the name of nothing. */
static const struct smtp_reply *convert_domain(struct idn_domain *ascii, const struct smtp_address *address,
					       enum smtp_reply_name invalid)
{
	switch (idn_domain_to_ascii(ascii, smtp_address_domain(address))) {
	case IDN_OK:
		return NULL;
	case IDN_NO_MEMORY:
		return smtp_reply(SMTP_REPLY_NO_MEMORY);
	case IDN_INVALID:
		break;
	}
	return smtp_reply(invalid);
}

/* A refused sender begins no transaction, so that nothing will be reset. */
static const struct smtp_reply *take_room_answer(struct session_shell *sh)
{
	const struct smtp_reply *reply = smtp_reply(SMTP_REPLY_NO_STORAGE);

	if (sh->envelope->room.fits)
		return NULL;
	session_shell_log_refusal(sh, reply, "mail", SPAN_LITERAL(""), sh->envelope->room.reason);
	envelope_free(&sh->envelope);
	return reply;
}

static void room_checked(struct op *op)
{
	struct session_shell *sh = op->owner;

	session_shell_decided(sh, take_room_answer(sh));
}

static const char *protocol_of(const struct session_shell *sh)
{
	return trace_protocol((sh->is_extended ? TRACE_EXTENDED : 0u) | (sh->is_tls ? TRACE_TLS : 0u) |
			      (sh->envelope->mail.is_smtputf8 ? TRACE_SMTPUTF8 : 0u));
}

/* What backends are told of the message and of who brings it. False: out of memory. */
static bool note_mail(struct session_shell *sh, const struct smtp_event *event)
{
	struct envelope *e = sh->envelope;
	struct backend_mail *mail = &e->mail;
	char id[MESSAGE_ID_SIZE];

	mail->octets = event->u.mail.size;
	mail->body_type = event->u.mail.body_type;
	mail->is_smtputf8 = event->u.mail.is_smtputf8;
	mail->session_id = sh->id;
	mail->client = conn_peer(sh->conn);
	mail->helo_name = span_str(sh->helo_name);
	mail->protocol = protocol_of(sh);
	mail->message_id = arena_dup(&e->arena, span_str(session_shell_message_id(sh, id)));
	return mail->message_id != NULL;
}

static void decide_mail(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	struct server *server = sh->listener->server;
	struct idn_domain domain;
	const struct smtp_reply *reply = convert_domain(&domain, &event->address, SMTP_REPLY_BAD_SENDER);
	struct envelope *e;

	if (reply) {
		refuse(sh, v, reply, "mail", NULL);
		return;
	}
	e = envelope_new(&server->spool_budget, &event->address, loop_now_ms(server->loop));
	sh->envelope = e;
	if (!e) {
		refuse_by_name(sh, v, SMTP_REPLY_NO_MEMORY, "mail");
		return;
	}
	if (!note_mail(sh, event)) {
		envelope_free(&sh->envelope);
		refuse_by_name(sh, v, SMTP_REPLY_NO_MEMORY, "mail");
		return;
	}
	if (e->mail.octets == 0)
		return;
	e->room.op = (struct op){ .done = room_checked, .owner = sh };
	v->is_pending = spool_room_start(&server->spool_budget, e->mail.octets, &e->room);
	if (!v->is_pending)
		v->reply = take_room_answer(sh);
}

/* ---- RCPT ---- */

static void check_done(struct op *op);

/* NULL: accepted, or pending. */
static const struct smtp_reply *take_check_answer(struct session_shell *sh, const char **detail);

/*
 * One message goes to one backend, so that its outcome is one. Until a recipient was accepted it may still
 * be another. NULL: there is a transaction with it.
 */
static const struct smtp_reply *open_transaction(struct envelope *e, struct backend *backend)
{
	if (!backend)
		return smtp_reply(SMTP_REPLY_MISCONFIGURED);
	if (envelope_backend(e) == backend)
		return NULL;
	if (e->recipient_count)
		return smtp_reply(SMTP_REPLY_OTHER_DESTINATION);
	backend_transaction_free(&e->transaction);
	e->transaction = backend_transaction_new(backend, &e->mail);
	return e->transaction ? NULL : smtp_reply(SMTP_REPLY_NO_MEMORY);
}

static bool start_check(struct envelope *e)
{
	const struct backend_recipient recipient = { .address = &e->candidate };

	return backend_check_start(e->transaction, &e->check, &e->mail, &recipient);
}

/* Ask the backend for the candidate. NULL with *is_pending: it will answer later. */
static const struct smtp_reply *check_candidate(struct session_shell *sh, bool *is_pending, const char **detail)
{
	struct envelope *e = sh->envelope;
	struct idn_domain domain;
	const struct smtp_reply *reply = convert_domain(&domain, &e->candidate, SMTP_REPLY_BAD_RECIPIENT);

	if (!reply)
		reply = open_transaction(e, server_route(sh->listener->server, idn_domain_span(&domain)));
	if (reply)
		return reply;
	e->check.op = (struct op){ .done = check_done, .owner = sh };
	*is_pending = start_check(e);
	return *is_pending ? NULL : take_check_answer(sh, detail);
}

/* postmaster at our domains goes to the configured address where there is no such mailbox. */
static bool turns_to_postmaster(struct session_shell *sh)
{
	const struct server *server = sh->listener->server;
	struct envelope *e = sh->envelope;

	bool is_postmaster = smtp_address_is_postmaster(&e->candidate) || smtp_address_is_bare_postmaster(&e->candidate);

	if (!server->has_postmaster || e->is_postmaster_tried || !is_postmaster)
		return false;
	e->is_postmaster_tried = true;
	e->candidate = server->postmaster;
	return true;
}

static const struct smtp_reply *take_check_answer(struct session_shell *sh, const char **detail)
{
	struct envelope *e = sh->envelope;

	*detail = e->check.answer.detail;
	if (smtp_reply_is_error(&e->check.answer.reply)) {
		/* Postmaster is never refused where `postmaster` names an address: this is our own trouble. */
		if (e->is_postmaster_tried && smtp_reply_is_permanent(&e->check.answer.reply) &&
		    (!e->mail.is_smtputf8 || envelope_backend(e)->takes_smtputf8))
			return smtp_reply(SMTP_REPLY_MISCONFIGURED);
		return &e->check.answer.reply;
	}
	return envelope_add_recipient(e) ? NULL : smtp_reply(SMTP_REPLY_NO_MEMORY);
}

/* Ask, and ask once more for the postmaster. */
static const struct smtp_reply *ask_backend(struct session_shell *sh, bool *is_pending, const char **detail)
{
	const struct smtp_reply *reply = check_candidate(sh, is_pending, detail);

	if (reply && smtp_reply_is_permanent(reply) && turns_to_postmaster(sh))
		reply = check_candidate(sh, is_pending, detail);
	return reply;
}

static void check_done(struct op *op)
{
	struct session_shell *sh = op->owner;
	const char *detail = NULL;
	bool is_pending = false;
	const struct smtp_reply *reply = take_check_answer(sh, &detail);

	if (reply && smtp_reply_is_permanent(reply) && turns_to_postmaster(sh))
		reply = check_candidate(sh, &is_pending, &detail);
	if (is_pending)
		return;
	if (reply)
		session_shell_log_refusal(sh, reply, "rcpt", SPAN_LITERAL(""), detail);
	session_shell_decided(sh, reply);
}

/* Bare postmaster is the configured address, or the mailbox of that name in our first domain. */
static bool name_candidate(struct session_shell *sh, const struct smtp_address *recipient)
{
	const struct server *server = sh->listener->server;
	struct envelope *e = sh->envelope;
	size_t len;

	e->is_postmaster_tried = false;
	e->candidate = *recipient;
	if (!smtp_address_is_bare_postmaster(recipient))
		return true;
	if (server->has_postmaster)
		return turns_to_postmaster(sh);
	if (server->config->domain_count == 0)
		return false;
	len = strlen(server->config->domains[0]);
	memcpy(e->candidate.text + e->candidate.local_len, server->config->domains[0], len);
	e->candidate.domain_len = (uint16_t)len;
	return true;
}

static void decide_rcpt(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	const struct server *server = sh->listener->server;
	struct idn_domain domain;
	const struct smtp_reply *reply = convert_domain(&domain, &event->address, SMTP_REPLY_BAD_RECIPIENT);
	const struct policy_facts facts = {
		.client = conn_peer(sh->conn),
		.helo_name = span_str(sh->helo_name),
		.sender = &sh->envelope->sender,
		.recipient = &event->address,
		.recipient_domain = reply ? SPAN_LITERAL("") : idn_domain_span(&domain),
	};
	const char *policy, *detail = NULL;

	sh->envelope->candidate = event->address;
	if (!reply)
		reply = policy_chain_rcpt(&server->policies, &facts, &policy);
	if (!reply)
		reply = name_candidate(sh, &event->address) ? ask_backend(sh, &v->is_pending, &detail) :
							      smtp_reply(SMTP_REPLY_UNKNOWN_MAILBOX);
	if (reply)
		refuse(sh, v, reply, "rcpt", detail);
}

/* ---- the message ---- */

static void spool_is_whole(struct session_shell *sh);

/* The rest is read on to the end of data, and thrown away. */
static void lose_spool(struct envelope *e, const char *reason)
{
	e->is_spool_lost = true;
	snprintf(e->spool_reason, sizeof(e->spool_reason), "%s", reason);
	spool_fini(&e->spool);
}

/* What was on its way to disk is there, or never will be. */
static void spool_rested(struct op *op)
{
	struct session_shell *sh = op->owner;

	if (smtp_session_waiting(sh->smtp) == SMTP_EVENT_MESSAGE)
		spool_is_whole(sh);
	else
		session_shell_resume(sh);
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
		lose_spool(e, "spool_memory is used up");
		break;
	case SPOOL_NO_MEMORY:
		lose_spool(e, "out of memory");
		break;
	case SPOOL_FAILED:
		lose_spool(e, e->spool.reason);
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
	log_u64("ms", loop_now_ms(sh->listener->server->loop) - e->begun_ms);
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
		lose_spool(e, e->spool.reason);
	if (e->is_spool_lost) {
		sh->messages++;
		refuse(sh, v, smtp_reply(SMTP_REPLY_NO_STORAGE), "message", e->spool_reason);
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

static void decide_message(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	sh->envelope->has_lone_cr = event->u.message.has_lone_cr;
	if (event->u.message.has_bare_dot)
		log_bare_dot(sh);
	v->is_pending = wait_for_spool(sh);
	if (!v->is_pending)
		conclude_message(sh, v);
}

void session_step_decide(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	v->is_pending = false;
	v->reply = NULL;
	switch (event->type) {
	case SMTP_EVENT_HELO:
		decide_helo(sh, event, v);
		return;
	case SMTP_EVENT_MAIL:
		decide_mail(sh, event, v);
		return;
	case SMTP_EVENT_RCPT:
		decide_rcpt(sh, event, v);
		return;
	case SMTP_EVENT_MESSAGE:
		decide_message(sh, event, v);
		return;
	default:
		return; /* CONNECT and DATA: nobody has a say yet */
	}
}

void session_step_reset(struct session_shell *sh)
{
	envelope_free(&sh->envelope);
}

static const char disk_is_late[] = "spool_dir: the disk did not answer in time";

/* The disk takes no content any more: what is on its way there is given up. */
static void expire_spool(struct session_shell *sh)
{
	lose_spool(sh->envelope, disk_is_late);
	if (smtp_session_waiting(sh->smtp) == SMTP_EVENT_MESSAGE)
		spool_is_whole(sh);
	else
		session_shell_resume(sh);
}

void session_step_expire(struct session_shell *sh)
{
	const struct smtp_reply *reply = smtp_reply(SMTP_REPLY_LOCAL_ERROR);
	struct envelope *e = sh->envelope;

	if (op_running(&e->spool_op)) {
		expire_spool(sh);
		return;
	}
	if (op_running(&e->room.op)) {
		e->room.fits = false;
		snprintf(e->room.reason, sizeof(e->room.reason), "%s", disk_is_late);
		session_shell_decided(sh, take_room_answer(sh));
		return;
	}
	session_shell_log_refusal(sh, reply, sh->is_committing ? "message" : "rcpt", SPAN_LITERAL(""),
				  "the backend did not answer in time");
	if (sh->is_committing) {
		/* It goes on and may still arrive: the client sends again, which is a duplicate but no loss. */
		sh->messages++;
		envelope_free(&sh->envelope);
	} else {
		op_cancel(&e->check.op);
	}
	session_shell_decided(sh, reply);
}
