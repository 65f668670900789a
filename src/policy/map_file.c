#include "policy/map_file.h"

#include "base/log.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { LOOK_MS = 2 * 1000 };

/* What tells one state of a file from another; all zero: it is not there. */
struct look {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed, modified;
};

struct map_file {
	char *path; /* owned */
	enum map_form form;
	struct map *map;  /* owned */
	struct look seen; /* of the map, or of the last one that was no good */
	struct look last; /* at the look before */
	struct loop *loop;
	struct pool *pool;
	struct loop_timer timer;
	struct op op;
};

/* A look on a worker, and the map that was read if it was new. */
struct look_job {
	struct pool_job job;
	char *path; /* owned */
	enum map_form form;
	struct look seen, last, now;
	struct map *map; /* owned; NULL: nothing new, or it failed */
	bool is_new;
	struct err err;
};

static struct look look_at(const char *path)
{
	struct look look;
	struct stat st;

	memset(&look, 0, sizeof(look)); /* gaps, too */
	if (stat(path, &st) < 0)
		return look;
	look.device = st.st_dev;
	look.inode = st.st_ino;
	look.size = st.st_size;
	look.changed = st.st_ctim;
	look.modified = st.st_mtim;
	return look;
}

static bool same_look(const struct look *a, const struct look *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void run_look(struct pool_job *job)
{
	struct look_job *j = (struct look_job *)job;

	j->now = look_at(j->path);
	j->is_new = same_look(&j->now, &j->last) && !same_look(&j->now, &j->seen);
	if (j->is_new)
		j->map = map_load(j->path, j->form, &j->err);
}

static void free_look(struct pool_job *job)
{
	struct look_job *j = (struct look_job *)job;

	map_free(&j->map);
	free(j->path);
	free(j);
}

static void look_again(struct map_file *f);

static void take_map(struct map_file *f, struct look_job *j)
{
	f->seen = j->now;
	if (!j->map) {
		log_text(LOG_LEVEL_WARNING, "trouble", "%s; what was read before still holds", j->err.text);
		return;
	}
	map_free(&f->map);
	f->map = j->map;
	j->map = NULL;
	log_begin(LOG_LEVEL_NOTICE, NULL, "map");
	log_str("file", f->path);
	log_u64("entries", map_count(f->map));
	log_end();
}

static void looked(struct op *op)
{
	struct map_file *f = op->owner;
	struct look_job *j = op->work;

	f->last = j->now;
	if (j->is_new)
		take_map(f, j);
	look_again(f);
}

/* When there is no room, or no memory, there will be some at another time. */
static void look_now(struct loop_timer *timer)
{
	struct map_file *f = LIST_OWNER(timer, struct map_file, timer);
	struct look_job *j = calloc(1, sizeof(*j));

	if (j) {
		j->job.run = run_look;
		j->job.free = free_look;
		j->form = f->form;
		j->seen = f->seen;
		j->last = f->last;
		j->path = strdup(f->path);
	}
	f->op = (struct op){ .done = looked, .owner = f };
	if (j && j->path && pool_submit(f->pool, &j->job, &f->op))
		return;
	if (j)
		free_look(&j->job);
	look_again(f);
}

static void look_again(struct map_file *f)
{
	loop_timer_start(f->loop, &f->timer, LOOK_MS, look_now);
}

struct map_file *map_file_open(const char *path, enum map_form form, struct loop *loop, struct pool *pool,
			       struct err *err)
{
	struct map_file *f = calloc(1, sizeof(*f));

	if (f)
		f->path = strdup(path);
	if (!f || !f->path) {
		err_set(err, "%.200s: out of memory", path);
		free(f);
		return NULL;
	}
	f->form = form;
	f->loop = loop;
	f->pool = pool;
	/* Before it is read: what changes meanwhile is seen as a change. */
	f->seen = f->last = look_at(path);
	f->map = map_load(path, form, err);
	if (!f->map)
		map_file_close(&f);
	else if (pool)
		look_again(f);
	return f;
}

void map_file_close(struct map_file **file)
{
	struct map_file *f = *file;

	*file = NULL;
	if (!f)
		return;
	if (f->pool)
		loop_timer_stop(f->loop, &f->timer);
	op_cancel(&f->op);
	map_free(&f->map);
	free(f->path);
	free(f);
}

const struct map *map_file_get(const struct map_file *f)
{
	return f->map;
}
