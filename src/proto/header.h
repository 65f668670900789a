/*
 * A scanner that watches the header of a message go by (RFC 5322 2.2): it
 * counts octets and trace fields and keeps no text. Lines end in LF, as the
 * content has them once the dot decoder is through with it; the header ends at
 * the first empty line or at a line that is no header field (the body of a
 * message without header). An mbox "From " line is taken as the first line only.
 * Spans may be cut anywhere: the counts depend on the bytes alone and only grow.
 */
#ifndef PROTO_HEADER_H
#define PROTO_HEADER_H

#include "base/span.h"

struct header_scan {
	uint64_t octets;    /* of the header with its empty line; a field counts once its colon is seen */
	uint32_t received;  /* "Received:" fields */
	bool has_date;      /* there is a field of that name */
	bool has_message_id;
	uint16_t pending;   /* octets of a field name whose colon has not been seen, private */
	uint8_t state;      /* enum header_state, private */
	uint8_t candidates; /* what the field name may still become, private */
};

void header_scan_init(struct header_scan *scan);

/* Feed the next bytes of content. Cheap and without effect once the header has ended. */
void header_scan_feed(struct header_scan *scan, struct span content);

bool header_scan_ended(const struct header_scan *scan);

#endif
