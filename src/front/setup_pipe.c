#include "front/setup_pipe.h"

#include "backend/pipe.h"
#include "front/server.h"

static bool is_pipe(const struct backend_config *b)
{
	return b->type == BACKEND_QMAIL_QUEUE || b->type == BACKEND_SENDMAIL;
}

static struct backend_pipe_options options_of(const struct backend_config *b)
{
	return (struct backend_pipe_options){
		.name = b->name,
		.kind = b->type == BACKEND_SENDMAIL ? BACKEND_PIPE_SENDMAIL : BACKEND_PIPE_QMAIL_QUEUE,
		.command = b->pipe.command.texts,
		.command_count = b->pipe.command.count,
		.environment = b->pipe.environment.texts,
		.environment_count = b->pipe.environment.count,
		.timeout_ms = 1000ULL * b->pipe.timeout_s,
		.max_children = b->pipe.max_children,
	};
}

bool setup_pipe_inspect(const struct backend_config *b, struct err *err)
{
	const struct backend_pipe_options options = options_of(b);

	return !is_pipe(b) || backend_pipe_inspect(&options, err);
}

struct backend *setup_pipe_new(struct server *server, const struct backend_config *b, struct err *err)
{
	struct backend_pipe_options options = options_of(b);

	options.loop = server->loop;
	options.disk = server->disk;
	return backend_pipe_new(&options, err);
}

uint64_t setup_pipe_descriptors(const struct config *config)
{
	uint64_t count = 0;

	for (size_t i = 0; i < config->backend_count; i++)
		if (is_pipe(&config->backends[i]))
			count += (uint64_t)config->backends[i].pipe.max_children * BACKEND_PIPE_FDS;
	return count;
}
