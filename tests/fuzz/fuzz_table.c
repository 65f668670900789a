/*
 * Laws of files that hold tables: maps of recipients and of senders (policy/map)
 * and password files (auth/users). A file is taken whole or refused with its name
 * and a line; what was taken is found again under its own name, and under no
 * other; values are in normal form. The first byte chooses, the rest is the file.
 */
#include "auth/auth.h"
#include "auth/users.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "policy/map.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

/* A file that can be opened by `path`, and is only ours. */
static int write_file(struct span text)
{
	int fd = memfd_create("table", MFD_CLOEXEC);

	LAW(fd >= 0 && fchmod(fd, 0600) == 0);
	LAW(write(fd, text.ptr, text.len) == (ssize_t)text.len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd;
}

/* In messages the file stands in front. */
static void hold_refusal(const struct err *err)
{
	LAW(strncmp(err->text, path, strlen(path)) == 0);
	LAW(!strchr(err->text, '\n'));
}

/* ---- maps ---- */

static void hold_value(struct span value, enum map_form form)
{
	char text[MAP_KEY_MAX];
	size_t len;

	if (form == MAP_SENDERS && span_eq(value, SPAN_LITERAL("*")))
		return;
	LAW(map_normalize(value, text, &len) == NULL);
	LAW(span_eq(value, span_of(text, len)));
}

/* A line that begins with a name, as most do: the name is in the map. True: there was one. */
static bool hold_line(const struct map *map, struct span line, enum map_form form)
{
	struct span values, value;
	char key[MAP_KEY_MAX];
	unsigned count = 0;
	size_t len;

	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] == '#' && (i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t'))
			line.len = i;
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	line = span_trim(line);
	if (line.len == 0)
		return false;
	LAW(map_normalize(span_trim(span_head(line, span_find(line, ':'))), key, &len) == NULL);
	LAW(map_find(map, span_of(key, len), &values));
	LAW((values.len > 0) == (span_find(line, ':') < line.len));
	for (value = map_next_value(&values); value.len; value = map_next_value(&values), count++)
		hold_value(value, form);
	LAW(count <= 1 || form == MAP_SENDERS);
	/* A longer name is another one. */
	if (len < sizeof(key)) {
		key[len] = '\x01';
		LAW(!map_find(map, span_of(key, len + 1), &values));
	}
	return true;
}

static void read_map(struct span text, enum map_form form)
{
	struct err err = { .text = "" };
	int fd = write_file(text);
	struct map *map = map_load(path, form, &err);
	size_t count = 0;

	close(fd);
	if (!map) {
		hold_refusal(&err);
		return;
	}
	while (text.len) {
		size_t len = span_find(text, '\n');

		count += hold_line(map, span_head(text, len), form);
		text = span_from(text, len + 1);
	}
	LAW(map_count(map) == count);
	map_free(&map);
}

/* ---- users ---- */

static void hold_user(const struct users *users, const struct user *user)
{
	const struct user *found = users_find(users, user->name, user->secret.kind);

	LAW(*user->name && strlen(user->name) <= AUTH_USER_MAX && utf8_is_text(span_str(user->name)));
	LAW(found && strcmp(found->name, user->name) == 0 && found->secret.kind == user->secret.kind);
	LAW(users_find(users, user->name, SECRET_ANY)->line <= user->line);
	LAW(user->secret.kind != SECRET_PLAIN || users->has_plain);
}

static void read_users(struct span text)
{
	static const unsigned char key[USERS_KEY_SIZE] = { 1 };
	struct err err = { .text = "" };
	int fd = write_file(text);
	struct users *users = users_read(path, key, &err);
	const struct user *stand_in;

	close(fd);
	if (!users) {
		hold_refusal(&err);
		return;
	}
	for (size_t i = 0; i < users->count; i++) {
		hold_user(users, &users->users[i]);
		LAW(i == 0 || strcmp(users->users[i - 1].name, users->users[i].name) <= 0);
	}
	/* No name has a control character in it: this one is nobody's. Whoever stands in is always the same. */
	LAW(!users_find(users, "no\x01" "body", SECRET_ANY));
	stand_in = users_stand_in(users, "no\x01" "body", SECRET_ANY);
	LAW((stand_in != NULL) <= (users->count > 0));
	LAW(stand_in == users_stand_in(users, "no\x01" "body", SECRET_ANY));
	users_put(&users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data + 1, size ? size - 1 : 0);

	if (size == 0)
		return 0;
	if (data[0] % 3 == 2)
		read_users(rest);
	else
		read_map(rest, data[0] % 3 ? MAP_SENDERS : MAP_RECIPIENTS);
	return 0;
}
