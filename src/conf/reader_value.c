#include "base/utf8.h"
#include "conf/exit_reply.h"
#include "conf/name.h"
#include "conf/reader_private.h"
#include "conf/suggest.h"
#include "idn/idn.h"

#include <inttypes.h>

/* How much of a value is repeated in a message. */
enum { SHOWN_MAX = 120 };

/* A message is one line. */
static struct span shown(const char *text)
{
	struct span line = span_str(text);

	return span_head(line, span_find(span_head(line, SHOWN_MAX), '\n'));
}

bool reader_fail_type(struct reader *r, const struct option *o, const config_setting_t *s, const char *wanted)
{
	return reader_fail(r, s, "%s: must be %s, not %s", o->key, wanted, reader_type_name(s));
}

bool reader_fail_value(struct reader *r, const struct option *o, const config_setting_t *s, const char *text,
		       const char *wrong)
{
	struct span head = shown(text);

	return reader_fail(r, s, "%s: \"%.*s\" %s", o->key, (int)head.len, head.ptr, wrong);
}

/* NULL: it is no string, or one of several lines where one is wanted; reported. */
const char *reader_string(struct reader *r, const struct option *o, const config_setting_t *s)
{
	const char *text;

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		reader_fail_type(r, o, s, "a string in quotes");
		return NULL;
	}
	text = config_setting_get_string(s);
	if (o->type != OPTION_GREETING && strchr(text, '\n')) {
		reader_fail(r, s, "%s: must not contain a line break", o->key);
		return NULL;
	}
	return text;
}

/* A copy in the arena, in lower case if so wanted; NULL: out of memory, reported. */
static char *keep(struct reader *r, const char *text, bool is_lower)
{
	char *copy = arena_dup(&r->config->arena, span_str(text));

	if (!copy)
		reader_fail_memory(r);
	for (char *c = copy; c && is_lower && *c; c++)
		*c = ascii_lower(*c);
	return copy;
}

/* Strings that a single check judges. */
static const struct {
	const char *(*check)(struct span text);
	bool is_lower;
	enum { NO_DOMAIN, DOMAIN_ALONE, DOMAIN_BEHIND_AT } domain; /* which part of it is one */
} string_rules[OPTION_TYPES] = {
	[OPTION_GREETING] = { name_check_greeting, false, NO_DOMAIN },
	[OPTION_TAG] = { name_check_tag, false, NO_DOMAIN },
	[OPTION_HOSTNAME] = { name_check_hostname, false, DOMAIN_ALONE },
	[OPTION_DOMAIN] = { name_check_domain, true, DOMAIN_ALONE },
	[OPTION_DOMAINS] = { name_check_domain, true, DOMAIN_ALONE }, /* each of them */
	[OPTION_ADDRESS] = { name_check_address, false, DOMAIN_BEHIND_AT },
	[OPTION_PATTERN] = { name_check_pattern, false, NO_DOMAIN },
	[OPTION_PATH] = { name_check_path, false, NO_DOMAIN },
	[OPTION_PRIORITY] = { name_check_priority, false, NO_DOMAIN },
	[OPTION_TEXT] = { name_check_text, false, NO_DOMAIN },
	[OPTION_DELIMITERS] = { name_check_delimiters, false, NO_DOMAIN },
	[OPTION_MAILBOX] = { name_check_mailbox, false, DOMAIN_BEHIND_AT },
	[OPTION_HOST_PATTERNS] = { name_check_host_pattern, true, NO_DOMAIN },    /* each of them */
	[OPTION_ALIASES] = { name_check_alias, false, NO_DOMAIN },        /* each of them */
	[OPTION_SUFFIX] = { name_check_suffix, true, NO_DOMAIN },
	[OPTION_MAILBOXES] = { name_check_mailbox, false, DOMAIN_BEHIND_AT }, /* each of them */
	[OPTION_MECHANISMS] = { name_check_mechanism, false, NO_DOMAIN },     /* each of them */
	[OPTION_HOSTS] = { name_check_endpoint, false, NO_DOMAIN },           /* likewise */
	[OPTION_OFFERS] = { name_check_offer, false, NO_DOMAIN },             /* likewise */
	[OPTION_COMMAND] = { name_check_argument, false, NO_DOMAIN },         /* likewise */
	[OPTION_VARIABLES] = { name_check_variable, false, NO_DOMAIN },       /* likewise */
	[OPTION_EXIT_REPLIES] = { exit_reply_check, false, NO_DOMAIN },       /* likewise */
};

/* The text with what follows `head` octets replaced; NULL: out of memory, reported. */
static const char *replace_tail(struct reader *r, const char *text, size_t head, struct span tail)
{
	char *joined = arena_alloc(&r->config->arena, head + tail.len + 1);

	if (!joined) {
		reader_fail_memory(r);
		return NULL;
	}
	memcpy(joined, text, head);
	memcpy(joined + head, tail.ptr, tail.len);
	joined[head + tail.len] = '\0';
	return joined;
}

/* Domains are kept as A-labels, however written: who compares them need not know. NULL: reported. */
static const char *ascii_form(struct reader *r, const struct option *o, const config_setting_t *s,
			      const char *text)
{
	const char *at = strrchr(text, '@');
	bool is_behind_at = string_rules[o->type].domain == DOMAIN_BEHIND_AT;
	size_t head = is_behind_at && at ? (size_t)(at + 1 - text) : 0;
	struct span domain = span_from(span_str(text), head);
	struct idn_domain ascii;

	if (string_rules[o->type].domain == NO_DOMAIN || (is_behind_at && !at) || utf8_is_ascii(domain))
		return text;
	switch (idn_domain_to_ascii(&ascii, domain)) {
	case IDN_OK:
		return replace_tail(r, text, head, idn_domain_span(&ascii));
	case IDN_NO_MEMORY:
		reader_fail_memory(r);
		return NULL;
	case IDN_INVALID:
		break;
	}
	reader_fail_value(r, o, s, text, "holds no valid international domain name");
	return NULL;
}

bool reader_kept_string(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	const char *text = reader_string(r, o, s), *wrong;
	char *copy;

	if (text)
		text = ascii_form(r, o, s, text);
	if (!text)
		return false;
	wrong = string_rules[o->type].check(span_str(text));
	if (wrong)
		return reader_fail_value(r, o, s, text, wrong);
	copy = keep(r, text, string_rules[o->type].is_lower);
	*(const char **)field = copy;
	return copy != NULL;
}

#define SOCKET_PREFIX "socket:"

/* The name of a socket that is handed over, as systemd.socket(5) has it for FileDescriptorName. */
static bool read_socket_name(struct reader *r, const struct option *o, const config_setting_t *s,
			     struct listener_config *listener)
{
	const char *name = listener->listen + sizeof(SOCKET_PREFIX) - 1;

	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == ':')
			return reader_fail(r, s, "%s: a name of a socket has no blanks, colons or other letters "
						 "than those of ASCII", o->key);
	if (!*name || strlen(name) > 255)
		return reader_fail(r, s, "%s: the name of a socket is missing, or too long", o->key);
	listener->socket_name = name;
	return true;
}

static bool read_socket(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	struct listener_config *listener = (void *)((char *)field - offsetof(struct listener_config, listen));
	const char *text = reader_string(r, o, s);
	struct err err;

	if (!text)
		return false;
	listener->listen = keep(r, text, false);
	if (!listener->listen)
		return false;
	if (strncmp(text, SOCKET_PREFIX, sizeof(SOCKET_PREFIX) - 1) == 0)
		return read_socket_name(r, o, s, listener);
	return addr_parse(&listener->addr, span_str(text), &err) || reader_fail(r, s, "%s: %s", o->key, err.text);
}

/* Where we listen ourselves: nothing that is handed over. */
static bool read_bind(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	struct bind_config *bind = field;
	const char *text = reader_string(r, o, s);
	struct err err;

	if (!text)
		return false;
	bind->text = keep(r, text, false);
	if (!bind->text)
		return false;
	return addr_parse(&bind->addr, span_str(text), &err) || reader_fail(r, s, "%s: %s", o->key, err.text);
}

static void store_number(const struct option *o, uint64_t value, void *field)
{
	if (o->type == OPTION_U32)
		*(uint32_t *)field = (uint32_t)value;
	else
		*(uint64_t *)field = value;
}

static bool fail_range(struct reader *r, const struct option *o, const config_setting_t *s,
		       const char *written)
{
	char least[UNIT_TEXT_SIZE], most[UNIT_TEXT_SIZE];

	return reader_fail(r, s, "%s: %s is out of range; it may be from %s to %s%s", o->key, written,
			   unit_format(o->unit, o->min, least), unit_format(o->unit, o->max, most),
			   o->may_be_unlimited ? ", or \"unlimited\"" :
			   o->zero_means       ? ", or 0" :
						 "");
}

/* Numbers come as integers of two widths, or as strings with a unit. */
static bool read_number(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	char written[SHOWN_MAX + 3];
	uint64_t value;

	if (config_setting_type(s) == CONFIG_TYPE_STRING) {
		const char *text = reader_string(r, o, s);

		if (!text)
			return false;
		if (o->may_be_unlimited && strcmp(text, "unlimited") == 0) {
			store_number(o, 0, field);
			return true;
		}
		snprintf(written, sizeof(written), "\"%.*s\"", (int)shown(text).len, text);
		if (!unit_parse(o->unit, span_str(text), &value))
			return reader_fail(r, s, "%s: %s is not %s%s", o->key, written,
					   unit_describe(o->unit),
					   o->may_be_unlimited ? " or \"unlimited\"" : "");
	} else if (config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64) {
		long long number = config_setting_get_int64(s);

		snprintf(written, sizeof(written), "%lld", number);
		value = number < 0 ? UINT64_MAX : (uint64_t)number;
	} else {
		return reader_fail_type(r, o, s, "a whole number, or a string with a unit");
	}
	if ((value < o->min || value > o->max) && !(value == 0 && o->zero_means))
		return fail_range(r, o, s, written);
	store_number(o, value, field);
	return true;
}

/* "100/h", "1G/d", "20/10m" */
static bool parse_rate(const struct option *o, struct span text, struct rate_config *rate)
{
	size_t slash = span_find(text, '/');
	struct span period = span_from(text, slash + 1);
	uint64_t seconds;
	char one[3] = "1";

	if (period.len == 1 && !ascii_is_digit(period.ptr[0])) {
		one[1] = period.ptr[0];
		period = span_of(one, 2);
	}
	if (slash == text.len || !unit_parse(o->unit, span_head(text, slash), &rate->amount) ||
	    !unit_parse(UNIT_SECONDS, period, &seconds) || seconds == 0 || seconds > 366 * 86400)
		return false;
	rate->period_s = (uint32_t)seconds;
	return rate->amount > 0 && rate->amount <= UINT64_C(1) << 50;
}

static bool read_rate(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	const char *text = reader_string(r, o, s);

	if (!text)
		return false;
	if (strcmp(text, "unlimited") == 0) {
		*(struct rate_config *)field = (struct rate_config){ 0 };
		return true;
	}
	return parse_rate(o, span_str(text), field) ||
	       reader_fail_value(r, o, s, text, o->unit == UNIT_OCTETS ?
			"is no rate; write \"1G/d\", \"50M/10m\" or \"unlimited\"" :
			"is no rate; write \"100/h\", \"20/10m\" or \"unlimited\"");
}

/* NULL: no such word, and *best is the one that is nearest, or NULL. */
static const struct option_word *find_word(const struct option_word *words, const char *text,
					   const char **best)
{
	struct suggest suggest;

	suggest_init(&suggest, text);
	for (; words->word; words++) {
		if (strcmp(words->word, text) == 0)
			return words;
		suggest_offer(&suggest, words->word);
	}
	*best = suggest.best;
	return NULL;
}

static bool fail_word(struct reader *r, const struct option *o, const config_setting_t *s, const char *text,
		      const char *best)
{
	const char *elsewhere = option_find_word_elsewhere(o, text);
	char all[320] = "";

	if (elsewhere)
		return reader_fail(r, s, "%s: \"%s\" may stand only in %s", o->key, text, elsewhere);
	for (const struct option_word *w = o->words; w->word; w++) {
		size_t used = strlen(all);

		snprintf(all + used, sizeof(all) - used, "%s\"%s\"", w == o->words ? "" : ", ", w->word);
	}
	return reader_fail(r, s, "%s: \"%.*s\" is none of %s%s%s%s", o->key, (int)shown(text).len, text, all,
			   best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
}

/* NULL: none of the row's words; reported. */
static const struct option_word *word_of(struct reader *r, const struct option *o, const config_setting_t *s)
{
	const char *text = reader_string(r, o, s), *best = NULL;
	const struct option_word *word = text ? find_word(o->words, text, &best) : NULL;

	if (text && !word)
		fail_word(r, o, s, text, best);
	return word;
}

/* Enums are stored like the numbers that they are. */
static bool read_word(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	const struct option_word *word = word_of(r, o, s);

	if (word)
		*(unsigned *)field = word->value;
	return word != NULL;
}

static bool read_words(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	uint32_t bits = 0;
	char wanted[160];

	if (!reader_is_list(s)) {
		snprintf(wanted, sizeof(wanted), "a list such as %s", o->example);
		return reader_fail_type(r, o, s, wanted);
	}
	for (int i = 0; i < config_setting_length(s); i++) {
		const struct option_word *word = word_of(r, o, config_setting_get_elem(s, (unsigned)i));

		if (!word)
			return false;
		bits |= word->value;
	}
	*(uint32_t *)field = bits;
	return true;
}

static bool read_bool(struct reader *r, const struct option *o, const config_setting_t *s, void *field)
{
	const struct option_word *word = o->words ? word_of(r, o, s) : NULL;

	if (o->words && !word)
		return false;
	if (!o->words && config_setting_type(s) != CONFIG_TYPE_BOOL)
		return reader_fail_type(r, o, s, "true or false, without quotes");
	*(bool *)field = word ? word->value != 0 : config_setting_get_bool(s) != 0;
	return true;
}

static bool read_backend_name(struct reader *r, const struct option *o, const config_setting_t *s,
			      void *field)
{
	const struct config *config = r->config;
	const char *text = reader_string(r, o, s);
	struct suggest suggest;

	if (!text)
		return false;
	suggest_init(&suggest, text);
	for (size_t i = 0; i < config->backend_count; i++) {
		if (strcmp(config->backends[i].name, text) == 0) {
			*(const struct backend_config **)field = &config->backends[i];
			return true;
		}
		suggest_offer(&suggest, config->backends[i].name);
	}
	return reader_fail(r, s, "%s: there is no backend \"%.*s\"%s%s%s", o->key, (int)shown(text).len, text,
			   suggest.best ? ", did you mean \"" : "", suggest.best ? suggest.best : "",
			   suggest.best ? "\"?" : "");
}

typedef bool (*read_fn)(struct reader *r, const struct option *o, const config_setting_t *s, void *field);

bool reader_value(struct reader *r, const struct option *o, const config_setting_t *setting, void *field)
{
	static const read_fn readers[OPTION_TYPES] = {
		[OPTION_GREETING] = reader_kept_string,
		[OPTION_TAG] = reader_kept_string,
		[OPTION_HOSTNAME] = reader_kept_string,
		[OPTION_DOMAIN] = reader_kept_string,
		[OPTION_DOMAINS] = reader_domains,
		[OPTION_ADDRESS] = reader_kept_string,
		[OPTION_SOCKET] = read_socket,
		[OPTION_BIND] = read_bind,
		[OPTION_PATTERN] = reader_kept_string,
		[OPTION_TEXT] = reader_kept_string,
		[OPTION_PATH] = reader_kept_string,
		[OPTION_PRIORITY] = reader_kept_string,
		[OPTION_DELIMITERS] = reader_kept_string,
		[OPTION_MAILBOX] = reader_kept_string,
		[OPTION_MAILBOXES] = reader_texts,
		[OPTION_HOSTS] = reader_texts,
		[OPTION_MECHANISMS] = reader_texts,
		[OPTION_OFFERS] = reader_texts,
		[OPTION_COMMAND] = reader_texts,
		[OPTION_VARIABLES] = reader_texts,
		[OPTION_EXIT_REPLIES] = reader_exit_replies,
		[OPTION_U32] = read_number,
		[OPTION_U64] = read_number,
		[OPTION_BOOL] = read_bool,
		[OPTION_WORD] = read_word,
		[OPTION_WORDS] = read_words,
		[OPTION_NETWORKS] = reader_networks,
		[OPTION_HOST_PATTERNS] = reader_texts,
		[OPTION_ALIASES] = reader_texts,
		[OPTION_SUFFIX] = reader_kept_string,
		[OPTION_RATE] = read_rate,
		[OPTION_CERTIFICATES] = reader_certificates,
		[OPTION_BACKEND_NAME] = read_backend_name,
	};

	BUG_ON(!readers[o->type]);
	return readers[o->type](r, o, setting, field);
}

static void default_number(const struct option *o, void *field)
{
	uint64_t value = 0;

	if (!(o->may_be_unlimited && strcmp(o->default_text, "unlimited") == 0))
		BUG_ON(!unit_parse(o->unit, span_str(o->default_text), &value));
	store_number(o, value, field);
}

static unsigned default_word(const struct option *o)
{
	const char *best;
	const struct option_word *word = find_word(o->words, o->default_text, &best);

	BUG_ON(!word);
	return word->value;
}

void reader_default(const struct option *o, void *field)
{
	if (!o->default_text)
		return;
	if (o->type == OPTION_U32 || o->type == OPTION_U64)
		default_number(o, field);
	else if (o->type == OPTION_BOOL)
		*(bool *)field = o->words ? default_word(o) != 0 : strcmp(o->default_text, "true") == 0;
	else if (o->type == OPTION_WORD)
		*(unsigned *)field = default_word(o);
	else if (o->type == OPTION_RATE)
		BUG_ON(strcmp(o->default_text, "unlimited") != 0 &&
		       !parse_rate(o, span_str(o->default_text), field));
	else
		*(const char **)field = o->default_text;
}
