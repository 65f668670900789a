#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that is being taken in. */
struct source_file {
	const char *name;
	const struct source_file *parent; /* who includes it; NULL: the first */
	int parent_line;
	unsigned depth;
	struct span text;
	bool may_include;
};

static bool fail(struct err *err, const char *name, int line, const char *what)
{
	return err_set(err, "%s:%d: %s", name, line, what);
}

/* Trouble with a file as such: told where its @include stands, where it has one. */
static bool fail_file(struct err *err, const struct source_file *f, const char *what)
{
	if (f->parent)
		return err_set(err, "%s:%d: %s: %s", f->parent->name, f->parent_line, f->name, what);
	return err_set(err, "%s: %s", f->name, what);
}

static bool add_segment(struct source *s, const char *file, int file_line)
{
	struct source_segment *segment;

	if (s->segment_count == sizeof(s->segments) / sizeof(*s->segments))
		return false;
	segment = &s->segments[s->segment_count++];
	segment->line = s->line_count + 1;
	segment->place = (struct config_place){ file, file_line };
	return true;
}

static bool add_text(struct source *s, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		s->line_count += text.ptr[i] == '\n';
	return buf_len(&s->text) + text.len <= SOURCE_OCTETS_MAX && buf_add_span(&s->text, text);
}

static bool end_line(struct source *s)
{
	struct span so_far = buf_span(&s->text);

	return so_far.len == 0 || so_far.ptr[so_far.len - 1] == '\n' || add_text(s, SPAN_LITERAL("\n"));
}

static bool read_all(int fd, struct buf *text, struct err *err, const struct source_file *f)
{
	for (;;) {
		ssize_t n;

		if (buf_len(text) > SOURCE_OCTETS_MAX)
			return fail_file(err, f, "is larger than 4 MiB");
		if (!buf_reserve(text, 16 * 1024))
			return fail_file(err, f, "out of memory");
		n = read(fd, text->data + text->end, text->size - text->end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_file(err, f, strerror(errno));
		if (n == 0)
			return true;
		buf_added(text, (size_t)n);
	}
}

/* O_NONBLOCK, so that a FIFO cannot hold us up before we see that it is one. */
static bool read_file(const struct source_file *f, struct buf *text, struct err *err)
{
	int fd = open(f->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	bool ok;

	if (fd < 0)
		return fail_file(err, f, strerror(errno));
	if (fstat(fd, &st) < 0)
		ok = fail_file(err, f, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		ok = fail_file(err, f, "is not a regular file");
	else
		ok = read_all(fd, text, err, f);
	close(fd);
	return ok;
}

/* libconfig reads up to the first NUL and would silently leave out the rest. */
static bool check_nul(const struct source_file *f, struct err *err)
{
	size_t nul = span_find(f->text, '\0');
	int line = 1;

	if (nul == f->text.len)
		return true;
	for (size_t i = 0; i < nul; i++)
		line += f->text.ptr[i] == '\n';
	return fail(err, f->name, line, "NUL byte");
}

static bool take_file(struct source *s, struct source_file *f, struct err *err);

/* A name is relative to the directory of the file that includes it. */
static char *included_name(struct source *s, const struct source_file *f, struct span name)
{
	size_t dir = strlen(f->name);
	char *joined;

	while (dir && f->name[dir - 1] != '/')
		dir--;
	if (name.ptr[0] == '/')
		dir = 0;
	joined = arena_alloc(s->names, dir + name.len + 1);
	if (!joined)
		return NULL;
	memcpy(joined, f->name, dir);
	memcpy(joined + dir, name.ptr, name.len);
	return joined;
}

static bool take_include(struct source *s, const struct source_file *f, const struct token *t,
			 struct err *err)
{
	struct source_file file = {
		.parent = f, .parent_line = t->line, .depth = f->depth + 1, .may_include = true
	};
	struct buf text = { 0 };
	bool ok;

	if (!f->may_include)
		return fail(err, f->name, t->line, "@include is possible only in a file");
	if (t->text.len == 0 || span_find(t->text, '\\') < t->text.len)
		return fail(err, f->name, t->line, "@include needs a file name, without backslashes");
	if (file.depth > SOURCE_DEPTH_MAX)
		return fail(err, f->name, t->line, "files include each other more than 10 deep");
	file.name = included_name(s, f, t->text);
	if (!file.name)
		return fail(err, f->name, t->line, "out of memory");
	ok = read_file(&file, &text, err);
	if (ok) {
		file.text = buf_span(&text);
		ok = take_file(s, &file, err);
	}
	buf_fini(&text);
	return ok;
}

static bool fail_size(const struct source_file *f, struct err *err)
{
	return fail_file(err, f, "out of memory, or more than 4 MiB or 256 files with all that is included");
}

/* Copy a file token by token, with what it includes in the place of each @include. */
static bool take_tokens(struct source *s, const struct source_file *f, struct err *err)
{
	struct lexer lexer;
	struct token t;
	struct err what;
	size_t copied = 0;

	lexer_init(&lexer, f->text);
	do {
		t = lexer_next(&lexer);
		if (!strict_check(&s->strict, &t, &what))
			return fail(err, f->name, t.line, what.text);
		if (t.type != TOKEN_INCLUDE)
			continue;
		if (!add_text(s, span_of(f->text.ptr + copied, t.start - copied)) || !end_line(s))
			return fail_size(f, err);
		if (!take_include(s, f, &t, err))
			return false;
		if (!add_segment(s, f->name, t.line))
			return fail_size(f, err);
		copied = t.end;
	} while (t.type != TOKEN_END);
	if (!add_text(s, span_from(f->text, copied)) || !end_line(s))
		return fail_size(f, err);
	return true;
}

static bool take_file(struct source *s, struct source_file *f, struct err *err)
{
	if (++s->file_count > SOURCE_FILES_MAX || f->text.len > SOURCE_OCTETS_MAX ||
	    !add_segment(s, f->name, 1))
		return fail_size(f, err);
	return check_nul(f, err) && take_tokens(s, f, err);
}

static bool take_first(struct source *s, struct source_file *f, struct err *err)
{
	if (!take_file(s, f, err))
		return false;
	if (s->strict.depth) {
		struct config_place end = source_place(s, s->line_count);

		return fail(err, end.file, end.line,
			    "the file ends inside a group or list that is not closed");
	}
	if (!buf_add(&s->text, "", 1))
		return fail_size(f, err);
	s->text.end--; /* libconfig wants a C string */
	return true;
}

bool source_read(struct source *s, struct arena *names, const char *file, struct err *err)
{
	struct source_file first = { .may_include = true };
	struct buf text = { 0 };
	bool ok = false;

	*s = (struct source){ .names = names };
	first.name = arena_dup(names, span_str(file));
	if (!first.name)
		return err_set(err, "%s: out of memory", file);
	if (read_file(&first, &text, err)) {
		first.text = buf_span(&text);
		ok = take_first(s, &first, err);
	}
	buf_fini(&text);
	return ok;
}

bool source_read_text(struct source *s, struct arena *names, const char *name, struct span text,
		      struct err *err)
{
	struct source_file first = { .text = text };

	*s = (struct source){ .names = names };
	first.name = arena_dup(names, span_str(name));
	if (!first.name)
		return err_set(err, "%s: out of memory", name);
	return take_first(s, &first, err);
}

void source_fini(struct source *s)
{
	buf_fini(&s->text);
}

struct config_place source_place(const struct source *s, int line)
{
	struct config_place place = { "", 0 };

	for (size_t i = 0; i < s->segment_count && s->segments[i].line <= line; i++) {
		place = s->segments[i].place;
		place.line += line - s->segments[i].line;
	}
	return place;
}
