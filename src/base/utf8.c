#include "base/utf8.h"

/* Octets of a character by its first one, 0 for one that begins none; *bits are those that it gives. */
static size_t sequence_len(unsigned char first, uint32_t *bits)
{
	if (first < 0x80) {
		*bits = first;
		return 1;
	}
	if (first >= 0xc0 && first < 0xe0) {
		*bits = first & 0x1f;
		return 2;
	}
	if (first >= 0xe0 && first < 0xf0) {
		*bits = first & 0x0f;
		return 3;
	}
	*bits = first & 0x07;
	return first >= 0xf0 && first < 0xf8 ? 4 : 0;
}

size_t utf8_decode(struct span s, uint32_t *code_point)
{
	/* RFC 3629 3: the least that needs so many octets. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t value;
	size_t len = s.len ? sequence_len((unsigned char)s.ptr[0], &value) : 0;

	if (len == 0 || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)s.ptr[i];

		if (next < 0x80 || next >= 0xc0)
			return 0;
		value = value << 6 | (next & 0x3f);
	}
	if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*code_point = value;
	return len;
}

static bool is_well_formed(struct span s, bool takes_controls)
{
	while (s.len) {
		uint32_t code_point;
		size_t len = utf8_decode(s, &code_point);

		if (len == 0 || (!takes_controls && utf8_is_control(code_point)))
			return false;
		s = span_from(s, len);
	}
	return true;
}

bool utf8_is_valid(struct span s)
{
	return is_well_formed(s, true);
}

bool utf8_is_text(struct span s)
{
	return is_well_formed(s, false);
}

bool utf8_is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}
