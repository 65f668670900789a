/* What a backend runs: its command, arguments and environment. */
#include "backend/pipe_private.h"

#include <stdio.h>
#include <stdlib.h>

static const char usual_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
static const char qmail_queue_path[] = "/var/qmail/bin/qmail-queue";
static const char sendmail_path[] = "/usr/sbin/sendmail";

/* Variables that each message has of its own, and the NULL. */
enum { OWN_VARIABLES = 7, VARIABLE_SIZE = 512 };

/* ---- what holds for all messages ---- */

static const char *usual_command(enum backend_pipe_kind kind)
{
	return kind == BACKEND_PIPE_QMAIL_QUEUE ? qmail_queue_path : sendmail_path;
}

bool backend_pipe_inspect(const struct backend_pipe_options *o, struct err *err)
{
	struct backend_answer answer;

	pipe_program_look(o->command_count ? o->command[0] : usual_command(o->kind), &answer);
	return !smtp_reply_is_error(&answer.reply) || err_set(err, "%s", answer.detail);
}

static bool keep_command(struct pipe_program *p, const struct backend_pipe_options *o)
{
	size_t count = o->command_count ? o->command_count : 1;
	const char **command = arena_alloc(&p->arena, count * sizeof(*command));

	if (!command)
		return false;
	command[0] = usual_command(o->kind);
	for (size_t i = 0; i < o->command_count; i++) {
		command[i] = arena_dup(&p->arena, span_str(o->command[i]));
		if (!command[i])
			return false;
	}
	p->command = command;
	p->command_count = count;
	return true;
}

/* "NAME" with the value that we have; NULL: we have none, or out of memory, which *is_kept tells apart. */
static const char *inherit(struct pipe_program *p, const char *name, bool *is_kept)
{
	const char *value = getenv(name);
	size_t size = strlen(name) + 1 + (value ? strlen(value) : 0) + 1;
	char *variable;

	if (!value)
		return NULL;
	variable = arena_alloc(&p->arena, size);
	*is_kept = *is_kept && variable;
	if (variable)
		snprintf(variable, size, "%s=%s", name, value);
	return variable;
}

static bool keep_environment(struct pipe_program *p, const struct backend_pipe_options *o)
{
	const char **variables = arena_alloc(&p->arena, (o->environment_count + 1) * sizeof(*variables));
	bool has_path = false, is_kept = variables != NULL;
	size_t count = 0;

	for (size_t i = 0; is_kept && i < o->environment_count; i++) {
		const char *text = o->environment[i], *variable;

		if (!strchr(text, '=')) {
			variable = inherit(p, text, &is_kept);
		} else {
			variable = arena_dup(&p->arena, span_str(text));
			is_kept = variable != NULL;
		}
		if (variable)
			variables[count++] = variable;
		has_path = has_path || (variable && strncmp(variable, "PATH=", 5) == 0);
	}
	if (is_kept && !has_path)
		variables[count++] = usual_path;
	p->environment = variables;
	p->environment_count = count;
	return is_kept;
}

struct pipe_program *pipe_program_new(const struct backend_pipe_options *o)
{
	struct pipe_program *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->references = 1;
	p->kind = o->kind;
	p->timeout_ms = o->timeout_ms;
	p->max_running = o->max_children;
	p->loop = o->loop;
	p->disk = o->disk;
	list_init(&p->waiting);
	p->name = arena_dup(&p->arena, span_str(o->name));
	p->group = child_group_new(o->loop, o->disk, o->max_children, 0, NULL);
	if (!p->name || !p->group || !keep_command(p, o) || !keep_environment(p, o) ||
	    !pipe_replies_keep(p, o))
		pipe_program_put(&p);
	return p;
}

struct pipe_program *pipe_program_get(struct pipe_program *program)
{
	program->references++;
	return program;
}

void pipe_program_put(struct pipe_program **program)
{
	struct pipe_program *p = *program;

	*program = NULL;
	if (!p || --p->references)
		return;
	child_group_free(&p->group);
	arena_fini(&p->arena);
	free(p);
}

/* ---- one message ---- */

static const char *address_text(struct arena *arena, const struct smtp_address *address)
{
	struct buf text = { 0 };
	const char *copy = NULL;

	if (smtp_address_is_null(address) ? buf_add_str(&text, "<>") : smtp_address_write(&text, address))
		copy = arena_dup(arena, buf_span(&text));
	buf_fini(&text);
	return copy;
}

/* sendmail(8): -i, a single dot ends nothing; -f, the sender; behind "--" nothing is an option. */
static bool add_sendmail_arguments(const char **argv, size_t count, const struct backend_message *m,
				   struct arena *arena)
{
	bool is_kept;

	argv[count++] = "-i";
	argv[count++] = "-f";
	argv[count] = address_text(arena, m->mail->sender);
	is_kept = argv[count++] != NULL;
	argv[count++] = "--";
	for (size_t i = 0; is_kept && i < m->recipient_count; i++) {
		argv[count] = address_text(arena, m->recipients[i].address);
		is_kept = argv[count++] != NULL;
	}
	return is_kept;
}

const char **pipe_program_argv(const struct pipe_program *p, const struct backend_message *m,
			       struct arena *arena)
{
	bool is_sendmail = p->kind == BACKEND_PIPE_SENDMAIL;
	size_t most = p->command_count + (is_sendmail ? 4 + m->recipient_count : 0) + 1;
	const char **argv = arena_alloc(arena, most * sizeof(*argv));

	if (!argv)
		return NULL;
	memcpy(argv, p->command, p->command_count * sizeof(*argv));
	if (is_sendmail && !add_sendmail_arguments(argv, p->command_count, m, arena))
		return NULL;
	return argv;
}

/* Names of users come from outside; what could not be written in one line is left out. */
static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* False: out of memory. */
static bool add_variable(const char **envp, size_t *count, struct arena *arena, const char *name,
			 const char *value)
{
	char text[VARIABLE_SIZE];

	if (!value || !is_printable(value))
		return true;
	snprintf(text, sizeof(text), "%s=%s", name, value);
	envp[*count] = arena_dup(arena, span_str(text));
	return envp[(*count)++] != NULL;
}

/* Who brings the message, as tcpserver and its like tell it to what they run. */
static bool add_client(const char **envp, size_t *count, struct arena *arena, const struct backend_mail *mail)
{
	char ip[ADDR_TEXT_SIZE], port[8];

	if (!mail->client || mail->client->family == ADDR_NONE)
		return true;
	addr_format_ip(mail->client, ip);
	snprintf(port, sizeof(port), "%u", mail->client->port);
	return add_variable(envp, count, arena, "PROTO", "TCP") &&
	       add_variable(envp, count, arena, "TCPREMOTEIP", ip) &&
	       add_variable(envp, count, arena, "TCPREMOTEPORT", port);
}

const char **pipe_program_envp(const struct pipe_program *p, const struct backend_mail *mail,
			       struct arena *arena)
{
	size_t count = p->environment_count;
	const char **envp = arena_alloc(arena, (count + OWN_VARIABLES) * sizeof(*envp));

	if (!envp)
		return NULL;
	memcpy(envp, p->environment, count * sizeof(*envp));
	if (!add_client(envp, &count, arena, mail) ||
	    !add_variable(envp, &count, arena, "TCPREMOTEINFO", mail->user) ||
	    !add_variable(envp, &count, arena, "SMTPFRONTD_MESSAGE_ID", mail->message_id))
		return NULL;
	return envp;
}
