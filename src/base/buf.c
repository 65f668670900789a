#include "base/buf.h"

#include <stdlib.h>

enum { BUF_SIZE_MIN = 256 };

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buf_fini(b);
}

bool buf_reserve(struct buf *b, size_t more)
{
	size_t len = buf_len(b);

	if (b->size - b->end >= more)
		return true;
	if (more > SIZE_MAX / 4 - len)
		return false;
	if (b->start >= len && b->size - len >= more) {
		memcpy(b->data, b->data + b->start, len);
	} else {
		size_t size = b->size ? b->size : BUF_SIZE_MIN;

		while (size < len + more)
			size *= 2;
		char *data = malloc(size);

		if (!data)
			return false;
		if (len)
			memcpy(data, b->data + b->start, len);
		free(b->data);
		b->data = data;
		b->size = size;
	}
	b->start = 0;
	b->end = len;
	return true;
}

bool buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (!buf_reserve(b, len))
		return false;
	if (len)
		memcpy(b->data + b->end, bytes, len);
	b->end += len;
	return true;
}

bool buf_add_span(struct buf *b, struct span s)
{
	return buf_add(b, s.ptr, s.len);
}

bool buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

bool buf_add_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return buf_add(b, digits + n, sizeof(digits) - n);
}

void buf_use(struct buf *b, size_t len)
{
	BUG_ON(len > buf_len(b));
	b->start += len;
	if (b->start == b->end)
		buf_clear(b);
}

void buf_release_empty(struct buf *b)
{
	if (b->data && buf_len(b) == 0)
		buf_fini(b);
}
