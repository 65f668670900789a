#include "conf/unit.h"

#include <inttypes.h>
#include <stdio.h>

struct suffix {
	char letter;
	uint64_t factor;
};

/* Largest first, because unit_format() takes the first that fits. */
static const struct suffix octet_suffixes[] = {
	{ 'T', UINT64_C(1) << 40 }, { 'G', 1 << 30 }, { 'M', 1 << 20 }, { 'K', 1 << 10 }, { 0, 1 },
};
static const struct suffix second_suffixes[] = {
	{ 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 }, { 0, 1 },
};
static const struct suffix count_suffixes[] = { { 0, 1 } };

static const struct suffix *const suffixes[UNITS] = {
	[UNIT_COUNT] = count_suffixes,
	[UNIT_OCTETS] = octet_suffixes,
	[UNIT_SECONDS] = second_suffixes,
};

/* Sizes take small letters too; times do not, for nobody can tell what "5M" would mean. */
static bool suffix_matches(enum unit unit, char letter, char written)
{
	return letter == written || (unit == UNIT_OCTETS && ascii_lower(letter) == written);
}

bool unit_parse(enum unit unit, struct span text, uint64_t *value)
{
	const struct suffix *s = suffixes[unit];
	uint64_t number;

	if (text.len && !ascii_is_digit(text.ptr[text.len - 1])) {
		while (s->letter && !suffix_matches(unit, s->letter, text.ptr[text.len - 1]))
			s++;
		if (!s->letter)
			return false;
		text.len--;
	} else {
		while (s->letter)
			s++;
	}
	if (!span_to_u64(text, &number) || number > UINT64_MAX / s->factor)
		return false;
	*value = number * s->factor;
	return true;
}

const char *unit_format(enum unit unit, uint64_t value, char *text)
{
	const struct suffix *s = suffixes[unit];

	while (s->letter && (value == 0 || value % s->factor != 0))
		s++;
	snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 "%.1s", value / s->factor, &s->letter);
	return text;
}

const char *unit_describe(enum unit unit)
{
	static const char *const words[UNITS] = {
		[UNIT_COUNT] = "a number",
		[UNIT_OCTETS] = "a size; write \"50M\" (with K, M, G or T) or a number of octets",
		[UNIT_SECONDS] = "a time; write \"20m\" (with s, m, h or d) or a number of seconds",
	};

	return words[unit];
}
