/*
 * The parameters of MAIL and RCPT (RFC 5321 4.1.2) as two tables: a row for each
 * that there is, with when it is offered and what its value may be. What is not
 * offered is as unknown as what has no row.
 */
#include "proto/session_private.h"

struct parameter {
	struct span keyword;
	bool (*is_offered)(const struct smtp_session *s); /* NULL: always */
	/* Fills in the event. False: a bad value. A value without "=" has no ptr. */
	bool (*take)(const struct smtp_session *s, struct span value, struct smtp_event *event);
	bool is_promise; /* to ignore it would be to promise it: refused where it is not offered */
};

/* ---- when they are offered: in reply to EHLO, if at all ---- */

static bool is_esmtp(const struct smtp_session *s)
{
	return s->has_ehlo;
}

static bool has_dsn(const struct smtp_session *s)
{
	return s->has_ehlo && s->options->offers_dsn;
}

static bool has_prdr(const struct smtp_session *s)
{
	return s->has_ehlo && s->options->offers_prdr;
}

static bool has_requiretls(const struct smtp_session *s)
{
	return s->has_ehlo && session_offers_requiretls(s);
}

/* ---- MAIL ---- */

static bool take_size(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	return smtp_param_size(value, &event->u.mail.size);
}

static bool take_body(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	return smtp_param_body(value, &event->u.mail.body_type) &&
	       (event->u.mail.body_type != SMTP_BODY_BINARYMIME || s->options->offers_binarymime);
}

/* RFC 6531 3.4: it takes no value. */
static bool take_smtputf8(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	return event->u.mail.is_smtputf8 = !value.ptr;
}

static bool take_ret(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	return smtp_param_ret(value, &event->u.mail.ret);
}

static bool take_envid(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	event->u.mail.envid = value;
	return smtp_param_envid(value);
}

/* RFC 8689 2: it takes no value. */
static bool take_requiretls(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	return event->u.mail.requires_tls = !value.ptr;
}

static bool take_prdr(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	return event->u.mail.wants_each = !value.ptr;
}

static bool has_auth(const struct smtp_session *s)
{
	return s->has_ehlo && s->options->offers_auth;
}

static bool take_auth(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	(void)event;
	return session_takes_auth_parameter(value);
}

static const struct parameter mail_parameters[] = {
	{ SPAN_LITERAL("SIZE"), NULL, take_size, false },
	{ SPAN_LITERAL("BODY"), NULL, take_body, false },
	{ SPAN_LITERAL("SMTPUTF8"), is_esmtp, take_smtputf8, true }, /* RFC 6531 3.1 */
	{ SPAN_LITERAL("RET"), has_dsn, take_ret, false },
	{ SPAN_LITERAL("ENVID"), has_dsn, take_envid, false },
	{ SPAN_LITERAL("REQUIRETLS"), has_requiretls, take_requiretls, true },
	{ SPAN_LITERAL("PRDR"), has_prdr, take_prdr, false },
	{ SPAN_LITERAL("AUTH"), has_auth, take_auth, false },
};

/* ---- RCPT ---- */

static bool take_notify(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	return smtp_param_notify(value, &event->u.rcpt.notify);
}

static bool take_orcpt(const struct smtp_session *s, struct span value, struct smtp_event *event)
{
	(void)s;
	event->u.rcpt.orcpt = value;
	return smtp_param_orcpt(value);
}

static const struct parameter rcpt_parameters[] = {
	{ SPAN_LITERAL("NOTIFY"), has_dsn, take_notify, false },
	{ SPAN_LITERAL("ORCPT"), has_dsn, take_orcpt, false },
};

/* ---- both ---- */

struct parameter_table {
	const struct parameter *rows;
	size_t count;
};

static const struct parameter_table of_mail = { mail_parameters, sizeof(mail_parameters) / sizeof(mail_parameters[0]) };
static const struct parameter_table of_rcpt = { rcpt_parameters, sizeof(rcpt_parameters) / sizeof(rcpt_parameters[0]) };

/* The seed accepts and ignores them; RFC 5321 4.1.1.11 has 555. */
static enum smtp_reply_name unknown_parameter(const struct smtp_session *s, bool is_promise)
{
	return is_promise || s->options->rejects_unknown_parameters ? SMTP_REPLY_UNKNOWN_PARAMETER : SMTP_REPLY_OK;
}

/* One parameter. `seen` has a bit for each row: none may come twice. */
static enum smtp_reply_name take_one(const struct smtp_session *s, const struct parameter_table *table,
				     const struct smtp_param *p, struct smtp_event *event, unsigned *seen)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct parameter *row = &table->rows[i];

		if (!span_ieq(p->keyword, row->keyword))
			continue;
		if (row->is_offered && !row->is_offered(s))
			return unknown_parameter(s, row->is_promise);
		if (!row->take(s, p->value, event) || *seen & 1u << i)
			return SMTP_REPLY_BAD_PARAMETER;
		*seen |= 1u << i;
		return SMTP_REPLY_OK;
	}
	return unknown_parameter(s, false);
}

static enum smtp_reply_name take_all(const struct smtp_session *s, const struct parameter_table *table,
				     struct span rest, struct smtp_event *event)
{
	enum smtp_reply_name name = SMTP_REPLY_OK;
	struct smtp_param param;
	unsigned seen = 0;

	while (name == SMTP_REPLY_OK) {
		switch (smtp_param_next(&rest, &param)) {
		case SMTP_PARAM_END:
			return SMTP_REPLY_OK;
		case SMTP_PARAM_MALFORMED:
			return SMTP_REPLY_BAD_PARAMETER;
		case SMTP_PARAM_FOUND:
			name = take_one(s, table, &param, event, &seen);
		}
		/* RFC 1870 6.1 (2): declared too big is refused at once. */
		if (name == SMTP_REPLY_OK && table == &of_mail && event->u.mail.size > s->options->max_message_size)
			name = SMTP_REPLY_TOO_BIG;
	}
	return name;
}

enum smtp_reply_name session_take_mail_parameters(const struct smtp_session *s, struct span rest,
						  struct smtp_event *event)
{
	enum smtp_reply_name name;

	memset(&event->u.mail, 0, sizeof(event->u.mail));
	event->u.mail.body_type = SMTP_BODY_7BIT;
	event->u.mail.ret = SMTP_DSN_RET_NONE;
	event->u.mail.envid = SPAN_LITERAL("");
	name = take_all(s, &of_mail, rest, event);
	if (name == SMTP_REPLY_OK && event->address.is_utf8 && !event->u.mail.is_smtputf8)
		return SMTP_REPLY_SENDER_NOT_ASCII;
	return name;
}

enum smtp_reply_name session_take_rcpt_parameters(const struct smtp_session *s, struct span rest,
						  struct smtp_event *event)
{
	enum smtp_reply_name name;

	event->u.rcpt.notify = 0;
	event->u.rcpt.orcpt = SPAN_LITERAL("");
	name = take_all(s, &of_rcpt, rest, event);
	if (name == SMTP_REPLY_OK && event->address.is_utf8 && !s->transaction.is_smtputf8)
		return SMTP_REPLY_RECIPIENT_NOT_ASCII;
	return name;
}
