/*
 * Laws of proto/param: parameters lie inside the text and in order, keep their
 * grammar, and are the same again when they are written with single blanks;
 * SIZE agrees with a reading digit by digit.
 */
#include "base/buf.h"
#include "fuzz.h"
#include "proto/param.h"

static void hold_size(struct span value)
{
	uint64_t octets = 0, expected = 0;
	bool is_number = value.len >= 1 && value.len <= 20;

	for (size_t i = 0; i < value.len && is_number; i++) {
		unsigned digit = (unsigned char)value.ptr[i] - (unsigned)'0';

		is_number = digit <= 9;
		if (__builtin_mul_overflow(expected, 10, &expected) ||
		    __builtin_add_overflow(expected, digit, &expected))
			expected = UINT64_MAX;
	}
	LAW(smtp_param_size(value, &octets) == is_number);
	LAW(!is_number || octets == expected);
}

static void hold_grammar(const struct smtp_param *param)
{
	enum smtp_body_type type;

	LAW(param->keyword.len && ascii_is_alnum(param->keyword.ptr[0]));
	for (size_t i = 0; i < param->keyword.len; i++)
		LAW(ascii_is_alnum(param->keyword.ptr[i]) || param->keyword.ptr[i] == '-');
	LAW((param->value.ptr != NULL) == (param->value.len > 0));
	for (size_t i = 0; i < param->value.len; i++)
		LAW(param->value.ptr[i] > ' ' && param->value.ptr[i] <= '~' && param->value.ptr[i] != '=');
	LAW(smtp_param_body(param->value, &type) == (span_ieq(param->value, span_str("7BIT")) ||
						     span_ieq(param->value, span_str("8BITMIME"))));
	hold_size(param->value);
}

static bool write_param(struct buf *out, const struct smtp_param *param)
{
	return buf_add(out, " ", 1) && buf_add_span(out, param->keyword) &&
	       (!param->value.ptr || (buf_add(out, "=", 1) && buf_add_span(out, param->value)));
}

/* Read all parameters of `text`, and write them into *out with single blanks. */
static enum smtp_param_result read_all(struct span text, struct buf *out)
{
	const char *behind = text.ptr;
	struct span rest = text;

	for (;;) {
		struct span before = rest;
		struct smtp_param param;
		enum smtp_param_result result = smtp_param_next(&rest, &param);

		if (result == SMTP_PARAM_MALFORMED)
			LAW(rest.ptr == before.ptr && rest.len == before.len);
		if (result == SMTP_PARAM_END)
			LAW(rest.len == 0);
		if (result != SMTP_PARAM_FOUND)
			return result;
		LAW(param.keyword.ptr > behind);
		behind = param.value.ptr ? param.value.ptr + param.value.len
					 : param.keyword.ptr + param.keyword.len;
		LAW(rest.ptr == behind && rest.ptr + rest.len == text.ptr + text.len);
		hold_grammar(&param);
		LAW(write_param(out, &param));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct buf first = { 0 }, second = { 0 };
	enum smtp_param_result result = read_all(text, &first);

	LAW(buf_len(&first) <= size);
	LAW(read_all(buf_span(&first), &second) == SMTP_PARAM_END);
	LAW(span_eq(buf_span(&first), buf_span(&second)));
	/* Nothing that is malformed becomes good by what follows it. */
	if (result == SMTP_PARAM_MALFORMED) {
		LAW(buf_add_span(&second, text) && buf_add_str(&second, " X=1"));
		buf_use(&second, buf_len(&first));
		buf_clear(&first);
		LAW(read_all(buf_span(&second), &first) == SMTP_PARAM_MALFORMED);
	}
	hold_size(text);
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}
