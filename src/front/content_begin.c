#include "front/content_begin.h"

enum { LOOK_OCTETS = 128 };

void content_begin_init(struct content_begin *b)
{
	*b = (struct content_begin){ .is_any = false };
	header_scan_init(&b->scan);
}

/* An empty line in CRLF, as binary content has it, ends a header like any other. */
static void know(struct content_begin *b)
{
	b->is_known = true;
	b->is_headless = b->is_any && b->scan.octets == 0 && b->first != '\r';
}

void content_begin_look(struct content_begin *b, struct span content)
{
	if (content.len && !b->is_any) {
		b->is_any = true;
		b->first = content.ptr[0];
	}
	while (content.len && !b->is_known) {
		struct span head = span_head(content, LOOK_OCTETS);

		header_scan_feed(&b->scan, head);
		content = span_from(content, head.len);
		if (b->scan.octets || header_scan_ended(&b->scan))
			know(b);
	}
}

void content_begin_finish(struct content_begin *b)
{
	if (!b->is_known)
		know(b);
}

bool content_begin_is_blank(const struct content_begin *b)
{
	return b->is_any && (b->first == ' ' || b->first == '\t');
}
