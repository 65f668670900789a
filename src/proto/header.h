/*
 * A scanner that watches the header of a message go by (RFC 5322 2.2): it
 * counts octets and trace fields and keeps no text. Lines end in LF, as the
 * content has them once the dot decoder is through with it; the header ends at
 * the first empty line or at a line that is no header field (the body of a
 * message without header). Spans may be cut anywhere.
 */
#ifndef PROTO_HEADER_H
#define PROTO_HEADER_H

#include "base/span.h"

struct header_scan {
	uint64_t octets;          /* of the header, up to and with its empty line */
	uint32_t received;        /* "Received:" fields */
	uint8_t state;            /* enum header_state, private */
	uint8_t matched;          /* letters of "received" matched so far, private */
};

void header_scan_init(struct header_scan *scan);

/* Feed the next bytes of content. Cheap and without effect once the header has ended. */
void header_scan_feed(struct header_scan *scan, struct span content);

bool header_scan_ended(const struct header_scan *scan);

#endif
