#include "auth/checkpassword.h"

#include "auth/auth.h"
#include "net/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGE_MAX = 512, /* that programs of this interface must take */
	MESSAGE_FD = 3,
	SAID_FD = 2,
	SAID_MAX = 128,
	WAITING_PER_CHILD = 10,
	EXIT_WRONG = 1,
};

/* Who wants to log in, as tcpserver and its like tell it to what they run; and the client's address. */
static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PROTO=TCP", "SERVICE=smtp", NULL,
};
static const char client_variable[] = "TCPREMOTEIP=";

struct checkpassword {
	struct auth_source source;
	const char *const *command;
	uint64_t timeout_ms;
	struct child_group *group; /* owned */
	char name[];
};

struct checkpassword_run {
	struct child_run run;
	struct auth_check *check;
	struct buf said; /* by the program, for the log */
	char user[AUTH_USER_MAX + 1];
};

static const struct auth_mechanism *mechanisms(struct auth_source *source, const struct auth_channel *channel,
					       size_t *count)
{
	static const struct auth_mechanism passwords[] = {
		{ "PLAIN", AUTH_REACH_USERS }, { "LOGIN", AUTH_REACH_USERS }
	};

	(void)source;
	(void)channel;
	*count = sizeof(passwords) / sizeof(passwords[0]);
	return passwords;
}

static void run_free(struct checkpassword_run *r)
{
	buf_fini(&r->said);
	free(r);
}

static void cancel(struct op *op)
{
	struct checkpassword_run *r = op->work;

	op_cancel(&r->run.op);
	run_free(r);
}

/* The first line of what it said. */
static void answer_trouble(struct auth_answer *answer, const struct checkpassword_run *r)
{
	struct span said = buf_span(&r->said);
	struct span line = span_trim(span_head(said, span_find(said, '\n')));

	const char *reason = r->run.end == CHILD_NO_ROOM ? "busy" : "program";

	auth_answer_set(answer, AUTH_UNAVAILABLE, reason, "%s%s%.*s", r->run.failure, line.len ? ": " : "",
			(int)line.len, line.ptr);
}

static void done(struct op *op)
{
	struct checkpassword_run *r = op->owner;
	struct auth_check *check = r->check;
	struct auth_answer *answer = &check->answer;

	auth_answer_name(answer, span_str(r->user));
	if (r->run.end != CHILD_EXITED)
		answer_trouble(answer, r);
	else if (r->run.status == EXIT_WRONG)
		auth_answer_set(answer, AUTH_WRONG, "wrong_password", NULL);
	else if (r->run.status != 0)
		answer_trouble(answer, r);
	else if (!r->run.has_read_all)
		auth_answer_set(answer, AUTH_UNAVAILABLE, "program", "it said yes without the password");
	else
		auth_answer_set(answer, AUTH_OK, NULL, NULL);
	run_free(r);
	op_finish(&check->op);
}

/* "user NUL password NUL time NUL"; 0: more than a program must take. */
static size_t write_message(char message[MESSAGE_MAX], const struct auth_credentials *c)
{
	int len = snprintf(message, MESSAGE_MAX, "%s%c%s%c%lld", c->user, 0, c->password, 0,
			   (long long)time(NULL));

	return len > 0 && len < MESSAGE_MAX ? (size_t)len + 1 : 0;
}

static void run_start(struct checkpassword *s, struct checkpassword_run *r,
		      const struct auth_channel *channel, struct span message)
{
	char ip[ADDR_TEXT_SIZE], client[sizeof(client_variable) + ADDR_TEXT_SIZE];
	const struct child_fd fds[] = {
		{ .number = MESSAGE_FD, .kind = CHILD_FD_BYTES, .bytes = message },
		{ .number = SAID_FD, .kind = CHILD_FD_OUTPUT, .output = &r->said, .output_max = SAID_MAX },
	};
	const struct child_plan plan = {
		.argv = s->command, .envp = environment, .variable = client,
		.fds = fds, .fd_count = sizeof(fds) / sizeof(fds[0]), .timeout_ms = s->timeout_ms,
	};

	snprintf(client, sizeof(client), "%s%s", client_variable, addr_format_ip(channel->client, ip));
	r->run.op = (struct op){ .done = done, .owner = r };
	child_start(&r->run, s->group, &plan);
}

static bool check_start(struct auth_source *source, struct auth_check *check,
			const struct auth_credentials *c)
{
	struct checkpassword *s = LIST_OWNER(source, struct checkpassword, source);
	char message[MESSAGE_MAX];
	size_t len = write_message(message, c);
	struct checkpassword_run *r = len ? calloc(1, sizeof(*r)) : NULL;

	auth_answer_name(&check->answer, span_str(c->user));
	if (!r) {
		explicit_bzero(message, sizeof(message));
		return len ? auth_answer_set(&check->answer, AUTH_UNAVAILABLE, "no_memory", NULL)
			   : auth_answer_set(&check->answer, AUTH_WRONG, "too_long", NULL);
	}
	r->check = check;
	snprintf(r->user, sizeof(r->user), "%s", c->user);
	run_start(s, r, c->channel, span_of(message, len));
	explicit_bzero(message, sizeof(message));
	op_begin(&check->op, cancel, r);
	return true;
}

static void checkpassword_free(struct auth_source *source)
{
	struct checkpassword *s = LIST_OWNER(source, struct checkpassword, source);

	child_group_free(&s->group);
	free(s);
}

static const struct auth_source_ops checkpassword_ops = {
	.type = "checkpassword",
	.mechanisms = mechanisms,
	.check_start = check_start,
	.free = checkpassword_free,
};

bool auth_checkpassword_inspect(const char *program, struct err *err)
{
	return access(program, X_OK) == 0 || err_set_errno(err, "%s", program);
}

void auth_checkpassword_program(struct runner_program *program, const char *const *command)
{
	*program = (struct runner_program){
		.argv = command, .envp = environment, .variable = client_variable,
		.fd_count = 2, .fds = { MESSAGE_FD, SAID_FD },
	};
}

static struct child_group *new_group(const struct auth_checkpassword_options *o, struct err *err)
{
	const unsigned max_waiting = WAITING_PER_CHILD * o->max_children;

	if (o->runner)
		return child_group_new_apart(o->loop, o->runner, o->program, o->max_children, max_waiting, err);
	return child_group_new(o->loop, o->pool, o->max_children, max_waiting, err);
}

struct auth_source *auth_checkpassword_new(const struct auth_checkpassword_options *o, struct err *err)
{
	size_t name_size = strlen("checkpassword:") + strlen(o->command[0]) + 1;
	struct checkpassword *s = calloc(1, sizeof(*s) + name_size);

	if (!s) {
		err_set(err, "out of memory");
		return NULL;
	}
	sprintf(s->name, "checkpassword:%s", o->command[0]);
	s->source = (struct auth_source){
		.ops = &checkpassword_ops, .name = s->name, .mechanisms = o->mechanisms
	};
	s->command = o->command;
	s->timeout_ms = o->timeout_ms;
	s->group = new_group(o, err);
	if (!s->group) {
		free(s);
		return NULL;
	}
	return &s->source;
}
