/*
 * What the protocol machine must do, told a second time and as plainly as
 * possible: a reference of the end of data and of dot stuffing that looks at
 * the whole input at once, and a judge that holds a played conversation
 * against the laws of session.h. Slow and obviously right.
 */
#ifndef TESTS_SESSION_MODEL_H
#define TESTS_SESSION_MODEL_H

#include "session_play.h"

/* What a DATA command's bytes come to. */
struct model_data {
	bool has_ended;
	size_t used;     /* bytes up to and with the end of data; all of them when there is none */
	char *content;   /* owned; lines end in LF */
	size_t len;
	uint64_t octets; /* as RFC 1870 counts them */
	bool has_lone_cr, has_bare_lf, has_bare_dot;
};

/*
 * Decode the bytes behind a DATA command. Without an end of data the content is that of the bytes that
 * can no longer mean anything else, or more.
 */
void model_data_decode(struct model_data *m, struct span in, enum line_ending line_ending);
void model_data_fini(struct model_data *m);

/* The same for the octets of all chunks of BDAT; is_whole: these are all, so that a last line is ended. */
void model_chunks_decode(struct model_data *m, struct span in, enum line_ending line_ending, bool is_binary,
			 bool is_whole);

/* What stands in a BDAT command. */
struct model_bdat {
	bool is_well_formed;
	uint64_t size; /* UINT64_MAX: that or more */
	bool is_last;
};

/* `line` is a command line with its line end. False: it is no BDAT command that could be one. */
bool model_bdat_read(struct model_bdat *b, const struct smtp_session_options *o, struct span line);

/* ---- the order of events (laws 6 and 8) ---- */

enum model_state {
	MODEL_START,
	MODEL_IDLE,        /* no transaction */
	MODEL_TRANSACTION, /* MAIL was accepted */
	MODEL_BODY,        /* DATA was accepted, or the first BDAT */
	MODEL_AUTH,        /* AUTH was answered with a challenge */
	MODEL_TLS,         /* STARTTLS was accepted, and TLS is yet to start */
	MODEL_CLOSING,     /* only CLOSE may come */
	MODEL_ENDED,
};

struct model {
	enum model_state state;
	bool has_helo;
	bool is_tls;
	bool is_authenticated;
	uint32_t recipients;
	bool owes_reset; /* the session is to close inside a transaction */
	bool may_reset;  /* it was closed while the owner had not yet said yes or no to MAIL */
};

/* May this event come now? */
bool model_may(const struct model *m, const struct smtp_session_options *o, enum smtp_event_type type,
	       bool is_closed_from_outside);
/* An event came; one that waits was answered with the verdict. */
void model_take(struct model *m, enum smtp_event_type type, const struct play_verdict *verdict);
void model_take_tls(struct model *m);

/* ---- whole conversations ---- */

/*
 * Hold a conversation against the laws: events come in a legal order and each way out of a transaction
 * passes one reset (8); each command has one final reply, in order, counted by lines that are found here
 * anew (3); DATA ends at the session's own end of data and nowhere else, with the right content, and a
 * chunk of BDAT where its size says (5). NULL:
 * all is well; otherwise the offence, in words.
 */
const char *model_judge(const struct play *p, const struct transcript *t, char *words, size_t size);

#endif
