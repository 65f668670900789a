#include "conf/place.h"

#include "conf/config.h"

#include <stdio.h>

enum { KEY_MAX = 64 };

struct config_place config_place_of(enum option_group group, const struct config_place *places, const char *key,
				    struct config_place otherwise)
{
	const struct option *o = option_find(group, key);

	return o && places[o - option_table].file ? places[o - option_table] : otherwise;
}

static struct config_place whole_file(const struct config *config)
{
	return (struct config_place){ config->file, 0 };
}

struct config_place config_place_of_top(const struct config *config, const char *key)
{
	return config_place_of(OPTION_GROUP_TOP, config->places, key, whole_file(config));
}

bool config_place_tell(struct err *err, struct config_place place, const char *key)
{
	struct err why = *err;
	int used = snprintf(err->text, sizeof(err->text), place.line ? "%.120s:%d: " : "%.120s: ", place.file, place.line);

	snprintf(err->text + used, sizeof(err->text) - (size_t)used, "%s%s%.380s", key ? key : "", key ? ": " : "",
		 why.text);
	return false;
}

/* The word before the first colon; "" if it is longer than any key. */
static const char *first_word(const struct err *err, char word[KEY_MAX])
{
	size_t len = span_find(span_str(err->text), ':');

	snprintf(word, KEY_MAX, "%.*s", len < KEY_MAX ? (int)len : 0, err->text);
	return word;
}

bool config_place_tell_named(struct err *err, enum option_group group, const struct config_place *places,
			     struct config_place otherwise)
{
	char key[KEY_MAX];

	return config_place_tell(err, config_place_of(group, places, first_word(err, key), otherwise), NULL);
}

bool config_place_tell_top(struct err *err, const struct config *config)
{
	char key[KEY_MAX];

	if (option_find(OPTION_GROUP_TOP, first_word(err, key)))
		config_place_tell(err, config_place_of_top(config, key), NULL);
	return false;
}
