/*
 * The backend that says yes to everybody and forgets the message: for load
 * tests. It answers at once, in the call itself.
 */
#include "backend/backend.h"

#include <stdlib.h>

struct null_backend {
	struct backend backend;
	char name[];
};

static bool null_check_start(struct backend_transaction *t, struct backend_check *check,
			     const struct backend_recipient *recipient)
{
	(void)t;
	(void)recipient;
	backend_answer_yes(&check->answer);
	return false;
}

static bool null_deliver_start(struct backend_transaction *t, struct backend_delivery *delivery,
			       const struct backend_message *m)
{
	(void)t;
	backend_answer_yes(&delivery->answer);
	delivery->octets = m->trace.len + m->spool->octets;
	spool_fini(m->spool);
	return false;
}

static void null_free(struct backend *b)
{
	free(b);
}

static const struct backend_ops null_ops = {
	.type = "null",
	.transaction_new = backend_transaction_new_plain,
	.transaction_free = backend_transaction_free_plain,
	.check_start = null_check_start,
	.deliver_start = null_deliver_start,
	.free = null_free,
};

struct backend *backend_null_new(const char *name, struct loop *loop, struct err *err)
{
	size_t size = strlen(name) + 1;
	struct null_backend *null = malloc(sizeof(*null) + size);

	(void)loop;
	if (!null) {
		err_set(err, "backend %s: out of memory", name);
		return NULL;
	}
	memcpy(null->name, name, size);
	null->backend = (struct backend){
		.ops = &null_ops,
		.name = null->name,
		.takes_smtputf8 = true,
		.takes_8bitmime = true,
	};
	return &null->backend;
}
