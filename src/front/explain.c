#include "front/explain.h"

#include "front/policies.h"
#include "front/route.h"
#include "front/server_tls.h"
#include "idn/idn.h"
#include "policy/client_rule.h"

/* What was asked about; texts as they were given, or NULL. */
struct explain_question {
	const char *client, *host, *listener, *helo, *tls, *user, *sender, *recipient;
};

struct explain {
	const struct config *config;
	struct explain_question q;
	struct policy_chain chain;
	struct policy_facts facts;
	struct addr client;
	struct smtp_address sender, recipient;
	struct idn_domain sender_domain, recipient_domain;
	FILE *out;
};

/* ---- the question ---- */

static const struct {
	const char *key;
	size_t offset;
} keys[] = {
	{ "client", offsetof(struct explain_question, client) },
	{ "host", offsetof(struct explain_question, host) },
	{ "listener", offsetof(struct explain_question, listener) },
	{ "helo", offsetof(struct explain_question, helo) },
	{ "tls", offsetof(struct explain_question, tls) },
	{ "user", offsetof(struct explain_question, user) },
	{ "sender", offsetof(struct explain_question, sender) },
	{ "recipient", offsetof(struct explain_question, recipient) },
};

enum { KEYS = sizeof(keys) / sizeof(*keys) };

static bool take_argument(struct explain_question *q, const char *text, struct err *err)
{
	size_t len = span_find(span_str(text), '=');

	for (size_t i = 0; i < KEYS && text[len]; i++) {
		if (!span_eq(span_str(keys[i].key), span_of(text, len)))
			continue;
		*(const char **)((char *)q + keys[i].offset) = text + len + 1;
		return true;
	}
	return err_set(err,
		       "'%.100s': --explain takes client=, host=, listener=, helo=, tls=, user=, sender= and recipient=",
		       text);
}

static bool find_listener(struct explain *e, struct err *err)
{
	const struct config *config = e->config;

	for (size_t i = 0; i < config->listener_count; i++) {
		if (e->q.listener && strcmp(config->listeners[i].listen, e->q.listener) != 0)
			continue;
		e->facts.listener = &config->listeners[i];
		return true;
	}
	return err_set(err, "listener=%.100s: there is no listener with this \"listen\"", e->q.listener);
}

static bool take_tls(struct explain *e, struct err *err)
{
	const struct session_config *session = &e->facts.listener->session;

	e->facts.is_tls = session->tls_immediate;
	if (!e->q.tls)
		return true;
	if (strcmp(e->q.tls, "yes") != 0 && strcmp(e->q.tls, "no") != 0)
		return err_set(err, "tls=%.100s: must be yes or no", e->q.tls);
	e->facts.is_tls = strcmp(e->q.tls, "yes") == 0;
	if (e->facts.is_tls && !server_tls_is_configured(session))
		return err_set(err, "tls=yes: this listener has no certificate");
	if (!e->facts.is_tls && session->tls_immediate)
		return err_set(err, "tls=no: this listener begins with TLS");
	return true;
}

static bool take_question(struct explain *e, char *const *arguments, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (!take_argument(&e->q, arguments[i], err))
			return false;
	if (!e->q.client)
		return err_set(err, "--explain needs client=ADDRESS");
	if (!addr_parse_ip(&e->client, span_str(e->q.client)))
		return err_set(err, "client=%.100s: is no IP address", e->q.client);
	if (e->q.recipient && !e->q.sender)
		return err_set(err, "recipient= needs sender=");
	if (!find_listener(e, err) || !take_tls(e, err))
		return false;
	e->facts.client = &e->client;
	e->facts.rule = client_rule_find(e->config, &e->client, e->q.host);
	e->facts.user = e->q.user && *e->q.user ? e->q.user : NULL;
	e->facts.helo_name = span_str(e->q.helo ? e->q.helo : "client.example");
	e->facts.is_trial = true;
	return true;
}

/* ---- answers ---- */

static const char *opinion_word(enum policy_opinion opinion)
{
	switch (opinion) {
	case POLICY_NO_OPINION:
		return "no opinion";
	case POLICY_ACCEPT:
		return "accepts";
	case POLICY_REFUSE:
		return "refuses";
	}
	BUG_ON(true);
}

static void print_address(FILE *out, const struct smtp_address *address)
{
	struct buf text = { 0 };

	if (smtp_address_write(&text, address))
		fprintf(out, "<%.*s>", (int)buf_len(&text), buf_span(&text).ptr);
	buf_fini(&text);
}

static void print_asked(void *owner, const struct policy_verdict *v, const char *policy,
			enum policy_opinion opinion)
{
	const struct explain *e = owner;

	fprintf(e->out, "  %-16s%s", policy, opinion_word(opinion));
	if (opinion == POLICY_REFUSE && v->detail)
		fprintf(e->out, ": %s", v->detail);
	fputc('\n', e->out);
}

static void print_reply(const struct explain *e, const struct smtp_reply *reply)
{
	fprintf(e->out, "  -> %u %s%s%s\n", reply->code, reply->status ? reply->status : "",
		reply->status ? " " : "", reply->text);
}

/* False: refused, and told. */
static bool ask(struct explain *e, enum policy_stage stage, struct policy_verdict *v)
{
	*v = (struct policy_verdict){ .asked = print_asked, .owner = e };
	if (!policy_chain_ask(&e->chain, stage, &e->facts, v))
		return true;
	print_reply(e, v->reply);
	return false;
}

static void print_place(FILE *out, const char *what, const struct config_place *place)
{
	fprintf(out, "%s%s", what, place->file ? place->file : "default");
	if (place->file && place->line)
		fprintf(out, ":%d", place->line);
}

static bool may_log_in(const struct explain *e)
{
	const struct session_config *session = &e->facts.listener->session;

	return e->config->auth_count && session->offer_auth && (e->facts.is_tls || session->auth_without_tls);
}

static bool explain_connect(struct explain *e)
{
	struct policy_verdict v;

	fprintf(e->out, "connect from %s to %s, %s\n", e->q.client, e->facts.listener->listen,
		e->facts.is_tls ? "TLS" : "plain text");
	if (e->facts.rule) {
		print_place(e->out, "  the rule for clients at ", &e->facts.rule->place);
		fputs(" holds\n", e->out);
	} else {
		fputs("  no rule for clients holds\n", e->out);
	}
	if (e->facts.user && !may_log_in(e))
		fputs("  nobody can log in here like that: see auth, offer_auth and auth_without_tls\n", e->out);
	if (!e->q.host && client_rule_needs_host(e->config, &e->client))
		fputs("  a rule with names might: say host=NAME for the name that the DNS has\n", e->out);
	if (!ask(e, POLICY_CONNECT, &v))
		return false;
	fputs("  -> 220\n", e->out);
	return true;
}

static bool requires_tls(const struct explain *e)
{
	const struct client_config *rule = e->facts.rule;

	return rule && rule->has_tls_required ? rule->tls_required : e->facts.listener->session.tls_required;
}

/* An address as the machine takes it, and its domain. False: refused, and told. */
static bool parse(struct explain *e, const char *text, enum smtp_path_kind kind, struct smtp_address *address,
		  struct idn_domain *domain)
{
	bool is_sender = kind == SMTP_PATH_SENDER;
	struct buf path = { 0 };
	size_t used = 0;
	bool ok = buf_add(&path, "<", 1) && buf_add_str(&path, text) && buf_add(&path, ">", 1) &&
		  smtp_path_parse(address, kind, SMTP_CHARSET_UTF8, buf_span(&path), &used) &&
		  used == buf_len(&path);

	buf_fini(&path);
	if (!ok)
		print_reply(e, smtp_reply(is_sender ? SMTP_REPLY_BAD_MAIL_SYNTAX : SMTP_REPLY_BAD_RCPT_SYNTAX));
	else if (idn_domain_to_ascii(domain, smtp_address_domain(address)) != IDN_OK)
		print_reply(e, smtp_reply(is_sender ? SMTP_REPLY_BAD_SENDER : SMTP_REPLY_BAD_RECIPIENT));
	else
		return true;
	return false;
}

static bool explain_mail(struct explain *e)
{
	struct policy_verdict v;

	fprintf(e->out, "MAIL FROM:<%s> by %s\n", e->q.sender, e->facts.user ? e->facts.user : "nobody known");
	if (requires_tls(e) && !e->facts.is_tls) {
		print_reply(e, smtp_reply(SMTP_REPLY_TLS_FIRST));
		return false;
	}
	if (!parse(e, e->q.sender, SMTP_PATH_SENDER, &e->sender, &e->sender_domain))
		return false;
	e->facts.sender = &e->sender;
	e->facts.sender_domain = idn_domain_span(&e->sender_domain);
	if (!ask(e, POLICY_MAIL, &v))
		return false;
	print_reply(e, smtp_reply(SMTP_REPLY_SENDER_OK));
	return true;
}

/* postmaster without a domain is who the configuration says, or the one of our first domain. */
static bool name_postmaster(const struct config *config, struct smtp_address *to)
{
	size_t len;

	if (!smtp_address_is_bare_postmaster(to))
		return true;
	if (config->postmaster)
		return smtp_address_parse(to, SMTP_CHARSET_ASCII, span_str(config->postmaster));
	if (config->domain_count == 0)
		return false;
	len = strlen(config->domains[0]);
	memcpy(to->text + to->local_len, config->domains[0], len);
	to->domain_len = (uint16_t)len;
	return true;
}

static const struct route_config *find_route(struct explain *e, const struct smtp_address *to)
{
	struct route_facts facts = {
		.listener = e->facts.listener->listen,
		.is_authenticated = e->facts.user != NULL,
		.sender_domain = e->facts.sender_domain,
		.recipient_local = smtp_address_local(to),
	};

	if (idn_domain_to_ascii(&e->recipient_domain, smtp_address_domain(to)) != IDN_OK)
		return NULL;
	facts.recipient_domain = idn_domain_span(&e->recipient_domain);
	return route_find(e->config, &facts);
}

static void explain_route(struct explain *e, struct smtp_address *to)
{
	const struct route_config *route = name_postmaster(e->config, to) ? find_route(e, to) : NULL;

	if (!route) {
		fputs("  no route\n", e->out);
		print_reply(e, smtp_reply(SMTP_REPLY_MISCONFIGURED));
		return;
	}
	print_place(e->out, "  the route at ", &route->place);
	fprintf(e->out, " leads to \"%s\"\n", route->backend->name);
	print_reply(e, smtp_reply(SMTP_REPLY_RECIPIENT_OK));
	fprintf(e->out, "  unless \"%s\" does not take ", route->backend->name);
	print_address(e->out, to);
	fputs(", which is not asked here\n", e->out);
}

static void explain_rcpt(struct explain *e)
{
	struct policy_verdict v;

	fprintf(e->out, "RCPT TO:<%s>\n", e->q.recipient);
	if (!parse(e, e->q.recipient, SMTP_PATH_RECIPIENT, &e->recipient, &e->recipient_domain))
		return;
	e->facts.recipient = &e->recipient;
	e->facts.recipient_domain = idn_domain_span(&e->recipient_domain);
	if (!ask(e, POLICY_RCPT, &v))
		return;
	if (v.is_rewritten) {
		fputs("  it is for ", e->out);
		print_address(e->out, &v.recipient);
		fputc('\n', e->out);
	}
	explain_route(e, v.is_rewritten ? &v.recipient : &e->recipient);
}

bool explain(const struct config *config, char *const *arguments, size_t count, FILE *out, struct err *err)
{
	struct explain e = { .config = config, .out = out };
	bool ok;

	policy_chain_init(&e.chain);
	ok = take_question(&e, arguments, count, err) && policies_build(&e.chain, config, NULL, NULL, NULL, err);
	if (ok && explain_connect(&e) && e.q.sender && explain_mail(&e) && e.q.recipient)
		explain_rcpt(&e);
	policy_chain_fini(&e.chain);
	return ok;
}
