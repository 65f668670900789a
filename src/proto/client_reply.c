/*
 * See client_reply.h. A line that lies in the input whole is never copied but
 * for the part of its text that is passed on.
 */
#include "proto/client_reply.h"

#include "base/utf8.h"

void client_reply_fini(struct client_reply *r)
{
	buf_fini(&r->line);
	buf_fini(&r->text);
}

void client_reply_clear(struct client_reply *r)
{
	struct buf line = r->line, text = r->text;

	buf_clear(&line);
	buf_clear(&text);
	*r = (struct client_reply){ .line = line, .text = text };
}

static enum client_reply_step bad(struct client_reply *r, const char *fault)
{
	r->fault = fault;
	return CLIENT_REPLY_BAD;
}

/* The code that a line begins with; 0: there is none between 200 and 599. */
static uint16_t line_code(struct span line)
{
	uint64_t code;

	if (line.len < 3 || !span_to_u64(span_head(line, 3), &code) || code < 200 || code > 599)
		return 0;
	return (uint16_t)code;
}

/* A whole line, cut at CLIENT_REPLY_LINE_MAX, without its line end. */
static enum client_reply_step take_line(struct client_reply *r, struct span line, struct span *text)
{
	uint16_t code = line_code(line);

	if (code == 0)
		return bad(r, "malformed_reply");
	if (r->lines++ && code != r->code)
		return bad(r, "mixed_codes");
	if (r->lines > CLIENT_REPLY_LINES_MAX)
		return bad(r, "reply_too_long");
	r->code = code;
	*text = span_from(line, 4);
	/* RFC 5321 4.2.1: a client must be able to take a code without text. */
	if (line.len == 3 || line.ptr[3] == ' ')
		return CLIENT_REPLY_LAST;
	return line.ptr[3] == '-' ? CLIENT_REPLY_LINE : bad(r, "malformed_reply");
}

/* Keep what of `part` is within the limit. False: out of memory. */
static bool keep_part(struct client_reply *r, struct span part)
{
	size_t room = CLIENT_REPLY_LINE_MAX - buf_len(&r->line);

	return buf_add_span(&r->line, span_head(part, room));
}

enum client_reply_step client_reply_take(struct client_reply *r, struct span in, size_t *used,
					 struct span *text)
{
	size_t lf = span_find(in, '\n');
	bool has_end = lf < in.len;
	struct span line = span_head(in, lf);

	*used = has_end ? lf + 1 : in.len;
	if (r->line_octets == 0)
		buf_clear(&r->line);
	if (*used > CLIENT_REPLY_OCTETS_MAX - r->octets)
		return bad(r, "reply_too_long");
	r->octets += (uint32_t)*used;
	r->line_octets += (uint32_t)*used;
	if (!has_end || r->line_octets > *used) {
		if (!keep_part(r, line))
			return bad(r, "no_memory");
		line = buf_span(&r->line);
	}
	if (!has_end)
		return CLIENT_REPLY_MORE;
	if (r->line_octets - 1 <= CLIENT_REPLY_LINE_MAX && line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	r->line_octets = 0;
	return take_line(r, span_head(line, CLIENT_REPLY_LINE_MAX), text);
}

/* ---- what is passed on ---- */

/* Digits of one part of a status code (RFC 3463 2): 1 to 3, without leading zeros; 0: there are none. */
static size_t status_part_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && n < 3 && ascii_is_digit(s.ptr[n]))
		n++;
	return n > 1 && s.ptr[0] == '0' ? 0 : n;
}

/* The length of the enhanced status code that a text begins with; 0: there is none. */
static size_t status_len(struct span text)
{
	size_t subject, detail, len;

	if (text.len < 5 || text.ptr[1] != '.' || !memchr("245", text.ptr[0], 3))
		return 0;
	subject = status_part_len(span_from(text, 2));
	if (subject == 0 || 2 + subject >= text.len || text.ptr[2 + subject] != '.')
		return 0;
	detail = status_part_len(span_from(text, 3 + subject));
	len = 3 + subject + detail;
	if (detail == 0 || (len < text.len && text.ptr[len] != ' ' && text.ptr[len] != '\t'))
		return 0;
	return len;
}

/* Take the enhanced status code off a line. RFC 2034 4: of another class than the code it means nothing. */
static struct span take_status(struct client_reply *r, struct span text)
{
	size_t len = status_len(text);

	if (len == 0)
		return text;
	if (r->status[0] == '\0' && text.ptr[0] - '0' == r->code / 100) {
		memcpy(r->status, text.ptr, len);
		r->status[len] = '\0';
	}
	return span_trim(span_from(text, len));
}

/* Octets of the character beyond ASCII that `s` begins with, if it may be passed on; 0: it may not. */
static size_t utf8_len(struct span s)
{
	uint32_t code_point;
	size_t n = utf8_decode(s, &code_point);

	return n && !utf8_is_control(code_point) ? n : 0;
}

/* Write up to `max` octets of text to `out`, with what is not printable replaced; returns how many. */
static size_t sanitise(struct span text, bool may_be_utf8, char *out, size_t max)
{
	size_t n = 0;

	while (text.len && n < max) {
		char c = text.ptr[0];
		size_t len = may_be_utf8 && (unsigned char)c >= 0x80 ? utf8_len(text) : 0;

		if (len > max - n)
			break;
		if (len) {
			memcpy(out + n, text.ptr, len);
		} else {
			len = 1;
			out[n] = c >= ' ' && c <= '~' ? c : c == '\t' ? ' ' : '?';
		}
		n += len;
		text = span_from(text, len);
	}
	return n;
}

bool client_reply_add_text(struct client_reply *r, struct span text, bool may_be_utf8)
{
	size_t room;

	text = take_status(r, span_trim(text));
	if (text.len == 0 || buf_len(&r->text) + 1 >= CLIENT_REPLY_TEXT_MAX)
		return true;
	/* And a NUL behind them all. */
	if (!buf_reserve(&r->text, CLIENT_REPLY_TEXT_LINE_MAX + 2))
		return false;
	if (buf_len(&r->text))
		r->text.data[r->text.end++] = '\n';
	room = CLIENT_REPLY_TEXT_MAX - buf_len(&r->text);
	if (room > CLIENT_REPLY_TEXT_LINE_MAX)
		room = CLIENT_REPLY_TEXT_LINE_MAX;
	buf_added(&r->text, sanitise(text, may_be_utf8, r->text.data + r->text.end, room));
	return true;
}

/* What a code without an enhanced status code most likely means (RFC 5321 4.2.3, RFC 3463). */
static const char *default_status(uint16_t code, const char *success)
{
	static const struct {
		uint16_t code;
		const char *status;
	} rows[] = {
		{ 421, "4.3.2" }, { 450, "4.2.0" }, { 451, "4.3.0" }, { 452, "4.3.1" }, { 454, "4.7.0" },
		{ 500, "5.5.2" }, { 501, "5.5.4" }, { 502, "5.5.1" }, { 503, "5.5.1" }, { 504, "5.5.4" },
		{ 530, "5.7.0" }, { 535, "5.7.8" }, { 551, "5.1.6" }, { 552, "5.3.4" }, { 555, "5.5.4" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code)
			return rows[i].status;
	return code < 400 ? success : code < 500 ? "4.0.0" : "5.0.0";
}

bool client_reply_finish(struct client_reply *r, const char *success)
{
	if (r->status[0] == '\0') {
		const char *status = default_status(r->code, success);

		memcpy(r->status, status, strlen(status) + 1);
	}
	if (buf_len(&r->text) == 0)
		return buf_add_str(&r->text, r->code < 400 ? "OK" : "Refused without a reason.") &&
		       buf_add(&r->text, "", 1);
	return buf_add(&r->text, "", 1);
}
