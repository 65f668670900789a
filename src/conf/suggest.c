#include "conf/suggest.h"

#include "base/span.h"

#include <limits.h>

enum { SUGGEST_WORD_MAX = 63, SUGGEST_PREFIX_MIN = 3 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Optimal string alignment over three rows of the usual table; letters compare without case. */
unsigned suggest_distance(const char *a, const char *b)
{
	unsigned rows[3][SUGGEST_WORD_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > SUGGEST_WORD_MAX || b_len > SUGGEST_WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *before2 = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = ascii_lower(a[i - 1]) == ascii_lower(b[j - 1]);

			now[j] = min3(before[j] + 1, now[j - 1] + 1, before[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before2[j - 2] + 1 < now[j])
				now[j] = before2[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

void suggest_init(struct suggest *s, const char *word)
{
	*s = (struct suggest){ .word = word, .best_distance = UINT_MAX };
}

/* Near enough: a third of the letters may be wrong, and one always; or it was cut short ("warn"). */
void suggest_offer(struct suggest *s, const char *candidate)
{
	unsigned distance = suggest_distance(s->word, candidate);
	unsigned most = (unsigned)strlen(candidate) / 3;

	if (strlen(s->word) >= SUGGEST_PREFIX_MIN && span_istarts(span_str(candidate), span_str(s->word)))
		most = distance;
	if (distance <= (most ? most : 1) && distance < s->best_distance) {
		s->best = candidate;
		s->best_distance = distance;
	}
}
