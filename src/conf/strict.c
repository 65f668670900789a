#include "conf/strict.h"

static bool is_word(struct span text, const char *word)
{
	return span_ieq(text, span_str(word));
}

static bool needs_quotes(const struct token *t, struct err *err)
{
	return err_set(err, "write it in quotes: \"%.*s\"", (int)span_head(t->text, 100).len, t->text.ptr);
}

/* Two hexadecimal digits; -1: they are not. */
static int hex_byte(struct span digits)
{
	int value = 0;

	if (digits.len != 2)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		char c = ascii_lower(digits.ptr[i]);

		if (ascii_is_digit(c))
			value = value * 16 + c - '0';
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + c - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* libconfig ends a string at "\x00" and lets other control bytes pass; of these only \n has a use. */
static bool check_escape(struct span rest, struct err *err)
{
	struct span shown = span_head(rest, rest.len > 1 && ascii_lower(rest.ptr[1]) == 'x' ? 4 : 2);
	int byte;

	if (rest.len >= 2 && strchr("n\\\"", rest.ptr[1]))
		return true;
	if (rest.len >= 2 && rest.ptr[1] && strchr("abefrtv0", rest.ptr[1]))
		return err_set(err, "%.*s: control bytes are refused in strings", (int)shown.len, shown.ptr);
	byte = shown.len == 4 ? hex_byte(span_from(shown, 2)) : -1;
	if (byte < 0)
		return err_set(err,
			       "a backslash begins only \\n, \\\", \\\\ and \\x with two hexadecimal digits");
	if ((byte < ' ' && byte != '\n') || byte == 0x7f)
		return err_set(err, "%.*s: control bytes are refused in strings", (int)shown.len, shown.ptr);
	return true;
}

static bool check_string(struct span text, struct err *err)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < ' ' || c == 0x7f)
			return err_set(err, "control byte \\x%02x in a string", c);
		if (c != '\\')
			continue;
		if (!check_escape(span_from(text, i), err))
			return false;
		i++; /* the escaped byte may be a backslash */
	}
	return true;
}

static bool is_float(struct span text)
{
	size_t dots = 0, exponents = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = ascii_lower(text.ptr[i]);

		dots += c == '.';
		exponents += c == 'e';
		if (!ascii_is_digit(c) && !strchr("+-.e", c))
			return false;
	}
	return dots <= 1 && exponents <= 1 && dots + exponents > 0;
}

/* Hexadecimal digits alone, and not more of them than fit 64 bits. */
static bool hex_to_u64(struct span digits, uint64_t *value)
{
	*value = 0;
	if (digits.len == 0)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		int nibble = hex_byte(span_of((char[]){ '0', digits.ptr[i] }, 2));

		if (nibble < 0)
			return false;
		*value = *value >> 60 ? UINT64_MAX : *value << 4 | (uint64_t)nibble;
	}
	return true;
}

static bool is_digits(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_digit(text.ptr[i]))
			return false;
	return text.len > 0;
}

/* libconfig keeps the low 32 bits of an integer without L, and the nearest 64-bit value of one with L. */
static bool check_number(const struct token *t, struct err *err)
{
	struct span digits = t->text;
	bool is_negative = digits.ptr[0] == '-', is_long;
	uint64_t value, most;

	if (digits.ptr[0] == '-' || digits.ptr[0] == '+')
		digits = span_from(digits, 1);
	is_long = digits.len && digits.ptr[digits.len - 1] == 'L';
	for (int i = 0; i < 2 && digits.len && digits.ptr[digits.len - 1] == 'L'; i++)
		digits.len--;
	most = (is_long ? INT64_MAX : INT32_MAX) + (uint64_t)is_negative;
	if (span_istarts(t->text, SPAN_LITERAL("0x"))) {
		if (!hex_to_u64(span_from(digits, 2), &value))
			return needs_quotes(t, err);
	} else if (is_digits(digits)) {
		if (!span_to_u64(digits, &value))
			value = UINT64_MAX;
	} else {
		return is_float(t->text) || needs_quotes(t, err);
	}
	if (value <= most)
		return true;
	if (is_long || value > INT64_MAX)
		return err_set(err, "%.*s does not fit into 64 bits", (int)span_head(t->text, 100).len,
			       t->text.ptr);
	return err_set(
		err,
		"%.*s does not fit into 32 bits; write it with an L at its end, or a size such as \"5G\"",
		(int)span_head(t->text, 100).len, t->text.ptr);
}

static bool check_word(const struct strict *s, const struct token *t, struct err *err)
{
	bool is_value = s->before && strchr("=:", s->before);
	bool is_boolean = is_word(t->text, "true") || is_word(t->text, "false");

	for (size_t i = 0; i < t->text.len; i++)
		if (strchr(".@%", t->text.ptr[i]))
			return needs_quotes(t, err);
	return !is_value || is_boolean || needs_quotes(t, err);
}

/* A copy, because the text of an included file goes away before what follows it is looked at. */
static void keep_word(struct strict *s, struct span word)
{
	word = span_head(word, sizeof(s->word) - 1);
	memcpy(s->word, word.ptr, word.len);
	s->word[word.len] = '\0';
}

/* Is a value, or a part of one, expected here? libconfig loses the memory of a string that is not. */
static bool may_be_value(const struct strict *s)
{
	if (s->before == '=' || s->before == ':')
		return true;
	return s->depth && s->open[s->depth - 1] != '{' && s->before && strchr("([,", s->before);
}

static bool check_order(const struct strict *s, const struct token *t, struct err *err)
{
	if (may_be_value(s) || (s->before == 's' && t->type == TOKEN_STRING))
		return true;
	if (s->before == 'w')
		return err_set(err, "\"=\" is missing behind \"%s\"", s->word);
	return err_set(err, "a %s where no value is expected", t->type == TOKEN_STRING ? "string" : "number");
}

static bool check_nesting(struct strict *s, char sign, struct err *err)
{
	static const char opening[] = "([{", closing[] = ")]}";
	const char *closes = strchr(closing, sign);

	if (strchr(opening, sign)) {
		if (s->depth == STRICT_DEPTH_MAX)
			return err_set(err, "more than %d groups within each other", STRICT_DEPTH_MAX);
		s->open[s->depth++] = sign;
	} else if (closes) {
		char opened = s->depth ? s->open[--s->depth] : 0;

		if (!opened)
			return err_set(err, "\"%c\" closes nothing", sign);
		if (opened != opening[closes - closing])
			return err_set(err, "\"%c\" closes what \"%c\" opened", sign, opened);
	}
	return true;
}

static bool check_sign(struct strict *s, char sign, struct err *err)
{
	if (sign == '=' || sign == ':') {
		memcpy(s->key, s->word, sizeof(s->key));
		if (++s->keys > STRICT_KEYS_MAX)
			return err_set(err, "more than %d keys", STRICT_KEYS_MAX);
	}
	if (s->before == ',' && strchr(")]", sign))
		return err_set(err, "a comma before \"%c\"; the last element has none behind it", sign);
	if (s->before && strchr("=:", s->before) && strchr("=:;,)]}", sign))
		return err_set(err, "a value is missing before \"%c\"", sign);
	if (sign == ',' && s->before && strchr(",([", s->before))
		return err_set(err, "a comma with nothing before it");
	return check_nesting(s, sign, err);
}

static bool check_token(struct strict *s, const struct token *t, struct err *err)
{
	bool ok = true;
	char is = 0;

	switch (t->type) {
	case TOKEN_BAD:
		return err_set(err, "%s", t->problem);
	case TOKEN_STRING:
		ok = check_order(s, t, err) && check_string(t->text, err);
		is = 's';
		break;
	case TOKEN_NUMBER:
		ok = check_order(s, t, err) && check_number(t, err);
		is = 'n';
		break;
	case TOKEN_WORD:
		ok = check_word(s, t, err);
		is = 'w';
		keep_word(s, t->text);
		break;
	case TOKEN_SIGN:
		is = t->text.ptr[0];
		ok = check_sign(s, is, err);
		break;
	case TOKEN_INCLUDE:
	case TOKEN_END:
		return true;
	}
	s->before = is;
	return ok;
}

bool strict_check(struct strict *s, const struct token *t, struct err *err)
{
	/* Behind these stands a value, or a part of one. */
	bool is_value = s->before && strchr(t->type == TOKEN_SIGN ? "=:" : "=:([,s", s->before);
	struct err wrong;

	if (check_token(s, t, &wrong))
		return true;
	if (is_value && s->key[0])
		return err_set(err, "%s: %s", s->key, wrong.text);
	return err_set(err, "%s", wrong.text);
}
