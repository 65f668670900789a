/*
 * The loader of vectors, and the comparison with what they expect. See
 * vector.h and tests/vectors/README.
 */
#include "vector.h"

#include "session_model.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { MACROS_MAX = 128, REPEAT_MAX = 10000000 };

struct macro {
	struct span name;
	struct span lines;
};

struct loader {
	struct vector_set *set;
	struct vector *vector; /* the one that is read, or NULL */
	struct macro macros[MACROS_MAX];
	size_t macro_count;
	struct buf input; /* of the vector */
	size_t waiting_from, waiting_to; /* the waiting events of the last E line */
	bool has_connect;
	const char *file;
	unsigned line;
};

static const struct smtp_session_options default_options = {
	.hostname = "mx.example.org",
	.greeting = "mx.example.org smtpfrontd",
	.max_message_size = 52428800,
	.max_header_size = 262144,
	.max_hops = 100,
	.max_command_line = 2048,
	.max_recipients = 1000,
	.max_messages = 1000,
	.max_errors = 20,
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

static struct span unescape(struct loader *l, struct span text)
{
	struct span bytes;

	if (!play_unescape(&l->set->arena, text, &bytes))
		mistake(l, "bad escape", text);
	return bytes;
}

/* The first word of *rest, taken off it with the blanks behind it. */
static struct span take_word(struct span *rest)
{
	size_t n = span_find(*rest, ' ');
	struct span word = span_head(*rest, n);

	*rest = span_trim(span_from(*rest, n));
	return word;
}

/* ---- the lines of a vector ---- */

static void add_verdict(struct loader *l)
{
	struct vector *v = l->vector;

	v->verdicts = realloc(v->verdicts, (v->verdict_count + 1) * sizeof(*v->verdicts));
	play_need(v->verdicts != NULL);
	memset(&v->verdicts[v->verdict_count++], 0, sizeof(*v->verdicts));
}

static enum smtp_event_type event_type(struct loader *l, struct span word)
{
	static const struct {
		const char *name;
		enum smtp_event_type type;
	} names[] = {
		{ "CONNECT", SMTP_EVENT_CONNECT }, { "HELO", SMTP_EVENT_HELO },
		{ "MAIL", SMTP_EVENT_MAIL },       { "RCPT", SMTP_EVENT_RCPT },
		{ "DATA", SMTP_EVENT_DATA },       { "MESSAGE", SMTP_EVENT_MESSAGE },
		{ "BODY", SMTP_EVENT_BODY },       { "RESET", SMTP_EVENT_RESET },
		{ "REPLIED", SMTP_EVENT_REPLIED }, { "QUIT", SMTP_EVENT_QUIT },
		{ "CLOSE", SMTP_EVENT_CLOSE },     { "STARTTLS", SMTP_EVENT_STARTTLS },
		{ "XCLIENT", SMTP_EVENT_XCLIENT },
		{ "AUTH", SMTP_EVENT_AUTH },       { "AUTH_STEP", SMTP_EVENT_AUTH_STEP },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq(word, span_str(names[i].name)))
			return names[i].type;
	mistake(l, "unknown event", word);
}

static void expect_body(struct loader *l, struct span content)
{
	struct transcript *t = &l->vector->expected;

	if (span_eq(content, SPAN_LITERAL("*"))) {
		transcript_add(t, PLAY_EVENT, SMTP_EVENT_BODY, "*")->is_anything = true;
		return;
	}
	transcript_add_body(t, unescape(l, content));
}

static void expect_event(struct loader *l, struct span text)
{
	struct span rest = text;
	enum smtp_event_type type = event_type(l, take_word(&rest));

	l->waiting_from = l->waiting_to;
	if (type == SMTP_EVENT_BODY) {
		expect_body(l, span_from(text, strlen("BODY ")));
		return;
	}
	transcript_add(&l->vector->expected, PLAY_EVENT, type, keep(l, text));
	if (play_event_waits(type)) {
		add_verdict(l);
		l->waiting_to = l->vector->verdict_count;
	}
}

static void expect_reply(struct loader *l, struct span text)
{
	struct span line = unescape(l, text);
	const char *escaped = play_escape(&l->set->arena, line);

	transcript_add(&l->vector->expected, PLAY_REPLY, SMTP_EVENTS, escaped)->bytes = line;
}

static bool is_status(struct span word)
{
	return word.len >= 5 && ascii_is_digit(word.ptr[0]) && word.ptr[1] == '.';
}

/* "ok", "quiet", or "550 5.1.1 text". */
static struct smtp_reply parse_reply(struct loader *l, struct span text)
{
	struct smtp_reply r = { .reason = "told" };
	uint64_t code;
	struct span word;

	if (span_eq(text, SPAN_LITERAL("ok")) || span_eq(text, SPAN_LITERAL("quiet")))
		return r;
	if (!span_to_u64(take_word(&text), &code) || code < 200 || code > 599)
		mistake(l, "no reply", text);
	r.code = (uint16_t)code;
	word = text;
	word = take_word(&word);
	if (is_status(word)) {
		r.status = keep(l, word);
		take_word(&text);
	}
	r.text = keep(l, unescape(l, text));
	return r;
}

static void give_verdict(struct loader *l, struct span text)
{
	struct play_verdict v = { .is_close = span_istarts(text, SPAN_LITERAL("close ")) };

	if (v.is_close)
		text = span_from(text, strlen("close "));
	v.is_each = span_istarts(text, SPAN_LITERAL("each "));
	if (v.is_each)
		text = span_from(text, strlen("each "));
	v.reply = parse_reply(l, text);
	if (l->waiting_from == l->waiting_to)
		mistake(l, "a verdict without an event that waits", text);
	for (size_t i = l->waiting_from; i < l->waiting_to; i++)
		l->vector->verdicts[i] = v;
}

static void set_closing(struct loader *l, struct span text)
{
	if (l->vector->has_closing)
		mistake(l, "a second X line", text);
	l->vector->has_closing = true;
	l->vector->closing.offset = buf_len(&l->input);
	l->vector->closing.reply = parse_reply(l, text);
}

/* A session that begins with it is in TLS from the start. */
static void start_tls(struct loader *l)
{
	struct vector *v = l->vector;

	if (v->starts_tls)
		mistake(l, "TLS has started already", SPAN_LITERAL("T"));
	v->starts_in_tls |= !l->has_connect;
	v->starts_tls = l->has_connect;
	v->tls_offset = buf_len(&l->input);
	transcript_add(&v->expected, PLAY_TLS, SMTP_EVENTS, "");
}

/* False: it is no switch. */
static bool set_switch(struct smtp_session_options *o, struct span key, bool value)
{
	struct {
		const char *key;
		bool *value;
	} rows[] = {
		{ "is_lenient", &o->is_lenient },
		{ "rejects_unknown_parameters", &o->rejects_unknown_parameters },
		{ "offers_binarymime", &o->offers_binarymime },
		{ "offers_dsn", &o->offers_dsn },
		{ "offers_prdr", &o->offers_prdr },
		{ "offers_xclient", &o->offers_xclient },
		{ "offers_requiretls", &o->offers_requiretls },
		{ "offers_starttls", &o->offers_starttls },
		{ "requires_tls", &o->requires_tls },
		{ "offers_auth", &o->offers_auth },
		{ "auth_without_tls", &o->auth_without_tls },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!span_eq(key, span_str(rows[i].key)))
			continue;
		*rows[i].value = value;
		return true;
	}
	return false;
}

static void set_number(struct loader *l, struct span key, uint64_t value)
{
	struct smtp_session_options *o = &l->vector->options;
	struct {
		const char *key;
		uint64_t *wide;
		uint32_t *narrow;
	} rows[] = {
		{ "max_message_size", &o->max_message_size, NULL },
		{ "max_header_size", &o->max_header_size, NULL },
		{ "max_hops", NULL, &o->max_hops },
		{ "max_command_line", NULL, &o->max_command_line },
		{ "max_recipients", NULL, &o->max_recipients },
		{ "max_recipient_domains", NULL, &o->max_recipient_domains },
		{ "max_messages", NULL, &o->max_messages },
		{ "max_errors", NULL, &o->max_errors },
		{ "maxnotimpl", NULL, &o->maxnotimpl },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!span_eq(key, span_str(rows[i].key)))
			continue;
		if (rows[i].wide)
			*rows[i].wide = value;
		else
			*rows[i].narrow = (uint32_t)value;
		return;
	}
	mistake(l, "unknown option", key);
}

static enum smtp_bare_newline parse_bare_newline(struct loader *l, struct span value)
{
	if (span_eq(value, SPAN_LITERAL("auto")))
		return SMTP_BARE_NEWLINE_AUTO;
	if (span_eq(value, SPAN_LITERAL("reject")))
		return SMTP_BARE_NEWLINE_REJECT;
	if (span_eq(value, SPAN_LITERAL("lenient")))
		return SMTP_BARE_NEWLINE_LENIENT;
	mistake(l, "unknown bare_newline", value);
}

static void set_options(struct loader *l, struct span text)
{
	while (text.len > 0) {
		struct span word = take_word(&text);
		size_t n = span_find(word, '=');
		struct span key = span_head(word, n);
		struct span value = span_from(word, n + 1);
		uint64_t number;

		if (span_eq(key, SPAN_LITERAL("greeting")))
			l->vector->options.greeting = keep(l, unescape(l, value));
		else if (span_eq(key, SPAN_LITERAL("hostname")))
			l->vector->options.hostname = keep(l, value);
		else if (span_eq(key, SPAN_LITERAL("bare_newline")))
			l->vector->options.bare_newline = parse_bare_newline(l, value);
		else if (!span_to_u64(value, &number))
			mistake(l, "bad option", word);
		else if (!set_switch(&l->vector->options, key, number != 0))
			set_number(l, key, number);
	}
}

static void add_input(struct loader *l, char kind, struct span text, uint64_t times)
{
	const char *line_end = kind == 'C' ? "\r\n" : kind == 'L' ? "\n" : "";
	struct span bytes = unescape(l, text);

	for (uint64_t i = 0; i < times; i++)
		play_need(buf_add_span(&l->input, bytes) && buf_add_str(&l->input, line_end));
}

/* The vector's first line says CONNECT itself, or the usual greeting goes before. */
static void begin_conversation(struct loader *l, char kind, struct span text)
{
	if (l->has_connect || kind == 'O' || kind == 'T')
		return;
	l->has_connect = true;
	if (kind == 'E' && span_eq(text, SPAN_LITERAL("CONNECT")))
		return;
	expect_event(l, SPAN_LITERAL("CONNECT"));
	expect_reply(l, SPAN_LITERAL("220 mx.example.org smtpfrontd ESMTP"));
}

static void take_directive(struct loader *l, char kind, struct span text)
{
	switch (kind) {
	case 'O': set_options(l, text); break;
	case 'S': expect_reply(l, text); break;
	case 'E': expect_event(l, text); break;
	case 'V': give_verdict(l, text); break;
	case 'X': set_closing(l, text); break;
	case 'T': start_tls(l); break;
	default: mistake(l, "unknown directive", text);
	}
}

static void repeat_directive(struct loader *l, char kind, struct span text, uint64_t times)
{
	size_t waiting_from = l->waiting_to;

	begin_conversation(l, kind, text);
	if (kind == 'C' || kind == 'L' || kind == 'R') {
		add_input(l, kind, text, times);
		return;
	}
	if (kind == 'E')
		waiting_from = l->waiting_to;
	for (uint64_t i = 0; i < times; i++)
		take_directive(l, kind, text);
	if (kind == 'E')
		l->waiting_from = waiting_from;
}

/* "K: text" or "K*times: text" */
static void parse_directive(struct loader *l, struct span line)
{
	size_t colon = span_find(line, ':');
	uint64_t times = 1;
	struct span text = span_from(line, colon + 1);

	if (colon == line.len || !l->vector)
		mistake(l, "not understood", line);
	if (colon > 1 && (line.ptr[1] != '*' || !span_to_u64(span_of(line.ptr + 2, colon - 2), &times) ||
			  times > REPEAT_MAX))
		mistake(l, "bad repetition", line);
	if (text.len > 0 && text.ptr[0] == ' ')
		text = span_from(text, 1);
	repeat_directive(l, line.ptr[0], text, times);
}

/* ---- files ---- */

static void end_vector(struct loader *l)
{
	struct vector *v = l->vector;

	if (!v)
		return;
	begin_conversation(l, 'C', span_of("", 0));
	transcript_end_body(&v->expected);
	v->input = span_of(keep(l, buf_span(&l->input)), buf_len(&l->input));
	buf_fini(&l->input);
	l->vector = NULL;
}

static void begin_vector(struct loader *l, struct span name)
{
	struct vector_set *set = l->set;

	end_vector(l);
	set->vectors = realloc(set->vectors, (set->count + 1) * sizeof(*set->vectors));
	play_need(set->vectors != NULL);
	l->vector = &set->vectors[set->count++];
	*l->vector = (struct vector){ .file = l->file, .line = l->line, .options = default_options };
	l->vector->name = keep(l, name);
	l->has_connect = false;
	l->waiting_from = l->waiting_to = 0;
}

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

/* Take the lines up to %end off *rest. */
static struct span take_block(struct loader *l, struct span *rest)
{
	static const char end[] = "%end\n";

	for (size_t i = 0; i < rest->len; i++) {
		struct span block = span_head(*rest, i);

		if (i > 0 && rest->ptr[i - 1] != '\n')
			continue;
		if (span_istarts(span_from(*rest, i), span_str(end))) {
			*rest = span_from(*rest, i + strlen(end));
			return span_of(keep(l, block), i);
		}
	}
	mistake(l, "there is no %end", span_of("", 0));
}

static void count_lines(struct loader *l, struct span block)
{
	for (size_t i = 0; i < block.len; i++)
		l->line += block.ptr[i] == '\n';
	l->line++;
}

static void define_macro(struct loader *l, struct span name, struct span *rest)
{
	struct macro *m = &l->macros[l->macro_count++];

	if (l->macro_count == MACROS_MAX)
		mistake(l, "too many macros", name);
	m->name = span_of(keep(l, name), name.len);
	m->lines = take_block(l, rest);
	count_lines(l, m->lines);
}

static void repeat_block(struct loader *l, struct span times, struct span *rest)
{
	struct span block = take_block(l, rest);
	unsigned line = l->line;
	uint64_t n;

	if (!span_to_u64(times, &n) || n > REPEAT_MAX)
		mistake(l, "bad repetition", times);
	while (n-- > 0) {
		l->line = line;
		load_lines(l, block);
	}
	l->line = line;
	count_lines(l, block);
}

static void load_lines(struct loader *l, struct span rest)
{
	while (rest.len > 0) {
		size_t n = span_find(rest, '\n');
		struct span line = span_head(rest, n);

		rest = span_from(rest, n + 1);
		l->line++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (span_istarts(line, SPAN_LITERAL("== ")))
			begin_vector(l, span_from(line, 3));
		else if (span_istarts(line, SPAN_LITERAL("%define ")))
			define_macro(l, span_from(line, 8), &rest);
		else if (span_istarts(line, SPAN_LITERAL("%repeat ")))
			repeat_block(l, span_from(line, 8), &rest);
		else if (line.ptr[0] == '@')
			expand_macro(l, span_from(line, 1));
		else
			parse_directive(l, line);
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
	end_vector(l);
	buf_fini(&text);
}

static int is_vector_file(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && strcmp(entry->d_name + n - 5, ".smtp") == 0;
}

void vector_set_load(struct vector_set *set, const char *dir)
{
	struct loader l = { .set = set };
	struct dirent **names;
	int count = scandir(dir, &names, is_vector_file, alphasort);

	memset(set, 0, sizeof(*set));
	if (count <= 0) {
		fprintf(stderr, "%s: no vectors here\n", dir);
		exit(1);
	}
	load_file(&l, dir, "common.inc");
	for (int i = 0; i < count; i++) {
		if (set->file_count == VECTOR_FILES_MAX)
			mistake(&l, "a file of vectors too many", span_str(names[i]->d_name));
		set->files[set->file_count++] = set->count;
		load_file(&l, dir, names[i]->d_name);
		free(names[i]);
	}
	set->files[set->file_count] = set->count;
	free(names);
}

void vector_set_fini(struct vector_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		transcript_fini(&set->vectors[i].expected);
		free(set->vectors[i].verdicts);
	}
	free(set->vectors);
	arena_fini(&set->arena);
	memset(set, 0, sizeof(*set));
}

const char *vector_dir(char *path, size_t size)
{
	const char *srcdir = getenv("srcdir");

	snprintf(path, size, "%s/tests/vectors", srcdir ? srcdir : ".");
	return path;
}

/* ---- playing ---- */

static struct play_verdict verdict_of(const void *arg, size_t nth, enum smtp_event_type type)
{
	const struct vector *v = arg;
	struct play_verdict verdict = { .is_close = false };

	if (nth < v->verdict_count)
		verdict = v->verdicts[nth];
	/* Where memory runs out events may be missing, and then a challenge would go to another command. */
	if (verdict.reply.code == 334 && type != SMTP_EVENT_AUTH && type != SMTP_EVENT_AUTH_STEP)
		verdict.reply.code = 0;
	return verdict;
}

struct play vector_play(const struct vector *v)
{
	return (struct play){
		.options = &v->options,
		.input = v->input,
		.closing = v->has_closing ? &v->closing : NULL,
		.verdict = verdict_of,
		.arg = v,
		.starts_in_tls = v->starts_in_tls,
		.starts_tls = v->starts_tls,
		.tls_offset = v->tls_offset,
	};
}

static void explain(const struct vector *v, const struct transcript *t, const char *what, char *words,
		    size_t size)
{
	struct buf text = { 0 };

	transcript_print(t, &text);
	snprintf(words, size, "%s:%u: %s: %s\n--- the end of what happened ---\n%.*s", v->file, v->line,
		 v->name, what, (int)buf_len(&text), buf_span(&text).ptr);
	buf_fini(&text);
}

const char *vector_check(const struct vector *v, const struct play *p, char *words, size_t size)
{
	struct transcript t;
	char difference[2048];
	const char *what;

	play_run(p, &t);
	what = t.problem[0] ? t.problem : NULL;
	if (!what)
		what = transcript_compare(&v->expected, &t, difference, sizeof(difference));
	if (!what)
		what = model_judge(p, &t, difference, sizeof(difference));
	if (what)
		explain(v, &t, what, words, size);
	transcript_fini(&t);
	return what ? words : NULL;
}

bool vector_next_cut(const struct vector *v, size_t *cut)
{
	size_t step = v->input.len > 4096 ? v->input.len / 40 | 1 : 1;

	*cut += step;
	return *cut < v->input.len;
}
