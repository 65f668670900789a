/*
 * Sources of users: what goes with which type.
 */
#include "conf/reader_private.h"

/* Each type has keys that it must have, and those that it may not. */
static bool check_keys_of_type(struct reader *r, const config_setting_t *s, enum auth_type type)
{
	const char *name = option_word_of(option_find(OPTION_GROUP_AUTH, "type"), type);

	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		const config_setting_t *given =
			o->scope == OPTION_AUTH && o->auth_types ? config_setting_get_member(s, o->key) : NULL;
		bool is_its = o->auth_types >> type & 1;

		if (given && !is_its)
			return reader_fail(r, given, "the key \"%s\" does not go with users of type \"%s\"", o->key,
					   name);
		if (o->scope == OPTION_AUTH && is_its && o->is_required && !given)
			return reader_fail(r, s, "the key \"%s\" is missing for users of type \"%s\"", o->key, name);
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
	static const char *const of_passwords[] = { "PLAIN", "LOGIN", NULL };

	switch (type) {
	case AUTH_TYPE_FILE:
		return of_file;
	case AUTH_TYPE_CERTIFICATE:
		return of_certificate;
	case AUTH_TYPE_CHECKPASSWORD:
	case AUTH_TYPE_PAM:
		return of_passwords;
	case AUTH_TYPE_DOVECOT:
		break;
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

/* The program's path; an argument may be anything. */
static bool check_command(struct reader *r, const config_setting_t *s, const struct auth_config *auth)
{
	if (auth->type != AUTH_TYPE_CHECKPASSWORD)
		return true;
	if (auth->command.count == 0 || auth->command.texts[0][0] != '/')
		return reader_fail(r, config_setting_get_member(s, "command"),
				   "command: must begin with the absolute path of a program");
	return true;
}

/* What this was not built with cannot be had. */
static bool check_built(struct reader *r, const config_setting_t *s, const struct auth_config *auth)
{
#ifdef WITH_PAM
	(void)r;
	(void)s;
	(void)auth;
	return true;
#else
	return auth->type != AUTH_TYPE_PAM ||
	       reader_fail(r, config_setting_get_member(s, "type"), "type: this was built without PAM");
#endif
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
	       check_keys_of_type(r, s, auth->type) && check_mechanisms(r, s, auth) &&
	       check_command(r, s, auth) && check_built(r, s, auth);
}
