/*
 * Laws of proto/dot: any bytes, in any kind of session and cut anyhow, are
 * decoded as the reference does. The first byte chooses the kind, the second
 * the cuts.
 */
#include "fuzz.h"
#include "session_model.h"

#include "proto/dot.h"

struct decoded {
	struct dot_decoder d;
	struct buf content;
	size_t used;
	bool has_ended;
};

static void decode_block(struct decoded *out, struct span block)
{
	while (!out->has_ended) {
		struct span content;
		size_t used;
		enum dot_result result = dot_decoder_next(&out->d, block, &used, &content);

		LAW(used <= block.len);
		LAW((result == DOT_CONTENT) == (content.len > 0));
		play_need(buf_add_span(&out->content, content));
		out->used += used;
		block = span_from(block, used);
		out->has_ended = result == DOT_END;
		if (result == DOT_MORE) {
			LAW(block.len == 0);
			return;
		}
	}
}

static void compare(const struct decoded *out, const struct model_data *m)
{
	struct span content = buf_span(&out->content);

	LAW(out->has_ended == m->has_ended && out->used == m->used);
	LAW(content.len <= m->len && span_eq(content, span_of(m->content, content.len)));
	LAW(content.len + 2 >= m->len);
	if (!m->has_ended)
		return;
	LAW(content.len == m->len && out->d.octets == m->octets);
	LAW(out->d.has_lone_cr == m->has_lone_cr && out->d.has_bare_lf == m->has_bare_lf);
	LAW(out->d.has_bare_dot == m->has_bare_dot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum line_ending endings[] = { LINE_ENDING_CRLF, LINE_ENDING_LF, LINE_ENDING_ANY };
	enum line_ending ending = endings[size > 0 ? data[0] % 3 : 0];
	struct decoded out = { .used = 0 };
	struct model_data m;
	struct span in;
	size_t step;

	if (size < 2)
		return 0;
	in = span_of(data + 2, size - 2);
	step = data[1] ? data[1] : in.len + 1;
	dot_decoder_init(&out.d, ending);
	for (size_t at = 0; at < in.len && !out.has_ended; at += step)
		decode_block(&out, span_head(span_from(in, at), step));
	model_data_decode(&m, in, ending);
	compare(&out, &m);
	model_data_fini(&m);
	buf_fini(&out.content);
	return 0;
}
