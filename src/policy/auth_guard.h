/*
 * Against guessing of passwords. It counts failed logins of a session, of a
 * client and of a user; many users tried by one client (spraying) apart from
 * many passwords tried on one user (guessing). A client is an IPv4 address, or
 * an IPv6 /64, with its /56 and /48 counted too, at 4 and 16 times the limit.
 * First answers are delayed, then the session ends, then the client is refused
 * for a time. A user's count refuses only clients from which that user has not
 * logged in within 30 days, so that nobody can be locked out by a stranger.
 *
 * Pure: time is an argument. For each login: auth_guard_ask() before the
 * credentials are looked at, auth_guard_tell() when it is known what came of it.
 * Names of users are taken as the client gave them, whether they exist or not.
 */
#ifndef POLICY_AUTH_GUARD_H
#define POLICY_AUTH_GUARD_H

#include "policy/bucket.h"

struct auth_guard_limits {
	uint32_t session_failures;         /* of one session; the last of them ends it */
	struct rate_config client_guesses; /* failed logins of a client; the same user and password again is none */
	struct rate_config client_users;   /* users that failed at a client */
	struct rate_config user_guesses;   /* passwords that were tried on a user */
	uint32_t delay_s;                  /* after the first failure of a client; doubled by each, up to 8 times */
	uint32_t refusal_s;                /* how long a client is refused */
};

struct auth_guard;

/* What a session remembers; all zero at its begin. */
struct auth_guard_session {
	uint32_t failures;
};

enum auth_guard_verdict {
	AUTH_GUARD_GO_ON,
	AUTH_GUARD_END_SESSION,   /* 421: too many failures in this session */
	AUTH_GUARD_REFUSE_CLIENT, /* 421: this client is refused for a time */
	AUTH_GUARD_REFUSE_USER,   /* 454: too many failures for this user elsewhere; the password was not looked at */
};

enum auth_guard_result {
	AUTH_GUARD_SUCCESS,
	AUTH_GUARD_FAILURE,
	AUTH_GUARD_NEITHER, /* cancelled before anything was proved, or a source that is down */
};

/* Limits are copied. NULL: out of memory. */
struct auth_guard *auth_guard_new(const struct auth_guard_limits *limits);
void auth_guard_free(struct auth_guard **guard);

/* Other limits from now on; what was counted stays. */
void auth_guard_set_limits(struct auth_guard *guard, const struct auth_guard_limits *limits);

/* Is this client refused now? For the begin of a session, before anything is spent on it. */
bool auth_guard_refuses(struct auth_guard *guard, const struct addr *client, uint64_t now_ms);

/*
 * May this client try a password, or another proof, of this user? `user` is empty where it is not known yet.
 * GO_ON: wait *delay_ms before the proof is looked at. Others: *delay_ms is 0, and there is nothing to tell.
 */
MUST_CHECK enum auth_guard_verdict auth_guard_ask(struct auth_guard *guard, const struct addr *client,
						  struct span user, uint64_t now_ms, uint32_t *delay_ms);

/*
 * What came of it. `secret` is the password where one was sent, else empty: no more than 16 bits of a
 * keyed hash of it are kept, so that the same wrong one again, from a program that remembers it, counts
 * once. After a failure, END_SESSION or REFUSE_CLIENT: answer, then end the session.
 */
MUST_CHECK enum auth_guard_verdict auth_guard_tell(struct auth_guard *guard, struct auth_guard_session *session,
						   const struct addr *client, struct span user,
						   struct span secret, enum auth_guard_result result,
						   uint64_t now_ms);

#endif
