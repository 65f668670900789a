#include "conf/config.h"

#include "conf/lint.h"
#include "conf/reader.h"

#include <stdlib.h>

static struct config *config_new(const char *file, struct err *err)
{
	struct config *config = malloc(sizeof(*config));

	if (config) {
		*config = (struct config){ .references = 1 };
		config->file = arena_dup(&config->arena, span_str(file));
	}
	if (config && config->file)
		return config;
	err_set(err, "%s: out of memory", file);
	free(config);
	return NULL;
}

/* Takes the source, read or not, and the configuration; gives back what came of them. */
static struct config *finish(struct config *config, struct source *source, bool is_read,
			     const struct environment *environment, struct err *err)
{
	bool ok = is_read && reader_read(config, source, environment, err) && lint_check(config, err);

	source_fini(source);
	if (!ok)
		config_put(&config);
	return config;
}

struct config *config_load(const char *file, const struct environment *environment, struct err *err)
{
	struct config *config = config_new(file, err);
	struct source source;
	bool is_read;

	if (!config)
		return NULL;
	is_read = source_read(&source, &config->arena, file, err);
	return finish(config, &source, is_read, environment, err);
}

struct config *config_load_text(const char *name, struct span text, const struct environment *environment,
				struct err *err)
{
	struct config *config = config_new(name, err);
	struct source source;
	bool is_read;

	if (!config)
		return NULL;
	is_read = source_read_text(&source, &config->arena, name, text, err);
	return finish(config, &source, is_read, environment, err);
}

bool config_runs_set_id(const struct config *config, bool are_checks_apart)
{
	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *b = &config->backends[i];

		if ((b->type == BACKEND_QMAIL_QUEUE || b->type == BACKEND_SENDMAIL) && b->pipe.set_id)
			return true;
	}
	for (size_t i = 0; i < config->auth_count; i++) {
		const struct auth_config *a = &config->auth[i];

		bool is_ours = a->type == AUTH_TYPE_PAM || (a->type == AUTH_TYPE_CHECKPASSWORD && !are_checks_apart);

		if (is_ours && a->set_id)
			return true;
	}
	return false;
}

struct config *config_get(struct config *config)
{
	config->references++;
	return config;
}

void config_put(struct config **config)
{
	struct config *c = *config;

	*config = NULL;
	if (!c || --c->references)
		return;
	arena_fini(&c->arena);
	free(c);
}
