/*
 * Laws of proto/authres, and of proto/header: any cutting gives the same counts, counts only grow,
 * and they agree with a second reading of the whole message, line by line.
 * The first input byte chooses how the rest is cut.
 */
#include "fuzz.h"
#include "proto/authres.h"
#include "proto/header.h"

enum { LINE_NAME_MAX = 998 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Length of a field's name and the blanks behind it, where a colon follows; 0: the line is no field. */
static size_t field_name_octets(struct span line, size_t *name_len)
{
	size_t n = 0, name;

	while (n < line.len && line.ptr[n] > ' ' && line.ptr[n] <= '~' && line.ptr[n] != ':')
		n++;
	name = n;
	while (n < line.len && is_blank(line.ptr[n]))
		n++;
	*name_len = name;
	return name && n <= LINE_NAME_MAX && n < line.len && line.ptr[n] == ':' ? n : 0;
}

/* Could what is unfinished yet become a field? Then the header has not ended. */
static bool may_become_field(struct span line)
{
	size_t name_len;

	if (line.len == 0)
		return true;
	if (line.len > LINE_NAME_MAX || line.ptr[0] == ':')
		return false;
	field_name_octets(line, &name_len);
	if (name_len == 0)
		return false;
	while (name_len < line.len && is_blank(line.ptr[name_len]))
		name_len++;
	return name_len == line.len;
}

/* Reads one line into *scan; `line` has its LF unless it is the unfinished last one. */
static bool read_line(struct header_scan *scan, struct span line, bool is_first)
{
	bool is_whole = line.len && line.ptr[line.len - 1] == '\n';
	size_t name_len;

	if (is_whole && line.len == 1) {
		scan->octets++;
		return false;
	}
	if (field_name_octets(line, &name_len)) {
		scan->received += span_ieq(span_head(line, name_len), SPAN_LITERAL("Received"));
	} else if (is_first && line.len > 5 && memcmp(line.ptr, "From", 4) == 0 && is_blank(line.ptr[4])) {
		size_t n = 4;

		while (n < line.len && is_blank(line.ptr[n]))
			n++;
		if (n == line.len && n <= LINE_NAME_MAX)
			return true; /* a colon may yet make it a field */
	} else if (is_first || line.len == 0 || !is_blank(line.ptr[0])) {
		return !is_whole && may_become_field(line);
	}
	scan->octets += line.len;
	return true;
}

static void read_whole(struct header_scan *scan, struct span message)
{
	bool is_first = true, goes_on = true;

	while (message.len && goes_on) {
		size_t end = span_find(message, '\n');
		size_t len = end < message.len ? end + 1 : end;

		goes_on = read_line(scan, span_head(message, len), is_first);
		message = span_from(message, len);
		is_first = false;
	}
	scan->state = goes_on;
}

static void feed_cut(struct header_scan *scan, struct span message, unsigned seed)
{
	while (message.len) {
		uint64_t octets = scan->octets;
		uint32_t received = scan->received;
		size_t len;

		seed = seed * 1103515245u + 12345u;
		len = seed / 65536 % 7;
		header_scan_feed(scan, span_head(message, len));
		message = span_from(message, len);
		LAW(scan->octets >= octets && scan->received >= received);
	}
}

static void hold_same(const struct header_scan *a, const struct header_scan *b)
{
	LAW(a->octets == b->octets && a->received == b->received);
	LAW(header_scan_ended(a) == header_scan_ended(b));
}

/* ---- proto/authres ---- */

struct passed {
	char bytes[65536];
	size_t len;
};

static void take(struct passed *p, struct span s)
{
	LAW(s.len <= sizeof(p->bytes) - p->len);
	memcpy(p->bytes + p->len, s.ptr, s.len);
	p->len += s.len;
}

static uint32_t filter(struct passed *p, struct span message, unsigned seed, bool is_binary)
{
	struct authres_filter f;
	struct span out;

	p->len = 0;
	authres_filter_init(&f, SPAN_LITERAL("a.b"), is_binary);
	while (message.len) {
		size_t len = message.len;

		if (seed) {
			seed = seed * 1103515245u + 12345u;
			len = seed / 65536 % 7 + 1;
		}
		LAW(authres_filter_next(&f, span_head(message, len), &out));
		take(p, out);
		message = span_from(message, len);
	}
	take(p, authres_filter_finish(&f));
	authres_filter_fini(&f);
	return f.removed;
}

/* Nothing but what was there passes, in its order; what passes does so again; cuts do not matter. */
static void hold_filter(struct span message, unsigned seed, bool is_binary)
{
	static struct passed whole, cut;
	uint32_t removed = filter(&whole, message, 0, is_binary);
	size_t at = 0;

	LAW(filter(&cut, message, seed + 1, is_binary) == removed);
	LAW(span_eq(span_of(whole.bytes, whole.len), span_of(cut.bytes, cut.len)));
	for (size_t i = 0; i < message.len && at < whole.len; i++)
		at += message.ptr[i] == whole.bytes[at];
	LAW(at == whole.len && (removed > 0) == (whole.len < message.len));
	LAW(filter(&cut, span_of(whole.bytes, whole.len), seed + 1, is_binary) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header_scan whole, cut, expected = { 0 };

	if (size == 0)
		return 0;
	struct span message = span_of(data + 1, size - 1);

	header_scan_init(&whole);
	header_scan_feed(&whole, message);
	LAW(whole.octets <= message.len);
	LAW(whole.received <= message.len / 9);

	header_scan_init(&cut);
	for (size_t i = 0; i < message.len; i++)
		header_scan_feed(&cut, span_of(message.ptr + i, 1));
	hold_same(&whole, &cut);

	header_scan_init(&cut);
	feed_cut(&cut, message, data[0]);
	hold_same(&whole, &cut);

	read_whole(&expected, message);
	LAW(expected.octets == whole.octets && expected.received == whole.received);
	LAW((expected.state == 0) == header_scan_ended(&whole));
	if (message.len <= 60000) {
		hold_filter(message, data[0], false);
		hold_filter(message, data[0], true);
	}
	return 0;
}
