/*
 * Who is this: sources of users, and the chain in which they are asked. A source
 * answers two questions, each as an op: is this password that user's (check), and
 * what comes of this message of a mechanism that is the source's own (exchange,
 * RFC 4422). Both may be cancelled at any time.
 *
 * Only AUTH_OK is a yes. Whatever a source cannot find out is AUTH_UNAVAILABLE,
 * and then nobody else is asked. Secrets are lent, copied only where they must
 * be, and wiped wherever they were copied to.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/op.h"

enum {
	AUTH_USER_MAX = 255,          /* octets of a user's name */
	AUTH_PASSWORD_MAX = 1024,     /* octets; libxcrypt takes 512 */
	AUTH_MECHANISM_MAX = 20,      /* RFC 4422 3.1 */
	AUTH_CHALLENGE_MAX = 12288,   /* octets in base64, RFC 4954 4 */
};

enum auth_result {
	AUTH_UNAVAILABLE, /* the source is down or too busy; first, so that an answer that nobody filled in is no yes */
	AUTH_OK,          /* answer.user is who it is */
	AUTH_CONTINUE,    /* exchange: answer.challenge is for the client */
	AUTH_WRONG,       /* the proof is wrong, or it cannot be told whether the user is known: this decides */
	AUTH_UNKNOWN,     /* check: no such user here; the next source is asked */
	AUTH_MALFORMED,   /* the client's message is none of this mechanism */
	AUTH_DISABLED,    /* the user is known to have proved who it is, or the source tells all: it may not log in */
	AUTH_EXPIRED,     /* likewise: the password was right, and is so no more */
	AUTH_READY,       /* attempt: the client has said what is to be looked at; see auth/attempt.h */
};

struct auth_answer {
	enum auth_result result;
	char user[AUTH_USER_MAX + 1]; /* OK: the user; otherwise who was claimed, as far as known, or "" */
	const char *reason;           /* a constant: one word for the log, such as "wrong_password"; NULL for OK */
	char detail[160];             /* for the log: what went wrong here, never what the client sent; "" for nothing */
	struct buf challenge;         /* CONTINUE: not in base64; OK: the mechanism's last words, often none */
};

/* Empty, and forget what was in it, wiping the challenge. All zero is a valid empty answer. */
void auth_answer_clear(struct auth_answer *answer);

/* Fill in all but user and challenge. The detail has the form of printf; NULL: none. Returns false, for _start functions. */
bool auth_answer_set(struct auth_answer *answer, enum auth_result result, const char *reason, const char *detail, ...)
	__attribute__((format(printf, 4, 5)));

/* Note who is claimed or found; too long a name is cut. */
void auth_answer_name(struct auth_answer *answer, struct span user);

/* The connection that somebody wants to be somebody on; lent until the op or the exchange is over. */
struct auth_channel {
	const struct addr *client;
	const char *session_id;
	bool is_tls;
	struct span exporter;         /* tls-exporter (RFC 9266); empty: none */
	const char *certificate_name; /* whom a verified client certificate names; NULL: nobody */
};

/* A user's name and password, without NUL or control characters, prepared (RFC 4013) and not empty; lent. */
struct auth_credentials {
	const char *user;
	const char *password;
	const struct auth_channel *channel;
	bool is_last; /* no source follows: spend as much on a user who is not known as on one who is */
};

struct auth_check {
	struct op op;              /* done and owner are set by the waiter */
	struct auth_answer answer; /* valid in done(); the waiter clears it */
};

/* The state of a mechanism of a source's own; the source embeds it. */
struct auth_exchange {
	struct auth_source *source;
};

struct auth_step {
	struct op op;
	struct auth_answer answer;
};

/* Who can use a mechanism. */
enum auth_reach {
	AUTH_REACH_SOME,   /* some of the source's users */
	AUTH_REACH_USERS,  /* each user of the source */
	AUTH_REACH_CLIENT, /* whoever is told of it: it depends on the connection */
};

struct auth_mechanism {
	char name[AUTH_MECHANISM_MAX + 1]; /* upper case */
	enum auth_reach reach;
};

struct auth_source_ops {
	const char *type;
	/*
	 * The mechanisms on this channel, good until the loop's next turn. PLAIN and LOGIN are among them where
	 * check_start() is there. NULL and *count 0: none now.
	 */
	const struct auth_mechanism *(*mechanisms)(struct auth_source *source, const struct auth_channel *channel,
						   size_t *count);
	/* True: it runs and done() will follow; false: the answer is there already. NULL: no passwords here. */
	bool (*check_start)(struct auth_source *source, struct auth_check *check,
			    const struct auth_credentials *credentials);
	/* All of these NULL: no mechanisms but PLAIN and LOGIN. exchange_new() returns NULL when memory is short. */
	struct auth_exchange *(*exchange_new)(struct auth_source *source, const char *mechanism,
					      const struct auth_channel *channel);
	/* The client's message, copied by _start; ptr NULL: no initial response. As check_start(). */
	bool (*step_start)(struct auth_exchange *exchange, struct auth_step *step, struct span response);
	/* At any time; a step that runs was cancelled before. */
	void (*exchange_free)(struct auth_exchange *exchange);
	void (*free)(struct auth_source *source);
};

struct auth_source {
	const struct auth_source_ops *ops;
	const char *name;              /* for the log: the type, and what tells it from others */
	const char *const *mechanisms; /* that are offered, in upper case, NULL behind the last; NULL: all that reach everybody */
	bool tells_unknown;            /* AUTH_UNKNOWN is ever said: sources behind it can be reached */
};

/* Has the source this mechanism on this channel, and may it be used there? */
bool auth_source_serves(struct auth_source *source, const struct auth_channel *channel, const char *mechanism);

void auth_source_free(struct auth_source **source);

/* ---- the chain ---- */

/*
 * The sources in the order in which they are asked. PLAIN and LOGIN: the first source
 * that knows the user decides. Any other mechanism is the first source's that offers it.
 */
struct auth_chain {
	struct auth_source **sources; /* owned, all of them */
	size_t count;
};

/* Takes the source over. False: out of memory, and the source is freed. */
MUST_CHECK bool auth_chain_add(struct auth_chain *chain, struct auth_source *source);
void auth_chain_fini(struct auth_chain *chain);

/*
 * The source that a mechanism (in upper case) belongs to on this channel; for PLAIN and LOGIN, the first with
 * passwords. NULL: it is not offered.
 */
struct auth_source *auth_chain_find(const struct auth_chain *chain, const struct auth_channel *channel,
				    const char *mechanism);

/*
 * Append the mechanisms for EHLO, separated by blanks: those that each user of each source can use, and those
 * that a source's `mechanisms` names. False: out of memory.
 */
MUST_CHECK bool auth_chain_offers(const struct auth_chain *chain, const struct auth_channel *channel,
				  struct buf *out);

#endif
