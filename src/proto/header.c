#include "proto/header.h"

enum header_state {
	HEADER_FIRST_LINE, /* nothing was seen yet */
	HEADER_LINE,       /* at the begin of any other line */
	HEADER_NAME,       /* in a field name */
	HEADER_NAME_BLANK, /* in blanks between field name and colon (RFC 5322 4.5) */
	HEADER_BODY,       /* in a field's body, up to its LF */
	HEADER_ENDED,
};

/* Names that are looked for, as bits by their place in the table. */
enum {
	CANDIDATE_RECEIVED = 1,
	CANDIDATE_DATE = 2,
	CANDIDATE_MESSAGE_ID = 4,
	CANDIDATE_MBOX = 8, /* in this case of letters, and in the first line only */
	CANDIDATES_OF_FIELDS = CANDIDATE_RECEIVED | CANDIDATE_DATE | CANDIDATE_MESSAGE_ID,
	CANDIDATES = 4,
};

/* RFC 5322 2.1.1: no line is longer, so a longer name, blanks included, names no field. */
enum { HEADER_PENDING_MAX = 998 };

static const struct span candidate_names[CANDIDATES] = {
	{ "received", 8 },
	{ "date", 4 },
	{ "message-id", 10 },
	{ "From", 4 },
};

void header_scan_init(struct header_scan *scan)
{
	*scan = (struct header_scan){ .state = HEADER_FIRST_LINE };
}

bool header_scan_ended(const struct header_scan *scan)
{
	return scan->state == HEADER_ENDED;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 5322 3.6.8: printable, and neither blank nor colon. */
static bool is_name_byte(char c)
{
	return c > ' ' && c <= '~' && c != ':';
}

static void end(struct header_scan *scan)
{
	scan->state = HEADER_ENDED;
	scan->pending = 0;
}

/* Count byte `c`, and the pending ones before it. */
static void count(struct header_scan *scan, enum header_state next)
{
	scan->octets += scan->pending + 1u;
	scan->pending = 0;
	scan->state = (uint8_t)next;
}

static void add_to_name(struct header_scan *scan, char c)
{
	size_t at = scan->pending++;

	for (unsigned i = 0; scan->candidates >> i; i++) {
		struct span name = candidate_names[i];
		char looked_at = 1u << i == CANDIDATE_MBOX ? c : ascii_lower(c);

		if (at >= name.len || looked_at != name.ptr[at])
			scan->candidates &= (uint8_t)~(1u << i);
	}
}

/* The name is complete: one that is only the beginning of a candidate is none. */
static void close_name(struct header_scan *scan)
{
	for (unsigned i = 0; scan->candidates >> i; i++)
		if (scan->pending != candidate_names[i].len)
			scan->candidates &= (uint8_t)~(1u << i);
}

static void at_colon(struct header_scan *scan)
{
	if (scan->candidates & CANDIDATE_RECEIVED && scan->received < UINT32_MAX)
		scan->received++;
	scan->has_date |= (scan->candidates & CANDIDATE_DATE) != 0;
	scan->has_message_id |= (scan->candidates & CANDIDATE_MESSAGE_ID) != 0;
	count(scan, HEADER_BODY);
}

static void at_line(struct header_scan *scan, char c)
{
	bool is_first = scan->state == HEADER_FIRST_LINE;

	if (c == '\n') {
		count(scan, HEADER_ENDED);
	} else if (is_blank(c) && !is_first) {
		count(scan, HEADER_BODY); /* a folded field goes on (RFC 5322 2.2.3) */
	} else if (is_name_byte(c)) {
		scan->candidates = (uint8_t)(CANDIDATES_OF_FIELDS | (is_first ? CANDIDATE_MBOX : 0));
		scan->state = HEADER_NAME;
		add_to_name(scan, c);
	} else {
		end(scan);
	}
}

static void in_name(struct header_scan *scan, char c)
{
	if (c == ':') {
		close_name(scan);
		at_colon(scan);
	} else if (scan->pending == HEADER_PENDING_MAX) {
		end(scan);
	} else if (is_name_byte(c)) {
		add_to_name(scan, c);
	} else if (is_blank(c)) {
		close_name(scan);
		scan->state = HEADER_NAME_BLANK;
		scan->pending++;
	} else {
		end(scan);
	}
}

static void in_name_blank(struct header_scan *scan, char c)
{
	if (c == ':')
		at_colon(scan);
	else if (is_blank(c) && scan->pending < HEADER_PENDING_MAX)
		scan->pending++;
	else if (scan->candidates & CANDIDATE_MBOX)
		count(scan, c == '\n' ? HEADER_LINE : HEADER_BODY);
	else
		end(scan);
}

/* A field's body is skipped in one go; everything else is looked at byte by byte. */
static size_t skip_body(struct header_scan *scan, struct span content)
{
	size_t n = span_find(content, '\n');

	if (n < content.len) {
		n++;
		scan->state = HEADER_LINE;
	}
	scan->octets += n;
	return n;
}

static void step(struct header_scan *scan, char c)
{
	if (scan->state == HEADER_NAME)
		in_name(scan, c);
	else if (scan->state == HEADER_NAME_BLANK)
		in_name_blank(scan, c);
	else
		at_line(scan, c);
}

void header_scan_feed(struct header_scan *scan, struct span content)
{
	size_t used = 0;

	while (used < content.len && scan->state != HEADER_ENDED) {
		if (scan->state == HEADER_BODY)
			used += skip_body(scan, span_from(content, used));
		else
			step(scan, content.ptr[used++]);
	}
}
