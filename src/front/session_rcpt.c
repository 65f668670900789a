/*
 * RCPT: may this recipient be written to, where would the message go, and does
 * that place know the recipient?
 */
#include "front/session_steps_private.h"

#include "front/session_trace.h"

static void check_done(struct op *op);

/* NULL: accepted, or pending. */
static const struct smtp_reply *take_check_answer(struct session_shell *sh, bool *is_pending, const char **detail);

static const struct smtp_reply *change_transaction(struct envelope *e, struct backend *backend)
{
	backend_transaction_free(&e->transaction);
	e->transaction = backend_transaction_new(backend, &e->mail);
	return e->transaction ? NULL : smtp_reply(SMTP_REPLY_NO_MEMORY);
}

/*
 * One message goes to one backend, so that its outcome is one. Until a recipient was accepted it may still
 * be another. NULL: there is a transaction with it.
 */
static const struct smtp_reply *open_transaction(struct envelope *e, struct backend *backend)
{
	if (!backend)
		return smtp_reply(SMTP_REPLY_MISCONFIGURED);
	if (e->transaction && e->routed == backend)
		return NULL;
	if (e->recipient_count)
		return smtp_reply(SMTP_REPLY_OTHER_DESTINATION);
	e->routed = backend;
	return change_transaction(e, backend);
}

static struct backend *find_backend(const struct session_shell *sh, struct span recipient_domain)
{
	const struct envelope *e = sh->envelope;
	const struct route_facts facts = {
		.listener = sh->listener->config->listen,
		.is_authenticated = e->mail.user != NULL,
		.sender_domain = idn_domain_span(&e->sender_domain),
		.recipient_local = smtp_address_local(&e->candidate),
		.recipient_domain = recipient_domain,
	};

	return setup_route(sh->setup, &facts);
}

/* NULL with *is_pending: it will answer later. */
static const struct smtp_reply *start_check(struct session_shell *sh, bool *is_pending, const char **detail)
{
	struct envelope *e = sh->envelope;
	const struct backend_recipient recipient = { &e->candidate, e->candidate_notify, e->candidate_orcpt };

	e->check.op = (struct op){ .done = check_done, .owner = sh };
	*is_pending = backend_check_start(e->transaction, &e->check, &e->mail, &recipient);
	return *is_pending ? NULL : take_check_answer(sh, is_pending, detail);
}

/* Ask the backend for the candidate. NULL with *is_pending: it will answer later. */
static const struct smtp_reply *check_candidate(struct session_shell *sh, bool *is_pending, const char **detail)
{
	struct envelope *e = sh->envelope;
	struct idn_domain domain;
	const struct smtp_reply *reply = session_step_convert_domain(&domain, &e->candidate, SMTP_REPLY_BAD_RECIPIENT);

	if (!reply)
		reply = open_transaction(e, find_backend(sh, idn_domain_span(&domain)));
	return reply ? reply : start_check(sh, is_pending, detail);
}

/* postmaster at our domains goes to the configured address where there is no such mailbox. */
static bool turns_to_postmaster(struct session_shell *sh)
{
	const struct setup *setup = sh->setup;
	struct envelope *e = sh->envelope;

	bool is_postmaster = smtp_address_is_postmaster(&e->candidate) || smtp_address_is_bare_postmaster(&e->candidate);

	if (!setup->has_postmaster || e->is_postmaster_tried || !is_postmaster)
		return false;
	e->is_postmaster_tried = true;
	e->candidate = setup->postmaster;
	return true;
}

static void log_fallback(const struct session_shell *sh, const struct backend *from, const struct backend *to)
{
	log_begin(LOG_LEVEL_WARNING, sh->id, "fallback");
	log_str("backend", from->name);
	log_str("fallback", to->name);
	log_str("detail", sh->envelope->check.answer.detail);
	log_end();
}

/* Nobody is there, and no recipient of the message was promised to anybody yet: ask the fallback. */
static const struct smtp_reply *ask_fallback(struct session_shell *sh, struct backend *fallback, bool *is_pending,
					     const char **detail)
{
	struct envelope *e = sh->envelope;
	const struct smtp_reply *reply;

	log_fallback(sh, envelope_backend(e), fallback);
	reply = change_transaction(e, fallback);
	return reply ? reply : start_check(sh, is_pending, detail);
}

static const struct smtp_reply *take_check_answer(struct session_shell *sh, bool *is_pending, const char **detail)
{
	struct envelope *e = sh->envelope;
	struct backend *fallback = NULL;

	if (e->check.answer.is_down && e->recipient_count == 0 && envelope_backend(e) == e->routed)
		fallback = route_fallback(sh->setup->config, sh->setup->backends, e->routed);
	if (fallback)
		return ask_fallback(sh, fallback, is_pending, detail);
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

/* The reply that is given: who tries out too many addresses is sent away. */
static const struct smtp_reply *note_refusal(struct session_shell *sh, const struct smtp_reply *reply,
					     const char *detail)
{
	uint32_t most = sh->listener->config->session.max_rejected_recipients;

	session_shell_log_refusal(sh, reply, "rcpt", SPAN_LITERAL(""), detail);
	if (!smtp_reply_is_permanent(reply) || sh->rejected_recipients++ < most || most == 0)
		return reply;
	reply = smtp_reply(SMTP_REPLY_TOO_MANY_REJECTED_RECIPIENTS);
	session_shell_log_refusal(sh, reply, "rcpt", SPAN_LITERAL(""), NULL);
	return reply;
}

static void check_done(struct op *op)
{
	struct session_shell *sh = op->owner;
	const char *detail = NULL;
	bool is_pending = false;
	const struct smtp_reply *reply = take_check_answer(sh, &is_pending, &detail);

	if (reply && smtp_reply_is_permanent(reply) && turns_to_postmaster(sh))
		reply = check_candidate(sh, &is_pending, &detail);
	if (is_pending)
		return;
	if (reply)
		reply = note_refusal(sh, reply, detail);
	session_shell_decided(sh, reply);
}

/* Bare postmaster is the configured address, or the mailbox of that name in our first domain. */
static bool name_candidate(struct session_shell *sh)
{
	const struct setup *setup = sh->setup;
	struct envelope *e = sh->envelope;
	size_t len;

	e->is_postmaster_tried = false;
	if (!smtp_address_is_bare_postmaster(&e->candidate))
		return true;
	if (setup->has_postmaster)
		return turns_to_postmaster(sh);
	if (setup->config->domain_count == 0)
		return false;
	len = strlen(setup->config->domains[0]);
	memcpy(e->candidate.text + e->candidate.local_len, setup->config->domains[0], len);
	e->candidate.domain_len = (uint16_t)len;
	return true;
}

/* May the recipient be written to at all? The candidate becomes who that is. NULL: it may. */
static const struct smtp_reply *ask_policies(struct session_shell *sh, const struct smtp_address *recipient,
					     const char **detail)
{
	struct policy_facts facts = session_step_facts(sh);
	struct policy_verdict verdict = { 0 };
	struct idn_domain domain;
	const struct smtp_reply *reply = session_step_convert_domain(&domain, recipient, SMTP_REPLY_BAD_RECIPIENT);

	if (reply)
		return reply;
	facts.recipient = recipient;
	facts.recipient_domain = idn_domain_span(&domain);
	reply = policy_chain_ask(&sh->setup->policies, POLICY_RCPT, &facts, &verdict);
	*detail = verdict.detail;
	session_trace_policy(sh, reply);
	if (!reply && verdict.is_rewritten)
		sh->envelope->candidate = verdict.recipient;
	return reply;
}

/* RFC 9422 4.3: as with recipients, those of another domain are put off. */
static bool has_too_many_domains(struct session_shell *sh)
{
	struct envelope *e = sh->envelope;
	uint32_t most = sh->options.max_recipient_domains;

	e->counts_domains = most > 0;
	return most && e->domain_count >= most && !envelope_has_domain(e);
}

void session_step_rcpt(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v)
{
	struct envelope *e = sh->envelope;
	const struct smtp_reply *reply;
	const char *detail = NULL;

	e->candidate = event->address;
	e->candidate_notify = event->u.rcpt.notify;
	if (envelope_keep(e, event->u.rcpt.orcpt, &e->candidate_orcpt))
		reply = ask_policies(sh, &event->address, &detail);
	else
		reply = smtp_reply(SMTP_REPLY_NO_MEMORY);
	if (!reply && has_too_many_domains(sh))
		reply = smtp_reply(SMTP_REPLY_TOO_MANY_DOMAINS);
	if (!reply)
		reply = name_candidate(sh) ? ask_backend(sh, &v->is_pending, &detail) :
					     smtp_reply(SMTP_REPLY_UNKNOWN_MAILBOX);
	if (reply)
		v->reply = note_refusal(sh, reply, detail);
}
