/*
 * Who may send what: an ordered chain of policies that are asked at each stage.
 * The first refusal, permanent or temporary, ends the chain, so that a temporary
 * failure can never turn into acceptance. A recipient that no policy accepts is
 * refused: silence is no consent. A hook that is NULL has no opinion.
 *
 * A chain belongs to a configuration and lasts as long. It is asked with facts
 * that are all in the arguments, so that smtpfrontd --explain gets the answers
 * that a session would.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/addr.h"
#include "conf/config.h"
#include "net/pool.h"
#include "proto/address.h"
#include "proto/reply.h"

enum policy_stage {
	POLICY_CONNECT, /* before the greeting */
	POLICY_MAIL,
	POLICY_RCPT,
	POLICY_STAGES
};

/* What is known when a policy is asked; what a stage does not know yet is NULL or empty. */
struct policy_facts {
	const struct addr *client;
	const struct listener_config *listener;
	const struct client_config *rule; /* for this client; NULL: none */
	bool is_tls;
	const char *user; /* who has authenticated; NULL: nobody */
	struct span helo_name;
	const struct smtp_address *sender;
	struct span sender_domain; /* in lower-case A-labels, as the configuration has domains: compare this one */
	uint64_t octets;           /* declared at MAIL; 0: not declared */
	const struct smtp_address *recipient;
	struct span recipient_domain; /* as sender_domain */
	uint64_t now_ms;           /* of the loop */
	bool is_trial;             /* nothing is counted: somebody just wants to know */
};

enum policy_opinion {
	POLICY_NO_OPINION,
	POLICY_ACCEPT,
	POLICY_REFUSE,
};

/* What the chain has come to so far; policies add to it. */
struct policy_verdict {
	const char *policy;             /* who refused; "none": nobody accepted; NULL: accepted */
	const struct smtp_reply *reply; /* of the refusal; as good as the policies live, or `own` */
	struct smtp_reply own;
	const char *detail;             /* for the log; NULL: nothing */
	bool is_accepted;               /* somebody said yes */
	bool is_rewritten;              /* the message is for `recipient` instead */
	struct smtp_address recipient;
	/* For --explain, or NULL: told of each policy that was asked. */
	void (*asked)(void *owner, const struct policy_verdict *verdict, const char *policy,
		      enum policy_opinion opinion);
	void *owner;
};

struct policy;

typedef enum policy_opinion policy_hook(const struct policy *p, const struct policy_facts *facts,
					struct policy_verdict *verdict);

struct policy_ops {
	const char *name; /* for the log */
	/* By stage. POLICY_REFUSE: verdict->reply is set. Accepting means something for recipients only. */
	policy_hook *hooks[POLICY_STAGES];
	/* A message was taken, with so many octets; NULL: does not matter. */
	void (*taken)(const struct policy *p, const struct policy_facts *facts, uint64_t octets);
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

/*
 * NULL: accepted. Otherwise the refusal, which is in the verdict, too; of the verdict only `asked` and
 * `owner` are looked at before.
 */
const struct smtp_reply *policy_chain_ask(const struct policy_chain *chain, enum policy_stage stage,
					  const struct policy_facts *facts, struct policy_verdict *verdict);

/* Tell all of them that a message was taken. */
void policy_chain_taken(const struct policy_chain *chain, const struct policy_facts *facts, uint64_t octets);

/*
 * The policies, in the order in which they are asked. Configuration is borrowed, and outlives them. NULL: out of memory,
 * where there is no err.
 */

/* A rule for clients says "refuse": at CONNECT, and at MAIL should the session have gone on. */
struct policy *policy_refuse_new(void);

/* At MAIL: who has not authenticated may not send where the listener, or a rule for clients, wants it. */
struct policy *policy_require_auth_new(void);

/*
 * At MAIL: in whose name somebody who has authenticated may send. `pool` NULL: sender_map is read once only,
 * and not watched. NULL: err tells why.
 */
struct policy *policy_senders_new(const struct config *config, struct loop *loop, struct pool *pool,
				  struct err *err);

/* Refuses recipients whose local part holds an address or a path: %, ! and @ in it (RFC 5321 App. C). */
struct policy *policy_local_parts_new(void);

/* Accepts recipients of the domains that we receive for, and bare postmaster. */
struct policy *policy_domains_new(const char *const *domains, size_t count);

/*
 * Says who a recipient is by recipient_maps: an alias leads to another address, and one that a complete map
 * does not have is refused. The rest as policy_senders_new().
 */
struct policy *policy_recipient_maps_new(const struct config *config, struct loop *loop, struct pool *pool,
					 struct err *err);

/*
 * Accepts any recipient of clients that are listed or have authenticated, and appends relayclient_suffix for
 * those that are listed.
 */
struct policy *policy_relayclient_new(void);

/* May this client relay because of its address: by a rule for clients, or else by relay_networks? */
bool policy_is_listed(const struct policy_facts *facts);

#endif
