/*
 * "Did you mean": the candidate nearest to a mistyped word, counted in letters
 * typed wrongly, left out, added or swapped with their neighbour.
 */
#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include <stddef.h>

struct suggest {
	const char *word;      /* lent */
	const char *best;      /* the nearest candidate that is near enough, lent; NULL: none yet */
	unsigned best_distance;
};

void suggest_init(struct suggest *s, const char *word);
void suggest_offer(struct suggest *s, const char *candidate);

/* Edits between two words; words beyond 63 letters are infinitely far from each other. */
unsigned suggest_distance(const char *a, const char *b);

#endif
