/*
 * For each kind a table of entries, found by a keyed hash and ordered by a
 * binary heap whose root is the entry with the nearest moment: that one goes
 * when it is past, or when room is needed. Entries are named by their index, from
 * 1 on: so all is zero at the start, and memory is touched as keys come.
 */
#include "policy/store.h"

#include <stdlib.h>
#include <sys/random.h>

enum { NOBODY = 0 };

struct entry {
	struct store_key key;
	uint64_t until_ns;
	uint32_t next;  /* in its slot, or in the list of free ones */
	uint32_t place; /* in the heap */
};

struct table {
	struct entry *entries; /* owned, as are the others */
	uint32_t *slots;
	uint32_t *heap;
	uint32_t count; /* of the heap */
	uint32_t fresh; /* entries from here on were never used */
	uint32_t free;  /* the first that was, and is free; or NOBODY */
};

struct store_memory {
	struct store store;
	uint32_t max, slot_mask;
	unsigned kinds;
	struct table tables[];
};

/* ---- the heap ---- */

static void put_at(struct table *t, uint32_t place, uint32_t e)
{
	t->heap[place] = e;
	t->entries[e].place = place;
}

static uint64_t moment_at(const struct table *t, uint32_t place)
{
	return t->entries[t->heap[place]].until_ns;
}

static void sift_up(struct table *t, uint32_t place)
{
	uint32_t e = t->heap[place];

	while (place && moment_at(t, (place - 1) / 2) > t->entries[e].until_ns) {
		put_at(t, place, t->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put_at(t, place, e);
}

static void sift_down(struct table *t, uint32_t place)
{
	uint32_t e = t->heap[place];

	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child >= t->count)
			break;
		if (child + 1 < t->count && moment_at(t, child + 1) < moment_at(t, child))
			child++;
		if (moment_at(t, child) >= t->entries[e].until_ns)
			break;
		put_at(t, place, t->heap[child]);
		place = child;
	}
	put_at(t, place, e);
}

/* ---- entries ---- */

static uint32_t *slot_of(const struct store_memory *m, const struct store_key *key)
{
	uint64_t hash = siphash(&m->store.secret, span_of(key, sizeof(*key)));

	return &m->tables[key->kind].slots[hash & m->slot_mask];
}

/* The link that leads to the entry, or to NOBODY. */
static uint32_t *find(const struct store_memory *m, const struct store_key *key)
{
	const struct table *t = &m->tables[key->kind];
	uint32_t *link = slot_of(m, key);

	while (*link != NOBODY && memcmp(&t->entries[*link].key, key, sizeof(*key)) != 0)
		link = &t->entries[*link].next;
	return link;
}

static void drop(struct store_memory *m, struct table *t, uint32_t e)
{
	uint32_t *link = find(m, &t->entries[e].key), place = t->entries[e].place, last;

	BUG_ON(*link != e);
	*link = t->entries[e].next;
	t->entries[e].next = t->free;
	t->free = e;
	last = t->heap[--t->count];
	if (last == e)
		return;
	put_at(t, place, last);
	sift_up(t, place);
	sift_down(t, t->entries[last].place);
}

static void drop_past(struct store_memory *m, struct table *t, uint64_t now_ns)
{
	while (t->count && moment_at(t, 0) <= now_ns)
		drop(m, t, t->heap[0]);
}

static uint32_t take_entry(struct store_memory *m, struct table *t)
{
	uint32_t e;

	if (t->count == m->max)
		drop(m, t, t->heap[0]);
	if (t->free == NOBODY)
		return t->fresh++;
	e = t->free;
	t->free = t->entries[e].next;
	return e;
}

static void add(struct store_memory *m, struct table *t, const struct store_key *key, uint64_t until_ns)
{
	uint32_t e = take_entry(m, t), *slot = slot_of(m, key);

	t->entries[e] = (struct entry){ .key = *key, .until_ns = until_ns, .next = *slot };
	*slot = e;
	put_at(t, t->count++, e);
	sift_up(t, t->count - 1);
}

/* ---- the store ---- */

static struct table *table_of(struct store_memory *m, const struct store_key *key)
{
	BUG_ON(key->kind >= m->kinds);
	return &m->tables[key->kind];
}

static uint64_t memory_get(struct store *store, const struct store_key *key, uint64_t now_ns)
{
	struct store_memory *m = (struct store_memory *)store;
	struct table *t = table_of(m, key);
	uint32_t e;

	drop_past(m, t, now_ns);
	e = *find(m, key);
	return e == NOBODY ? 0 : t->entries[e].until_ns;
}

static void memory_set(struct store *store, const struct store_key *key, uint64_t until_ns, uint64_t now_ns)
{
	struct store_memory *m = (struct store_memory *)store;
	struct table *t = table_of(m, key);
	uint32_t e;

	drop_past(m, t, now_ns);
	e = *find(m, key);
	if (until_ns <= now_ns) {
		if (e != NOBODY)
			drop(m, t, e);
	} else if (e == NOBODY) {
		add(m, t, key, until_ns);
	} else {
		t->entries[e].until_ns = until_ns;
		sift_up(t, t->entries[e].place);
		sift_down(t, t->entries[e].place);
	}
}

static void memory_free(struct store *store)
{
	struct store_memory *m = (struct store_memory *)store;

	for (unsigned i = 0; i < m->kinds; i++) {
		free(m->tables[i].entries);
		free(m->tables[i].slots);
		free(m->tables[i].heap);
	}
	free(m);
}

static const struct store_ops memory_ops = {
	.name = "memory",
	.get = memory_get,
	.set = memory_set,
	.free = memory_free,
};

static bool reserve_table(struct table *t, uint32_t max, uint32_t slots)
{
	t->entries = calloc((size_t)max + 1, sizeof(*t->entries));
	t->slots = calloc(slots, sizeof(*t->slots));
	t->heap = calloc(max, sizeof(*t->heap));
	t->fresh = NOBODY + 1;
	t->free = NOBODY;
	return t->entries && t->slots && t->heap;
}

struct store *store_memory_new(unsigned kinds, uint32_t max)
{
	struct store_memory *m = calloc(1, sizeof(*m) + kinds * sizeof(m->tables[0]));
	uint32_t slots = 16;
	bool is_good;

	BUG_ON(max == 0 || max > 1 << 24);
	if (!m)
		return NULL;
	while (slots < max)
		slots *= 2;
	m->store.ops = &memory_ops;
	m->max = max;
	m->slot_mask = slots - 1;
	m->kinds = kinds;
	is_good = getrandom(&m->store.secret, sizeof(m->store.secret), 0) == (ssize_t)sizeof(m->store.secret);
	for (unsigned i = 0; i < kinds; i++)
		is_good &= reserve_table(&m->tables[i], max, slots);
	if (is_good)
		return &m->store;
	memory_free(&m->store);
	return NULL;
}

uint32_t store_memory_count(const struct store *store, unsigned kind)
{
	const struct store_memory *m = (const struct store_memory *)store;

	BUG_ON(store->ops != &memory_ops || kind >= m->kinds);
	return m->tables[kind].count;
}

uint64_t store_name(const struct store *store, struct span name)
{
	uint64_t hash = siphash_lower(&store->secret, name);

	return hash ? hash : 1;
}
