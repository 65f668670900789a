/*
 * Laws of front/http_request: a verdict, once given, is that of every longer
 * input, whatever follows; a path lies in the input, begins with a slash and is
 * printable; a request of full length waits for nothing more.
 */
#include "fuzz.h"

#include "front/http_request.h"

#include <stdlib.h>

static bool has_path(enum http_request_state state)
{
	return state == HTTP_REQUEST_GET || state == HTTP_REQUEST_HEAD || state == HTTP_REQUEST_OTHER_METHOD;
}

static void hold_path(struct span in, struct span path)
{
	LAW(path.len && path.ptr >= in.ptr && path.ptr + path.len <= in.ptr + in.len && path.ptr[0] == '/');
	for (size_t i = 0; i < path.len; i++)
		LAW(path.ptr[i] > ' ' && path.ptr[i] <= '~' && path.ptr[i] != '?');
}

/* The verdict on a copy of the first `len` bytes alone, so that a sanitizer sees what is read beyond. */
static enum http_request_state judge(struct span in, size_t len)
{
	char *copy = malloc(len ? len : 1);
	struct span path = { 0 };
	enum http_request_state state;

	LAW(copy != NULL);
	memcpy(copy, in.ptr, len);
	state = http_request_read(span_of(copy, len), &path);
	if (has_path(state))
		hold_path(span_of(copy, len), path);
	LAW(state != HTTP_REQUEST_MORE || len < HTTP_REQUEST_MAX);
	free(copy);
	return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span in = span_of(data, size < HTTP_REQUEST_MAX + 64 ? size : HTTP_REQUEST_MAX + 64);
	enum http_request_state before = HTTP_REQUEST_MORE;

	/* All lengths of short inputs, some of long ones. */
	for (size_t len = 0; len <= in.len; len += 1 + len / 256) {
		enum http_request_state state = judge(in, len);

		LAW(before == HTTP_REQUEST_MORE || state == before);
		before = state;
	}
	return 0;
}
