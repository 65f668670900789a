#include "front/http_request.h"

/* RFC 9110 5.6.2: what names of methods and fields are made of. */
static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '\0' || (!ascii_is_alnum(s.ptr[i]) && !strchr("!#$%&'*+-.^_`|~", s.ptr[i])))
			return false;
	return s.len > 0;
}

static bool is_printable(struct span s, bool may_have_more)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == 0x7f || (c < 0x20 && !(may_have_more && c == '\t')) || (c >= 0x80 && !may_have_more))
			return false;
	}
	return true;
}

/* The next line without its end, which is CRLF or LF (RFC 9112 2.2). False: it is not whole. */
static bool take_line(struct span *rest, struct span *line)
{
	size_t len = span_find(*rest, '\n');

	if (len == rest->len)
		return false;
	*line = span_head(*rest, len);
	*rest = span_from(*rest, len + 1);
	if (line->len && line->ptr[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* RFC 9112 2.3: the protocol is the same within a major version. */
static enum http_request_state judge_version(struct span version, bool *needs_host)
{
	static const char name[] = "HTTP/";
	const struct span digits = span_from(version, sizeof(name) - 1);

	if (!span_eq(span_head(version, sizeof(name) - 1), span_str(name)) || digits.len != 3 ||
	    !ascii_is_digit(digits.ptr[0]) || digits.ptr[1] != '.' || !ascii_is_digit(digits.ptr[2]))
		return HTTP_REQUEST_MALFORMED;
	*needs_host = digits.ptr[2] != '0';
	return digits.ptr[0] == '1' ? HTTP_REQUEST_MORE : HTTP_REQUEST_OTHER_VERSION;
}

/* RFC 9112 3.2: the path, or, as servers must take it, too, a whole URI. */
static bool read_target(struct span target, struct span *path)
{
	static const char scheme[] = "http://";

	if (span_istarts(target, span_str(scheme))) {
		target = span_from(target, sizeof(scheme) - 1);
		target = span_from(target, span_find(target, '/'));
	}
	*path = span_head(target, span_find(target, '?'));
	return path->len && path->ptr[0] == '/' && is_printable(target, false);
}

/* MORE: it is good; *method is left to be judged. */
static enum http_request_state read_request_line(struct span line, struct span *method, struct span *path,
						 bool *needs_host)
{
	struct span target, version;
	enum http_request_state state;

	*method = span_head(line, span_find(line, ' '));
	target = span_from(line, method->len + 1);
	version = span_from(target, span_find(target, ' ') + 1);
	state = is_token(*method) ? judge_version(version, needs_host) : HTTP_REQUEST_MALFORMED;
	if (state != HTTP_REQUEST_MORE)
		return state;
	return read_target(span_head(target, span_find(target, ' ')), path) ? HTTP_REQUEST_MORE :
									       HTTP_REQUEST_MALFORMED;
}

/* RFC 9112 5: no blank before the colon, and no folded lines. */
static bool read_field(struct span line, unsigned *hosts)
{
	struct span name = span_head(line, span_find(line, ':'));

	if (name.len == line.len || !is_token(name) || !is_printable(line, true))
		return false;
	*hosts += span_ieq(name, SPAN_LITERAL("Host"));
	return true;
}

static enum http_request_state judge_method(struct span method)
{
	if (span_eq(method, SPAN_LITERAL("GET")))
		return HTTP_REQUEST_GET;
	return span_eq(method, SPAN_LITERAL("HEAD")) ? HTTP_REQUEST_HEAD : HTTP_REQUEST_OTHER_METHOD;
}

enum http_request_state http_request_read(struct span in, struct span *path)
{
	const bool is_full = in.len >= HTTP_REQUEST_MAX;
	struct span rest = span_head(in, HTTP_REQUEST_MAX), line, method;
	bool needs_host = false;
	unsigned hosts = 0;
	enum http_request_state state;

	/* RFC 9112 2.2: an empty line before the request is passed over. */
	do {
		if (!take_line(&rest, &line))
			return is_full ? HTTP_REQUEST_LINE_TOO_LONG : HTTP_REQUEST_MORE;
	} while (line.len == 0);
	state = read_request_line(line, &method, path, &needs_host);
	if (state != HTTP_REQUEST_MORE)
		return state;
	while (take_line(&rest, &line)) {
		if (line.len == 0)
			/* RFC 9112 3.2: with HTTP/1.1 there must be one Host, and never two. */
			return hosts > 1 || (needs_host && hosts == 0) ? HTTP_REQUEST_MALFORMED :
									 judge_method(method);
		if (!read_field(line, &hosts))
			return HTTP_REQUEST_MALFORMED;
	}
	return is_full ? HTTP_REQUEST_TOO_LONG : HTTP_REQUEST_MORE;
}
