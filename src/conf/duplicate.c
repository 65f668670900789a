#include "conf/duplicate.h"

#include "conf/lexer.h"
#include "conf/strict.h"

/* Each costs a walk through the text. */
enum { TRIES_MAX = 100 };

struct walk {
	struct lexer lexer;
	struct token before;
	size_t groups[STRICT_DEPTH_MAX + 1]; /* where each that is open begins; the first is the text */
	size_t depth;
};

struct key {
	struct token token;
	size_t group; /* where its group begins */
};

static void walk_begin(struct walk *w, struct span text)
{
	*w = (struct walk){ 0 };
	lexer_init(&w->lexer, text);
}

static void note_nesting(struct walk *w, const struct token *t)
{
	if (strchr("([{", t->text.ptr[0])) {
		BUG_ON(w->depth == STRICT_DEPTH_MAX);
		w->groups[++w->depth] = t->start;
	} else if (strchr(")]}", t->text.ptr[0])) {
		BUG_ON(w->depth == 0);
		w->depth--;
	}
}

/* The next word that is given a value. False: there is none. */
static bool next_key(struct walk *w, struct key *key)
{
	for (;;) {
		struct token before = w->before, t = lexer_next(&w->lexer);

		if (t.type == TOKEN_END || t.type == TOKEN_BAD)
			return false;
		w->before = t;
		if (t.type != TOKEN_SIGN)
			continue;
		note_nesting(w, &t);
		if (before.type != TOKEN_WORD || !strchr("=:", t.text.ptr[0]))
			continue;
		*key = (struct key){ before, w->groups[w->depth] };
		return true;
	}
}

static bool was_given(struct span text, const struct key *key)
{
	struct walk w;
	struct key other;

	walk_begin(&w, text);
	while (next_key(&w, &other) && other.token.start < key->token.start)
		if (other.group == key->group && span_eq(other.token.text, key->token.text))
			return true;
	return false;
}

bool duplicate_find(struct span text, int line, struct span *name)
{
	struct walk w;
	struct key key;
	unsigned tries = 0;

	walk_begin(&w, text);
	while (next_key(&w, &key) && key.token.line <= line && tries < TRIES_MAX) {
		if (key.token.line < line)
			continue;
		tries++;
		if (was_given(text, &key)) {
			*name = key.token.text;
			return true;
		}
	}
	return false;
}
