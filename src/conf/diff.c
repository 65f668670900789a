#include "conf/diff.h"

#include "conf/dump.h"
#include "conf/option.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_MAX_OCTETS = 512 };

/* One key of a dump. */
struct entry {
	char *path;        /* owned */
	const char *value; /* in the dump's text */
	const char *key;   /* likewise, or in `path` */
	size_t group_len;  /* of `path`: the part that names the group which the key is in; 0: top level */
	size_t order;
};

struct entries {
	char *text; /* owned: the dump, cut into strings */
	struct entry *all;
	size_t count, size;
};

static void entries_fini(struct entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->all[i].path);
	free(e->all);
	free(e->text);
}

static bool entries_grow(struct entries *e)
{
	size_t size = e->size ? 2 * e->size : 128;
	struct entry *all = realloc(e->all, size * sizeof(*all));

	if (!all)
		return false;
	e->all = all;
	e->size = size;
	return true;
}

/* Where a line of a dump stands: in which kind of group, and in which of them. */
struct position {
	char group[64];            /* "" at top level */
	char name[PATH_MAX_OCTETS]; /* of the one group, with what leads to it: "backends.inbox" */
	bool is_list;
	unsigned count;            /* of groups in a list so far */
};

static bool entries_add(struct entries *e, const struct position *at, const char *key, const char *value)
{
	struct entry *new;

	if (e->count == e->size && !entries_grow(e))
		return false;
	new = &e->all[e->count];
	*new = (struct entry){ .value = value, .key = key, .order = e->count };
	new->group_len = strlen(at->name);
	if (asprintf(&new->path, "%s%s%s", at->name, at->name[0] ? "." : "", key) < 0)
		return false;
	e->count++;
	return true;
}

/* A group of a list is known by its address, or else by its number. */
static void name_listed(struct position *at, const char *key, const char *value)
{
	if (at->name[0])
		return;
	if (strcmp(key, "listen") == 0)
		snprintf(at->name, sizeof(at->name), "%s[%.*s]", at->group, (int)strlen(value) - 2, value + 1);
	else
		snprintf(at->name, sizeof(at->name), "%s[%u]", at->group, at->count);
}

/* Lines that open and close groups; as conf/dump.c writes them. False: the line is another one. */
static bool take_bracket(struct position *at, const char *line, size_t indent)
{
	size_t len = strlen(line);

	if (indent == 0 && len > 4 && (strcmp(line + len - 4, " = {") == 0 || strcmp(line + len - 4, " = (") == 0)) {
		*at = (struct position){ .is_list = line[len - 1] == '(' };
		snprintf(at->group, sizeof(at->group), "%.*s", (int)(len - 4), line);
		return true;
	}
	if (indent == 1 && len > 4 && strcmp(line + len - 4, " = {") == 0) {
		snprintf(at->name, sizeof(at->name), "%s.%.*s", at->group, (int)(len - 4), line);
		return true;
	}
	if (line[0] == '}' || line[0] == ')') {
		if (indent == 0)
			*at = (struct position){ 0 };
		at->count += indent == 1;
		at->name[0] = '\0';
		return true;
	}
	return line[0] == '{' || line[0] == '#' || line[0] == '\0';
}

static bool take_line(struct entries *e, struct position *at, char *line)
{
	size_t indent = strspn(line, "\t");
	char *equal;

	line += indent;
	if (take_bracket(at, line, indent))
		return true;
	equal = strstr(line, " = ");
	if (!equal)
		return entries_add(e, at, line, "");
	*equal = '\0';
	equal[3 + strlen(equal + 3) - 1] = '\0'; /* the semicolon */
	if (at->is_list)
		name_listed(at, line, equal + 3);
	return entries_add(e, at, line, equal + 3);
}

static int compare_paths(const void *a_ptr, const void *b_ptr)
{
	const struct entry *a = a_ptr, *b = b_ptr;

	return strcmp(a->path, b->path);
}

static int compare_entries(const void *a_ptr, const void *b_ptr)
{
	const struct entry *a = a_ptr, *b = b_ptr;
	int order = compare_paths(a, b);

	return order ? order : a->order < b->order ? -1 : a->order > b->order;
}

static bool dump(const struct config *config, char **text)
{
	size_t len = 0;
	FILE *out = open_memstream(text, &len);
	bool ok;

	if (!out)
		return false;
	ok = config_dump(config, false, out);
	return fclose(out) == 0 && ok;
}

static bool entries_read(struct entries *e, const struct config *config)
{
	struct position at = { .group = "" };
	char *rest = NULL;

	if (!dump(config, &e->text))
		return false;
	for (char *line = strtok_r(e->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (!take_line(e, &at, line))
			return false;
	qsort(e->all, e->count, sizeof(*e->all), compare_entries);
	return true;
}

/* Is there any key of the group that this one is in? */
static bool has_group(const struct entries *e, const struct entry *of)
{
	size_t low = 0, high = e->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strncmp(e->all[middle].path, of->path, of->group_len + 1) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < e->count && strncmp(e->all[low].path, of->path, of->group_len + 1) == 0;
}

static enum option_group group_of(const struct entry *e)
{
	size_t len = strcspn(e->path, ".[");

	for (enum option_group group = OPTION_GROUP_TOP + 1; e->group_len && group < OPTION_GROUPS; group++) {
		const char *name = option_group_name(group);

		if (strlen(name) == len && strncmp(name, e->path, len) == 0)
			return group;
	}
	return OPTION_GROUP_TOP;
}

static bool is_reloadable(const struct entry *e)
{
	const struct option *o = option_find(group_of(e), e->key);

	return o && o->is_reloadable;
}

/* A walk through both. */
struct diff {
	const struct entries *before, *after;
	void (*tell)(void *owner, const struct config_change *change);
	void *owner;
};

static bool has_value(const struct entry *e, const char *value)
{
	return e && value ? strcmp(e->value, value) == 0 : !e && !value;
}

static const struct entry *find_top(const struct entries *e, const char *key)
{
	const struct entry top = { .path = (char *)(uintptr_t)key };

	return bsearch(&top, e->all, e->count, sizeof(top), compare_paths);
}

/* A key of `of`, which may be in a listener: those start from the top level. Has it changed there in the same way? */
static bool is_inherited(const struct diff *d, const struct entry *of, const char *before, const char *after)
{
	return of->group_len && group_of(of) == OPTION_GROUP_LISTENERS &&
	       option_find(OPTION_GROUP_TOP, of->key) && has_value(find_top(d->before, of->key), before) &&
	       has_value(find_top(d->after, of->key), after);
}

/* `before` and `after` are the values of `of`, or NULL. */
static void tell_key(const struct diff *d, const struct entry *of, const char *before, const char *after)
{
	const struct config_change change = {
		.path = of->path,
		.before = before,
		.after = after,
		.is_reloadable = is_reloadable(of),
	};

	if (!is_inherited(d, of, before, after))
		d->tell(d->owner, &change);
}

static void tell_group(const struct diff *d, const struct entry *e, bool is_new)
{
	char path[PATH_MAX_OCTETS];
	const struct config_change change = {
		.path = path,
		.before = is_new ? NULL : "{ }",
		.after = is_new ? "{ }" : NULL,
		.is_reloadable = true,
	};

	snprintf(path, sizeof(path), "%.*s", (int)e->group_len, e->path);
	d->tell(d->owner, &change);
}

/* A key that only one side has, from all[i] on; a group that only it has is told as one. Returns what comes next. */
static size_t tell_only(const struct diff *d, const struct entries *mine, size_t i, bool is_new)
{
	const struct entries *other = is_new ? d->before : d->after;
	const struct entry *e = &mine->all[i];

	if (e->group_len == 0 || has_group(other, e)) {
		tell_key(d, e, is_new ? NULL : e->value, is_new ? e->value : NULL);
		return i + 1;
	}
	tell_group(d, e, is_new);
	while (i < mine->count && strncmp(mine->all[i].path, e->path, e->group_len + 1) == 0)
		i++;
	return i;
}

static void tell_both(const struct diff *d, const struct entry *before, const struct entry *after)
{
	if (strcmp(before->value, after->value) != 0)
		tell_key(d, before, before->value, after->value);
}

static void walk(const struct diff *d)
{
	size_t i = 0, j = 0;

	while (i < d->before->count || j < d->after->count) {
		int order = i == d->before->count ? 1 :
			    j == d->after->count  ? -1 :
						    compare_paths(&d->before->all[i], &d->after->all[j]);

		if (order < 0)
			i = tell_only(d, d->before, i, false);
		else if (order > 0)
			j = tell_only(d, d->after, j, true);
		else
			tell_both(d, &d->before->all[i++], &d->after->all[j++]);
	}
}

bool config_diff(const struct config *before, const struct config *after,
		 void (*tell)(void *owner, const struct config_change *change), void *owner)
{
	struct entries old = { 0 }, new = { 0 };
	const struct diff d = { &old, &new, tell, owner };
	bool is_read = entries_read(&old, before) && entries_read(&new, after);

	if (is_read)
		walk(&d);
	entries_fini(&old);
	entries_fini(&new);
	return is_read;
}
