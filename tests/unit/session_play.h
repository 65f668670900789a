/*
 * Plays a client's bytes to the protocol machine and writes down what came of
 * it as a transcript. How the bytes are cut, when output is taken and when the
 * session is closed from outside is the player's choice, so that the same
 * conversation can be held in many ways and compared. What the machine may
 * never do, whatever it is told, is noted in the transcript's `problem`.
 */
#ifndef TESTS_SESSION_PLAY_H
#define TESTS_SESSION_PLAY_H

#include "transcript.h"

/* smtp_session_close() once all bytes before `offset` were used; reply.code 0: without a word. */
struct play_closing {
	size_t offset;
	struct smtp_reply reply;
};

struct play {
	const struct smtp_session_options *options;
	struct span input;
	const struct play_closing *closing; /* NULL: none */
	size_t tls_offset;       /* starts_tls: bytes of input before it are plain text in any case */
	/* The verdict for the nth event that waits, from 0. NULL: always the default. */
	struct play_verdict (*verdict)(const void *arg, size_t nth, enum smtp_event_type type);
	/* How many bytes may be offered from here on, at least 1. NULL: all. */
	size_t (*cut)(const void *arg, size_t offset);
	const void *arg;
	bool offers_while_waiting; /* law 2: offer bytes before each verdict */
	bool lends_briefly;        /* law 4: each block is a fresh one, freed right after the call */
	bool sends_late;           /* take output only when asked to, a little at a time */
	bool trims;                /* smtp_session_trim() whenever input is needed */
	bool starts_in_tls;        /* TLS from the first byte */
	bool starts_tls;           /* as soon as STARTTLS was accepted and the plain text is used; or never */
	bool lacks_memory;         /* allocations may fail: the session may end without a word */
};

/* What AUTH offers, if the options offer it. */
#define PLAY_AUTH "PLAIN LOGIN SCRAM-SHA-256"
#define PLAY_AUTH_IN_TLS PLAY_AUTH " EXTERNAL"

/* Hold the whole conversation; *t is overwritten. */
void play_run(const struct play *p, struct transcript *t);

/*
 * Called around each call of the machine when set, so that a test can watch or refuse exactly its
 * memory. Set before anything runs.
 */
extern void (*play_on_enter)(void);
extern void (*play_on_leave)(void);

#endif
