#include "conf/seed.h"

#include "conf/exit_reply.h"
#include "conf/option.h"

#include <stdio.h>

/* Longest name of a variable, "${PROTO}LOCALHOST" among them, and longest PROTO. */
enum { SEED_NAME_SIZE = 64, SEED_PROTO_MAX = 16 };

struct seed {
	struct config *config; /* its arena keeps values and names */
	const struct environment *environment;
	config_setting_t *group;
	struct err *err;
};

/* What mailfront did with these is not done; who relied on it should know. */
static const char *const foreign_variables[] = {
	"AUTH_REQUIRES_TLS", "CLAMAV_HOST", "CVM_LOOKUP",     "CVM_SASL_CRAM_MD5", "CVM_SASL_LOGIN",
	"CVM_SASL_PLAIN",    "HEADER_ADD",  "LUA_SCRIPT",     "MAILRULES",         "MAXRCPTS_REJECT",
	"PATTERNS",          "PLUGINS",     "RBL_BLACKLISTS", "REJECT",            "SENDER_DOMAINS",
	"SMTPREJECT",        "SPAMD_HOST",
};

enum { FOREIGN_VARIABLES = sizeof(foreign_variables) / sizeof(*foreign_variables) };

static bool get(struct seed *seed, const char *name, const char **value)
{
	struct err err;

	if (environment_get(seed->environment, name, &seed->config->arena, value, &err))
		return true;
	return err_set(seed->err, "$%s: %s", name, err.text);
}

static bool fail_memory(struct seed *seed)
{
	return err_set(seed->err, "%s: out of memory", seed->config->file);
}

/* The name goes with the setting, for messages and for the dump. False: out of memory. */
static bool note_name(struct seed *seed, config_setting_t *s, const char *name)
{
	char *shown = arena_alloc(&seed->config->arena, strlen(name) + 2);

	if (!shown)
		return false;
	shown[0] = '$';
	memcpy(shown + 1, name, strlen(name));
	config_setting_set_hook(s, shown);
	return true;
}

static config_setting_t *add(struct seed *seed, const struct option *o, const char *name, int type)
{
	config_setting_t *s = config_setting_add(seed->group, o->key, type);

	return s && note_name(seed, s, name) ? s : NULL;
}

static bool add_string(struct seed *seed, const struct option *o, const char *name, const char *value)
{
	config_setting_t *s = add(seed, o, name, CONFIG_TYPE_STRING);

	return (s && config_setting_set_string(s, value)) || fail_memory(seed);
}

/*
 * 0 and nothing mean "no limit" or "the usual one" in mailfront. Everything is
 * bounded here, so both give the default, which is no limit for $MAXNOTIMPL.
 * mailfront takes what is no number for 0; a limit that does not hold would
 * never be noticed, so that is an error here.
 */
static bool add_number(struct seed *seed, const struct option *o, const char *name, const char *value)
{
	struct span digits = span_str(value);
	uint64_t number = 0;

	for (size_t i = 0; i < digits.len; i++)
		if (!ascii_is_digit(digits.ptr[i]))
			return err_set(seed->err, "$%s: \"%.100s\" is not a number", name, value);
	if (digits.len && !span_to_u64(digits, &number))
		return err_set(seed->err, "$%s: %.100s is out of range", name, value);
	return add_string(seed, o, name, number ? value : o->default_text);
}

/* Presence is what counts. */
static bool add_bool(struct seed *seed, const struct option *o, const char *name)
{
	config_setting_t *s = add(seed, o, name, CONFIG_TYPE_BOOL);

	return (s && config_setting_set_bool(s, true)) || fail_memory(seed);
}

static bool add_text(struct seed *seed, const struct option *o, const char *name, const char *value)
{
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\n')
			return err_set(seed->err, "$%s: control byte \\x%02x", name, (unsigned char)*c);
	if (*value)
		return add_string(seed, o, name, value);
	if (o->type == OPTION_GREETING || o->type == OPTION_HOSTNAME || o->type == OPTION_SUFFIX)
		return true;
	return err_set(seed->err, "$%s: is empty; it must have a value, or not be set", name);
}

static bool add_value(struct seed *seed, const struct option *o, const char *name, const char *value)
{
	if (!value)
		return true;
	switch (o->type) {
	case OPTION_BOOL:
		return add_bool(seed, o, name);
	case OPTION_U32:
	case OPTION_U64:
		return add_number(seed, o, name, value);
	default:
		return add_text(seed, o, name, value);
	}
}

/* One text: "31: 5.7.1 Text", from $QQERRMSG_31. */
static bool add_exit_reply(struct seed *seed, config_setting_t *list, const char *name, unsigned exit_code,
			   const char *value)
{
	char *text = arena_alloc(&seed->config->arena, strlen(value) + 8);
	config_setting_t *s;

	if (!text)
		return fail_memory(seed);
	sprintf(text, "%u: %s", exit_code, value);
	s = config_setting_set_string_elem(list, -1, text);
	return (s && note_name(seed, s, name)) || fail_memory(seed);
}

/*
 * A variable for each exit code, and one key for all of them. mailfront says what stands there whatever it is;
 * here it must be a text, and one that is empty is as good as none.
 */
static bool add_exit_replies(struct seed *seed, const struct option *o)
{
	config_setting_t *list = NULL;
	char name[SEED_NAME_SIZE];
	const char *value;

	for (unsigned code = 1; code <= EXIT_REPLY_CODE_MAX; code++) {
		snprintf(name, sizeof(name), "QQERRMSG_%u", code);
		if (!get(seed, name, &value))
			return false;
		if (!value || !*value)
			continue;
		if (!list)
			list = add(seed, o, "QQERRMSG_n", CONFIG_TYPE_LIST);
		if (!list)
			return fail_memory(seed);
		if (!add_exit_reply(seed, list, name, code, value))
			return false;
	}
	return true;
}

/* The first part of ${PROTO}LOCALHOST, which becomes part of a name, and of a file's name. */
static bool get_proto(struct seed *seed, const char **proto)
{
	struct span text;

	if (!get(seed, "PROTO", proto))
		return false;
	if (!*proto || !**proto)
		*proto = "TCP";
	text = span_str(*proto);
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alnum(text.ptr[i]) || i == SEED_PROTO_MAX)
			return err_set(seed->err, "$PROTO: \"%.100s\" is no name such as TCP", *proto);
	return true;
}

static bool read_rows(struct seed *seed, const char *proto)
{
	static const char prefix[] = "${PROTO}";
	char name[SEED_NAME_SIZE];
	const char *value;

	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		bool has_prefix = o->seed && strncmp(o->seed, prefix, strlen(prefix)) == 0;

		if (!o->seed)
			continue;
		if (o->type == OPTION_EXIT_REPLIES) {
			if (!add_exit_replies(seed, o))
				return false;
			continue;
		}
		snprintf(name, sizeof(name), "%s%s", has_prefix ? proto : "",
			 o->seed + (has_prefix ? strlen(prefix) : strlen("$")));
		if (!get(seed, name, &value) || !add_value(seed, o, name, value))
			return false;
	}
	return true;
}

static bool is_taken_over(const char *name)
{
	for (size_t i = 0; i < option_table_len; i++)
		if (option_table[i].seed && strcmp(option_table[i].seed + 1, name) == 0)
			return true;
	return false;
}

static bool note_foreign(struct seed *seed)
{
	struct config *config = seed->config;
	const char *value;

	config->foreign_variables = arena_alloc(&config->arena, sizeof(foreign_variables));
	if (!config->foreign_variables)
		return fail_memory(seed);
	for (size_t i = 0; i < FOREIGN_VARIABLES; i++) {
		if (is_taken_over(foreign_variables[i]))
			continue;
		if (!get(seed, foreign_variables[i], &value))
			return false;
		if (value)
			config->foreign_variables[config->foreign_variable_count++] = foreign_variables[i];
	}
	return true;
}

bool seed_read(struct config *config, const struct environment *environment, config_setting_t *group,
	       struct err *err)
{
	struct seed seed = { config, environment, group, err };
	const char *proto;

	return get_proto(&seed, &proto) && read_rows(&seed, proto) && note_foreign(&seed);
}

const char *seed_variable(const config_setting_t *setting)
{
	return config_setting_get_hook(setting);
}
