#include "conf/manual.h"

#include "conf/option.h"

enum { MANUAL_COLUMNS = 78 };

/* One line of a paragraph that is being filled. */
struct filler {
	FILE *out;
	size_t column;
};

static void put_char(struct filler *f, char c)
{
	if (c == '\\')
		fputs("\\e", f->out);
	else
		fputc(c, f->out);
	f->column++;
}

/* A new line where the word would not fit, and before a word that roff would take for a request. */
static void put_word(struct filler *f, struct span word)
{
	if (f->column && f->column + 1 + word.len > MANUAL_COLUMNS) {
		fputc('\n', f->out);
		f->column = 0;
	}
	if (f->column)
		put_char(f, ' ');
	else if (word.len && strchr(".'", word.ptr[0]))
		fputs("\\&", f->out);
	for (size_t i = 0; i < word.len; i++)
		put_char(f, word.ptr[i]);
}

static void end_line(struct filler *f)
{
	if (f->column)
		fputc('\n', f->out);
	f->column = 0;
}

/* Each sentence begins a line, as mdoc wants it. */
static void print_text(const char *text, FILE *out)
{
	struct filler f = { .out = out };
	struct span rest = span_str(text);

	while (rest.len) {
		struct span word = span_head(rest, span_find(rest, ' '));

		put_word(&f, word);
		if (word.len && word.ptr[word.len - 1] == '.')
			end_line(&f);
		rest = span_from(rest, word.len + 1);
	}
	end_line(&f);
}

static const char *type_words(const struct option *o)
{
	static const char *const words[OPTION_TYPES] = {
		[OPTION_GREETING] = "A string",
		[OPTION_TAG] = "A string",
		[OPTION_BOOL] = "true or false",
		[OPTION_HOSTNAME] = "A host name",
		[OPTION_DOMAIN] = "A domain name",
		[OPTION_DOMAINS] = "A list of domain names",
		[OPTION_ADDRESS] = "A mail address",
		[OPTION_SOCKET] = "An address and port",
		[OPTION_BIND] = "An address and port",
		[OPTION_PATTERN] = "A path",
		[OPTION_TEXT] = "A string",
		[OPTION_PATH] = "A path",
		[OPTION_PRIORITY] = "A string",
		[OPTION_DELIMITERS] = "Some characters",
		[OPTION_MAILBOX] = "The name of a mailbox",
		[OPTION_MAILBOXES] = "A list of names of mailboxes",
		[OPTION_HOSTS] = "A list of hosts",
		[OPTION_MECHANISMS] = "A list of names of mechanisms",
		[OPTION_OFFERS] = "A list of words",
		[OPTION_COMMAND] = "A list of a path and arguments",
		[OPTION_VARIABLES] = "A list of variables",
		[OPTION_EXIT_REPLIES] = "A list of exit codes with their texts",
		[OPTION_NETWORKS] = "A list of addresses and networks",
		[OPTION_CERTIFICATES] = "A list of groups",
		[OPTION_BACKEND_NAME] = "A name",
		[OPTION_LISTENERS] = "A list of groups",
		[OPTION_BACKENDS] = "A group of named groups",
		[OPTION_ROUTES] = "A list of groups",
		[OPTION_CLIENTS] = "A list of groups",
		[OPTION_RATES] = "A list of groups",
		[OPTION_AUTHS] = "A list of groups",
		[OPTION_RECIPIENT_MAPS] = "A list of groups",
		[OPTION_HOST_PATTERNS] = "A list of names of hosts",
		[OPTION_ALIASES] = "A list of strings",
		[OPTION_SUFFIX] = "A string",
		[OPTION_RATE] = "A rate",
	};
	static const char *const numbers[UNITS] = {
		[UNIT_COUNT] = "A number",
		[UNIT_OCTETS] = "A size",
		[UNIT_SECONDS] = "A time",
	};

	return words[o->type] ? words[o->type] : numbers[o->unit];
}

/* "One of "text" and "json"" */
static void format_words(const struct option_word *words, const char *lead, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "%s ", lead);

	for (const struct option_word *w = words; w->word && used < size; w++)
		used += (size_t)snprintf(text + used, size - used, "%s\"%s\"",
					 w == words ? "" : w[1].word ? ", " : " and ", w->word);
}

/* What may stand here: "A size from 1K to 1T" */
static void format_type(const struct option *o, char *text, size_t size)
{
	char least[UNIT_TEXT_SIZE], most[UNIT_TEXT_SIZE];

	if (o->type == OPTION_WORDS)
		format_words(o->words, "A list of any of", text, size);
	else if (o->words)
		format_words(o->words, "One of", text, size);
	else if (o->type == OPTION_U32 || o->type == OPTION_U64)
		snprintf(text, size, "%s from %s to %s%s%s", type_words(o),
			 unit_format(o->unit, o->min, least), unit_format(o->unit, o->max, most),
			 o->may_be_unlimited ? ", or \"unlimited\"" : "", o->zero_means ? ", or 0" : "");
	else
		snprintf(text, size, "%s", type_words(o));
}

static void print_range(const struct option *o, FILE *out)
{
	const char *holds = o->default_text ? o->default_text : o->default_words;
	char type[384], line[512];

	format_type(o, type, sizeof(type));
	snprintf(line, sizeof(line), "%s; %s%s.", type, o->is_required ? "required" : "default: ",
		 o->is_required ? "" : holds);
	if (o->zero_means) {
		size_t used = strlen(line);

		snprintf(line + used, sizeof(line) - used, " With 0 %s.", o->zero_means);
	}
	print_text(line, out);
}

static void print_backends(const struct option *o, FILE *out)
{
	char line[256] = "Only in backends of type ";
	bool is_first = true, is_for_all = true;

	for (unsigned type = 0; option_backend_type_name(type); type++) {
		size_t used = strlen(line);

		if (!(o->backend_types >> type & 1)) {
			is_for_all = false;
			continue;
		}
		snprintf(line + used, sizeof(line) - used, "%s\"%s\"", is_first ? "" : " and ",
			 option_backend_type_name(type));
		is_first = false;
	}
	if (is_for_all)
		return;
	snprintf(line + strlen(line), sizeof(line) - strlen(line), ".");
	print_text(line, out);
}

static void print_option(const struct option *o, FILE *out)
{
	fprintf(out, ".It Ic %s\n", o->key);
	print_text(o->help, out);
	if (o->scope == OPTION_BACKEND)
		print_backends(o, out);
	print_range(o, out);
	if (!o->is_reloadable)
		print_text("A change needs a restart.", out);
	if (o->example) {
		struct filler f = { .out = out };

		fprintf(out, ".Bd -literal -offset indent\n%s = ", o->key);
		for (const char *c = o->example; *c; c++)
			put_char(&f, *c);
		fputs(";\n.Ed\n", out);
	}
	if (o->seed)
		fprintf(out, ".Pp\nTakes the place of mailfront's\n.Ev %s .\n",
			o->seed + (o->seed[1] == '{' ? 0 : 1));
}

static const char *scope_name(enum option_scope scope)
{
	static const char *const names[OPTION_SCOPES] = {
		[OPTION_GLOBAL] = "Keys at top level",
		[OPTION_SESSION] = "Keys at top level and in listeners",
		[OPTION_LISTENER] = "Keys of a listener",
		[OPTION_BACKEND] = "Keys of a backend",
		[OPTION_ROUTE] = "Keys of a route",
		[OPTION_CLIENT] = "Keys of a rule for clients",
		[OPTION_CERTIFICATE] = "Keys of a certificate",
		[OPTION_RATES_ROW] = "Keys of a group in rates",
		[OPTION_AUTH] = "Keys of a source of users",
		[OPTION_RECIPIENT_MAP] = "Keys of a group in recipient_maps",
	};

	return names[scope];
}

bool manual_print_options(FILE *out)
{
	for (enum option_scope scope = 0; scope < OPTION_SCOPES; scope++) {
		fprintf(out, ".Ss %s\n", scope_name(scope));
		if (scope == OPTION_SESSION)
			print_text("A value in a listener holds for that listener; the others take the one "
				   "at top level.",
				   out);
		fputs(".Bl -tag -width Ds\n", out);
		for (size_t i = 0; i < option_table_len; i++)
			if (option_table[i].scope == scope)
				print_option(&option_table[i], out);
		fputs(".El\n", out);
	}
	return !ferror(out);
}

bool manual_list_options(FILE *out)
{
	static const char *const scopes[OPTION_SCOPES] = {
		[OPTION_GLOBAL] = "global", [OPTION_SESSION] = "session", [OPTION_LISTENER] = "listener",
		[OPTION_BACKEND] = "backend", [OPTION_ROUTE] = "route",
		[OPTION_CLIENT] = "client", [OPTION_CERTIFICATE] = "certificate", [OPTION_RATES_ROW] = "rates",
		[OPTION_AUTH] = "auth",
		[OPTION_RECIPIENT_MAP] = "map",
	};

	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];

		fprintf(out, "%s %s %s\n", scopes[o->scope], o->key, o->default_text ? o->default_text : "-");
	}
	return !ferror(out);
}
