#include "policy/auth_guard.h"

#include <stdlib.h>

enum {
	KEYS_MAX = 65536,      /* of each kind */
	DELAY_DOUBLINGS = 3,
	KNOWN_S = 30 * 86400,  /* so long a login makes a client known */
	TAG_MASK = 0xffff,
	LEVELS_MAX = 3,
};

enum guard_kind {
	GUARD_CLIENT,        /* guesses of a client */
	GUARD_CLIENT_USERS,  /* users that failed there */
	GUARD_CLIENT_USER,   /* that one failed there lately */
	GUARD_CLIENT_SECRET, /* with this secret */
	GUARD_USER,          /* guesses at a user */
	GUARD_USER_SECRET,   /* that this secret was among them */
	GUARD_KNOWN,         /* the user has logged in from this client */
	GUARD_REFUSED,       /* this client is refused */
	GUARD_KINDS
};

struct auth_guard {
	struct auth_guard_limits limits;
	struct store *store; /* owned */
};

/* Networks that a client is in, the smallest first, and how many clients' worth each may do. */
struct levels {
	struct addr_prefix prefixes[LEVELS_MAX];
	uint32_t shares[LEVELS_MAX];
	unsigned count;
};

static const uint64_t second_ns = UINT64_C(1000000000);

struct auth_guard *auth_guard_new(const struct auth_guard_limits *limits)
{
	struct auth_guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->limits = *limits;
	g->store = store_memory_new(GUARD_KINDS, KEYS_MAX);
	if (!g->store)
		auth_guard_free(&g);
	return g;
}

void auth_guard_free(struct auth_guard **guard)
{
	if (*guard)
		store_free(&(*guard)->store);
	free(*guard);
	*guard = NULL;
}

void auth_guard_set_limits(struct auth_guard *g, const struct auth_guard_limits *limits)
{
	g->limits = *limits;
}

static struct levels levels_of(const struct addr *client)
{
	static const unsigned bits6[LEVELS_MAX] = { 64, 56, 48 };
	static const uint32_t shares[LEVELS_MAX] = { 1, 4, 16 };
	struct levels levels = { .count = client->family == ADDR_IPV6 ? LEVELS_MAX : 1 };

	for (unsigned i = 0; i < levels.count; i++) {
		levels.prefixes[i] = addr_prefix_of(client, 32, bits6[i]);
		levels.shares[i] = shares[i];
	}
	return levels;
}

static struct store_key key_of(enum guard_kind kind, const struct addr_prefix *prefix, uint64_t name,
			       uint32_t tag)
{
	struct store_key key = { .kind = (uint8_t)kind, .name = name, .tag = tag };

	if (prefix)
		key.prefix = *prefix;
	return key;
}

/* Remember that this was seen; was it not seen before? */
static bool is_new(struct auth_guard *g, const struct store_key *key, uint32_t seconds, uint64_t now_ns)
{
	bool was_there = store_get(g->store, key, now_ns) != 0;

	store_set(g->store, key, now_ns + seconds * second_ns, now_ns);
	return !was_there;
}

static bool is_refused(struct auth_guard *g, const struct levels *levels, uint64_t now_ns)
{
	for (unsigned i = 0; i < levels->count; i++) {
		const struct store_key key = key_of(GUARD_REFUSED, &levels->prefixes[i], 0, 0);

		if (store_get(g->store, &key, now_ns))
			return true;
	}
	return false;
}

bool auth_guard_refuses(struct auth_guard *g, const struct addr *client, uint64_t now_ms)
{
	const struct levels levels = levels_of(client);

	return is_refused(g, &levels, now_ms * 1000000);
}

static bool is_user_refused(struct auth_guard *g, const struct addr_prefix *client, struct span user,
			    uint64_t now_ns)
{
	const uint64_t name = store_name(g->store, user);
	const struct store_key guesses = key_of(GUARD_USER, NULL, name, 0);
	const struct store_key known = key_of(GUARD_KNOWN, client, name, 0);

	return user.len && !bucket_has_room(g->store, &guesses, &g->limits.user_guesses, 1, now_ns) &&
	       store_get(g->store, &known, now_ns) == 0;
}

static uint32_t delay_of(struct auth_guard *g, const struct addr_prefix *client, uint64_t now_ns)
{
	const struct store_key key = key_of(GUARD_CLIENT, client, 0, 0);
	uint64_t failures = bucket_level(g->store, &key, &g->limits.client_guesses, now_ns);

	if (failures == 0)
		return 0;
	return (g->limits.delay_s * 1000) << (failures > DELAY_DOUBLINGS ? DELAY_DOUBLINGS : failures - 1);
}

enum auth_guard_verdict auth_guard_ask(struct auth_guard *g, const struct addr *client, struct span user,
				       uint64_t now_ms, uint32_t *delay_ms)
{
	const struct levels levels = levels_of(client);
	uint64_t now_ns = now_ms * 1000000;

	*delay_ms = 0;
	if (is_refused(g, &levels, now_ns))
		return AUTH_GUARD_REFUSE_CLIENT;
	if (is_user_refused(g, &levels.prefixes[0], user, now_ns))
		return AUTH_GUARD_REFUSE_USER;
	*delay_ms = delay_of(g, &levels.prefixes[0], now_ns);
	return AUTH_GUARD_GO_ON;
}

/* One more in a bucket of a network; false: it is full now. */
static bool count(struct auth_guard *g, enum guard_kind kind, const struct rate_config *rate,
		  const struct levels *levels, unsigned i, uint64_t now_ns)
{
	const struct store_key key = key_of(kind, &levels->prefixes[i], 0, 0);
	const struct rate_config share = { rate->amount * levels->shares[i], rate->period_s };

	bucket_add(g->store, &key, &share, 1, now_ns);
	return bucket_has_room(g->store, &key, &share, 1, now_ns);
}

static void refuse(struct auth_guard *g, const struct addr_prefix *network, uint64_t now_ns)
{
	const struct store_key key = key_of(GUARD_REFUSED, network, 0, 0);

	store_set(g->store, &key, now_ns + g->limits.refusal_s * second_ns, now_ns);
}

/* False: it is refused from now on. */
static bool blame_client(struct auth_guard *g, const struct levels *levels, uint64_t name, bool is_guess,
			 uint64_t now_ns)
{
	const struct auth_guard_limits *limits = &g->limits;
	const struct store_key pair = key_of(GUARD_CLIENT_USER, &levels->prefixes[0], name, 0);
	bool is_new_user = is_new(g, &pair, limits->client_users.period_s, now_ns), may_go_on = true;

	for (unsigned i = 0; i < levels->count; i++) {
		bool has_room = true;

		if (is_guess)
			has_room &= count(g, GUARD_CLIENT, &limits->client_guesses, levels, i, now_ns);
		if (is_new_user)
			has_room &= count(g, GUARD_CLIENT_USERS, &limits->client_users, levels, i, now_ns);
		if (!has_room)
			refuse(g, &levels->prefixes[i], now_ns);
		may_go_on &= has_room;
	}
	return may_go_on;
}

/* False: the client is refused from now on. */
static bool count_failure(struct auth_guard *g, const struct levels *levels, struct span user,
			  struct span secret, uint64_t now_ns)
{
	const struct auth_guard_limits *limits = &g->limits;
	uint64_t name = store_name(g->store, user);
	uint32_t tag = (uint32_t)siphash(&g->store->secret, secret) & TAG_MASK;
	const struct store_key here = key_of(GUARD_CLIENT_SECRET, &levels->prefixes[0], name, tag);
	const struct store_key anywhere = key_of(GUARD_USER_SECRET, NULL, name, tag);
	const struct store_key guesses = key_of(GUARD_USER, NULL, name, 0);
	bool is_guess_here = true, is_guess = true;

	if (secret.len) {
		is_guess_here = is_new(g, &here, limits->client_guesses.period_s, now_ns);
		is_guess = is_new(g, &anywhere, limits->user_guesses.period_s, now_ns);
	}
	if (user.len && is_guess)
		bucket_add(g->store, &guesses, &limits->user_guesses, 1, now_ns);
	return blame_client(g, levels, name, is_guess_here, now_ns);
}

enum auth_guard_verdict auth_guard_tell(struct auth_guard *g, struct auth_guard_session *session,
					const struct addr *client, struct span user, struct span secret,
					enum auth_guard_result result, uint64_t now_ms)
{
	const struct levels levels = levels_of(client);
	const struct store_key known =
		key_of(GUARD_KNOWN, &levels.prefixes[0], store_name(g->store, user), 0);
	uint64_t now_ns = now_ms * 1000000;

	if (result == AUTH_GUARD_SUCCESS)
		store_set(g->store, &known, now_ns + KNOWN_S * second_ns, now_ns);
	if (result != AUTH_GUARD_FAILURE)
		return AUTH_GUARD_GO_ON;
	session->failures++;
	if (!count_failure(g, &levels, user, secret, now_ns))
		return AUTH_GUARD_REFUSE_CLIENT;
	return session->failures >= g->limits.session_failures ? AUTH_GUARD_END_SESSION : AUTH_GUARD_GO_ON;
}
