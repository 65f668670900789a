/*
 * The inside of a session, for tests that explore: copies of it, and what of
 * its state decides on all that can follow, as a key that can be compared.
 * Counters beyond their limit and what only the log sees are no part of it.
 */
#ifndef TESTS_SESSION_STATE_H
#define TESTS_SESSION_STATE_H

#include "session_model.h"

enum { STATE_LINE_MAX = 64 };

struct state_key {
	struct model model;
	uint64_t octets, header_octets; /* up to one more than the limit */
	const struct smtp_reply *chunk_refusal, *replied_due;
	uint32_t errors, unimplemented, messages, recipients, deferred, received;
	uint16_t header_pending;
	uint8_t state, waiting, line_state, line_ending;
	uint8_t dot_state, dot_bare_line, dot_line_ending, header_state, header_candidates;
	bool is_extended, has_helo, has_ehlo, is_tls, is_authenticated, is_reset_due, is_open, is_smtputf8;
	bool has_lone_cr, has_bare_lf, has_bare_dot;
	bool ends_in_cr; /* a line that is discarded */
	bool is_chunked, is_in_line, is_in_chunk, is_chunk_last, is_refusal_held, has_failed;
	uint8_t chunk_left, chunk_size, held_code;
	uint8_t line_len;
	char line[STATE_LINE_MAX]; /* kept of a line that came in parts */
};

/* A copy that goes on by itself; NULL: out of memory. Free it with smtp_session_free(). */
struct smtp_session *state_copy(const struct smtp_session *s);

/* *key is zero where nothing is written, so that memcmp() compares. */
void state_read(struct state_key *key, const struct smtp_session *s, const struct model *m);

/* What must be true of a session whenever the machine does not run; NULL, or what is not. */
const char *state_fault(const struct smtp_session *s, const struct model *m);

/* What of the session may be done to it now. */
bool state_is_waiting(const struct smtp_session *s);
bool state_is_new(const struct smtp_session *s);
/* Octets of a chunk that are yet to come; 0: none, or a verdict is owed. */
uint64_t state_chunk_left(const struct smtp_session *s);
/* Have all octets of the message's last chunk come? */
bool state_is_chunk_last(const struct smtp_session *s);
bool state_is_in_body(const struct smtp_session *s);
bool state_awaits_tls(const struct smtp_session *s);
bool state_is_closed(const struct smtp_session *s);
/* Bytes kept of a line that has not ended; SIZE_MAX when it is being discarded. */
size_t state_line_len(const struct smtp_session *s);

#endif
