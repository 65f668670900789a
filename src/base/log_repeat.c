#include "base/log_repeat.h"

static uint64_t hash_of(struct span line)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < line.len; i++)
		hash = (hash ^ (unsigned char)line.ptr[i]) * 1099511628211u;
	return hash | 1;
}

static void take_slot(struct log_repeat *r, struct log_repeat_slot *slot, uint64_t hash, const char *event,
		      uint64_t until_ms)
{
	size_t len = strlen(event);

	if (len >= sizeof(slot->event))
		len = sizeof(slot->event) - 1;
	*slot = (struct log_repeat_slot){ .hash = hash, .until_ms = until_ms };
	memcpy(slot->event, event, len);
	if (r->next_look_ms == 0 || until_ms < r->next_look_ms)
		r->next_look_ms = until_ms;
}

bool log_repeat_is_known(struct log_repeat *r, struct span line, const char *event, uint64_t now_ms, uint64_t for_ms)
{
	uint64_t hash = hash_of(line);
	struct log_repeat_slot *free_slot = NULL;

	for (size_t i = 0; i < LOG_REPEAT_SLOTS; i++) {
		struct log_repeat_slot *slot = &r->slots[i];

		if (slot->hash == hash && now_ms < slot->until_ms) {
			slot->count++;
			return true;
		}
		if (slot->hash == 0 || (slot->count == 0 && now_ms >= slot->until_ms))
			free_slot = slot;
	}
	if (free_slot)
		take_slot(r, free_slot, hash, event, now_ms + for_ms);
	return false;
}

const struct log_repeat_slot *log_repeat_take_over(struct log_repeat *r, uint64_t now_ms)
{
	uint64_t next = 0;

	if (r->next_look_ms == 0 || now_ms < r->next_look_ms)
		return NULL;
	for (size_t i = 0; i < LOG_REPEAT_SLOTS; i++) {
		struct log_repeat_slot *slot = &r->slots[i];

		if (slot->hash == 0)
			continue;
		if (now_ms < slot->until_ms) {
			if (next == 0 || slot->until_ms < next)
				next = slot->until_ms;
			continue;
		}
		slot->hash = 0;
		if (slot->count)
			return slot; /* the caller reads it now and asks again */
	}
	r->next_look_ms = next;
	return NULL;
}
