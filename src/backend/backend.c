#include "backend/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- answers ---- */

void backend_answer_yes(struct backend_answer *answer)
{
	answer->reply = (struct smtp_reply){ 0 };
	answer->is_down = false;
	answer->detail[0] = '\0';
}

void backend_answer_no(struct backend_answer *answer, enum smtp_reply_name reply, const char *format, ...)
{
	va_list args;

	answer->reply = *smtp_reply(reply);
	answer->is_down = false;
	va_start(args, format);
	vsnprintf(answer->detail, sizeof(answer->detail), format, args);
	va_end(args);
}

void backend_answer_pass_on(struct backend_answer *answer, const struct smtp_reply *reply, const char *reason)
{
	snprintf(answer->text, sizeof(answer->text), "%s", reply->text);
	snprintf(answer->status, sizeof(answer->status), "%s", reply->status ? reply->status : "");
	answer->reply = (struct smtp_reply){ reply->code, reply->status ? answer->status : NULL, answer->text,
					     reason };
	answer->is_down = false;
	answer->detail[0] = '\0';
}

void backend_answer_copy(struct backend_answer *to, const struct backend_answer *from)
{
	*to = *from;
	if (from->reply.text == from->text)
		to->reply.text = to->text;
	if (from->reply.status == from->status)
		to->reply.status = to->status;
}

void backend_delivery_fini(struct backend_delivery *delivery)
{
	free(delivery->each);
	delivery->each = NULL;
}

/* ---- transactions ---- */

struct backend_transaction *backend_transaction_new(struct backend *b, const struct backend_mail *mail)
{
	return b->ops->transaction_new(b, mail);
}

void backend_transaction_free(struct backend_transaction **t)
{
	if (*t)
		(*t)->backend->ops->transaction_free(*t);
	*t = NULL;
}

struct backend_transaction *backend_transaction_new_plain(struct backend *b, const struct backend_mail *mail)
{
	struct backend_transaction *t = malloc(sizeof(*t));

	(void)mail;
	if (t)
		t->backend = b;
	return t;
}

void backend_transaction_free_plain(struct backend_transaction *t)
{
	free(t);
}

static bool takes_body_type(const struct backend *b, enum smtp_body_type type)
{
	switch (type) {
	case SMTP_BODY_7BIT:
		return true;
	case SMTP_BODY_8BITMIME:
		return b->takes_8bitmime;
	case SMTP_BODY_BINARYMIME:
		return b->takes_binarymime;
	}
	BUG_ON(true);
}

/* Does the message need what the backend cannot give? The answer tells. */
static bool is_beyond(const struct backend *b, const struct backend_mail *mail, struct backend_answer *answer)
{
	if (mail->is_smtputf8 && !b->takes_smtputf8)
		backend_answer_no(answer, SMTP_REPLY_SMTPUTF8_NO_ROUTE, "backend %s takes no SMTPUTF8", b->name);
	else if (!takes_body_type(b, mail->body_type))
		backend_answer_no(answer, SMTP_REPLY_BODY_NO_ROUTE, "backend %s does not take this body type",
				  b->name);
	else if (mail->requires_tls && !b->takes_requiretls)
		backend_answer_no(answer, SMTP_REPLY_REQUIRETLS_NO_ROUTE, "backend %s takes no REQUIRETLS",
				  b->name);
	else
		return false;
	return true;
}

bool backend_check_start(struct backend_transaction *t, struct backend_check *check,
			 const struct backend_mail *mail, const struct backend_recipient *recipient)
{
	BUG_ON(op_running(&check->op));
	if (is_beyond(t->backend, mail, &check->answer))
		return false;
	backend_answer_yes(&check->answer);
	return t->backend->ops->check_start(t, check, recipient);
}

bool backend_deliver_start(struct backend_transaction *t, struct backend_delivery *delivery,
			   const struct backend_message *m)
{
	BUG_ON(op_running(&delivery->op));
	BUG_ON(m->recipient_count == 0);
	backend_answer_yes(&delivery->answer);
	delivery->each = NULL;
	delivery->octets = 0;
	return t->backend->ops->deliver_start(t, delivery, m);
}

bool backend_stream_start(struct backend_transaction *t, struct backend_check *check,
			  const struct backend_message *m)
{
	BUG_ON(op_running(&check->op) || !t->backend->streams);
	backend_answer_yes(&check->answer);
	return t->backend->ops->stream_start(t, check, m);
}

bool backend_stream(struct backend_transaction *t, struct span content, struct op *more)
{
	BUG_ON(op_running(more));
	return t->backend->ops->stream(t, content, more);
}

struct backend *backend_get(struct backend *b)
{
	b->further_references++;
	return b;
}

void backend_put(struct backend **backend)
{
	struct backend *b = *backend;

	*backend = NULL;
	if (b && b->further_references)
		b->further_references--;
	else if (b)
		b->ops->free(b);
}
