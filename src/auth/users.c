#include "auth/users.h"

#include "auth/auth.h"
#include "auth/prepare.h"
#include "base/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 64 * 1024 * 1024 };

/* ---- reading ---- */

struct reader {
	struct users *users;
	const char *path;
	size_t size; /* of users->users */
	unsigned line;
};

static bool fault(const struct reader *r, struct err *err, const char *what)
{
	return err_set(err, "%s:%u: %s", r->path, r->line, what);
}

static bool add_user(struct reader *r, const struct user *user)
{
	struct users *users = r->users;

	if (users->count == r->size) {
		size_t size = r->size ? r->size * 2 : 64;
		struct user *more = realloc(users->users, size * sizeof(*more));

		if (!more)
			return false;
		users->users = more;
		r->size = size;
	}
	users->users[users->count++] = *user;
	return true;
}

static bool read_key(struct reader *r, struct span text, struct err *err)
{
	static const struct span scheme = { "{SECRET}", 8 };
	unsigned char key[USERS_KEY_SIZE + 3];
	size_t len;
	bool is_good;

	if (!span_istarts(text, scheme))
		return fault(r, err, "the user's name is missing");
	text = span_from(text, scheme.len);
	is_good = base64_decoded_max(text.len) <= sizeof(key) && base64_decode(text, key, &len) && len == USERS_KEY_SIZE;
	if (is_good)
		memcpy(r->users->key, key, USERS_KEY_SIZE);
	explicit_bzero(key, sizeof(key));
	return is_good || fault(r, err, "the secret is not base64 of 32 octets");
}

static bool read_line(struct reader *r, struct span line, struct err *err)
{
	size_t n = span_find(line, ':');
	struct user user = { .line = r->line };
	char name[AUTH_USER_MAX + 1];
	struct err why;

	if (n == line.len)
		return fault(r, err, "there is no colon behind the user's name");
	if (n == 0)
		return read_key(r, span_from(line, 1), err);
	if (!auth_prepare(name, sizeof(name), span_head(line, n)))
		return fault(r, err, "the user's name is too long, or no text in UTF-8 without control characters");
	user.name = arena_dup(&r->users->arena, span_str(name));
	if (!user.name)
		return fault(r, err, "out of memory");
	if (!secret_parse(&user.secret, &r->users->arena, span_from(line, n + 1), &why))
		return fault(r, err, why.text);
	r->users->has_plain |= user.secret.kind == SECRET_PLAIN;
	return add_user(r, &user) || fault(r, err, "out of memory");
}

static bool read_lines(struct reader *r, struct span text, struct err *err)
{
	while (text.len > 0) {
		size_t n = span_find(text, '\n');
		struct span line = span_head(text, n);

		text = span_from(text, n + 1);
		r->line++;
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (!read_line(r, line, err))
			return false;
	}
	return true;
}

static int compare_users(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Keys of SCRAM can be made from a password. */
static unsigned usable(unsigned kinds)
{
	return kinds & SECRET_PLAIN ? kinds | SECRET_SCRAM_SHA_256 | SECRET_SCRAM_SHA_1 : kinds;
}

/* Sort, and see what all have. Two secrets of one kind would leave open which of them counts. */
static bool sort_users(struct reader *r, struct err *err)
{
	struct users *users = r->users;
	unsigned kinds = 0;

	if (users->count)
		qsort(users->users, users->count, sizeof(*users->users), compare_users);
	users->common = SECRET_ANY;
	for (size_t i = 0; i < users->count; i++) {
		const struct user *u = &users->users[i];
		bool is_same = i > 0 && strcmp(u->name, users->users[i - 1].name) == 0;

		if (!is_same && i > 0)
			users->common &= usable(kinds);
		if (!is_same)
			kinds = 0;
		r->line = u->line;
		if (kinds & u->secret.kind)
			return fault(r, err, "this user has a secret of this kind already");
		kinds |= u->secret.kind;
	}
	if (users->count)
		users->common &= usable(kinds);
	return true;
}

static uint64_t state_of(const struct stat *st)
{
	uint64_t state = (uint64_t)st->st_size;

	state = state * 1000003 + (uint64_t)st->st_ino;
	state = state * 1000003 + (uint64_t)st->st_mtim.tv_sec;
	state = state * 1000003 + (uint64_t)st->st_mtim.tv_nsec;
	state = state * 1000003 + (uint64_t)st->st_ctim.tv_nsec;
	return state ? state : 1;
}

uint64_t users_state(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? state_of(&st) : 0;
}

/* All of it, or err. */
static bool slurp(int fd, const char *path, size_t size, struct buf *text, struct err *err)
{
	if (!buf_reserve(text, size + 1))
		return err_set(err, "%s: out of memory", path);
	for (;;) {
		ssize_t got = read(fd, text->data + text->end, text->size - text->end);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set_errno(err, "%s", path);
		if (got == 0)
			return true;
		buf_added(text, (size_t)got);
		if (text->end == text->size)
			return err_set(err, "%s: it grows while it is read", path);
	}
}

static bool read_open(struct reader *r, int fd, struct err *err)
{
	struct stat st;
	struct buf text = { 0 };
	bool is_good;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, "%s", r->path);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX)
		return err_set(err, "%s: this is no file of at most 64 MiB", r->path);
	r->users->state = state_of(&st);
	r->users->is_for_all = st.st_mode & S_IROTH;
	is_good = slurp(fd, r->path, (size_t)st.st_size, &text, err) && read_lines(r, buf_span(&text), err) &&
		  sort_users(r, err);
	buf_wipe(&text);
	if (is_good && r->users->has_plain && r->users->is_for_all)
		return err_set(err, "%s: it has passwords in plain text and may be read by everybody; chmod o-r", r->path);
	return is_good;
}

struct users *users_read(const char *path, const unsigned char key[USERS_KEY_SIZE], struct err *err)
{
	struct reader r = { .path = path, .users = calloc(1, sizeof(struct users)) };
	int fd;
	bool is_good;

	if (!r.users) {
		err_set(err, "%s: out of memory", path);
		return NULL;
	}
	r.users->references = 1;
	memcpy(r.users->key, key, USERS_KEY_SIZE);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	is_good = fd >= 0 ? read_open(&r, fd, err) : err_set_errno(err, "%s", path);
	if (fd >= 0)
		close(fd);
	if (!is_good)
		users_put(&r.users);
	return r.users;
}

struct users *users_get(struct users *users)
{
	users->references++;
	return users;
}

void users_put(struct users **users)
{
	struct users *u = *users;

	*users = NULL;
	if (!u || --u->references > 0)
		return;
	for (size_t i = 0; i < u->count; i++)
		if (u->users[i].secret.text)
			explicit_bzero((char *)u->users[i].secret.text, strlen(u->users[i].secret.text));
	arena_fini(&u->arena);
	free(u->users);
	explicit_bzero(u, sizeof(*u));
	free(u);
}

/* ---- asking ---- */

const struct user *users_find(const struct users *users, const char *name, unsigned kinds)
{
	size_t low = 0, high = users->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(users->users[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < users->count && strcmp(users->users[low].name, name) == 0; low++)
		if (users->users[low].secret.kind & kinds)
			return &users->users[low];
	return NULL;
}

/* 32 octets that depend on the name and that nobody can know without the key. */
static void derive(const struct users *users, char purpose, const char *name, unsigned char out[SECRET_KEY_MAX])
{
	char text[AUTH_USER_MAX + 2];
	size_t len = strlen(name);

	BUG_ON(len > AUTH_USER_MAX);
	text[0] = purpose;
	memcpy(text + 1, name, len);
	secret_mix(out, users->key, span_of(text, len + 1));
}

static bool can_stand_in(const struct user *user, unsigned kinds)
{
	return user->secret.kind & kinds && !secret_is_locked(&user->secret);
}

const struct user *users_stand_in(const struct users *users, const char *name, unsigned kinds)
{
	unsigned char octets[SECRET_KEY_MAX];
	uint64_t number = 0, count = 0;

	derive(users, 'i', name, octets);
	for (size_t i = 0; i < sizeof(number); i++)
		number = number << 8 | octets[i];
	for (size_t i = 0; i < users->count; i++)
		count += can_stand_in(&users->users[i], kinds);
	if (count == 0)
		return NULL;
	number %= count;
	for (size_t i = 0;; i++)
		if (can_stand_in(&users->users[i], kinds) && number-- == 0)
			return &users->users[i];
}

void users_pretend(const struct users *users, const char *name, enum secret_kind kind, struct secret_keys *keys)
{
	const struct user *like = users_stand_in(users, name, kind);

	*keys = (struct secret_keys){ .iterations = SECRET_ITERATIONS_USUAL, .salt_len = SECRET_SALT_USUAL };
	if (like) {
		keys->iterations = like->secret.keys->iterations;
		keys->salt_len = like->secret.keys->salt_len;
	}
	derive(users, 's', name, keys->salt);
	derive(users, 't', name, keys->salt + SECRET_KEY_MAX);
	derive(users, 'k', name, keys->stored);
	derive(users, 'v', name, keys->server);
}
