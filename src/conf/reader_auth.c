/*
 * Sources of users: what goes with which type.
 */
#include "conf/reader_private.h"

static bool is_given(const config_setting_t *s, const char *key)
{
	return config_setting_get_member(s, key) != NULL;
}

/* Keys that a type must have, and those that others may not. */
static const struct {
	const char *key;
	unsigned types; /* bits of enum auth_type */
	bool is_required;
} rules[] = {
	{ "path", 1u << AUTH_TYPE_FILE, true },
};

static bool check_keys_of_type(struct reader *r, const config_setting_t *s, enum auth_type type)
{
	const char *name = option_word_of(option_find(OPTION_GROUP_AUTH, "type"), type);

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		bool is_its = rules[i].types >> type & 1;

		if (is_given(s, rules[i].key) && !is_its)
			return reader_fail(r, config_setting_get_member(s, rules[i].key),
					   "the key \"%s\" does not go with users of type \"%s\"", rules[i].key, name);
		if (is_its && rules[i].is_required && !is_given(s, rules[i].key))
			return reader_fail(r, s, "the key \"%s\" is missing for users of type \"%s\"", rules[i].key,
					   name);
	}
	return true;
}

/* Those that a type has; NULL: any may be, because another program has them. */
static const char *const *mechanisms_of(enum auth_type type)
{
	static const char *const of_file[] = {
		"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1",
		"PLAIN",	      "LOGIN",	       "CRAM-MD5",	   NULL,
	};
	static const char *const of_certificate[] = { "EXTERNAL", NULL };

	switch (type) {
	case AUTH_TYPE_FILE:
		return of_file;
	case AUTH_TYPE_CERTIFICATE:
		return of_certificate;
	}
	return NULL;
}

static bool check_mechanisms(struct reader *r, const config_setting_t *s, const struct auth_config *auth)
{
	const char *const *known = mechanisms_of(auth->type);
	const config_setting_t *given = config_setting_get_member(s, "mechanisms");

	if (given && auth->mechanisms.count == 0)
		return reader_fail(r, given, "mechanisms: there must be at least one");
	for (size_t i = 0; known && i < auth->mechanisms.count; i++) {
		size_t j = 0;

		while (known[j] && strcmp(known[j], auth->mechanisms.texts[i]) != 0)
			j++;
		if (!known[j])
			return reader_fail(r, given, "mechanisms: \"%s\" is none of users of type \"%s\"",
					   auth->mechanisms.texts[i],
					   option_word_of(option_find(OPTION_GROUP_AUTH, "type"), auth->type));
	}
	return true;
}

bool reader_auth(struct reader *r, const config_setting_t *s, size_t i)
{
	struct auth_config *auth = &r->config->auth[i];
	struct config_place *places = arena_alloc(&r->config->arena, option_table_len * sizeof(*places));

	if (!places)
		return reader_fail_memory(r);
	auth->place = reader_place(r, s);
	auth->places = places;
	return reader_group(r, s, OPTION_GROUP_AUTH, OPTION_AUTH, "source of users", auth, places) &&
	       check_keys_of_type(r, s, auth->type) && check_mechanisms(r, s, auth);
}
