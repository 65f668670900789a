/*
 * A chained hash table; the hash is seeded, so that nobody can choose addresses
 * that all fall into one slot. Entries without sessions stand in a list, in the
 * order in which they became idle.
 */
#include "policy/client_table.h"

#include "base/list.h"

#include <stdlib.h>
#include <sys/random.h>

enum { SLOTS_MIN = 64 };

struct client_entry {
	struct client_entry *next;
	struct list idle;       /* in client_table.idle while it has no sessions */
	struct addr_prefix client;
	uint32_t sessions;
	uint32_t half_open;
	uint32_t begun;         /* in the minute that began at minute_ms */
	uint32_t begun_before;  /* in the minute before that */
	uint64_t minute_ms;
	uint64_t idle_since_ms;
};

struct client_table {
	struct client_entry **slots; /* owned, as are the entries */
	size_t slot_count;           /* a power of two */
	size_t entry_count, idle_count;
	struct list idle;
	uint64_t seed[2];
};

struct client_table *client_table_new(void)
{
	struct client_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->slots = calloc(SLOTS_MIN, sizeof(struct client_entry *));
	if (!t->slots || getrandom(t->seed, sizeof(t->seed), 0) != (ssize_t)sizeof(t->seed)) {
		free(t->slots);
		free(t);
		return NULL;
	}
	t->slot_count = SLOTS_MIN;
	list_init(&t->idle);
	return t;
}

void client_table_free(struct client_table **table)
{
	struct client_table *t = *table;

	*table = NULL;
	if (!t)
		return;
	for (size_t i = 0; i < t->slot_count; i++)
		while (t->slots[i]) {
			struct client_entry *e = t->slots[i];

			t->slots[i] = e->next;
			free(e);
		}
	free(t->slots);
	free(t);
}

/* Multiply and fold: enough, because the seed is secret and no answer tells a slot. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * (b | 1);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct client_entry **find_slot(const struct client_table *t, const struct addr_prefix *client)
{
	uint64_t high, low, hash;

	memcpy(&high, client->ip, sizeof(high));
	memcpy(&low, client->ip + sizeof(high), sizeof(low));
	hash = mix(high ^ t->seed[0], t->seed[1]);
	hash = mix(hash ^ low ^ client->family, t->seed[0] ^ (uint64_t)client->bits << 56);
	return &t->slots[hash & (t->slot_count - 1)];
}

static struct client_entry **find(const struct client_table *t, const struct addr_prefix *client)
{
	struct client_entry **link = find_slot(t, client);

	while (*link && !addr_prefix_eq(&(*link)->client, client))
		link = &(*link)->next;
	return link;
}

/* Twice the slots; when memory is short the chains just grow longer. */
static void grow(struct client_table *t)
{
	size_t old_count = t->slot_count;
	struct client_entry **old = t->slots, **slots = calloc(2 * old_count, sizeof(struct client_entry *));

	if (!slots)
		return;
	t->slots = slots;
	t->slot_count = 2 * old_count;
	for (size_t i = 0; i < old_count; i++)
		while (old[i]) {
			struct client_entry *e = old[i];
			struct client_entry **slot = find_slot(t, &e->client);

			old[i] = e->next;
			e->next = *slot;
			*slot = e;
		}
	free(old);
}

static void drop(struct client_table *t, struct client_entry *e)
{
	struct client_entry **link = find(t, &e->client);

	BUG_ON(*link != e || e->sessions);
	*link = e->next;
	list_remove(&e->idle);
	free(e);
	t->idle_count--;
	t->entry_count--;
}

/* Drop idle entries that count no more, and the oldest when there are too many. */
static void sweep(struct client_table *t, uint64_t now_ms)
{
	while (!list_empty(&t->idle)) {
		struct client_entry *e = LIST_OWNER(t->idle.next, struct client_entry, idle);

		if (t->idle_count <= CLIENT_TABLE_IDLE_MAX && now_ms < e->idle_since_ms + 2 * CLIENT_TABLE_MINUTE_MS)
			return;
		drop(t, e);
	}
}

static struct client_entry *add(struct client_table *t, const struct addr_prefix *client, uint64_t now_ms)
{
	struct client_entry *e = calloc(1, sizeof(*e)), **slot;

	if (!e)
		return NULL;
	if (t->entry_count >= t->slot_count)
		grow(t);
	slot = find_slot(t, client);
	e->client = *client;
	e->minute_ms = e->idle_since_ms = now_ms;
	e->next = *slot;
	*slot = e;
	list_append(&t->idle, &e->idle);
	t->idle_count++;
	t->entry_count++;
	return e;
}

static void turn_minutes(struct client_entry *e, uint64_t now_ms)
{
	uint64_t minutes = (now_ms - e->minute_ms) / CLIENT_TABLE_MINUTE_MS;

	if (minutes == 0)
		return;
	e->begun_before = minutes == 1 ? e->begun : 0;
	e->begun = 0;
	e->minute_ms += minutes * CLIENT_TABLE_MINUTE_MS;
}

/* The part of the minute before that lies within the last 60 seconds, and all of this one. */
static uint64_t begun_lately(const struct client_entry *e, uint64_t now_ms)
{
	uint64_t still = CLIENT_TABLE_MINUTE_MS - (now_ms - e->minute_ms);

	return e->begun + (uint64_t)e->begun_before * still / CLIENT_TABLE_MINUTE_MS;
}

enum client_verdict client_table_enter(struct client_table *t, const struct addr_prefix *client,
				       const struct client_limits *limits, uint64_t now_ms)
{
	struct client_entry *e;

	sweep(t, now_ms);
	e = *find(t, client);
	if (!e)
		e = add(t, client, now_ms);
	if (!e)
		return CLIENT_NO_MEMORY;
	turn_minutes(e, now_ms);
	if (e->sessions >= limits->sessions)
		return CLIENT_HAS_TOO_MANY;
	if (limits->sessions_per_minute && begun_lately(e, now_ms) >= limits->sessions_per_minute)
		return CLIENT_CAME_TOO_OFTEN;
	if (limits->half_open && e->half_open >= limits->half_open)
		return CLIENT_HAS_TOO_MANY_HALF_OPEN;
	e->begun++;
	e->half_open++;
	if (e->sessions++ == 0) {
		list_remove(&e->idle);
		t->idle_count--;
	}
	return CLIENT_MAY_ENTER;
}

void client_table_settle(struct client_table *t, const struct addr_prefix *client)
{
	struct client_entry *e = *find(t, client);

	BUG_ON(!e || e->half_open == 0);
	e->half_open--;
}

bool client_table_unsettle(struct client_table *t, const struct addr_prefix *client,
			   const struct client_limits *limits)
{
	struct client_entry *e = *find(t, client);

	BUG_ON(!e || e->sessions == 0);
	if (limits->half_open && e->half_open >= limits->half_open)
		return false;
	e->half_open++;
	return true;
}

void client_table_leave(struct client_table *t, const struct addr_prefix *client, uint64_t now_ms)
{
	struct client_entry *e = *find(t, client);

	BUG_ON(!e || e->sessions == 0 || e->half_open == e->sessions);
	if (--e->sessions)
		return;
	e->idle_since_ms = now_ms;
	list_append(&t->idle, &e->idle);
	t->idle_count++;
	sweep(t, now_ms);
}

uint32_t client_table_count(const struct client_table *t, const struct addr_prefix *client)
{
	const struct client_entry *e = *find(t, client);

	return e ? e->sessions : 0;
}

size_t client_table_entries(const struct client_table *t)
{
	return t->entry_count;
}
