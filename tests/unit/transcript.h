/*
 * What came of a conversation with the protocol machine: the reply lines, the
 * events and the verdicts given, in their order. Transcripts are written by the
 * player (session_play.h) or by a vector that tells what it expects, and can be
 * compared.
 */
#ifndef TESTS_TRANSCRIPT_H
#define TESTS_TRANSCRIPT_H

#include "base/arena.h"
#include "base/buf.h"
#include "proto/session.h"

/* What is done with an event that waits: give `reply` (code 0: the default success), or close with it. */
struct play_verdict {
	struct smtp_reply reply;
	bool is_close;
	bool is_each; /* PRDR: the recipients get a default success and a refusal in turn, before `reply` */
};

enum play_kind {
	PLAY_REPLY, /* a reply line, without its line end */
	PLAY_EVENT,
	PLAY_TLS, /* smtp_session_tls_started() was called */
};

struct play_entry {
	enum play_kind kind;
	enum smtp_event_type type;   /* of an event */
	struct span bytes;           /* the reply line, or the whole content of consecutive BODY events */
	char *text;                  /* as a vector writes it, escaped */
	struct play_verdict verdict; /* what was given; only code and is_close are good */
	uint64_t octets;             /* MESSAGE */
	bool has_lone_cr, has_bare_lf, has_bare_dot;
	size_t each_count;           /* MESSAGE: recipients that were answered by is_each */
	bool is_anything;            /* an expected BODY that matches any content */
};

struct transcript {
	struct arena arena; /* owns all texts */
	struct play_entry *entries; /* owned */
	size_t count, size;
	struct buf body; /* of BODY events not yet written down */
	struct buf line; /* of output that has no line end yet */
	size_t seen;     /* bytes of the pending output that were written down */
	size_t used;     /* bytes of input */
	size_t waited;   /* events that waited */
	size_t max_output; /* most bytes ever owed */
	bool has_ended;  /* QUIT or CLOSE was told */
	bool has_no_memory; /* there was no session at all */
	char problem[256]; /* the first thing that must never happen; empty: none */
};

void transcript_fini(struct transcript *t);

/* Does this event wait for a verdict? */
bool play_event_waits(enum smtp_event_type type);

/* Append an entry that is not a BODY event; the text is copied. Entries are zero but for what is told. */
struct play_entry *transcript_add(struct transcript *t, enum play_kind kind, enum smtp_event_type type,
				  const char *text);
/* Append content; consecutive BODY events are one entry. */
void transcript_add_body(struct transcript *t, struct span content);
/* Write pending content down. */
void transcript_end_body(struct transcript *t);

/*
 * The first difference between two transcripts, in words, or NULL. Compared are the order of all events,
 * and the order of replies and waiting events; a reply and an event that only tells may change places.
 */
const char *transcript_compare(const struct transcript *expected, const struct transcript *actual,
			       char *words, size_t size);

/*
 * Take out the content of messages that were refused while they were read: how much of it was told
 * depends on how the input was cut.
 */
void transcript_drop_refused(struct transcript *t);

/* Write the end of the transcript down as a vector has it, for people. */
void transcript_print(const struct transcript *t, struct buf *out);

/* Escapes of the vectors: \r \n \t \\ \xNN. The results are NUL-terminated and live in the arena. */
char *play_escape(struct arena *a, struct span bytes);
/* False: a malformed escape. */
MUST_CHECK bool play_unescape(struct arena *a, struct span text, struct span *bytes);

/* For test code: out of memory is the end. */
void play_need(bool ok);

#endif
