#include "auth/file_watch.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WATCH_MS = 2000 };

struct file_watch {
	uint32_t references;
	struct users *users; /* holds a reference */
	struct loop *loop;
	struct pool *pool;
	struct loop_timer timer;
	struct op reading;   /* the file is being read again */
	uint64_t tried;      /* the state of the file that was read last, well or not */
	unsigned char key[USERS_KEY_SIZE];
	const char *path;    /* in the name */
	char name[];
};

/* ---- on a worker ---- */

struct read_job {
	struct pool_job job;
	struct users *users; /* what it came to; NULL: err tells why not */
	struct err err;
	unsigned char key[USERS_KEY_SIZE];
	char path[];
};

static void run_read(struct pool_job *pool_job)
{
	struct read_job *job = LIST_OWNER(pool_job, struct read_job, job);

	job->users = users_read(job->path, job->key, &job->err);
}

/* ---- on the loop ---- */

static void drop_read(struct read_job *job)
{
	users_put(&job->users);
	explicit_bzero(job, sizeof(*job));
	free(job);
}

static void free_read(struct pool_job *job)
{
	drop_read(LIST_OWNER(job, struct read_job, job));
}

static void warn_of_mode(const struct file_watch *w)
{
	if (w->users->is_for_all)
		log_text(LOG_LEVEL_WARNING, "trouble", "%s: may be read by everybody; chmod o-r", w->path);
}

static void take(struct file_watch *w, struct users *users)
{
	users_put(&w->users);
	w->users = users;
	log_begin(LOG_LEVEL_NOTICE, NULL, "auth_reload");
	log_str("source", w->name);
	log_u64("secrets", users->count);
	log_end();
	warn_of_mode(w);
}

static void read_done(struct op *op)
{
	struct file_watch *w = op->owner;
	struct read_job *job = LIST_OWNER((struct pool_job *)op->work, struct read_job, job);

	if (!job->users) {
		log_text(LOG_LEVEL_ERROR, "trouble", "%s; the users that were read before stay", job->err.text);
		return;
	}
	take(w, job->users);
	job->users = NULL;
}

/* The pool is full: look again later. */
static void read_again(struct file_watch *w)
{
	struct read_job *job = calloc(1, sizeof(*job) + strlen(w->path) + 1);

	if (!job)
		return;
	job->job.run = run_read;
	job->job.free = free_read;
	memcpy(job->key, w->key, sizeof(job->key));
	memcpy(job->path, w->path, strlen(w->path) + 1);
	w->reading = (struct op){ .done = read_done, .owner = w };
	if (pool_submit(w->pool, &job->job, &w->reading))
		w->tried = users_state(w->path);
	else
		drop_read(job);
}

static void look(struct loop_timer *timer)
{
	struct file_watch *w = LIST_OWNER(timer, struct file_watch, timer);

	if (!op_running(&w->reading) && users_state(w->path) != w->tried)
		read_again(w);
	loop_timer_start(w->loop, timer, WATCH_MS, look);
}

/* ---- who has it ---- */

struct file_watch *file_watch_new(const char *path, const unsigned char key[USERS_KEY_SIZE], struct loop *loop,
				  struct pool *pool, struct err *err)
{
	struct users *users = users_read(path, key, err);
	struct file_watch *w = users ? calloc(1, sizeof(*w) + strlen("file:") + strlen(path) + 1) : NULL;

	if (!w) {
		if (users)
			err_set(err, "%s: out of memory", path);
		users_put(&users);
		return NULL;
	}
	w->references = 1;
	w->users = users;
	w->tried = users->state;
	w->loop = loop;
	w->pool = pool;
	memcpy(w->key, key, sizeof(w->key));
	sprintf(w->name, "file:%s", path);
	w->path = w->name + strlen("file:");
	warn_of_mode(w);
	loop_timer_start(loop, &w->timer, WATCH_MS, look);
	return w;
}

struct file_watch *file_watch_join(struct file_watch *watch, struct err *err)
{
	if (users_state(watch->path) != watch->users->state) {
		struct users *users = users_read(watch->path, watch->key, err);

		if (!users)
			return NULL;
		/* What is being read already may be older. */
		op_cancel(&watch->reading);
		watch->tried = users->state;
		take(watch, users);
	}
	watch->references++;
	return watch;
}

void file_watch_put(struct file_watch **watch)
{
	struct file_watch *w = *watch;

	*watch = NULL;
	if (!w || --w->references > 0)
		return;
	loop_timer_stop(w->loop, &w->timer);
	op_cancel(&w->reading);
	users_put(&w->users);
	explicit_bzero(w->key, sizeof(w->key));
	free(w);
}

struct users *file_watch_users(const struct file_watch *watch)
{
	return watch->users;
}

bool file_watch_is_of(const struct file_watch *watch, const char *path)
{
	return strcmp(watch->path, path) == 0;
}
