/*
 * One AUTH command: what a client says, in the mechanism it chose, until it is known
 * who it is. Each message is taken in two steps, so that the owner can ask whether
 * this client may try that user in between:
 *
 *	auth_attempt_take()	at once: what the client said
 *	auth_attempt_start()	an op: what comes of it; after AUTH_READY only
 *
 * PLAIN and LOGIN are ours; the messages of any other mechanism go to the source that
 * it belongs to.
 */
#ifndef AUTH_ATTEMPT_H
#define AUTH_ATTEMPT_H

#include "auth/auth.h"

struct auth_attempt;

/*
 * `source` is what auth_chain_find() found for the mechanism, which is one that is offered. The chain and what
 * channel points to are lent until the attempt is freed. NULL: out of memory.
 */
struct auth_attempt *auth_attempt_new(const struct auth_chain *chain, struct auth_source *source,
				      const struct auth_channel *channel, const char *mechanism);

/* At any time. Cancels what runs, and wipes all that was said. */
void auth_attempt_free(struct auth_attempt **attempt);

/*
 * The client's message, decoded; ptr NULL: AUTH came without one. The answer is AUTH_CONTINUE (a challenge at once),
 * AUTH_READY, AUTH_WRONG, AUTH_MALFORMED, AUTH_UNAVAILABLE, or AUTH_OK where only the mechanism's last words were to
 * be acknowledged. `answer` must be empty.
 */
void auth_attempt_take(struct auth_attempt *attempt, struct span response, struct auth_answer *answer);

/* True: it runs and step->op.done() will follow. False: the answer is there already. Never AUTH_UNKNOWN or AUTH_READY. */
MUST_CHECK bool auth_attempt_start(struct auth_attempt *attempt, struct auth_step *step);

/* Whom the client claims to be, as far as it said; empty: not yet. And the password, where it sent one. Lent. */
struct span auth_attempt_user(const struct auth_attempt *attempt);
struct span auth_attempt_secret(const struct auth_attempt *attempt);

#endif
