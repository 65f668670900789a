/*
 * What each event means: the greeting of the client, the begin of a message, and
 * what is common to all steps.
 */
#include "front/session_auth.h"
#include "front/session_proxy.h"
#include "front/session_steps_private.h"

#include "proto/trace.h"

#include <stdio.h>
#include <stdlib.h>

void session_step_refuse(struct session_shell *sh, struct step_verdict *v, const struct smtp_reply *reply,
			 const char *stage, const char *detail)
{
	v->reply = reply;
	session_shell_log_refusal(sh, reply, stage, SPAN_LITERAL(""), detail);
}

static void refuse_by_name(struct session_shell *sh, struct step_verdict *v, enum smtp_reply_name name,
			   const char *stage)
{
	session_step_refuse(sh, v, smtp_reply(name), stage, NULL);
}

struct policy_facts session_step_facts(const struct session_shell *sh)
{
	const struct envelope *e = sh->envelope;
	struct policy_facts facts = {
		.client = &sh->client,
		.listener = sh->listener->config,
		.rule = sh->rule,
		.is_tls = sh->is_tls,
		.user = sh->user,
		.helo_name = span_str(sh->helo_name),
		.now_ms = loop_now_ms(sh->server->loop),
	};

	if (e) {
		facts.sender = &e->sender;
		facts.sender_domain = idn_domain_span(&e->sender_domain);
		facts.octets = e->mail.octets;
	}
	return facts;
}

/* ---- HELO and MAIL ---- */

void session_step_take_policy_verdict(struct session_shell *sh, const struct policy_verdict *from,
				      struct step_verdict *v, const char *stage)
{
	const struct smtp_reply *reply = from->reply;

	if (reply == &from->own) {
		v->own = from->own;
		reply = &v->own;
	}
	session_step_refuse(sh, v, reply, stage, from->detail);
}

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

const struct smtp_reply *session_step_convert_domain(struct idn_domain *ascii, const struct smtp_address *address,
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
			      (sh->user ? TRACE_AUTH : 0u) |
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
	mail->requires_tls = event->u.mail.requires_tls;
	mail->ret = event->u.mail.ret;
	e->wants_each = event->u.mail.wants_each;
	mail->session_id = sh->id;
	mail->client = &sh->client;
	mail->helo_name = span_str(sh->helo_name);
	mail->user = sh->user;
	mail->protocol = protocol_of(sh);
	mail->message_id = arena_dup(&e->arena, span_str(session_shell_message_id(sh, id)));
	return mail->message_id && envelope_keep(e, event->u.mail.envid, &mail->envid);
}

/* False: refused. A refused sender begins no transaction, so that nothing will be reset. */
static bool ask_policies(struct session_shell *sh, struct step_verdict *v)
{
	const struct policy_facts facts = session_step_facts(sh);
	struct policy_verdict verdict = { 0 };

	if (!policy_chain_ask(&sh->setup->policies, POLICY_MAIL, &facts, &verdict))
		return true;
	session_step_take_policy_verdict(sh, &verdict, v, "mail");
	envelope_free(&sh->envelope);
	return false;
}

/* RFC 6409 1: mail that begins here, rather than being relayed. */
static bool is_submission(const struct session_shell *sh)
{
	const struct policy_facts facts = session_step_facts(sh);

	return sh->listener->config->session.submission && (sh->user || policy_is_listed(&facts));
}

static void decide_mail(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	struct server *server = sh->server;
	struct idn_domain domain;
	const struct smtp_reply *reply = session_step_convert_domain(&domain, &event->address, SMTP_REPLY_BAD_SENDER);
	struct envelope *e;

	if (reply) {
		session_step_refuse(sh, v, reply, "mail", NULL);
		return;
	}
	e = envelope_new(&server->spool_budget, &event->address, loop_now_ms(server->loop));
	sh->envelope = e;
	if (!e) {
		refuse_by_name(sh, v, SMTP_REPLY_NO_MEMORY, "mail");
		return;
	}
	e->sender_domain = domain;
	if (!note_mail(sh, event)) {
		envelope_free(&sh->envelope);
		refuse_by_name(sh, v, SMTP_REPLY_NO_MEMORY, "mail");
		return;
	}
	if (!ask_policies(sh, v))
		return;
	e->is_submission = is_submission(sh);
	if (e->mail.octets == 0)
		return;
	e->room.op = (struct op){ .done = room_checked, .owner = sh };
	v->is_pending = spool_room_start(&server->spool_budget, e->mail.octets, &e->room);
	if (!v->is_pending)
		v->reply = take_room_answer(sh);
}


void session_step_decide(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	v->is_pending = false;
	v->reply = NULL;
	switch (event->type) {
	case SMTP_EVENT_CONNECT:
		session_step_connect(sh, v);
		return;
	case SMTP_EVENT_XCLIENT:
		/* The client has come only now. */
		if (session_proxy_xclient(sh, &event->u.xclient, v))
			session_step_connect(sh, v);
		return;
	case SMTP_EVENT_HELO:
		decide_helo(sh, event, v);
		return;
	case SMTP_EVENT_MAIL:
		decide_mail(sh, event, v);
		return;
	case SMTP_EVENT_AUTH:
	case SMTP_EVENT_AUTH_STEP:
		session_auth_decide(sh, event, v);
		return;
	case SMTP_EVENT_RCPT:
		session_step_rcpt(sh, event, v);
		return;
	case SMTP_EVENT_DATA:
		session_step_data(sh, v);
		return;
	case SMTP_EVENT_MESSAGE:
		session_step_message(sh, event, v);
		return;
	default:
		return;
	}
}

void session_step_reset(struct session_shell *sh)
{
	envelope_free(&sh->envelope);
}

static const char disk_is_late[] = "spool_dir: the disk did not answer in time";

static const char backend_is_late[] = "the backend did not answer in time";

/* The disk, or the next hop, takes no content any more: what is on its way there is given up. */
static void expire_content(struct session_shell *sh)
{
	if (sh->envelope->is_streamed)
		session_step_lose_content(sh->envelope, SMTP_REPLY_LOCAL_ERROR, backend_is_late);
	else
		session_step_lose_content(sh->envelope, SMTP_REPLY_NO_STORAGE, disk_is_late);
	session_step_content_rests(sh);
}

uint64_t session_step_deadline_ms(const struct session_shell *sh)
{
	enum { HOST_DEADLINE_MS = 5 * 1000, CHECK_DEADLINE_MS = 60 * 1000, COMMIT_DEADLINE_MS = 300 * 1000 };
	const struct envelope *e = sh->envelope;
	const struct backend *b = e && e->transaction ? envelope_backend(e) : NULL;
	uint64_t own = !b ? 0 : sh->is_committing ? b->commit_deadline_ms : b->check_deadline_ms;

	if (op_running(&sh->host_op))
		return HOST_DEADLINE_MS;
	return own ? own : sh->is_committing ? COMMIT_DEADLINE_MS : CHECK_DEADLINE_MS;
}

void session_step_expire(struct session_shell *sh)
{
	const struct smtp_reply *reply = smtp_reply(SMTP_REPLY_LOCAL_ERROR);
	struct envelope *e = sh->envelope;

	if (op_running(&sh->host_op)) {
		session_step_expire_connect(sh);
		return;
	}
	if (smtp_session_in_auth(sh->smtp)) {
		session_auth_expire(sh);
		return;
	}
	if (op_running(&e->spool_op)) {
		expire_content(sh);
		return;
	}
	if (op_running(&e->room.op)) {
		e->room.fits = false;
		snprintf(e->room.reason, sizeof(e->room.reason), "%s", disk_is_late);
		session_shell_decided(sh, take_room_answer(sh));
		return;
	}
	session_shell_log_refusal(sh, reply, smtp_event_name(smtp_session_waiting(sh->smtp)), SPAN_LITERAL(""),
				  backend_is_late);
	if (sh->is_committing) {
		/* It goes on and may still arrive: the client sends again, which is a duplicate but no loss. */
		sh->messages++;
		session_step_count_delivery(sh, reply);
		envelope_free(&sh->envelope);
	} else {
		op_cancel(&e->check.op);
	}
	session_shell_decided(sh, reply);
}
