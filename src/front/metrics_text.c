#include "front/metrics_text.h"

#include "base/utf8.h"

static void put(struct metrics_text *t, struct span text)
{
	if (!t->out_of_memory && !buf_add_span(t->out, text))
		t->out_of_memory = true;
}

static void put_str(struct metrics_text *t, const char *text)
{
	put(t, span_str(text));
}

static void put_u64(struct metrics_text *t, uint64_t value)
{
	if (!t->out_of_memory && !buf_add_u64(t->out, value))
		t->out_of_memory = true;
}

void metrics_text_family(struct metrics_text *t, const char *name, const char *type, const char *help)
{
	const char *const words[] = { "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n" };

	t->name = name;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		put_str(t, words[i]);
}

void metrics_text_begin(struct metrics_text *t, const char *ending)
{
	put_str(t, t->name);
	put_str(t, ending);
	t->has_labels = false;
}

/* As \xff, whose backslash is escaped: two values must never look the same. */
static void put_hex(struct metrics_text *t, struct span bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.len; i++) {
		const unsigned char byte = (unsigned char)bytes.ptr[i];
		const char text[] = { '\\', '\\', 'x', digits[byte >> 4], digits[byte & 15] };

		put(t, span_of(text, sizeof(text)));
	}
}

/* The format knows three escapes, and UTF-8; of names of files we cannot know that they are. */
static void put_escaped(struct metrics_text *t, struct span value)
{
	while (value.len) {
		uint32_t c;
		size_t len = utf8_decode(value, &c);

		if (*value.ptr == '\\' || *value.ptr == '"')
			put_str(t, "\\");
		if (*value.ptr == '\n')
			put_str(t, "\\n");
		else if (len && !utf8_is_control(c))
			put(t, span_head(value, len));
		else
			put_hex(t, span_head(value, len ? len : 1));
		value = span_from(value, len ? len : 1);
	}
}

void metrics_text_label(struct metrics_text *t, const char *label, const char *value)
{
	put_str(t, t->has_labels ? "," : "{");
	put_str(t, label);
	put_str(t, "=\"");
	put_escaped(t, span_str(value));
	put_str(t, "\"");
	t->has_labels = true;
}

static void put_end_of_labels(struct metrics_text *t)
{
	put_str(t, t->has_labels ? "} " : " ");
}

void metrics_text_u64(struct metrics_text *t, uint64_t value)
{
	put_end_of_labels(t);
	put_u64(t, value);
	put_str(t, "\n");
}

void metrics_text_ms(struct metrics_text *t, uint64_t milliseconds)
{
	const char fraction[5] = {
		'.',
		(char)('0' + milliseconds / 100 % 10),
		(char)('0' + milliseconds / 10 % 10),
		(char)('0' + milliseconds % 10),
		'\n',
	};

	put_end_of_labels(t);
	put_u64(t, milliseconds / 1000);
	put(t, span_of(fraction, sizeof(fraction)));
}

void metrics_text_counter(struct metrics_text *t, const char *name, const char *help, uint64_t value)
{
	metrics_text_family(t, name, "counter", help);
	metrics_text_begin(t, "");
	metrics_text_u64(t, value);
}

void metrics_text_gauge(struct metrics_text *t, const char *name, const char *help, uint64_t value)
{
	metrics_text_family(t, name, "gauge", help);
	metrics_text_begin(t, "");
	metrics_text_u64(t, value);
}
