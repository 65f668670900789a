#include "auth/users_edit.h"

#include "base/base64.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

const char *users_check_name(struct span name)
{
	if (span_find(name, ':') < name.len)
		return "holds a colon, which ends the name in a password file";
	return name.len && name.ptr[0] == '#' ? "begins with #, which makes a comment in a password file" : NULL;
}

/* ---- the new text ---- */

struct editor {
	const struct users_change *change;
	struct buf out;
	size_t removed;
	bool has_key;
	bool is_placed; /* the new line stands where the first old one stood */
};

static bool add_line(struct buf *out, struct span name, struct span secret)
{
	return buf_add_span(out, name) && buf_add(out, ":", 1) && buf_add_span(out, secret) && buf_add(out, "\n", 1);
}

static bool add_change(struct editor *e)
{
	if (e->is_placed || !e->change->secret)
		return true;
	e->is_placed = true;
	return add_line(&e->out, span_str(e->change->user), span_str(e->change->secret));
}

/* The secret for users that there are not (auth/users.h). */
static bool add_key(struct editor *e)
{
	unsigned char key[USERS_KEY_SIZE];
	char text[2 * USERS_KEY_SIZE];
	bool is_good;

	if (e->has_key)
		return true;
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return false;
	is_good = buf_add_str(&e->out, ":{SECRET}") &&
		  buf_add(&e->out, text, base64_encode(span_of(key, sizeof(key)), text)) && buf_add(&e->out, "\n", 1);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	e->has_key = is_good;
	return is_good;
}

/* Is this line to go? Lines were all read before, so that they are good. */
static bool is_changed(const struct editor *e, struct span line)
{
	size_t n = span_find(line, ':');
	struct arena arena = { 0 };
	struct secret secret;
	bool is_its;

	if (n == line.len || line.ptr[0] == '#' || !span_eq(span_head(line, n), span_str(e->change->user)))
		return false;
	is_its = secret_parse(&secret, &arena, span_from(line, n + 1), NULL) && secret.kind & e->change->kinds;
	arena_fini(&arena);
	return is_its;
}

static bool edit_line(struct editor *e, struct span line)
{
	if (is_changed(e, line)) {
		e->removed++;
		return add_change(e);
	}
	e->has_key |= line.len && line.ptr[0] == ':';
	return buf_add_span(&e->out, line) && buf_add(&e->out, "\n", 1);
}

static bool edit_text(struct editor *e, struct span text, struct err *err)
{
	bool is_good = true;

	while (is_good && text.len > 0) {
		size_t n = span_find(text, '\n');

		is_good = edit_line(e, span_head(text, n));
		text = span_from(text, n + 1);
	}
	return (is_good && add_key(e) && add_change(e)) || err_set(err, "out of memory");
}

/* ---- files ---- */

static bool read_all(int fd, struct buf *text)
{
	for (;;) {
		ssize_t got;

		if (!buf_reserve(text, 65536))
			return false;
		got = read(fd, text->data + text->end, text->size - text->end);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		buf_added(text, (size_t)got);
	}
}

static bool sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool is_good = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return is_good;
}

/* Into a file of its own, with the owner and mode of the old one. */
static bool fill_file(int fd, int old, struct span text)
{
	struct stat st;

	if (old >= 0 && (fstat(old, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0))
		return false;
	return fd_write_all(fd, text) && fsync(fd) == 0;
}

static bool replace_file(const char *path, int old, struct span text, struct err *err)
{
	char name[4096];
	int fd = -1;
	bool is_good;

	if ((size_t)snprintf(name, sizeof(name), "%s.XXXXXX", path) < sizeof(name))
		fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, "%s: a file beside it cannot be made", path);
	is_good = fill_file(fd, old, text) && rename(name, path) == 0;
	if (!is_good) {
		err_set_errno(err, "%s", name);
		unlink(name);
	}
	close(fd);
	return is_good && (sync_directory(path) || err_set_errno(err, "%s: its directory cannot be synced", path));
}

/* -1 with *is_missing: there is none. Another process may put a new file in its place while we wait for the lock. */
static int open_locked(const char *path, bool *is_missing, struct err *err)
{
	*is_missing = false;
	for (;;) {
		struct stat ours, named;
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0) {
			*is_missing = errno == ENOENT;
			err_set_errno(err, "%s", path);
			return -1;
		}
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &ours) == 0 && stat(path, &named) == 0 &&
		    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
			return fd;
		close(fd);
	}
}

/* A file that the daemon would refuse is not made worse. */
static bool is_readable(const char *path, struct err *err)
{
	static const unsigned char key[USERS_KEY_SIZE];
	struct users *users = users_read(path, key, err);
	bool is_good = users != NULL;

	users_put(&users);
	return is_good;
}

static bool edit_locked(const char *path, int old, const struct users_change *change, size_t *removed, struct err *err)
{
	struct editor e = { .change = change };
	struct buf text = { 0 };
	bool is_good = old < 0 || read_all(old, &text) || err_set_errno(err, "%s", path);

	is_good = is_good && edit_text(&e, buf_span(&text), err);
	*removed = e.removed;
	if (is_good && (change->secret || e.removed))
		is_good = replace_file(path, old, buf_span(&e.out), err);
	buf_wipe(&text);
	buf_wipe(&e.out);
	return is_good;
}

bool users_edit(const char *path, const struct users_change *change, size_t *removed, struct err *err)
{
	bool is_missing, is_good;
	int old = open_locked(path, &is_missing, err);

	*removed = 0;
	if (old < 0 && !(is_missing && change->may_create))
		return false;
	is_good = (old < 0 || is_readable(path, err)) && edit_locked(path, old, change, removed, err);
	if (old >= 0)
		close(old);
	return is_good;
}
