/*
 * Numbers as an administrator writes them: counts, sizes such as "50M" (1K is
 * 1024 octets) and times such as "20m". A number alone is octets or seconds.
 */
#ifndef CONF_UNIT_H
#define CONF_UNIT_H

#include "base/span.h"

enum unit {
	UNIT_COUNT,
	UNIT_OCTETS,
	UNIT_SECONDS,
	UNITS
};

/* Longest text of unit_format() with NUL: 20 digits and a letter. */
enum { UNIT_TEXT_SIZE = 22 };

/* False: not a number of this unit, or beyond 64 bits; *value is then untouched. */
bool unit_parse(enum unit unit, struct span text, uint64_t *value);

/* The shortest exact text, into `text` of UNIT_TEXT_SIZE bytes. Returns text. */
const char *unit_format(enum unit unit, uint64_t value, char *text);

/* What a number of this unit is and how to write it, for messages: `a size such as "50M"`. */
const char *unit_describe(enum unit unit);

#endif
