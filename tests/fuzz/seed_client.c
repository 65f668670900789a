/*
 * Writes the scripts of tests/vectors-client down as inputs of fuzz_client, a file
 * each. Usage: seed_client DIRECTORY
 */
#include "client_script.h"
#include "transcript.h"

#include <stdio.h>
#include <stdlib.h>

static void put_options(FILE *file, const struct client_script *s)
{
	const struct smtp_client_options *o = &s->options;

	fprintf(file, "%s%s%s%s%s%s\n", o->is_lmtp ? "l" : "", o->user ? "a" : "",
		o->auth_without_tls || s->starts_in_tls ? "p" : "", o->sends_xclient ? "x" : "",
		o->sends_xforward ? "f" : "",
		o->starttls == SMTP_CLIENT_TLS_MUST  ? "m"
		: o->starttls == SMTP_CLIENT_TLS_MAY ? "s"
						     : "");
}

static bool starts_with(struct span text, const char *word)
{
	return span_istarts(text, span_str(word));
}

static void put_mail(FILE *file, struct span text)
{
	static const struct {
		const char *word, *flag;
	} rows[] = {
		{ "body=8bit", "8" }, { "body=binary", "b" }, { "smtputf8", "u" },
		{ "requiretls", "r" }, { "size=", "z" },      { "ret=", "d" },
	};

	fputs("M", file);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (memmem(text.ptr, text.len, rows[i].word, strlen(rows[i].word)))
			fputs(rows[i].flag, file);
	fputs("\n", file);
}

/* Its lines, each with a letter of its own. */
static void put_content(FILE *file, struct arena *arena, struct span text)
{
	struct span rest;

	if (!play_unescape(arena, span_from(text, span_find(text, ' ') + 1), &rest))
		return;
	while (rest.len) {
		size_t n = span_find(rest, '\n');

		fprintf(file, "%c%.*s\n", n < rest.len ? 'C' : 'c', (int)n, rest.ptr);
		rest = span_from(rest, n + 1);
	}
}

static void put_action(FILE *file, struct arena *arena, struct span text)
{
	static const struct {
		const char *word, *line;
	} rows[] = {
		{ "rcpt", "r\n" }, { "data", "D\n" }, { "end", "E\n" },
		{ "reset", "X\n" }, { "quit", "Q\n" }, { "trim", "K\n" },
		{ "introduce", "Iclient.example\n" },
	};

	if (starts_with(text, "mail "))
		put_mail(file, text);
	else if (starts_with(text, "content ") || starts_with(text, "refused-content "))
		put_content(file, arena, text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (starts_with(text, rows[i].word))
			fputs(rows[i].line, file);
}

/* What the hop says, in lines; long ones are left out. */
static void put_said(FILE *file, struct span bytes)
{
	if (bytes.len > 4096)
		bytes.len = 4096;
	while (bytes.len) {
		size_t n = span_find(bytes, '\n');
		bool has_lf = n < bytes.len, has_cr = has_lf && n && bytes.ptr[n - 1] == '\r';

		fprintf(file, "%c", has_cr ? 'S' : has_lf ? 'L' : 'R');
		fwrite(bytes.ptr, 1, n - has_cr, file);
		fputs("\n", file);
		bytes = span_from(bytes, n + 1);
	}
}

static void put_script(const char *dir, struct arena *arena, const struct client_script *s)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, s->name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	put_options(file, s);
	for (size_t i = 0; i < s->count; i++) {
		const struct client_line *line = &s->lines[i];

		if (line->letter == 'C')
			fputs("O\n", file);
		else if (line->letter == 'T')
			fputs("T\n", file);
		else if (line->letter == 'D')
			put_action(file, arena, line->text);
		else if (line->bytes.len)
			put_said(file, line->bytes);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	struct client_script_set set;

	if (argc != 2) {
		fputs("Usage: seed_client DIRECTORY\n", stderr);
		return 2;
	}
	client_script_load(&set);
	for (size_t i = 0; i < set.count; i++)
		put_script(argv[1], &set.arena, &set.scripts[i]);
	client_script_fini(&set);
	return 0;
}
