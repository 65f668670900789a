#include "front/envelope.h"

struct envelope *envelope_new(struct spool_budget *budget, const struct smtp_address *sender, uint64_t now_ms)
{
	struct arena arena = { 0 };
	struct envelope *e = arena_alloc(&arena, sizeof(*e));

	if (!e)
		return NULL;
	e->arena = arena;
	spool_init(&e->spool, budget);
	content_begin_init(&e->begin);
	e->sender = *sender;
	e->mail.sender = &e->sender;
	e->begun_ms = now_ms;
	return e;
}

void envelope_free(struct envelope **envelope)
{
	struct envelope *e = *envelope;
	struct arena arena;

	*envelope = NULL;
	if (!e)
		return;
	op_cancel(&e->room.op);
	op_cancel(&e->check.op);
	op_cancel(&e->delivery.op);
	op_cancel(&e->spool_op);
	authres_filter_fini(&e->authres);
	backend_transaction_free(&e->transaction);
	backend_delivery_fini(&e->delivery);
	spool_fini(&e->spool);
	arena = e->arena;
	arena_fini(&arena);
}

bool envelope_keep(struct envelope *e, struct span text, struct span *kept)
{
	char *copy = arena_dup(&e->arena, text);

	*kept = span_of(copy, copy ? text.len : 0);
	return copy != NULL;
}

bool envelope_has_domain(const struct envelope *e)
{
	const struct span domain = smtp_address_domain(&e->candidate);

	for (const struct envelope_recipient *r = e->domains; r; r = r->next_domain)
		if (span_ieq(smtp_address_domain(&r->address), domain))
			return true;
	return false;
}

bool envelope_add_recipient(struct envelope *e)
{
	struct envelope_recipient *r = arena_alloc(&e->arena, sizeof(*r));

	if (!r)
		return false;
	r->address = e->candidate;
	r->notify = e->candidate_notify;
	r->orcpt = e->candidate_orcpt;
	if (e->counts_domains && !envelope_has_domain(e)) {
		r->next_domain = e->domains;
		e->domains = r;
		e->domain_count++;
	}
	if (e->last)
		e->last->next = r;
	else
		e->first = r;
	e->last = r;
	e->recipient_count++;
	return true;
}

const struct backend_recipient *envelope_recipients(struct envelope *e)
{
	struct backend_recipient *all = arena_alloc(&e->arena, e->recipient_count * sizeof(*all));
	size_t n = 0;

	if (!all)
		return NULL;
	for (const struct envelope_recipient *r = e->first; r; r = r->next)
		all[n++] = (struct backend_recipient){ &r->address, r->notify, r->orcpt };
	return all;
}
