#include "conf/reader_private.h"

#include "conf/duplicate.h"
#include "conf/name.h"
#include "conf/seed.h"

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
	if (place.line == 0)
		return err_set(r->err, "%s: %s", place.file, text);
	return err_set(r->err, "%s:%d: %s", place.file, place.line, text);
}

bool reader_fail_memory(struct reader *r)
{
	return err_set(r->err, "%s: out of memory", r->config->file);
}

struct config_place reader_place(const struct reader *r, const config_setting_t *setting)
{
	const char *variable = seed_variable(setting);

	if (variable)
		return (struct config_place){ variable, 0 };
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

/* Fill the fields of one scope that are given in a group, and note where each stands. */
static bool read_fields(struct reader *r, const config_setting_t *group, enum option_scope scope, void *base,
			struct config_place *places)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		const config_setting_t *s =
			o->scope == scope ? config_setting_get_member(group, o->key) : NULL;
		void *field = (char *)base + o->offset;

		if (o->scope != scope || o->type >= OPTION_LISTENERS)
			continue;
		if (!s)
			continue;
		if (!reader_value(r, o, s, field))
			return false;
		places[i] = reader_place(r, s);
	}
	return true;
}

static void set_defaults(enum option_scope scope, void *base)
{
	for (size_t i = 0; i < option_table_len; i++)
		if (option_table[i].scope == scope)
			reader_default(&option_table[i], (char *)base + option_table[i].offset);
}

/* Nothing stands anywhere yet. NULL: out of memory, reported. */
static struct config_place *new_places(struct reader *r)
{
	struct config_place *places = arena_alloc(&r->config->arena, option_table_len * sizeof(*places));

	if (!places)
		reader_fail_memory(r);
	return places;
}

static bool require(struct reader *r, const config_setting_t *group, enum option_scope scope,
		    const char *what)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];

		if (o->scope == scope && o->is_required && !o->backend_types && !o->auth_types &&
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

bool reader_group(struct reader *r, const config_setting_t *s, enum option_group group,
		  enum option_scope scope, const char *what, void *base, struct config_place *places)
{
	set_defaults(scope, base);
	return is_group(r, s, what) && check_keys(r, s, group) && require(r, s, scope, what) &&
	       read_fields(r, s, scope, base, places);
}

static bool read_listener(struct reader *r, const config_setting_t *s, size_t i)
{
	struct listener_config *listener = &r->config->listeners[i];
	struct config_place *places = new_places(r);

	if (!places)
		return false;
	memcpy(places, r->config->places, option_table_len * sizeof(*places));
	listener->place = reader_place(r, s);
	listener->places = places;
	listener->session = r->config->session;
	set_defaults(OPTION_LISTENER, listener);
	return is_group(r, s, "listener") && check_keys(r, s, OPTION_GROUP_LISTENERS) &&
	       require(r, s, OPTION_LISTENER, "listener") &&
	       read_fields(r, s, OPTION_LISTENER, listener, places) &&
	       read_fields(r, s, OPTION_SESSION, &listener->session, places);
}

static bool read_route(struct reader *r, const config_setting_t *s, size_t i)
{
	struct route_config *route = &r->config->routes[i];
	struct config_place *places = new_places(r);

	if (!places)
		return false;
	route->place = reader_place(r, s);
	route->places = places;
	set_defaults(OPTION_ROUTE, route);
	return is_group(r, s, "route") && check_keys(r, s, OPTION_GROUP_ROUTES) &&
	       require(r, s, OPTION_ROUTE, "route") && read_fields(r, s, OPTION_ROUTE, route, places);
}

static bool is_given(const config_setting_t *group, const char *key)
{
	return config_setting_get_member(group, key) != NULL;
}

/* False: neither address nor name says whom the rule is for. */
static bool note_given(struct client_config *client, const config_setting_t *s)
{
	client->has_bare_newline = is_given(s, "bare_newline");
	client->has_relayclient = is_given(s, "relayclient");
	client->has_require_auth = is_given(s, "require_auth");
	client->has_tls_required = is_given(s, "tls_required");
	client->has_max_sessions = is_given(s, "max_sessions");
	client->has_max_sessions_per_minute = is_given(s, "max_sessions_per_minute");
	client->has_rates = is_given(s, "rates");
	return client->addresses.count || client->names.count;
}

static bool read_client(struct reader *r, const config_setting_t *s, size_t i)
{
	struct client_config *client = &r->config->clients[i];
	struct config_place *places = new_places(r);

	if (!places)
		return false;
	client->place = reader_place(r, s);
	client->places = places;
	set_defaults(OPTION_CLIENT, client);
	if (!is_group(r, s, "rule of clients") || !check_keys(r, s, OPTION_GROUP_CLIENTS) ||
	    !require(r, s, OPTION_CLIENT, "rule of clients") ||
	    !read_fields(r, s, OPTION_CLIENT, client, places))
		return false;
	return note_given(client, s) ||
	       reader_fail(r, s, "a rule of clients must have an \"address\" or a \"name\"");
}

static bool read_rates(struct reader *r, const config_setting_t *s, size_t i)
{
	struct rates_config *rates = &r->config->rates[i];
	struct config_place *places = new_places(r);

	if (!places)
		return false;
	rates->place = reader_place(r, s);
	rates->places = places;
	return reader_group(r, s, OPTION_GROUP_RATES, OPTION_RATES_ROW, "group of rates", rates, places);
}

static bool read_recipient_map(struct reader *r, const config_setting_t *s, size_t i)
{
	struct recipient_map_config *map = &r->config->recipient_maps[i];
	struct config_place *places = new_places(r);

	if (!places)
		return false;
	map->place = reader_place(r, s);
	map->places = places;
	return reader_group(r, s, OPTION_GROUP_RECIPIENT_MAPS, OPTION_RECIPIENT_MAP, "map of recipients", map,
			    places);
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
	struct config_place *places = new_places(r);

	if (!places)
		return false;
	backend->place = reader_place(r, s);
	backend->places = places;
	if (!is_group(r, s, "backend") || !check_keys(r, s, OPTION_GROUP_BACKENDS))
		return false;
	if (!config_setting_get_member(s, "type"))
		return reader_fail(r, s, "the key \"type\" is missing in backend \"%.100s\"",
				   config_setting_name(s));
	backend->name = arena_dup(&r->config->arena, span_str(config_setting_name(s)));
	if (!backend->name)
		return reader_fail_memory(r);
	set_defaults(OPTION_BACKEND, backend);
	return read_fields(r, s, OPTION_BACKEND, backend, places) && check_backend(r, s, backend->type);
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

static const struct group_reader client_groups = {
	.key = "clients",
	.read = read_client,
	.example = "a list of groups such as ( { address = \"192.0.2.0/24\"; ... } )",
};

static const struct group_reader auth_groups = {
	.key = "auth",
	.read = reader_auth,
	.example = "a list of groups such as ( { type = \"file\"; path = \"/etc/smtpfrontd/passwd\"; } )",
};
static const struct group_reader rates_groups = {
	.key = "rates",
	.read = read_rates,
	.example = "a list of groups such as ( { per = \"user\"; messages = \"100/h\"; } )",
};

static const struct group_reader recipient_map_groups = {
	.key = "recipient_maps",
	.read = read_recipient_map,
	.example = "a list of groups such as ( { domain = \"example.org\"; ... } )",
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
	config->clients = alloc_groups(r, root, "clients", sizeof(*config->clients));
	config->auth = alloc_groups(r, root, "auth", sizeof(*config->auth));
	config->rates = alloc_groups(r, root, "rates", sizeof(*config->rates));
	config->recipient_maps = alloc_groups(r, root, "recipient_maps", sizeof(*config->recipient_maps));
	if (!config->backends || !config->routes || !config->listeners || !config->clients || !config->rates ||
	    !config->auth ||
	    !config->recipient_maps)
		return reader_fail_memory(r);
	return read_groups(r, root, &backend_groups, &config->backend_count) &&
	       read_groups(r, root, &route_groups, &config->route_count) &&
	       read_groups(r, root, &listener_groups, &config->listener_count) &&
	       read_groups(r, root, &client_groups, &config->client_count) &&
	       read_groups(r, root, &auth_groups, &config->auth_count) &&
	       read_groups(r, root, &rates_groups, &config->rates_count) &&
	       read_groups(r, root, &recipient_map_groups, &config->recipient_map_count);
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
	config->routes[0].backend = &config->backends[0];
	config->routes[0].place = config->backends[0].place;
	config->routes[0].places = new_places(r);
	config->route_count = 1;
	return config->routes[0].places != NULL;
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

/* What is above all groups, and what they start from: the file, and the variables over it. */
static bool read_top(struct reader *r, const config_setting_t *root, const config_setting_t *variables)
{
	struct config *config = r->config;
	struct config_place *places = new_places(r);

	if (!places)
		return false;
	config->places = places;
	set_defaults(OPTION_GLOBAL, config);
	set_defaults(OPTION_SESSION, &config->session);
	return check_keys(r, root, OPTION_GROUP_TOP) && read_fields(r, root, OPTION_GLOBAL, config, places) &&
	       read_fields(r, root, OPTION_SESSION, &config->session, places) &&
	       read_fields(r, variables, OPTION_GLOBAL, config, places) &&
	       read_fields(r, variables, OPTION_SESSION, &config->session, places) && default_hostname(r);
}

static bool read_root(struct reader *r, const config_setting_t *root, const config_setting_t *variables)
{
	struct config *config = r->config;

	if (!read_top(r, root, variables) || !read_all_groups(r, root))
		return false;
	if (config->backend_count == 0)
		return err_set(r->err, "%s: there are no backends, so there is nowhere to put messages",
			       config->file);
	if (config->listener_count == 0)
		return err_set(r->err, "%s: there are no listeners, so there is nothing to do", config->file);
	return default_route(r);
}

/* libconfig's "duplicate setting name" does not tell which. */
static bool fail_parse(struct reader *r, const config_t *tree)
{
	int line = config_error_line(tree);
	struct config_place place = source_place(r->source, line);
	const char *text = config_error_text(tree);
	struct span key;

	if (strncmp(text, "duplicate", strlen("duplicate")) != 0)
		return err_set(r->err, "%s:%d: %s", place.file, place.line, text);
	if (!duplicate_find(buf_span(&r->source->text), line, &key))
		return err_set(r->err, "%s:%d: a key stands here that was given before", place.file,
			       place.line);
	return err_set(r->err, "%s:%d: the key \"%.*s\" is given twice", place.file, place.line,
		       (int)span_head(key, 100).len, key.ptr);
}

static bool read_trees(struct reader *r, config_t *file, config_t *variables,
		       const struct environment *environment)
{
	config_setting_t *group = config_root_setting(variables);

	if (!config_read_string(file, buf_span(&r->source->text).ptr))
		return fail_parse(r, file);
	if (environment && !seed_read(r->config, environment, group, r->err))
		return false;
	return read_root(r, config_root_setting(file), group);
}

bool reader_read(struct config *config, const struct source *source, const struct environment *environment,
		 struct err *err)
{
	struct reader r = { config, source, err };
	config_t file, variables;
	bool ok;

	config_init(&file);
	config_init(&variables);
	ok = read_trees(&r, &file, &variables, environment);
	config_destroy(&variables);
	config_destroy(&file);
	return ok;
}
