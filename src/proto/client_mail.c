/*
 * The client machine's transactions: MAIL, RCPT, DATA, the final replies, and
 * the ways to leave them early.
 */
#include "proto/client_private.h"

/* ---- commands ---- */

static bool offers(const struct smtp_client *c, enum smtp_offer_bit bit)
{
	return smtp_offer_has(&c->offer, bit);
}

/* Why the hop cannot take this message; NULL: nothing speaks against it. */
static const struct smtp_reply *refusal(const struct smtp_client *c, const struct smtp_client_mail *mail)
{
	/* RFC 6531 3.4, RFC 6152 3, RFC 3030 2 and 3, RFC 8689 4.2.1, RFC 1870 6.1 */
	if (mail->sender->is_utf8 && !mail->is_smtputf8)
		return smtp_reply(SMTP_REPLY_SENDER_NOT_ASCII);
	if (mail->is_smtputf8 && !offers(c, SMTP_OFFER_SMTPUTF8))
		return smtp_reply(SMTP_REPLY_SMTPUTF8_NO_ROUTE);
	if (mail->body_type == SMTP_BODY_8BITMIME && !offers(c, SMTP_OFFER_8BITMIME))
		return smtp_reply(SMTP_REPLY_BODY_NO_ROUTE);
	if (mail->body_type == SMTP_BODY_BINARYMIME &&
	    !(offers(c, SMTP_OFFER_BINARYMIME) && offers(c, SMTP_OFFER_CHUNKING)))
		return smtp_reply(SMTP_REPLY_BODY_NO_ROUTE);
	if (mail->requires_tls && !(c->is_tls && offers(c, SMTP_OFFER_REQUIRETLS)))
		return smtp_reply(SMTP_REPLY_REQUIRETLS_NO_ROUTE);
	if (c->offer.max_size && mail->size > c->offer.max_size)
		return smtp_reply(SMTP_REPLY_TOO_BIG);
	return NULL;
}

static void put_path(struct smtp_client *c, const char *verb, const struct smtp_address *address)
{
	client_put_str(c, verb);
	if (!smtp_address_write(&c->out, address))
		c->has_failed = true;
	client_put_str(c, ">");
}

static void put_value(struct smtp_client *c, const char *keyword, struct span value)
{
	if (value.len == 0)
		return;
	client_put_str(c, keyword);
	client_put(c, value);
}

static void put_ret(struct smtp_client *c, enum smtp_dsn_ret ret)
{
	if (ret == SMTP_DSN_RET_FULL)
		client_put_str(c, " RET=FULL");
	if (ret == SMTP_DSN_RET_HDRS)
		client_put_str(c, " RET=HDRS");
}

static void put_mail_parameters(struct smtp_client *c, const struct smtp_client_mail *mail)
{
	if (mail->size && offers(c, SMTP_OFFER_SIZE)) {
		client_put_str(c, " SIZE=");
		client_put_u64(c, mail->size);
	}
	if (mail->body_type == SMTP_BODY_8BITMIME)
		client_put_str(c, " BODY=8BITMIME");
	if (mail->body_type == SMTP_BODY_BINARYMIME)
		client_put_str(c, " BODY=BINARYMIME");
	if (mail->is_smtputf8)
		client_put_str(c, " SMTPUTF8");
	if (mail->requires_tls)
		client_put_str(c, " REQUIRETLS");
	if (offers(c, SMTP_OFFER_DSN)) {
		put_ret(c, mail->ret);
		put_value(c, " ENVID=", mail->envid);
	}
	if (offers(c, SMTP_OFFER_AUTH))
		put_value(c, " AUTH=", mail->auth);
}

const struct smtp_reply *smtp_client_mail(struct smtp_client *c, const struct smtp_client_mail *mail)
{
	const struct smtp_reply *reply;
	size_t from = client_mark(c);

	if (c->state == CLIENT_CLOSED)
		return NULL;
	BUG_ON(c->state != CLIENT_READY || c->is_ready_due);
	reply = refusal(c, mail);
	if (reply)
		return reply;
	c->state = CLIENT_TRANSACTION;
	c->transaction.is_smtputf8 = mail->is_smtputf8;
	c->transaction.is_binary = mail->body_type == SMTP_BODY_BINARYMIME;
	put_path(c, "MAIL FROM:<", mail->sender);
	put_mail_parameters(c, mail);
	client_ask(c, COMMAND_MAIL, from);
	return NULL;
}

/* RFC 3461 4.1: NEVER, or a list of the others. */
static void put_notify(struct smtp_client *c, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} rows[] = {
		{ SMTP_DSN_NOTIFY_NEVER, "NEVER" },
		{ SMTP_DSN_NOTIFY_SUCCESS, "SUCCESS" },
		{ SMTP_DSN_NOTIFY_FAILURE, "FAILURE" },
		{ SMTP_DSN_NOTIFY_DELAY, "DELAY" },
	};
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(notify & rows[i].bit))
			continue;
		client_put_str(c, before);
		client_put_str(c, rows[i].word);
		before = ",";
	}
}

bool smtp_client_rcpt(struct smtp_client *c, const struct smtp_client_rcpt *rcpt)
{
	struct client_transaction *t = &c->transaction;
	size_t from = client_mark(c);

	if (c->state == CLIENT_CLOSED)
		return true;
	BUG_ON(c->state != CLIENT_TRANSACTION);
	BUG_ON(rcpt->recipient->is_utf8 && !t->is_smtputf8);
	if (c->awaited_count >= SMTP_CLIENT_COMMANDS_MAX)
		return false;
	put_path(c, "RCPT TO:<", rcpt->recipient);
	if (offers(c, SMTP_OFFER_DSN)) {
		put_notify(c, rcpt->notify);
		put_value(c, " ORCPT=", rcpt->orcpt);
	}
	if (c->options->is_lmtp && !buf_add(&c->accepted, "", 1))
		c->has_failed = true;
	client_ask(c, COMMAND_RCPT, from);
	client_awaited_newest(c)->index = t->recipients++;
	return true;
}

uint32_t smtp_client_accepted(const struct smtp_client *c)
{
	return c->transaction.accepted;
}

bool smtp_client_is_asking(const struct smtp_client *c)
{
	/* XFORWARD may stand before them. */
	return c->state == CLIENT_TRANSACTION && c->awaited_count;
}

void smtp_client_data(struct smtp_client *c)
{
	if (c->state == CLIENT_CLOSED)
		return;
	BUG_ON(c->state != CLIENT_TRANSACTION || c->awaited_count || c->transaction.accepted == 0);
	if (c->transaction.is_binary) {
		c->state = CLIENT_CONTENT;
		c->is_data_due = true;
		return;
	}
	c->state = CLIENT_DATA;
	client_say(c, COMMAND_DATA, "DATA");
}

/* ---- leaving ---- */

static void drop_awaited(struct smtp_client *c)
{
	for (uint32_t i = 0; i < c->awaited_count; i++)
		client_awaited_at(c, i)->is_dropped = true;
}

static void leave(struct smtp_client *c, enum client_command command, const char *line)
{
	c->state = CLIENT_LEAVING;
	c->is_ready_due = false;
	drop_awaited(c);
	client_say(c, command, line);
}

void smtp_client_reset(struct smtp_client *c)
{
	switch ((enum client_state)c->state) {
	case CLIENT_READY:
	case CLIENT_TRANSACTION:
		leave(c, COMMAND_RSET, "RSET");
		return;
	case CLIENT_DATA:
	case CLIENT_CONTENT:
	case CLIENT_ENDED:
		/* What was sent of the content must not look like a message. */
		client_close(c, "cut_off");
		return;
	case CLIENT_LEAVING:
	case CLIENT_CLOSED:
		c->is_result_due = false;
		return;
	case CLIENT_NEW:
	case CLIENT_OPENING:
	case CLIENT_TLS:
		return;
	}
}

void smtp_client_quit(struct smtp_client *c)
{
	switch ((enum client_state)c->state) {
	case CLIENT_READY:
	case CLIENT_TRANSACTION:
	case CLIENT_LEAVING:
		c->is_result_due = false;
		leave(c, COMMAND_QUIT, "QUIT");
		return;
	case CLIENT_DATA:
	case CLIENT_CONTENT:
	case CLIENT_ENDED:
		client_close(c, "cut_off");
		return;
	case CLIENT_NEW:
	case CLIENT_OPENING:
	case CLIENT_TLS:
		client_close(c, "quit");
		return;
	case CLIENT_CLOSED:
		return;
	}
}

/* ---- replies ---- */

/* The next recipient that was accepted and has no result yet; LMTP. */
static uint32_t next_result(struct smtp_client *c)
{
	struct span accepted = buf_span(&c->accepted);

	while (!accepted.ptr[c->transaction.results])
		c->transaction.results++;
	return c->transaction.results++;
}

static bool has_more_results(const struct smtp_client *c)
{
	struct span rest = span_from(buf_span(&c->accepted), c->transaction.results);

	return span_find(rest, 1) < rest.len;
}

/* One reply for all that are yet to have a result. */
static bool tell_result_of_all(struct smtp_client *c, struct smtp_client_event *event)
{
	if (!c->options->is_lmtp)
		return client_tell(c, SMTP_CLIENT_RESULT, 0, event);
	client_mail_tell_result(c, event);
	return true;
}

void client_mail_tell_result(struct smtp_client *c, struct smtp_client_event *event)
{
	client_tell(c, SMTP_CLIENT_RESULT, next_result(c), event);
	c->is_result_due = has_more_results(c);
}

static bool take_mail(struct smtp_client *c, struct smtp_client_event *event)
{
	c->transaction.is_refused = c->reply.code >= 400;
	return client_tell(c, SMTP_CLIENT_MAIL, 0, event);
}

static bool take_rcpt(struct smtp_client *c, uint32_t index, struct smtp_client_event *event)
{
	bool is_accepted = c->reply.code < 300;

	if (is_accepted && c->transaction.is_refused) {
		client_close_by_reply(c, "unexpected_code");
		return false;
	}
	c->transaction.accepted += is_accepted;
	if (is_accepted && c->options->is_lmtp)
		c->accepted.data[c->accepted.start + index] = 1;
	return client_tell(c, SMTP_CLIENT_RCPT, index, event);
}

static bool take_data(struct smtp_client *c, struct smtp_client_event *event)
{
	client_tell(c, SMTP_CLIENT_DATA, 0, event);
	if (c->reply.code < 400)
		c->state = CLIENT_CONTENT;
	else
		leave(c, COMMAND_RSET, "RSET");
	return true;
}

/* RFC 3030 2: a chunk that is refused makes the message impossible; RSET is all that may come. */
static bool take_chunk(struct smtp_client *c, struct smtp_client_event *event)
{
	if (c->reply.code < 400)
		return false;
	tell_result_of_all(c, event);
	buf_clear(&c->chunk);
	/* How many replies to the chunks behind it an LMTP hop will give is anybody's guess. */
	if (c->options->is_lmtp)
		client_close_by_reply(c, "chunk_refused");
	else
		leave(c, COMMAND_RSET, "RSET");
	return true;
}

static bool take_end(struct smtp_client *c, uint32_t replies, struct smtp_client_event *event)
{
	client_tell(c, SMTP_CLIENT_RESULT, c->options->is_lmtp ? next_result(c) : 0, event);
	if (replies > 1)
		return true;
	if (c->transaction.is_binary && c->reply.code >= 400)
		leave(c, COMMAND_RSET, "RSET");
	else
		client_become_ready(c);
	return true;
}

bool client_mail_take(struct smtp_client *c, const struct client_awaited *a, struct smtp_client_event *event)
{
	switch ((enum client_command)a->command) {
	case COMMAND_MAIL:
		return take_mail(c, event);
	case COMMAND_RCPT:
		return take_rcpt(c, a->index, event);
	case COMMAND_DATA:
		return take_data(c, event);
	case COMMAND_CHUNK:
		return take_chunk(c, event);
	case COMMAND_END:
		return take_end(c, a->index, event);
	case COMMAND_RSET:
		if (c->reply.code < 300)
			client_become_ready(c);
		else
			client_close_by_reply(c, "rset_refused");
		return false;
	case COMMAND_QUIT:
		client_close_by_reply(c, "quit");
		return false;
	default:
		BUG_ON(true);
	}
}

bool client_mail_take_early(struct smtp_client *c, struct smtp_client_event *event)
{
	if (c->state != CLIENT_CONTENT && c->state != CLIENT_ENDED)
		return false;
	return tell_result_of_all(c, event);
}
