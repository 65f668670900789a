/*
 * Lines are kept in normal form in one arena; the entries are an array that is
 * sorted by key when all are there.
 */
#include "policy/map.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "idn/idn.h"
#include "proto/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
	struct span key, values;
	size_t line; /* 0: not from a file */
};

struct map {
	struct arena arena;
	enum map_form form;
	struct entry *entries; /* owned */
	size_t count, size;
	size_t line;
};

enum { LINE_MAX_OCTETS = 16 * 1024, NAMES_PER_LINE_MAX = 1000 };

/* ---- names ---- */

const char *map_normalize(struct span name, char *text, size_t *len)
{
	size_t at = name.len;
	struct idn_domain domain = { 0 };

	while (at && name.ptr[at - 1] != '@')
		at--;
	if (name.len == 0 || name.len >= MAP_KEY_MAX || !utf8_is_text(name))
		return "is no address";
	*len = at ? at : name.len;
	if (at && (idn_domain_to_ascii(&domain, span_from(name, at)) != IDN_OK ||
		   !smtp_domain_is_valid(idn_domain_span(&domain))))
		return "holds no valid domain name";
	if (*len + idn_domain_span(&domain).len >= MAP_KEY_MAX)
		return "is too long";
	for (size_t i = 0; i < *len; i++)
		text[i] = ascii_lower(name.ptr[i]);
	if (at)
		memcpy(text + *len, idn_domain_span(&domain).ptr, idn_domain_span(&domain).len);
	*len += at ? idn_domain_span(&domain).len : 0;
	return NULL;
}

/* ---- lines ---- */

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* The next word of a list; empty: there is none. */
static struct span next_word(struct span *list)
{
	struct span word;
	size_t len = 0;

	while (list->len && is_separator(list->ptr[0]))
		*list = span_from(*list, 1);
	while (len < list->len && !is_separator(list->ptr[len]))
		len++;
	word = span_head(*list, len);
	*list = span_from(*list, len);
	return word;
}

static bool fail_name(struct err *err, struct span name, const char *wrong)
{
	struct span shown = span_head(name, 100);

	return err_set(err, "\"%.*s\" %s", (int)shown.len, shown.ptr, wrong);
}

static bool add_name(struct buf *out, struct span name, bool takes_star, struct err *err)
{
	char text[MAP_KEY_MAX] = "*";
	size_t len = 1;
	const char *wrong = NULL;

	if (!takes_star || !span_eq(name, SPAN_LITERAL("*")))
		wrong = map_normalize(name, text, &len);
	if (wrong)
		return fail_name(err, name, wrong);
	return (buf_len(out) == 0 || buf_add(out, " ", 1)) && buf_add(out, text, len) ? true :
										err_set(err, "out of memory");
}

static bool add_values(struct buf *out, enum map_form form, struct span list, struct err *err)
{
	unsigned count = 0;
	struct span word;

	for (word = next_word(&list); word.len; word = next_word(&list)) {
		if (count++ == (form == MAP_SENDERS ? NAMES_PER_LINE_MAX : 1))
			return form == MAP_SENDERS ? err_set(err, "more than %d addresses", NAMES_PER_LINE_MAX) :
						     err_set(err, "an alias leads to one address only");
		if (!add_name(out, word, form == MAP_SENDERS, err))
			return false;
	}
	return count || err_set(err, "nothing follows the colon");
}

/* An entry more, with its texts in the arena. */
static bool keep(struct map *m, struct span key, struct span values, struct err *err)
{
	char *kept;

	if (m->count == MAP_ENTRIES_MAX)
		return err_set(err, "more than %d entries", MAP_ENTRIES_MAX);
	if (m->count == m->size) {
		size_t size = m->size ? 2 * m->size : 64;
		struct entry *entries = reallocarray(m->entries, size, sizeof(*entries));

		if (!entries)
			return err_set(err, "out of memory");
		m->entries = entries;
		m->size = size;
	}
	kept = arena_alloc(&m->arena, key.len + values.len + 1);
	if (!kept)
		return err_set(err, "out of memory");
	memcpy(kept, key.ptr, key.len);
	memcpy(kept + key.len, values.ptr, values.len);
	m->entries[m->count++] = (struct entry){
		span_of(kept, key.len), span_of(kept + key.len, values.len), m->line
	};
	return true;
}

bool map_add(struct map *m, struct span line, struct err *err)
{
	size_t colon = span_find(line, ':');
	struct span head = span_trim(span_head(line, colon)), name = head;
	char key[MAP_KEY_MAX];
	struct buf values = { 0 };
	const char *wrong;
	size_t len;
	bool ok = true;

	if (line.len > LINE_MAX_OCTETS)
		return err_set(err, "the line is too long");
	if (next_word(&name).len != head.len)
		return err_set(err, "the name to the left of the colon has a blank in it");
	if (colon == line.len && m->form == MAP_SENDERS)
		return err_set(err, "there must be a colon and addresses behind the name");
	wrong = map_normalize(head, key, &len);
	if (wrong)
		return fail_name(err, head, wrong);
	if (colon < line.len)
		ok = add_values(&values, m->form, span_from(line, colon + 1), err);
	ok = ok && keep(m, span_of(key, len), buf_span(&values), err);
	buf_fini(&values);
	return ok;
}

/* ---- the whole ---- */

struct map *map_new(enum map_form form)
{
	struct map *m = calloc(1, sizeof(*m));

	if (m)
		m->form = form;
	return m;
}

void map_free(struct map **map)
{
	struct map *m = *map;

	*map = NULL;
	if (!m)
		return;
	arena_fini(&m->arena);
	free(m->entries);
	free(m);
}

static int compare_spans(struct span a, struct span b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_entries(const void *a, const void *b)
{
	return compare_spans(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

bool map_seal(struct map *m, struct err *err)
{
	if (m->count)
		qsort(m->entries, m->count, sizeof(*m->entries), compare_entries);
	for (size_t i = 1; i < m->count; i++)
		if (compare_entries(&m->entries[i - 1], &m->entries[i]) == 0)
			return fail_name(err, m->entries[i].key, "stands there twice");
	return true;
}

size_t map_count(const struct map *m)
{
	return m->count;
}

bool map_find(const struct map *m, struct span key, struct span *values)
{
	const struct entry wanted = { .key = key };
	const struct entry *found = m->count ? bsearch(&wanted, m->entries, m->count, sizeof(wanted),
						       compare_entries) :
					       NULL;

	if (found)
		*values = found->values;
	return found != NULL;
}

struct span map_next_value(struct span *values)
{
	return next_word(values);
}

/* ---- files ---- */

/* What is left of a line without its comment. */
static struct span without_comment(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] == '#' && (i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t'))
			return span_trim(span_head(line, i));
	return span_trim(line);
}

static bool add_lines(struct map *m, const char *path, struct span text, struct err *err)
{
	struct err why;

	while (text.len) {
		size_t len = span_find(text, '\n');
		struct span line = span_head(text, len);

		m->line++;
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		line = without_comment(line);
		if (line.len && !map_add(m, line, &why))
			return err_set(err, "%.200s:%zu: %.250s", path, m->line, why.text);
		text = span_from(text, len + 1);
	}
	return map_seal(m, &why) || err_set(err, "%.200s: %.250s", path, why.text);
}

static bool read_all(int fd, size_t size, struct buf *text)
{
	ssize_t got = 1;

	while (got > 0 && buf_len(text) < size) {
		if (!buf_reserve(text, size - buf_len(text))) {
			errno = ENOMEM;
			return false;
		}
		got = read(fd, text->data + text->end, size - buf_len(text));
		if (got > 0)
			buf_added(text, (size_t)got);
	}
	return got >= 0;
}

static bool read_file(const char *path, struct buf *text, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool ok;

	if (fd < 0)
		return err_set_errno(err, "%.200s", path);
	if (fstat(fd, &st) < 0)
		ok = err_set_errno(err, "%.200s", path);
	else if (!S_ISREG(st.st_mode))
		ok = err_set(err, "%.200s: is no regular file", path);
	else if (st.st_size > MAP_FILE_MAX)
		ok = err_set(err, "%.200s: is bigger than %d octets", path, MAP_FILE_MAX);
	else
		ok = read_all(fd, (size_t)st.st_size, text) || err_set_errno(err, "%.200s", path);
	close(fd);
	return ok;
}

struct map *map_load(const char *path, enum map_form form, struct err *err)
{
	struct map *m = map_new(form);
	struct buf text = { 0 };

	if (!m) {
		err_set(err, "%.200s: out of memory", path);
		return NULL;
	}
	if (!read_file(path, &text, err) || !add_lines(m, path, buf_span(&text), err))
		map_free(&m);
	buf_fini(&text);
	return m;
}
