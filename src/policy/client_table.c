/*
 * A chained hash table; the hash is seeded, so that nobody can choose addresses
 * that all fall into one slot.
 */
#include "policy/client_table.h"

#include <stdlib.h>
#include <sys/random.h>

enum { SLOTS_MIN = 64 };

struct client_entry {
	struct client_entry *next;
	struct addr_prefix client;
	uint32_t sessions;
};

struct client_table {
	struct client_entry **slots; /* owned, as are the entries */
	size_t slot_count;           /* a power of two */
	size_t entry_count;
	uint64_t seed[2];
};

struct client_table *client_table_new(void)
{
	struct client_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->slots = calloc(SLOTS_MIN, sizeof(*t->slots));
	if (!t->slots || getrandom(t->seed, sizeof(t->seed), 0) != (ssize_t)sizeof(t->seed)) {
		free(t->slots);
		free(t);
		return NULL;
	}
	t->slot_count = SLOTS_MIN;
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
	struct client_table bigger = *t;

	bigger.slot_count = 2 * t->slot_count;
	bigger.slots = calloc(bigger.slot_count, sizeof(*bigger.slots));
	if (!bigger.slots)
		return;
	for (size_t i = 0; i < t->slot_count; i++)
		while (t->slots[i]) {
			struct client_entry *e = t->slots[i];
			struct client_entry **slot = find_slot(&bigger, &e->client);

			t->slots[i] = e->next;
			e->next = *slot;
			*slot = e;
		}
	free(t->slots);
	*t = bigger;
}

bool client_table_enter(struct client_table *t, const struct addr_prefix *client, uint32_t most)
{
	struct client_entry **link, *e;

	if (t->entry_count >= t->slot_count)
		grow(t);
	link = find(t, client);
	e = *link;
	if (!e) {
		if (most == 0)
			return false;
		e = calloc(1, sizeof(*e));
		if (!e)
			return false;
		e->client = *client;
		*link = e;
		t->entry_count++;
	}
	if (e->sessions >= most)
		return false;
	e->sessions++;
	return true;
}

void client_table_leave(struct client_table *t, const struct addr_prefix *client)
{
	struct client_entry **link = find(t, client);
	struct client_entry *e = *link;

	BUG_ON(!e || e->sessions == 0);
	if (--e->sessions)
		return;
	*link = e->next;
	free(e);
	t->entry_count--;
}

uint32_t client_table_count(const struct client_table *t, const struct addr_prefix *client)
{
	const struct client_entry *e = *find(t, client);

	return e ? e->sessions : 0;
}
