/*
 * Remembers which warnings were written lately, so that trouble that goes on
 * does not drown the log: the same again within LOG_REPEAT_MS is counted only.
 */
#ifndef BASE_LOG_REPEAT_H
#define BASE_LOG_REPEAT_H

#include "base/span.h"

enum { LOG_REPEAT_SLOTS = 16, LOG_REPEAT_EVENT_SIZE = 24 };

struct log_repeat {
	struct log_repeat_slot {
		uint64_t hash; /* of the line; 0: free */
		uint64_t until_ms;
		uint32_t count;                    /* not written since */
		char event[LOG_REPEAT_EVENT_SIZE]; /* for the report */
	} slots[LOG_REPEAT_SLOTS];
	uint64_t next_look_ms;
};

/* Is this line to be left out? A new one takes a free slot, or is simply written when there is none. */
bool log_repeat_is_known(struct log_repeat *r, struct span line, const char *event, uint64_t now_ms, uint64_t for_ms);

/*
 * A slot whose time is over and that has a count, or NULL; it is free by then. Cheap
 * when nothing can be due.
 */
const struct log_repeat_slot *log_repeat_take_over(struct log_repeat *r, uint64_t now_ms);

#endif
