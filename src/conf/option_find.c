/*
 * Finding rows of the option table, and words in them.
 */
#include "base/bug.h"
#include "conf/option.h"
#include "conf/suggest.h"

bool option_is_in(const struct option *o, enum option_group group)
{
	switch (o->scope) {
	case OPTION_GLOBAL:
		return group == OPTION_GROUP_TOP;
	case OPTION_SESSION:
		return group == OPTION_GROUP_TOP || group == OPTION_GROUP_LISTENERS;
	case OPTION_LISTENER:
		return group == OPTION_GROUP_LISTENERS;
	case OPTION_BACKEND:
		return group == OPTION_GROUP_BACKENDS;
	case OPTION_ROUTE:
		return group == OPTION_GROUP_ROUTES;
	case OPTION_CLIENT:
		return group == OPTION_GROUP_CLIENTS;
	case OPTION_CERTIFICATE:
		return group == OPTION_GROUP_CERTIFICATES;
	case OPTION_AUTH:
		return group == OPTION_GROUP_AUTH;
	case OPTION_RATES_ROW:
		return group == OPTION_GROUP_RATES;
	case OPTION_RECIPIENT_MAP:
		return group == OPTION_GROUP_RECIPIENT_MAPS;
	case OPTION_SCOPES:
		break;
	}
	return false;
}

const struct option *option_find(enum option_group group, const char *key)
{
	for (size_t i = 0; i < option_table_len; i++)
		if (option_is_in(&option_table[i], group) && strcmp(option_table[i].key, key) == 0)
			return &option_table[i];
	return NULL;
}

const char *option_suggest(enum option_group group, const char *key)
{
	struct suggest suggest;

	suggest_init(&suggest, key);
	for (size_t i = 0; i < option_table_len; i++)
		if (option_is_in(&option_table[i], group))
			suggest_offer(&suggest, option_table[i].key);
	return suggest.best;
}

const char *option_group_name(enum option_group group)
{
	static const char *const names[] = {
		[OPTION_GROUP_TOP] = "top level",
		[OPTION_GROUP_LISTENERS] = "listeners",
		[OPTION_GROUP_BACKENDS] = "backends",
		[OPTION_GROUP_ROUTES] = "routes",
		[OPTION_GROUP_CLIENTS] = "clients",
		[OPTION_GROUP_CERTIFICATES] = "tls_certificates",
		[OPTION_GROUP_RATES] = "rates",
		[OPTION_GROUP_AUTH] = "auth",
		[OPTION_GROUP_RECIPIENT_MAPS] = "recipient_maps",
	};
	_Static_assert(sizeof(names) / sizeof(*names) == OPTION_GROUPS, "a name for each group");

	return names[group];
}

const char *option_find_elsewhere(const char *key)
{
	for (enum option_group group = 0; group < OPTION_GROUPS; group++)
		if (option_find(group, key))
			return option_group_name(group);
	return NULL;
}

const char *option_word_find(const struct option_word *words, unsigned value)
{
	while (words->word && words->value != value)
		words++;
	return words->word;
}

const char *option_word_of(const struct option *o, unsigned value)
{
	const char *word = option_word_find(o->words, value);

	BUG_ON(!word);
	return word;
}

static bool takes_word(const struct option *o, enum option_group group, const char *key, const char *word)
{
	if (!option_is_in(o, group) || !o->words || strcmp(o->key, key) != 0)
		return false;
	for (const struct option_word *w = o->words; w->word; w++)
		if (strcmp(w->word, word) == 0)
			return true;
	return false;
}

const char *option_find_word_elsewhere(const struct option *o, const char *word)
{
	for (enum option_group group = 0; group < OPTION_GROUPS; group++)
		for (size_t i = 0; i < option_table_len; i++)
			if (&option_table[i] != o && takes_word(&option_table[i], group, o->key, word))
				return option_group_name(group);
	return NULL;
}
