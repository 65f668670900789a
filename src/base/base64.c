/*
 * See base64.h. Values may be secrets, so no table is indexed by their octets
 * but the alphabet's, which fills one cache line.
 */
#include "base/base64.h"

static const char alphabet[64] __attribute__((aligned(64))) =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_group(const unsigned char *in, size_t len, char *out)
{
	uint32_t bits = (uint32_t)in[0] << 16;

	if (len > 1)
		bits |= (uint32_t)in[1] << 8;
	if (len > 2)
		bits |= in[2];
	out[0] = alphabet[bits >> 18];
	out[1] = alphabet[bits >> 12 & 63];
	out[2] = len > 1 ? alphabet[bits >> 6 & 63] : '=';
	out[3] = len > 2 ? alphabet[bits & 63] : '=';
}

size_t base64_encode(struct span in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i += 3, n += 4)
		encode_group((const unsigned char *)in.ptr + i, in.len - i, out + n);
	return n;
}

/* The value of a digit; 64: it is none. */
static uint32_t digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : 64;
}

/* Decode four digits, the last `padding` of them "=". */
static bool decode_group(const char *in, size_t padding, unsigned char *out)
{
	uint32_t bits = 0, bad = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t value = i < 4 - padding ? digit_value(in[i]) : 0;

		bad |= value & 64;
		bits = bits << 6 | (value & 63);
	}
	/* RFC 4648 3.5: bits that are left over must be zero. */
	if (padding)
		bad |= bits & (padding == 1 ? 0xff : 0xffff);
	out[0] = (unsigned char)(bits >> 16);
	if (padding < 2)
		out[1] = (unsigned char)(bits >> 8 & 0xff);
	if (padding < 1)
		out[2] = (unsigned char)(bits & 0xff);
	return !bad;
}

static size_t padding_len(struct span in)
{
	if (in.len == 0 || in.ptr[in.len - 1] != '=')
		return 0;
	return in.ptr[in.len - 2] == '=' ? 2 : 1;
}

bool base64_decode(struct span in, void *out, size_t *len)
{
	unsigned char *to = out;
	size_t padding, n = 0;

	if (in.len % 4)
		return false;
	padding = padding_len(in);
	for (size_t i = 0; i < in.len; i += 4) {
		bool is_last = i + 4 == in.len;

		if (!decode_group(in.ptr + i, is_last ? padding : 0, to + n))
			return false;
		n += is_last ? 3 - padding : 3;
	}
	*len = n;
	return true;
}
