#include "front/checker.h"

#include "auth/checkpassword.h"
#include "base/log.h"
#include "conf/place.h"
#include "front/privileges.h"
#include "net/runner.h"

#include <stdlib.h>
#include <string.h>

static const char process_name[] = "smtpfrontd-auth";

static bool has_program(const struct auth_config *source)
{
	return source->type == AUTH_TYPE_CHECKPASSWORD;
}

bool checker_is_needed(const struct config *config)
{
	size_t i = 0;

	while (i < config->auth_count && !has_program(&config->auth[i]))
		i++;
	return i < config->auth_count && privileges_will_change(config);
}

static void log_end_of(void *owner, const char *how)
{
	(void)owner;
	log_text(LOG_LEVEL_ERROR, "trouble",
		 "%s, which runs the programs that check passwords, has ended (%s): they are not run any more, "
		 "and their users told 454, until the daemon is restarted", process_name, how);
}

static bool fork_runner(struct checker *c, struct loop *loop, const struct runner_program *programs, size_t count,
			struct err *err)
{
	const struct runner_options options = {
		.name = process_name, .loop = loop, .programs = programs, .program_count = count,
		.ended = log_end_of, .owner = c,
	};

	c->runner = runner_new(&options, err);
	if (!c->runner)
		return false;
	log_begin(LOG_LEVEL_NOTICE, NULL, "checker");
	log_u64("pid", (uint64_t)runner_pid(c->runner));
	log_u64("programs", count);
	log_end();
	return true;
}

bool checker_start(struct checker *c, struct loop *loop, struct config *config, struct err *err)
{
	struct runner_program *programs;
	size_t count = 0;
	bool ok;

	*c = (struct checker){ .is_apart = privileges_will_change(config), .config = config_get(config) };
	if (!checker_is_needed(config))
		return true;
	programs = calloc(config->auth_count, sizeof(*programs));
	if (!programs)
		return err_set(err, "out of memory");
	for (size_t i = 0; i < config->auth_count; i++)
		if (has_program(&config->auth[i]))
			auth_checkpassword_program(&programs[count++], config->auth[i].command.texts);
	ok = fork_runner(c, loop, programs, count, err);
	free(programs);
	return ok;
}

void checker_stop(struct checker *c)
{
	struct config *config = (struct config *)(uintptr_t)c->config;

	runner_free(&c->runner);
	config_put(&config);
	c->config = NULL;
}

static bool is_same_command(const struct text_list *a, const struct text_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->texts[i], b->texts[i]) != 0)
			return false;
	return true;
}

bool checker_find(const struct checker *c, const struct auth_config *source, unsigned *program, struct err *err)
{
	const struct config *config = c->config;

	*program = 0;
	for (size_t i = 0; i < config->auth_count; i++) {
		if (!has_program(&config->auth[i]))
			continue;
		if (is_same_command(&config->auth[i].command, &source->command))
			return true;
		++*program;
	}
	err_set(err,
		"needs a restart, because programs that check passwords run as root, and %s with these arguments was "
		"not among them when the daemon gave that up", source->command.texts[0]);
	return config_place_tell(err, config_place_of(OPTION_GROUP_AUTH, source->places, "command", source->place),
				 "command");
}
