/*
 * Who may send what: an ordered chain of policies that are asked at each stage.
 * The first refusal, permanent or temporary, ends the chain, so that a temporary
 * failure can never turn into acceptance. A recipient that no policy accepts is
 * refused: silence is no consent. A hook that is NULL has no opinion.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/addr.h"
#include "proto/address.h"
#include "proto/reply.h"

/* What is known when a policy is asked; what a stage does not know yet is NULL or empty. */
struct policy_facts {
	const struct addr *client;
	struct span helo_name;
	const struct smtp_address *sender;
	const struct smtp_address *recipient;
	struct span recipient_domain; /* in lower-case A-labels, as the configuration has domains: compare this one */
};

enum policy_opinion {
	POLICY_NO_OPINION,
	POLICY_ACCEPT,
	POLICY_REFUSE,
};

struct policy;

struct policy_ops {
	const char *name; /* for the log */
	/* POLICY_REFUSE: *reply is set, and stays good as long as the policy lives. */
	enum policy_opinion (*rcpt)(const struct policy *p, const struct policy_facts *facts,
				    const struct smtp_reply **reply);
	void (*free)(struct policy *p);
};

struct policy {
	const struct policy_ops *ops;
	struct policy *next; /* owned by the chain */
};

struct policy_chain {
	struct policy *first;
	struct policy **end;
};

void policy_chain_init(struct policy_chain *chain);
void policy_chain_fini(struct policy_chain *chain);

/* Takes the policy over; it is asked behind those already there. */
void policy_chain_add(struct policy_chain *chain, struct policy *p);

/* NULL: accepted by somebody. Otherwise the refusal; *policy names who refused ("none" when nobody accepted). */
const struct smtp_reply *policy_chain_rcpt(const struct policy_chain *chain, const struct policy_facts *facts,
					   const char **policy);

/* Accepts recipients of the domains that we receive for, and bare postmaster. NULL: out of memory. */
struct policy *policy_domains_new(const char *const *domains, size_t count);

#endif
