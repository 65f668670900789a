#include "proto/xtext.h"

static bool is_xchar(char c)
{
	return c > ' ' && c <= '~' && c != '+' && c != '=';
}

static size_t encoded_len(struct span text)
{
	size_t len = text.len;

	for (size_t i = 0; i < text.len; i++)
		len += is_xchar(text.ptr[i]) ? 0 : 2;
	return len;
}

bool xtext_encode(struct buf *out, struct span text)
{
	static const char digits[] = "0123456789ABCDEF";

	if (text.len > SIZE_MAX / 16 || !buf_reserve(out, encoded_len(text)))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (is_xchar(text.ptr[i])) {
			out->data[out->end++] = text.ptr[i];
			continue;
		}
		out->data[out->end++] = '+';
		out->data[out->end++] = digits[c >> 4];
		out->data[out->end++] = digits[c & 15];
	}
	return true;
}

/* The value of an upper-case hexadecimal digit; 16: it is none. */
static unsigned hex_value(char c)
{
	if (ascii_is_digit(c))
		return (unsigned)(c - '0');
	return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 16;
}

/* Take one encoded octet off the front of `s`; 0: it is malformed, or a control character. */
static size_t decode_octet(struct span s, unsigned char *octet)
{
	unsigned high, low;

	if (s.ptr[0] != '+') {
		*octet = (unsigned char)s.ptr[0];
		return is_xchar(s.ptr[0]);
	}
	if (s.len < 3)
		return 0;
	high = hex_value(s.ptr[1]);
	low = hex_value(s.ptr[2]);
	*octet = (unsigned char)(high << 4 | low);
	return high > 15 || low > 15 || *octet < ' ' || *octet == 0x7f ? 0 : 3;
}

bool xtext_is_valid(struct span xtext)
{
	unsigned char octet;

	while (xtext.len) {
		size_t n = decode_octet(xtext, &octet);

		if (n == 0)
			return false;
		xtext = span_from(xtext, n);
	}
	return true;
}

bool xtext_decode(struct span xtext, char *out, size_t *len)
{
	unsigned char octet = 0; /* where it is valid each is set */
	size_t n = 0;

	if (!xtext_is_valid(xtext))
		return false;
	while (xtext.len) {
		xtext = span_from(xtext, decode_octet(xtext, &octet));
		out[n++] = (char)octet;
	}
	*len = n;
	return true;
}
