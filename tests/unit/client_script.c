/* See client_script.h. */
#include "client_script.h"

#include "transcript.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { MACROS_MAX = 64, REPEAT_MAX = 100000 };

struct loader {
	struct client_script_set *set;
	struct client_script *script; /* the one that is read, or NULL */
	struct {
		struct span name, lines;
	} macros[MACROS_MAX];
	size_t macro_count;
	const char *file;
	unsigned line;
};

static _Noreturn void mistake(const struct loader *l, const char *what, struct span text)
{
	fprintf(stderr, "%s:%u: %s: %.*s\n", l->file, l->line, what, (int)text.len, text.ptr);
	exit(1);
}

static char *keep(struct loader *l, struct span s)
{
	char *copy = arena_dup(&l->set->arena, s);

	play_need(copy != NULL);
	return copy;
}

static struct span take_word(struct span *rest)
{
	size_t n = span_find(*rest, ' ');
	struct span word = span_head(*rest, n);

	*rest = span_trim(span_from(*rest, n));
	return word;
}

/* ---- one script ---- */

static void begin_script(struct loader *l, struct span name)
{
	struct client_script_set *set = l->set;

	set->scripts = realloc(set->scripts, (set->count + 1) * sizeof(*set->scripts));
	play_need(set->scripts != NULL);
	l->script = &set->scripts[set->count++];
	*l->script = (struct client_script){
		.file = l->file,
		.line = l->line,
		.name = keep(l, name),
		.options = { .hostname = "mx.example.org" },
	};
}

static enum smtp_client_tls tls_word(struct loader *l, struct span word)
{
	if (span_eq(word, SPAN_LITERAL("may")))
		return SMTP_CLIENT_TLS_MAY;
	if (span_eq(word, SPAN_LITERAL("must")))
		return SMTP_CLIENT_TLS_MUST;
	mistake(l, "neither may nor must", word);
}

static void set_option(struct loader *l, struct span key, struct span value)
{
	struct client_script *s = l->script;
	struct {
		const char *key;
		bool *value;
	} switches[] = {
		{ "lmtp", &s->options.is_lmtp },
		{ "auth_without_tls", &s->options.auth_without_tls },
		{ "xclient", &s->options.sends_xclient },
		{ "xforward", &s->options.sends_xforward },
		{ "tls", &s->starts_in_tls },
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (span_eq(key, span_str(switches[i].key))) {
			*switches[i].value = true;
			return;
		}
	}
	if (span_eq(key, SPAN_LITERAL("user")))
		s->options.user = keep(l, value);
	else if (span_eq(key, SPAN_LITERAL("password")))
		s->options.password = keep(l, value);
	else if (span_eq(key, SPAN_LITERAL("starttls")))
		s->options.starttls = tls_word(l, value);
	else
		mistake(l, "unknown option", key);
}

static void set_options(struct loader *l, struct span rest)
{
	while (rest.len) {
		struct span word = take_word(&rest);
		size_t n = span_find(word, '=');

		set_option(l, span_head(word, n), span_from(word, n + 1));
	}
}

static struct span unescape(struct loader *l, struct span text)
{
	struct span bytes;

	if (!play_unescape(&l->set->arena, text, &bytes))
		mistake(l, "bad escape", text);
	return bytes;
}

/* `bytes` so many times. */
static struct span repeat(struct loader *l, struct span bytes, uint64_t times)
{
	char *all = arena_alloc(&l->set->arena, bytes.len * times + 1);

	play_need(all != NULL);
	for (uint64_t i = 0; i < times; i++)
		memcpy(all + i * bytes.len, bytes.ptr, bytes.len);
	return span_of(all, bytes.len * times);
}

/* What the hop says with this line. */
static struct span hop_bytes(struct loader *l, char letter, struct span text, uint64_t times)
{
	struct span bytes = unescape(l, text);
	struct buf all = { 0 };
	struct span said;

	play_need(buf_add_span(&all, bytes));
	if (letter != 'R')
		play_need(buf_add_str(&all, "\r\n"));
	said = repeat(l, buf_span(&all), times);
	buf_fini(&all);
	return said;
}

static void add_line(struct loader *l, char letter, struct span text, uint64_t times)
{
	struct client_script *s = l->script;
	struct client_line *line;

	s->lines = realloc(s->lines, (s->count + 1) * sizeof(*s->lines));
	play_need(s->lines != NULL);
	line = &s->lines[s->count++];
	*line = (struct client_line){ .letter = letter, .line = l->line };
	line->text = span_of(keep(l, text), text.len);
	if (letter == 'S' || letter == 'R' || letter == 'Y')
		line->bytes = hop_bytes(l, letter, text, times);
	else if (letter == 'C')
		line->bytes = unescape(l, text);
	if (letter == 'S' || letter == 'R' || letter == 'Y')
		s->input_len += line->bytes.len;
}

/* The n of "K*n"; *times, too. */
static uint64_t times_of(struct span head, uint64_t *times)
{
	if (!span_to_u64(span_from(head, 2), times))
		*times = UINT64_MAX;
	return *times;
}

/* "K: text" or "K*n: text". */
static void parse_line(struct loader *l, struct span line)
{
	size_t colon = span_find(line, ':');
	struct span text = span_from(line, colon + 1);
	uint64_t times = 1;

	if (!l->script || colon == line.len || !memchr("SRYCNEDTWQO", line.ptr[0], 11))
		mistake(l, "no line of a script", line);
	if (colon > 1 && (line.ptr[1] != '*' || times_of(span_head(line, colon), &times) > REPEAT_MAX))
		mistake(l, "bad repetition", line);
	if (text.len && text.ptr[0] == ' ')
		text = span_from(text, 1);
	if (line.ptr[0] == 'O')
		set_options(l, text);
	else
		add_line(l, line.ptr[0], text, times);
}

/* ---- files ---- */

static void load_lines(struct loader *l, struct span rest);

static void expand_macro(struct loader *l, struct span name)
{
	unsigned line = l->line;

	for (size_t i = 0; i < l->macro_count; i++) {
		if (!span_eq(l->macros[i].name, name))
			continue;
		load_lines(l, l->macros[i].lines);
		l->line = line;
		return;
	}
	mistake(l, "unknown macro", name);
}

static void define_macro(struct loader *l, struct span name, struct span *rest)
{
	const char *end = memmem(rest->ptr, rest->len, "%end\n", 5);

	if (!end || l->macro_count == MACROS_MAX)
		mistake(l, "no %end, or too many macros", name);
	struct span block = span_head(*rest, (size_t)(end - rest->ptr));

	l->macros[l->macro_count].name = span_of(keep(l, name), name.len);
	l->macros[l->macro_count++].lines = span_of(keep(l, block), block.len);
	*rest = span_from(*rest, block.len + strlen("%end\n"));
	for (size_t i = 0; i < block.len; i++)
		l->line += block.ptr[i] == '\n';
	l->line++;
}

static void load_lines(struct loader *l, struct span rest)
{
	while (rest.len) {
		size_t n = span_find(rest, '\n');
		struct span line = span_head(rest, n);

		rest = span_from(rest, n + 1);
		l->line++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (span_istarts(line, SPAN_LITERAL("== ")))
			begin_script(l, span_from(line, 3));
		else if (span_istarts(line, SPAN_LITERAL("%define ")))
			define_macro(l, span_from(line, 8), &rest);
		else if (line.ptr[0] == '@')
			expand_macro(l, span_from(line, 1));
		else
			parse_line(l, line);
	}
}

static void load_file(struct loader *l, const char *dir, const char *name)
{
	char path[4096];
	struct buf text = { 0 };
	size_t got;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	l->file = keep(l, span_str(path));
	l->line = 0;
	l->script = NULL;
	file = fopen(path, "r");
	if (!file)
		mistake(l, "cannot be read", span_str(name));
	do {
		play_need(buf_reserve(&text, 65536));
		got = fread(text.data + text.end, 1, 65536, file);
		buf_added(&text, got);
	} while (got > 0);
	fclose(file);
	load_lines(l, buf_span(&text));
	buf_fini(&text);
}

static int is_script_file(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && strcmp(entry->d_name + n - 5, ".smtp") == 0;
}

void client_script_load(struct client_script_set *set)
{
	struct loader l = { .set = set };
	const char *srcdir = getenv("srcdir");
	struct dirent **names;
	char dir[2048];
	int count;

	memset(set, 0, sizeof(*set));
	snprintf(dir, sizeof(dir), "%s/tests/vectors-client", srcdir ? srcdir : ".");
	count = scandir(dir, &names, is_script_file, alphasort);
	if (count <= 0 || count > CLIENT_SCRIPT_FILES_MAX) {
		fprintf(stderr, "%s: no scripts here, or too many\n", dir);
		exit(1);
	}
	load_file(&l, dir, "common.inc");
	for (int i = 0; i < count; i++) {
		set->files[set->file_count++] = set->count;
		load_file(&l, dir, names[i]->d_name);
		free(names[i]);
	}
	set->files[set->file_count] = set->count;
	free(names);
}

void client_script_fini(struct client_script_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->scripts[i].lines);
	free(set->scripts);
	arena_fini(&set->arena);
	memset(set, 0, sizeof(*set));
}
