/*
 * The content of a message. Of DATA: finds the one true end of data, removes dot
 * stuffing (RFC 5321 4.5.2) and turns line ends into LF. A session that speaks
 * CRLF ends its data with CRLF.CRLF only, one that speaks bare LF with LF.LF
 * only, so that nothing inside a message can end it.
 *
 * Dots are unstuffed only where end of data could begin: behind the session's
 * own line end. In a CRLF session a bare LF is a line end of the content; in an
 * LF session one CR before LF is stripped. Any other CR is content. With
 * LINE_ENDING_ANY dots are looked for behind every LF, the end of data may itself
 * end either way, and one CR before its dot is passed over when a bare LF follows.
 *
 * Of BDAT (RFC 3030): line ends are turned into LF in the same way, and no dot means
 * anything; a last line that does not end is ended. BINARYMIME is left as it is.
 */
#ifndef PROTO_DOT_H
#define PROTO_DOT_H

#include "base/span.h"

enum line_ending {
	LINE_ENDING_UNKNOWN, /* no line was seen yet */
	LINE_ENDING_CRLF,
	LINE_ENDING_LF,
	LINE_ENDING_ANY, /* either, at any place: for clients that mix them, and open to smuggling */
};

struct dot_decoder {
	uint64_t octets;   /* of content as it was sent, without stuffing and end of data */
	uint8_t state;     /* enum dot_state, private */
	uint8_t line_ending; /* enum line_ending, known */
	bool has_lone_cr;
	bool has_bare_lf;
	bool has_bare_dot;
	uint8_t bare_line; /* enum bare_line, private */
	bool is_chunked;   /* private, as the rest */
	bool is_binary;
	bool is_in_line;   /* the last line of the content has no end yet */
};

enum dot_result {
	DOT_CONTENT, /* *content is the next part of the content; may be asked for more */
	DOT_MORE,    /* all input was used, nothing came of it */
	DOT_END,     /* the end of data was used; *content is empty */
};

void dot_decoder_init(struct dot_decoder *d, enum line_ending line_ending);

/*
 * Use bytes from `in`; *used tells how many. *content points into `in` or at constant
 * bytes. Call again with what is left until DOT_MORE or DOT_END.
 */
enum dot_result dot_decoder_next(struct dot_decoder *d, struct span in, size_t *used, struct span *content);

/* For BDAT; the end of data is told by dot_decoder_finish(). LINE_ENDING_ANY is no other than LINE_ENDING_LF here. */
void dot_decoder_init_chunks(struct dot_decoder *d, enum line_ending line_ending, bool is_binary);

/* All chunks were given: the rest of the content, in constant bytes. After that it is empty. */
struct span dot_decoder_finish(struct dot_decoder *d);

#endif
