#include "conf/reader_private.h"

#include "conf/name.h"

#include <stdarg.h>
#include <unistd.h>

bool reader_fail(struct reader *r, const config_setting_t *at, const char *format, ...)
{
	struct config_place place = reader_place(r, at);
	char text[sizeof(r->err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(r->err, "%s:%d: %s", place.file, place.line, text);
}

bool reader_fail_memory(struct reader *r)
{
	return err_set(r->err, "%s: out of memory", r->config->file);
}

struct config_place reader_place(const struct reader *r, const config_setting_t *setting)
{
	return source_place(r->source, (int)config_setting_source_line(setting));
}

const char *reader_type_name(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return "a group { }";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a number";
	case CONFIG_TYPE_FLOAT:
		return "a number with a fraction";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "an array [ ]";
	case CONFIG_TYPE_LIST:
		return "a list ( )";
	}
	return "nothing";
}

bool reader_is_list(const config_setting_t *setting)
{
	return config_setting_is_list(setting) || config_setting_is_array(setting);
}

static bool fail_unknown(struct reader *r, const config_setting_t *s, enum option_group group)
{
	const char *key = config_setting_name(s), *near = option_suggest(group, key);
	const char *elsewhere = option_find_elsewhere(key);
	const char *where = option_group_name(group);
	const char *in = group == OPTION_GROUP_TOP ? "at" : "in";

	if (elsewhere)
		return reader_fail(r, s, "the key \"%s\" does not go %s %s, but %s %s", key, in, where,
				   strcmp(elsewhere, option_group_name(OPTION_GROUP_TOP)) == 0 ? "at" : "in",
				   elsewhere);
	if (near)
		return reader_fail(r, s, "unknown key \"%.100s\" %s %s, did you mean \"%s\"?", key, in, where,
				   near);
	return reader_fail(r, s, "unknown key \"%.100s\" %s %s", key, in, where);
}

static bool check_keys(struct reader *r, const config_setting_t *group, enum option_group kind)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);

		if (!option_find(kind, config_setting_name(s)))
			return fail_unknown(r, s, kind);
	}
	return true;
}

/* Fill the fields of one scope from a group, those not given with their defaults. */
static bool read_fields(struct reader *r, const config_setting_t *group, enum option_scope scope, void *base,
			bool with_defaults)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		const config_setting_t *s =
			o->scope == scope ? config_setting_get_member(group, o->key) : NULL;
		void *field = (char *)base + o->offset;

		if (o->scope != scope || o->type >= OPTION_LISTENERS)
			continue;
		if (s && !reader_value(r, o, s, field))
			return false;
		if (!s && with_defaults)
			reader_default(o, field);
		if (s && config_setting_is_root(group))
			r->config->places[i] = reader_place(r, s);
	}
	return true;
}

static bool require(struct reader *r, const config_setting_t *group, enum option_scope scope,
		    const char *what)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];

		if (o->scope == scope && o->is_required && !o->backend_types &&
		    !config_setting_get_member(group, o->key))
			return reader_fail(r, group, "the key \"%s\" is missing in this %s", o->key, what);
	}
	return true;
}

static bool is_group(struct reader *r, const config_setting_t *s, const char *what)
{
	return config_setting_is_group(s) ||
	       reader_fail(r, s, "a %s must be a group { }, not %s", what, reader_type_name(s));
}

static bool read_listener(struct reader *r, const config_setting_t *s, size_t i)
{
	struct listener_config *listener = &r->config->listeners[i];

	listener->place = reader_place(r, s);
	listener->session = r->config->session;
	return is_group(r, s, "listener") && check_keys(r, s, OPTION_GROUP_LISTENERS) &&
	       require(r, s, OPTION_LISTENER, "listener") &&
	       read_fields(r, s, OPTION_LISTENER, listener, true) &&
	       read_fields(r, s, OPTION_SESSION, &listener->session, false);
}

static bool read_route(struct reader *r, const config_setting_t *s, size_t i)
{
	struct route_config *route = &r->config->routes[i];

	route->place = reader_place(r, s);
	return is_group(r, s, "route") && check_keys(r, s, OPTION_GROUP_ROUTES) &&
	       require(r, s, OPTION_ROUTE, "route") && read_fields(r, s, OPTION_ROUTE, route, true);
}

/* A backend's type decides which keys it must have and which it may not have. */
static bool check_backend(struct reader *r, const config_setting_t *s, enum backend_type type)
{
	const char *name = option_backend_type_name(type);

	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		const config_setting_t *given =
			o->scope == OPTION_BACKEND ? config_setting_get_member(s, o->key) : NULL;
		bool is_its = o->backend_types >> type & 1;

		if (given && !is_its)
			return reader_fail(r, given,
					   "the key \"%s\" does not go with a backend of type \"%s\"", o->key,
					   name);
		if (o->scope == OPTION_BACKEND && is_its && o->is_required && !given)
			return reader_fail(r, s,
					   "the key \"%s\" is missing in backend \"%.100s\" of type \"%s\"",
					   o->key, config_setting_name(s), name);
	}
	return true;
}

static bool read_backend(struct reader *r, const config_setting_t *s, size_t i)
{
	struct backend_config *backend = &r->config->backends[i];

	backend->place = reader_place(r, s);
	if (!is_group(r, s, "backend") || !check_keys(r, s, OPTION_GROUP_BACKENDS))
		return false;
	if (!config_setting_get_member(s, "type"))
		return reader_fail(r, s, "the key \"type\" is missing in backend \"%.100s\"",
				   config_setting_name(s));
	backend->name = arena_dup(&r->config->arena, span_str(config_setting_name(s)));
	if (!backend->name)
		return reader_fail_memory(r);
	return read_fields(r, s, OPTION_BACKEND, backend, true) && check_backend(r, s, backend->type);
}

/* The keys whose values are groups: a list of them, or a group of named ones. */
struct group_reader {
	const char *key, *example;
	bool is_named;
	bool (*read)(struct reader *r, const config_setting_t *s, size_t i);
};

/* Fill the array that alloc_groups() made; *count tells how many there are so far. */
static bool read_groups(struct reader *r, const config_setting_t *root, const struct group_reader *g,
			size_t *count)
{
	const config_setting_t *s = config_setting_get_member(root, g->key);
	int length;

	if (!s)
		return true;
	if (g->is_named ? !config_setting_is_group(s) : !reader_is_list(s))
		return reader_fail(r, s, "%s: must be %s, not %s", g->key, g->example, reader_type_name(s));
	length = config_setting_length(s);
	for (int i = 0; i < length; i++, (*count)++)
		if (!g->read(r, config_setting_get_elem(s, (unsigned)i), (size_t)i))
			return false;
	return true;
}

static const struct group_reader backend_groups = {
	.key = "backends", .is_named = true, .read = read_backend,
	.example = "a group of named groups such as { inbox = { type = \"maildir\"; ... }; }",
};
static const struct group_reader route_groups = {
	.key = "routes",
	.read = read_route,
	.example = "a list of groups such as ( { backend = \"inbox\"; } )",
};
static const struct group_reader listener_groups = {
	.key = "listeners", .read = read_listener,
	.example = "a list of groups such as ( { listen = \"[::]:25\"; } )",
};

/* Memory for what a key holds, at least one of it. */
static void *alloc_groups(struct reader *r, const config_setting_t *root, const char *key, size_t size)
{
	const config_setting_t *s = config_setting_get_member(root, key);
	int length = s ? config_setting_length(s) : 0;

	return arena_alloc(&r->config->arena, size * (length > 0 ? (size_t)length : 1));
}

static bool read_all_groups(struct reader *r, const config_setting_t *root)
{
	struct config *config = r->config;

	config->backends = alloc_groups(r, root, "backends", sizeof(*config->backends));
	config->routes = alloc_groups(r, root, "routes", sizeof(*config->routes));
	config->listeners = alloc_groups(r, root, "listeners", sizeof(*config->listeners));
	if (!config->backends || !config->routes || !config->listeners)
		return reader_fail_memory(r);
	return read_groups(r, root, &backend_groups, &config->backend_count) &&
	       read_groups(r, root, &route_groups, &config->route_count) &&
	       read_groups(r, root, &listener_groups, &config->listener_count);
}

/* One backend and no routes: everything goes there. */
static bool default_route(struct reader *r)
{
	struct config *config = r->config;

	if (config->route_count)
		return true;
	if (config->backend_count > 1)
		return err_set(r->err,
			       "%s: there are several backends, but no routes to say which takes what",
			       config->file);
	config->routes[0] = (struct route_config){ NULL, &config->backends[0], config->backends[0].place };
	config->route_count = 1;
	return true;
}

static bool default_hostname(struct reader *r)
{
	char name[256] = "";
	const char *wrong;

	if (r->config->hostname)
		return true;
	if (gethostname(name, sizeof(name) - 1) < 0)
		return err_set_errno(r->err, "%s: hostname is not given, and the machine's name is not known",
				     r->config->file);
	wrong = name_check_hostname(span_str(name));
	if (wrong)
		return err_set(r->err, "%s: hostname is not given, and the machine's name \"%s\" %s",
			       r->config->file, name, wrong);
	r->config->hostname = arena_dup(&r->config->arena, span_str(name));
	return r->config->hostname || reader_fail_memory(r);
}

static bool read_root(struct reader *r, const config_setting_t *root)
{
	struct config *config = r->config;

	if (!check_keys(r, root, OPTION_GROUP_TOP) || !read_fields(r, root, OPTION_GLOBAL, config, true) ||
	    !read_fields(r, root, OPTION_SESSION, &config->session, true) || !default_hostname(r) ||
	    !read_all_groups(r, root))
		return false;
	if (config->backend_count == 0)
		return err_set(r->err, "%s: there are no backends, so there is nowhere to put messages",
			       config->file);
	if (config->listener_count == 0)
		return err_set(r->err, "%s: there are no listeners, so there is nothing to do", config->file);
	return default_route(r);
}

/* How many keys are given values on a line; *last is the last of them. */
static unsigned keys_on_line(struct span line, struct span *last)
{
	struct lexer lexer;
	struct token t = { 0 }, before;
	unsigned count = 0;

	lexer_init(&lexer, line);
	do {
		before = t;
		t = lexer_next(&lexer);
		if (before.type != TOKEN_WORD || t.type != TOKEN_SIGN || !strchr("=:", t.text.ptr[0]))
			continue;
		*last = before.text;
		count++;
	} while (t.type != TOKEN_END && t.type != TOKEN_BAD);
	return count;
}

/* libconfig's "duplicate setting name" does not tell which; its line often does. */
static bool fail_parse(struct reader *r, const config_t *tree)
{
	struct config_place place = source_place(r->source, config_error_line(tree));
	const char *text = config_error_text(tree);
	struct span key;

	if (strncmp(text, "duplicate", strlen("duplicate")) != 0)
		return err_set(r->err, "%s:%d: %s", place.file, place.line, text);
	if (keys_on_line(source_line(r->source, config_error_line(tree)), &key) != 1)
		return err_set(r->err, "%s:%d: a key stands here that was given before", place.file,
			       place.line);
	return err_set(r->err, "%s:%d: the key \"%.*s\" is given twice", place.file, place.line,
		       (int)span_head(key, 100).len, key.ptr);
}

bool reader_read(struct config *config, const struct source *source, struct err *err)
{
	struct reader r = { config, source, err };
	config_t tree;
	bool ok;

	config->places = arena_alloc(&config->arena, option_table_len * sizeof(*config->places));
	if (!config->places)
		return reader_fail_memory(&r);
	config_init(&tree);
	ok = config_read_string(&tree, buf_span(&source->text).ptr)
		     ? read_root(&r, config_root_setting(&tree))
		     : fail_parse(&r, &tree);
	config_destroy(&tree);
	return ok;
}
