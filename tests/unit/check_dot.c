/*
 * The dot decoder against the reference of session_model.h: every text of the
 * four bytes that matter up to a length, in every kind of session, whole and
 * at every two-way cut; and what the header promises of spans and results.
 */
#include "session_model.h"
#include "unit.h"

#include "proto/dot.h"

enum { LONGEST = 8, TEXT_MAX = LONGEST + 8 };

static const char alphabet[4] = { '\r', '\n', '.', 'x' };
static const enum line_ending endings[] = { LINE_ENDING_CRLF, LINE_ENDING_LF, LINE_ENDING_ANY };

struct decoded {
	struct dot_decoder d;
	char content[2 * TEXT_MAX];
	size_t len;
	size_t used;
	bool has_ended;
};

/* Offer one block until it is used up or the data ends. False: a promise was broken. */
static bool decode_block(struct decoded *out, struct span block)
{
	while (!out->has_ended) {
		struct span content;
		size_t used;
		enum dot_result result = dot_decoder_next(&out->d, block, &used, &content);

		if (used > block.len || out->len + content.len > sizeof(out->content))
			return false;
		if ((result == DOT_CONTENT) != (content.len > 0))
			return false;
		memcpy(out->content + out->len, content.ptr, content.len);
		out->len += content.len;
		out->used += used;
		block = span_from(block, used);
		out->has_ended = result == DOT_END;
		if (result == DOT_MORE)
			return block.len == 0;
	}
	return true;
}

static bool decode(struct decoded *out, struct span text, size_t cut, enum line_ending ending)
{
	memset(out, 0, sizeof(*out));
	dot_decoder_init(&out->d, ending);
	return decode_block(out, span_head(text, cut)) && decode_block(out, span_from(text, cut));
}

static bool is_as_told(const struct decoded *out, const struct model_data *m)
{
	return out->has_ended == m->has_ended && out->used == m->used && out->len == m->len &&
	       memcmp(out->content, m->content, m->len) == 0 && out->d.octets == m->octets &&
	       out->d.has_lone_cr == m->has_lone_cr && out->d.has_bare_lf == m->has_bare_lf &&
	       out->d.has_bare_dot == m->has_bare_dot;
}

/* The nth text of a length, with an end of data and a byte behind it. */
static struct span make_text(char *text, unsigned long nth, size_t len, enum line_ending ending)
{
	const char *end = ending == LINE_ENDING_LF ? "\n.\n!" : "\r\n.\r\n!";

	for (size_t i = 0; i < len; i++, nth /= 4)
		text[i] = alphabet[nth % 4];
	memcpy(text + len, end, strlen(end));
	return span_of(text, len + strlen(end));
}

static void check_text(struct span text, enum line_ending ending)
{
	struct model_data m;
	struct decoded out;

	model_data_decode(&m, text, ending);
	if (!m.has_ended)
		ck_abort_msg("the reference finds no end");
	for (size_t cut = 0; cut < text.len; cut++)
		if (!decode(&out, text, cut, ending) || !is_as_told(&out, &m))
			ck_abort_msg("line ending %d, cut at %zu of %zu: %.*s", (int)ending, cut, text.len,
				     (int)text.len, text.ptr);
	model_data_fini(&m);
}

START_TEST(every_text_is_decoded_as_the_reference_does)
{
	enum line_ending ending = endings[_i];
	char text[TEXT_MAX];
	unsigned long texts = 1;

	for (size_t len = 0; len <= LONGEST; len++, texts *= 4)
		for (unsigned long nth = 0; nth < texts; nth++)
			check_text(make_text(text, nth, len, ending), ending);
}
END_TEST

/* Byte by byte, which no two-way cut is. */
START_TEST(every_text_is_decoded_byte_by_byte)
{
	enum line_ending ending = endings[_i];
	char bytes[TEXT_MAX];
	unsigned long texts = 1;

	for (size_t len = 0; len <= LONGEST; len++, texts *= 4) {
		for (unsigned long nth = 0; nth < texts; nth++) {
			struct span text = make_text(bytes, nth, len, ending);
			struct decoded out = { .used = 0 };
			struct model_data m;

			dot_decoder_init(&out.d, ending);
			for (size_t i = 0; i < text.len && !out.has_ended; i++)
				if (!decode_block(&out, span_of(text.ptr + i, 1)))
					ck_abort_msg("a promise was broken");
			model_data_decode(&m, text, ending);
			if (!is_as_told(&out, &m))
				ck_abort_msg("byte by byte: %.*s", (int)text.len, text.ptr);
			model_data_fini(&m);
		}
	}
}
END_TEST

/* What is held back is a dot and a CR at most, one of which may be no content: the owner need not wait. */
START_TEST(little_is_held_back)
{
	enum line_ending ending = endings[_i];
	size_t most = ending == LINE_ENDING_ANY ? 2 : 1;
	char text[TEXT_MAX];
	unsigned long texts = 1;

	for (size_t len = 0; len <= LONGEST; len++, texts *= 4) {
		for (unsigned long nth = 0; nth < texts; nth++) {
			struct span part = span_head(make_text(text, nth, len, ending), len);
			struct model_data m;
			struct decoded out;

			model_data_decode(&m, part, ending);
			ck_assert(decode(&out, part, part.len, ending));
			if (out.len > m.len || out.len + most < m.len ||
			    memcmp(out.content, m.content, out.len) != 0)
				ck_abort_msg("%zu of %zu bytes were told: %.*s", out.len, m.len,
					     (int)part.len, part.ptr);
			model_data_fini(&m);
		}
	}
}
END_TEST

START_TEST(no_input_is_no_content)
{
	struct decoded out;

	ck_assert(decode(&out, span_of("", 0), 0, endings[_i]));
	ck_assert(!out.has_ended);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_uint_eq(out.d.octets, 0);
}
END_TEST

/* The reference itself, where it can be read off. */
static const struct {
	enum line_ending ending;
	const char *text;
	const char *content;
	size_t used; /* 0: there is no end */
	uint64_t octets;
} rows[] = {
	{ LINE_ENDING_CRLF, "x\r\n.\r\n!", "x\n", 6, 3 },
	{ LINE_ENDING_CRLF, ".\r\n!", "", 3, 0 },
	{ LINE_ENDING_CRLF, "x\n.\n", "x\n.\n", 0, 4 },
	{ LINE_ENDING_CRLF, "x\n.\r\n", "x\n.\n", 0, 5 },
	{ LINE_ENDING_CRLF, "x\r\n.\n", "x\n\n", 0, 4 },
	{ LINE_ENDING_CRLF, "x\r\n..\r\n", "x\n.\n", 0, 6 },
	{ LINE_ENDING_CRLF, "x\r\n.\r\r\n", "x\n\r\n", 0, 6 },
	{ LINE_ENDING_CRLF, "x\r.\r\n", "x\r.\n", 0, 5 },
	{ LINE_ENDING_LF, "x\n.\n!", "x\n", 4, 2 },
	{ LINE_ENDING_LF, "x\r\n.\n!", "x\n", 5, 3 },
	{ LINE_ENDING_LF, "x\r\n.\r\n", "x\n\n", 0, 5 },
	{ LINE_ENDING_LF, "..\n", ".\n", 0, 2 },
	{ LINE_ENDING_ANY, "x\n.\r\n!", "x\n", 5, 2 },
	{ LINE_ENDING_ANY, "x\r\n.\n!", "x\n", 5, 3 },
	{ LINE_ENDING_ANY, "x\r\n\r.\n!", "x\n", 6, 3 },
	{ LINE_ENDING_ANY, "x\r\n\r.\r\n", "x\n\r.\n", 0, 7 },
	{ LINE_ENDING_ANY, "x\r\n.\r\r\n", "x\n\r\n", 0, 6 },
};

START_TEST(the_reference_is_right)
{
	struct model_data m;

	model_data_decode(&m, span_str(rows[_i].text), rows[_i].ending);
	ck_assert_uint_eq(m.has_ended ? m.used : 0, rows[_i].used);
	ck_assert_uint_eq(m.octets, rows[_i].octets);
	ASSERT_SPAN_EQ(span_of(m.content, m.len), span_str(rows[_i].content));
	model_data_fini(&m);
}
END_TEST

/* ---- chunks ---- */

static void decode_chunks(struct decoded *out, struct span text, size_t cut, enum line_ending ending, bool is_binary)
{
	struct span rest;

	memset(out, 0, sizeof(*out));
	dot_decoder_init_chunks(&out->d, ending, is_binary);
	if (!decode_block(out, span_head(text, cut)) || !decode_block(out, span_from(text, cut)))
		ck_abort_msg("a promise was broken");
	rest = dot_decoder_finish(&out->d);
	memcpy(out->content + out->len, rest.ptr, rest.len);
	out->len += rest.len;
	out->has_ended = true;
	ck_assert_uint_eq(dot_decoder_finish(&out->d).len, 0);
}

static void check_chunks(struct span text, enum line_ending ending, bool is_binary)
{
	struct model_data m;
	struct decoded out;

	model_chunks_decode(&m, text, ending, is_binary, true);
	for (size_t cut = 0; cut <= text.len; cut++) {
		decode_chunks(&out, text, cut, ending, is_binary);
		if (!is_as_told(&out, &m))
			ck_abort_msg("line ending %d, cut at %zu of %zu: %.*s", (int)ending, cut, text.len,
				     (int)text.len, text.ptr);
	}
	model_data_fini(&m);
}

static void check_all_chunks(enum line_ending ending, bool is_binary)
{
	char text[TEXT_MAX];
	unsigned long texts = 1;

	for (size_t len = 0; len < LONGEST; len++, texts *= 4)
		for (unsigned long nth = 0; nth < texts; nth++)
			check_chunks(span_head(make_text(text, nth, len, ending), len), ending, is_binary);
}

START_TEST(every_text_in_chunks_is_decoded_as_the_reference_does)
{
	check_all_chunks(endings[_i], false);
}
END_TEST

START_TEST(binary_chunks_are_left_as_they_are)
{
	check_all_chunks(endings[_i], true);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dot");
	TCase *tcase = tcase_create("dot");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	ADD_ROWS(tcase, the_reference_is_right, rows);
	ADD_ROWS(tcase, no_input_is_no_content, endings);
	ADD_ROWS(tcase, every_text_is_decoded_as_the_reference_does, endings);
	ADD_ROWS(tcase, every_text_is_decoded_byte_by_byte, endings);
	ADD_ROWS(tcase, little_is_held_back, endings);
	ADD_ROWS(tcase, every_text_in_chunks_is_decoded_as_the_reference_does, endings);
	ADD_ROWS(tcase, binary_chunks_are_left_as_they_are, endings);
	return unit_main(suite);
}
