#include "conf/diff.h"

#include "conf/dump.h"
#include "conf/option.h"

#include <stdio.h>
#include <stdlib.h>

/* What is told fits into one value of the log (LOG_VALUE_MAX); longer lists are told by what differs. */
enum { PATH_MAX_OCTETS = 512, TOLD_MAX = 500, LIST_TOLD_WHOLE = 200 };

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

static bool is_list(const char *value)
{
	return value && value[0] == '(';
}

/* Is this the comma behind a member of a list, and none in a member? */
static bool is_separator(const char *list, size_t i)
{
	return i && list[i] == ',' && (list[i - 1] == '"' || list[i - 1] == '}');
}

/* Octets up to the last member that both lists begin with, its comma included. */
static size_t common_head(const char *a, const char *b)
{
	size_t head = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (is_separator(a, i))
			head = i + 1;
	return head;
}

/* Octets from the first member that both lists end with, the comma before it included; none of them in the head. */
static size_t common_tail(const char *a, const char *b, size_t head)
{
	size_t a_len = strlen(a), b_len = strlen(b), tail = 0;

	for (size_t i = 1; i <= a_len - head && i <= b_len - head && a[a_len - i] == b[b_len - i]; i++)
		if (is_separator(a, a_len - i) && is_separator(b, b_len - i))
			tail = i;
	return tail;
}

/* One of two lists, without what they have in common at both ends. */
static void write_difference(const char *list, size_t head, size_t tail, char *text)
{
	size_t len = strlen(list);
	const char *begin = head ? list + head : list + 1; /* behind the comma or the bracket */
	int middle = (int)(len - tail - (size_t)(begin - list)) - (tail ? 0 : (int)strlen(" )"));
	int shown = middle < TOLD_MAX - 20 ? middle : TOLD_MAX - 20;

	if (middle <= 0)
		snprintf(text, TOLD_MAX, head || tail ? "( ... )" : "( )");
	else
		snprintf(text, TOLD_MAX, "(%s%.*s%s )", head ? " ...," : "", shown, begin,
			 tail || shown < middle ? ", ..." : "");
}

/* `before` and `after` are the values of `of`, or NULL. */
static void tell_key(const struct diff *d, const struct entry *of, const char *before, const char *after)
{
	char old[TOLD_MAX], new[TOLD_MAX];
	struct config_change change = {
		.path = of->path,
		.before = before,
		.after = after,
		.is_reloadable = is_reloadable(of),
	};

	if (is_inherited(d, of, before, after))
		return;
	if (is_list(before) && is_list(after) && strlen(before) + strlen(after) > LIST_TOLD_WHOLE) {
		size_t head = common_head(before, after), tail = common_tail(before, after, head);

		write_difference(before, head, tail, old);
		write_difference(after, head, tail, new);
		change.before = old;
		change.after = new;
	}
	d->tell(d->owner, &change);
}

/* Is it what would hold if nobody had given it? */
static bool is_default(const struct entries *all, const struct entry *e)
{
	const struct option *o = option_find(group_of(e), e->key);
	const struct entry *top = group_of(e) == OPTION_GROUP_LISTENERS ? find_top(all, e->key) : NULL;
	size_t quotes = e->value[0] == '"';
	size_t len = strlen(e->value) - 2 * quotes;

	if (top)
		return strcmp(top->value, e->value) == 0;
	return o && o->default_text && strlen(o->default_text) == len &&
	       strncmp(o->default_text, e->value + quotes, len) == 0;
}

/* What was given in the group that begins at all[i], as "{ key = value; ... }". */
static void write_group(const struct entries *mine, size_t i, char *text)
{
	const struct entry *first = &mine->all[i];
	size_t used = 1;

	snprintf(text, TOLD_MAX, "{");
	for (; i < mine->count && strncmp(mine->all[i].path, first->path, first->group_len + 1) == 0; i++) {
		const struct entry *e = &mine->all[i];

		if (is_default(mine, e))
			continue;
		if (used + strlen(e->key) + strlen(e->value) + strlen(" = ; ... }") >= TOLD_MAX) {
			used += (size_t)snprintf(text + used, TOLD_MAX - used, " ...");
			break;
		}
		used += (size_t)snprintf(text + used, TOLD_MAX - used, " %s = %s;", e->key, e->value);
	}
	snprintf(text + used, TOLD_MAX - used, " }");
}

static void tell_group(const struct diff *d, const struct entries *mine, size_t i, bool is_new)
{
	const struct entry *e = &mine->all[i];
	char path[PATH_MAX_OCTETS], text[TOLD_MAX];
	const struct config_change change = {
		.path = path,
		.before = is_new ? NULL : text,
		.after = is_new ? text : NULL,
		.is_reloadable = true,
	};

	snprintf(path, sizeof(path), "%.*s", (int)e->group_len, e->path);
	write_group(mine, i, text);
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
	tell_group(d, mine, i, is_new);
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

/* The caller frees it. NULL: out of memory. */
static char *written(const struct backend_config *backend)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool is_written = out && config_dump_backend(backend, out);

	if ((out && fclose(out) != 0) || !is_written) {
		free(text);
		return NULL;
	}
	return text;
}

bool config_backend_is_same(const struct backend_config *a, const struct backend_config *b)
{
	char *one = written(a), *other = written(b);
	bool is_same = one && other && strcmp(one, other) == 0;

	free(one);
	free(other);
	return is_same;
}
