#include "auth/file_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library ---- */

static struct file_library *library_new(void)
{
	struct file_library *library = calloc(1, sizeof(*library));

	if (!library)
		return NULL;
	library->references = 1;
	if (gsasl_init(&library->gsasl) != GSASL_OK) {
		free(library);
		return NULL;
	}
	gsasl_callback_set(library->gsasl, file_exchange_answer);
	return library;
}

struct file_library *file_library_get(struct file_library *library)
{
	library->references++;
	return library;
}

void file_library_put(struct file_library **library)
{
	struct file_library *l = *library;

	*library = NULL;
	if (!l || --l->references > 0)
		return;
	gsasl_done(l->gsasl);
	free(l);
}

/* ---- mechanisms ---- */

static void add_mechanism(struct file_source *s, size_t *count, const char *name, enum auth_reach reach)
{
	struct auth_mechanism *m = &s->mechanisms[(*count)++];

	BUG_ON(*count > FILE_MECHANISMS_MAX);
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->reach = reach;
}

/* All users can, if each has keys of that kind or a password that they can be made from. */
static void add_scram(struct file_source *s, size_t *count, enum secret_kind kind, const char *name, const char *plus,
		      bool has_plus)
{
	const struct users *users = file_watch_users(s->watch);
	enum auth_reach reach = users->count && users->common & kind ? AUTH_REACH_USERS : AUTH_REACH_SOME;

	if (has_plus)
		add_mechanism(s, count, plus, reach);
	add_mechanism(s, count, name, reach);
}

static const struct auth_mechanism *mechanisms(struct auth_source *source, const struct auth_channel *channel,
					       size_t *count)
{
	struct file_source *s = LIST_OWNER(source, struct file_source, source);
	bool has_plus = channel->exporter.len > 0;

	*count = 0;
	add_scram(s, count, SECRET_SCRAM_SHA_256, "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", has_plus);
	add_scram(s, count, SECRET_SCRAM_SHA_1, "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", has_plus);
	add_mechanism(s, count, "PLAIN", AUTH_REACH_USERS);
	add_mechanism(s, count, "LOGIN", AUTH_REACH_USERS);
	/* Its hash is a broken one, and it needs passwords in plain text: only where somebody asks for it. */
	add_mechanism(s, count, "CRAM-MD5", AUTH_REACH_SOME);
	return s->mechanisms;
}

/* ---- passwords ---- */

struct check_job {
	struct pool_job job;
	struct op op;
	struct auth_check *check;
	struct users *users; /* holds a reference */
	enum auth_result result;
	char user[AUTH_USER_MAX + 1];
	char password[AUTH_PASSWORD_MAX + 1];
};

static void run_check(struct pool_job *pool_job)
{
	struct check_job *job = LIST_OWNER(pool_job, struct check_job, job);
	const struct user *user = users_find(job->users, job->user, SECRET_ANY);
	const struct user *worked = users_stand_in(job->users, job->user, SECRET_ANY);
	bool is_good;

	if (user && !secret_is_locked(&user->secret))
		worked = user;
	is_good = worked && secret_matches(&worked->secret, job->password);
	if (!user)
		job->result = AUTH_UNKNOWN;
	else
		job->result = is_good && worked == user ? AUTH_OK : AUTH_WRONG;
}

static void drop_check(struct check_job *job)
{
	users_put(&job->users);
	explicit_bzero(job, sizeof(*job));
	free(job);
}

static void free_check(struct pool_job *job)
{
	drop_check(LIST_OWNER(job, struct check_job, job));
}

static void answer_unknown(struct auth_check *check, const char *user)
{
	auth_answer_name(&check->answer, span_str(user));
	auth_answer_set(&check->answer, AUTH_UNKNOWN, "unknown_user", NULL);
}

static void check_done(struct op *op)
{
	struct check_job *job = op->owner;
	struct auth_check *check = job->check;

	if (job->result == AUTH_UNKNOWN) {
		answer_unknown(check, job->user);
	} else {
		auth_answer_name(&check->answer, span_str(job->user));
		auth_answer_set(&check->answer, job->result, job->result == AUTH_OK ? NULL : "wrong_password", NULL);
	}
	op_finish(&check->op);
}

static void cancel_check(struct op *op)
{
	struct check_job *job = op->work;

	op_cancel(&job->op);
}

static bool check_start(struct auth_source *source, struct auth_check *check, const struct auth_credentials *c)
{
	struct file_source *s = LIST_OWNER(source, struct file_source, source);
	struct check_job *job;

	if (!c->is_last && !users_find(file_watch_users(s->watch), c->user, SECRET_ANY)) {
		answer_unknown(check, c->user);
		return false;
	}
	job = calloc(1, sizeof(*job));
	if (!job)
		return auth_answer_set(&check->answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	job->job.run = run_check;
	job->job.free = free_check;
	job->op = (struct op){ .done = check_done, .owner = job };
	job->check = check;
	job->users = users_get(file_watch_users(s->watch));
	snprintf(job->user, sizeof(job->user), "%s", c->user);
	snprintf(job->password, sizeof(job->password), "%s", c->password);
	if (!pool_submit(s->pool, &job->job, &job->op)) {
		drop_check(job);
		return auth_answer_set(&check->answer, AUTH_UNAVAILABLE, "busy", "the queue of passwords to hash is full");
	}
	op_begin(&check->op, cancel_check, job);
	return true;
}

/* ---- the source ---- */

static void file_free(struct auth_source *source)
{
	struct file_source *s = LIST_OWNER(source, struct file_source, source);

	file_watch_put(&s->watch);
	file_library_put(&s->library);
	free(s);
}

static const struct auth_source_ops file_ops = {
	.type = "file",
	.mechanisms = mechanisms,
	.check_start = check_start,
	.exchange_new = file_exchange_new,
	.step_start = file_step_start,
	.exchange_free = file_exchange_free,
	.free = file_free,
};

/* The one that a source before this one has of the same file, or a new one. NULL: err tells why. */
static struct file_watch *watch(const struct auth_file_options *o, struct err *err)
{
	for (size_t i = 0; o->older && i < o->older->count; i++) {
		struct auth_source *source = o->older->sources[i];
		const struct file_source *s = LIST_OWNER(source, struct file_source, source);

		if (source->ops == &file_ops && file_watch_is_of(s->watch, o->path))
			return file_watch_join(s->watch, err);
	}
	return file_watch_new(o->path, o->key, o->loop, o->pool, err);
}

struct auth_source *auth_file_new(const struct auth_file_options *o, struct err *err)
{
	struct file_watch *w = watch(o, err);
	struct file_source *s = w ? calloc(1, sizeof(*s) + strlen("file:") + strlen(o->path) + 1) : NULL;

	if (!s || !(s->library = library_new())) {
		if (w)
			err_set(err, "%s: out of memory", o->path);
		file_watch_put(&w);
		free(s);
		return NULL;
	}
	sprintf(s->name, "file:%s", o->path);
	s->source = (struct auth_source){
		.ops = &file_ops, .name = s->name, .mechanisms = o->mechanisms, .tells_unknown = true
	};
	s->watch = w;
	s->pool = o->pool;
	return &s->source;
}
