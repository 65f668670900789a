#include "backend/backend.h"

#include <stdarg.h>
#include <stdio.h>

void backend_answer_yes(struct backend_answer *answer)
{
	answer->reply = (struct smtp_reply){ 0 };
	answer->detail[0] = '\0';
}

void backend_answer_no(struct backend_answer *answer, enum smtp_reply_name reply, const char *format, ...)
{
	va_list args;

	answer->reply = *smtp_reply(reply);
	va_start(args, format);
	vsnprintf(answer->detail, sizeof(answer->detail), format, args);
	va_end(args);
}

bool backend_check_start(struct backend *b, struct backend_check *check, const struct smtp_address *recipient)
{
	BUG_ON(op_running(&check->op));
	if (check->is_smtputf8 && !b->takes_smtputf8) {
		backend_answer_no(&check->answer, SMTP_REPLY_SMTPUTF8_NO_ROUTE, "backend %s takes no SMTPUTF8",
				  b->name);
		return false;
	}
	backend_answer_yes(&check->answer);
	return b->ops->check_start(b, check, recipient);
}

bool backend_deliver_start(struct backend *b, struct backend_delivery *delivery,
			   const struct backend_message *m)
{
	BUG_ON(op_running(&delivery->op));
	BUG_ON(m->recipient_count == 0);
	backend_answer_yes(&delivery->answer);
	delivery->octets = 0;
	return b->ops->deliver_start(b, delivery, m);
}

void backend_free(struct backend **b)
{
	if (*b)
		(*b)->ops->free(*b);
	*b = NULL;
}
