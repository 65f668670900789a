#include "proto/proxy.h"

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n"; /* 12 bytes, and a NUL */
enum { SIGNATURE_LEN = sizeof(v2_signature) - 1 };

enum { CLIENT_TLS = 1 }; /* PP2_CLIENT_SSL */

enum tlv_type {
	TLV_AUTHORITY = 0x02,
	TLV_CRC32C = 0x03,
	TLV_SSL = 0x20,
	TLV_SSL_VERSION = 0x21,
	TLV_SSL_CIPHER = 0x23,
};

static unsigned byte_at(struct span s, size_t i)
{
	return (unsigned char)s.ptr[i];
}

static unsigned u16_at(struct span s, size_t i)
{
	return byte_at(s, i) << 8 | byte_at(s, i + 1);
}

static struct span bytes_of(const struct proxy_header *h)
{
	return span_of(h->bytes, h->len);
}

/* ---- where it ends ---- */

static bool is_v2(const struct proxy_header *h)
{
	return h->bytes[0] == v2_signature[0];
}

/* Length of the whole header, as far as it is known from what is there. */
static size_t v2_length(const struct proxy_header *h)
{
	return h->len < PROXY_V2_FIXED ? PROXY_V2_FIXED : PROXY_V2_FIXED + u16_at(bytes_of(h), 14);
}

static bool is_like(const char *begin, const struct proxy_header *h, size_t most)
{
	return memcmp(begin, h->bytes, h->len < most ? h->len : most) == 0;
}

/* Take one byte, or what is known to belong to the header. */
static size_t keep(struct proxy_header *h, struct span in, size_t most)
{
	size_t n = in.len < most ? in.len : most;

	memcpy(h->bytes + h->len, in.ptr, n);
	h->len += n;
	return n;
}

static enum proxy_result judge_v2(const struct proxy_header *h)
{
	if (!is_like(v2_signature, h, SIGNATURE_LEN) || v2_length(h) > sizeof(h->bytes))
		return PROXY_MALFORMED;
	return h->len == v2_length(h) && h->len > PROXY_V2_FIXED - 1 ? PROXY_WHOLE : PROXY_MORE;
}

static enum proxy_result judge_v1(const struct proxy_header *h)
{
	static const char begin[] = "PROXY ";

	if (!is_like(begin, h, sizeof(begin) - 1))
		return PROXY_MALFORMED;
	if (h->bytes[h->len - 1] == '\n')
		return h->len > sizeof(begin) && h->bytes[h->len - 2] == '\r' ? PROXY_WHOLE : PROXY_MALFORMED;
	return h->len == PROXY_V1_MAX ? PROXY_MALFORMED : PROXY_MORE;
}

enum proxy_result proxy_header_next(struct proxy_header *h, struct span in, size_t *used)
{
	enum proxy_result result = PROXY_MORE;

	*used = 0;
	while (result == PROXY_MORE && *used < in.len) {
		bool is_binary = h->len && is_v2(h);

		*used += keep(h, span_from(in, *used), is_binary ? v2_length(h) - h->len : 1);
		result = is_v2(h) ? judge_v2(h) : judge_v1(h);
	}
	return result;
}

/* ---- version 1: words ---- */

/* The word up to the next blank, or the rest; blanks are single. */
static struct span take_word(struct span *rest)
{
	size_t n = span_find(*rest, ' ');
	struct span word = span_head(*rest, n);

	*rest = span_from(*rest, n < rest->len ? n + 1 : n);
	return word;
}

static bool read_port(struct span text, uint16_t *port)
{
	unsigned value = 0;

	if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text.ptr[i] - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

static bool read_v1(struct span line, struct proxy_facts *facts)
{
	struct span protocol, from, to, from_port, to_port;
	unsigned char family;
	struct addr server;
	uint16_t port;

	take_word(&line);
	protocol = take_word(&line);
	if (span_eq(protocol, SPAN_LITERAL("UNKNOWN"))) {
		facts->is_local = true; /* what follows is to be ignored */
		return true;
	}
	family = span_eq(protocol, SPAN_LITERAL("TCP4")) ? ADDR_IPV4 :
		 span_eq(protocol, SPAN_LITERAL("TCP6")) ? ADDR_IPV6 : ADDR_NONE;
	from = take_word(&line);
	to = take_word(&line);
	from_port = take_word(&line);
	to_port = line;
	return family != ADDR_NONE && addr_parse_ip(&facts->client, from) && addr_parse_ip(&server, to) &&
	       facts->client.scope_id == 0 && (memchr(from.ptr, ':', from.len) != NULL) == (family == ADDR_IPV6) &&
	       (memchr(to.ptr, ':', to.len) != NULL) == (family == ADDR_IPV6) &&
	       read_port(to_port, &port) && read_port(from_port, &facts->client.port);
}

/* ---- version 2: bytes ---- */

/* CRC-32C (Castagnoli), bit by bit; the four bytes at `zeroed` count as zero. */
static uint32_t crc32c(struct span s, size_t zeroed)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= i >= zeroed && i < zeroed + 4 ? 0 : byte_at(s, i);
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

static bool take_tlv(struct span *rest, unsigned *type, struct span *value)
{
	size_t len;

	if (rest->len < 3)
		return false;
	*type = byte_at(*rest, 0);
	len = u16_at(*rest, 1);
	*rest = span_from(*rest, 3);
	if (rest->len < len)
		return false;
	*value = span_head(*rest, len);
	*rest = span_from(*rest, len);
	return true;
}

static bool read_ssl(struct span tlv, struct proxy_facts *facts)
{
	unsigned type;
	struct span value;

	if (tlv.len < 5)
		return false;
	facts->has_tls = byte_at(tlv, 0) & CLIENT_TLS;
	tlv = span_from(tlv, 5);
	while (tlv.len) {
		if (!take_tlv(&tlv, &type, &value))
			return false;
		if (type == TLV_SSL_VERSION)
			facts->tls_version = value;
		else if (type == TLV_SSL_CIPHER)
			facts->tls_cipher = value;
	}
	return true;
}

static bool is_checksum_right(const struct proxy_header *h, struct span value)
{
	uint32_t told;

	if (value.len != 4)
		return false;
	told = (uint32_t)u16_at(value, 0) << 16 | u16_at(value, 2);
	return told == crc32c(bytes_of(h), (size_t)(value.ptr - h->bytes));
}

static bool read_tlvs(const struct proxy_header *h, struct span rest, struct proxy_facts *facts)
{
	unsigned type;
	struct span value;

	while (rest.len) {
		if (!take_tlv(&rest, &type, &value))
			return false;
		if (type == TLV_CRC32C && !is_checksum_right(h, value))
			return false;
		if (type == TLV_AUTHORITY)
			facts->server_name = value;
		if (type == TLV_SSL && !read_ssl(value, facts))
			return false;
	}
	return true;
}

static void read_client(struct span block, unsigned char family, struct addr *client)
{
	size_t ip_len = family == ADDR_IPV4 ? 4 : 16;

	memcpy(client->ip, block.ptr, ip_len);
	client->family = family;
	client->port = (uint16_t)u16_at(block, 2 * ip_len);
}

/* An IPv4 address within an IPv6 one is IPv4 here (base/addr.h). */
static void unmap(struct addr *client)
{
	static const char prefix[12] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";

	if (client->family != ADDR_IPV6 || memcmp(client->ip, prefix, sizeof(prefix)) != 0)
		return;
	memmove(client->ip, client->ip + 12, 4);
	memset(client->ip + 4, 0, 12);
	client->family = ADDR_IPV4;
}

static bool read_v2(const struct proxy_header *h, struct proxy_facts *facts)
{
	enum { LOCAL = 0x20, PROXY = 0x21 };
	enum { UNSPEC = 0, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };
	struct span rest = span_from(bytes_of(h), PROXY_V2_FIXED);
	unsigned command = byte_at(bytes_of(h), 12), family = byte_at(bytes_of(h), 13);
	size_t block = family == TCP4 ? 12 : family == TCP6 ? 36 : family == UNIX_STREAM ? 216 : 0;

	if (command != LOCAL && command != PROXY)
		return false;
	if (command == LOCAL || family == UNSPEC) {
		facts->is_local = true;
		return true;
	}
	if (block == 0 || rest.len < block)
		return false;
	if (family != UNIX_STREAM)
		read_client(rest, family == TCP4 ? ADDR_IPV4 : ADDR_IPV6, &facts->client);
	unmap(&facts->client);
	return read_tlvs(h, span_from(rest, block), facts);
}

bool proxy_header_read(const struct proxy_header *h, struct proxy_facts *facts)
{
	*facts = (struct proxy_facts){ 0 };
	if (is_v2(h))
		return read_v2(h, facts);
	return read_v1(span_head(bytes_of(h), h->len - 2), facts);
}
