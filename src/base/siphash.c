#include "base/siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void mix_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static void take_word(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	mix_round(s);
	mix_round(s);
	s->v0 ^= word;
}

/* Up to eight octets, the first one lowest. */
static uint64_t load(struct span text, bool is_lower)
{
	uint64_t word = 0;

	for (size_t i = 0; i < text.len && i < 8; i++) {
		char c = is_lower ? ascii_lower(text.ptr[i]) : text.ptr[i];

		word |= (uint64_t)(unsigned char)c << (8 * i);
	}
	return word;
}

static uint64_t hash(const struct siphash_key *key, struct span text, bool is_lower)
{
	struct state s = {
		key->low ^ 0x736f6d6570736575U,
		key->high ^ 0x646f72616e646f6dU,
		key->low ^ 0x6c7967656e657261U,
		key->high ^ 0x7465646279746573U,
	};
	uint64_t last = (uint64_t)(text.len & 0xff) << 56;

	for (; text.len >= 8; text = span_from(text, 8))
		take_word(&s, load(text, is_lower));
	take_word(&s, last | load(text, is_lower));
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		mix_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t siphash(const struct siphash_key *key, struct span text)
{
	return hash(key, text, false);
}

uint64_t siphash_lower(const struct siphash_key *key, struct span text)
{
	return hash(key, text, true);
}
