/*
 * A filter that takes the Authentication-Results fields which bear our own name
 * out of the header of a message that comes from outside (RFC 8601 5): whoever
 * trusts that name would trust what the sender wrote there. Other fields and the
 * body pass as they are, without being copied. The name may stand behind folds and
 * comments, in quotes, in any case of letters, with a dot behind it. The header
 * ends at the first empty line and nowhere else, as those see it who are lenient.
 * Content may be cut anywhere: what passes depends on the bytes alone.
 */
#ifndef PROTO_AUTHRES_H
#define PROTO_AUTHRES_H

#include "base/buf.h"

/* Octets from the begin of such a field to the end of the name; where there are more, it is taken out. */
enum { AUTHRES_UNDECIDED_MAX = 512 };

struct authres_filter {
	struct span id;    /* ours; lent */
	struct buf out;    /* owned: what passes, where it could not be lent */
	uint32_t removed;  /* fields */
	bool is_binary;    /* lines end in CRLF, too */
	uint8_t state;     /* private, as the rest */
	uint16_t undecided; /* octets of the field, held ones included */
	uint16_t held;
	uint16_t matched;  /* octets of the field's name or of the id */
	uint16_t depth;    /* of comments */
	char bytes[AUTHRES_UNDECIDED_MAX];
};

/* `id` is an authserv-id (RFC 8601 2.5), a host name; it is lent for as long as the filter is in use. */
void authres_filter_init(struct authres_filter *f, struct span id, bool is_binary);
void authres_filter_fini(struct authres_filter *f);

/* What passes of the next content; good until the next call. False: out of memory. */
MUST_CHECK bool authres_filter_next(struct authres_filter *f, struct span content, struct span *passed);

/* The content has ended: what was held back. */
struct span authres_filter_finish(struct authres_filter *f);

#endif
