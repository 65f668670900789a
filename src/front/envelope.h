/*
 * One transaction on its way through the house: who sends to whom, which
 * backend takes it, and its content. It owns an arena in which it lives itself;
 * everything of the transaction goes away with it.
 */
#ifndef FRONT_ENVELOPE_H
#define FRONT_ENVELOPE_H

#include "backend/backend.h"
#include "base/arena.h"
#include "front/content_begin.h"
#include "proto/authres.h"
#include "idn/idn.h"

struct envelope_recipient {
	struct envelope_recipient *next;
	struct envelope_recipient *next_domain; /* of those with which another domain came */
	struct smtp_address address;
	unsigned notify;   /* bits of enum smtp_dsn_notify */
	struct span orcpt; /* in the arena; empty: none */
};

struct envelope {
	struct arena arena;
	struct spool spool;
	struct smtp_address sender;
	struct idn_domain sender_domain;
	struct backend_mail mail; /* what MAIL said; its pointers lead here and to the session */
	struct envelope_recipient *first, *last;
	size_t recipient_count;
	struct envelope_recipient *domains; /* the first recipient of each domain */
	uint32_t domain_count;
	bool counts_domains; /* max_recipient_domains is set */
	struct backend_transaction *transaction; /* owned; NULL until there was a recipient to ask for */
	struct backend *routed; /* whom the route names; the transaction may be with its fallback. Borrowed. */
	uint64_t begun_ms;
	uint64_t content_end_ms;  /* known when it is whole */
	struct spool_room room;   /* asked at MAIL: would the content find room? */
	struct op spool_op;       /* the content's way to disk, or to the backend, is waited for */

	/* The recipient that is being checked, and where it would go. */
	struct smtp_address candidate;
	unsigned candidate_notify;   /* as in struct envelope_recipient */
	struct span candidate_orcpt;
	bool is_postmaster_tried;
	struct backend_check check;

	struct authres_filter authres; /* between client and spool or backend */
	struct content_begin begin;    /* of what came through that */
	bool wants_each;    /* PRDR: the client wants to know about each recipient */
	bool is_streamed;   /* the content goes on to the backend while it arrives */
	bool is_submission; /* a user's program may have left fields out, which we add */
	bool lacks_date, lacks_message_id; /* known when it is whole */
	bool has_lone_cr;   /* in the content; known when it is whole */
	const struct smtp_reply *content_refusal; /* the content could not be kept; content_reason tells why. NULL: all is well */
	char content_reason[SPOOL_REASON_SIZE];
	struct backend_delivery delivery;
};

/* NULL: out of memory. */
struct envelope *envelope_new(struct spool_budget *budget, const struct smtp_address *sender, uint64_t now_ms);

/* Stops what is being waited for. */
void envelope_free(struct envelope **envelope);

/* A copy in the arena, of which *kept tells. False: out of memory. */
MUST_CHECK bool envelope_keep(struct envelope *e, struct span text, struct span *kept);

/* Has a recipient that was added the candidate's domain? Looks at one for each domain. */
bool envelope_has_domain(const struct envelope *e);

/* Add the candidate. False: out of memory. */
MUST_CHECK bool envelope_add_recipient(struct envelope *e);

/* The recipients as an array in the arena, or NULL. */
const struct backend_recipient *envelope_recipients(struct envelope *e);

/* Where it goes. For when a recipient was asked for: then there is a transaction. */
static inline struct backend *envelope_backend(const struct envelope *e)
{
	BUG_ON(!e->transaction);
	return e->transaction->backend;
}

#endif
