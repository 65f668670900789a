/*
 * CONNECT: which rule for clients holds, and may this client come in at all?
 * The name of its host is looked up only where a rule may depend on it; while
 * that takes its time the greeting waits, and so does whatever the client says.
 */
#include "front/session_steps_private.h"

#include "net/resolve_host.h"
#include "policy/auth_guard.h"
#include "policy/client_rule.h"

/* NULL: welcome. The verdict's own reply, if it is one, is copied to `v`. */
static const struct smtp_reply *ask(struct session_shell *sh, struct step_verdict *v)
{
	const struct policy_facts facts = session_step_facts(sh);
	struct policy_verdict verdict = { 0 };

	/* Who cannot log in has no business where all must. */
	if (sh->listener->config->session.require_auth && !policy_is_listed(&facts) &&
	    auth_guard_refuses(sh->server->auth_guard, &sh->client, facts.now_ms))
		session_step_refuse(sh, v, smtp_reply(SMTP_REPLY_AUTH_CLIENT_REFUSED), "connect", NULL);
	else if (policy_chain_ask(&sh->setup->policies, POLICY_CONNECT, &facts, &verdict))
		session_step_take_policy_verdict(sh, &verdict, v, "connect");
	return v->reply;
}

static void conclude(struct session_shell *sh, const char *host)
{
	struct step_verdict v = { 0 };

	session_shell_take_rule(sh, client_rule_find(sh->setup->config, &sh->client, host));
	session_shell_greet(sh, ask(sh, &v));
}

static void host_found(struct op *op)
{
	conclude(op->owner, resolve_host_name(op));
}

void session_step_connect(struct session_shell *sh, struct step_verdict *v)
{
	if (client_rule_needs_host(sh->setup->config, &sh->client)) {
		sh->host_op = (struct op){ .done = host_found, .owner = sh };
		v->is_pending = resolve_host_start(&sh->host_op, sh->server->resolver, &sh->client);
	}
	if (!v->is_pending)
		ask(sh, v);
}

void session_step_expire_connect(struct session_shell *sh)
{
	op_cancel(&sh->host_op);
	conclude(sh, NULL);
}
