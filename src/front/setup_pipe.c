#include "front/setup_pipe.h"

#include "backend/pipe.h"
#include "base/bug.h"
#include "conf/exit_reply.h"
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

static size_t parse_replies(struct backend_pipe_reply *replies, const struct text_list *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		struct exit_reply parsed;

		BUG_ON(exit_reply_parse(&parsed, span_str(texts->texts[i])) != NULL);
		replies[i] = (struct backend_pipe_reply){ parsed.exit_code, parsed.status, parsed.text };
	}
	return texts->count;
}

struct backend *setup_pipe_new(struct server *server, const struct config *config,
			       const struct backend_config *b, struct err *err)
{
	/* The reader has seen that each list has a code once. */
	struct backend_pipe_reply replies[2 * EXIT_REPLY_CODE_MAX];
	struct backend_pipe_options options = options_of(b);

	options.loop = server->loop;
	options.disk = server->disk;
	if (b->type == BACKEND_QMAIL_QUEUE) {
		options.replies = replies;
		options.reply_count = parse_replies(replies, &b->pipe.replies);
		options.reply_count += parse_replies(replies + options.reply_count, &config->qmail_queue_replies);
	}
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
