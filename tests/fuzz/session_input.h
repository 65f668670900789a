/*
 * How the fuzz target of the protocol machine reads its input: some bytes that
 * choose options and ways, one byte for each verdict, then what the client
 * sends. In options 0 stands for the usual value.
 */
#ifndef FUZZ_SESSION_INPUT_H
#define FUZZ_SESSION_INPUT_H

#include "session_play.h"

enum session_input_byte {
	INPUT_MAX_ERRORS,
	INPUT_MAXNOTIMPL,
	INPUT_MAX_MESSAGE_SIZE,
	INPUT_MAX_HEADER_SIZE,
	INPUT_MAX_HOPS,
	INPUT_MAX_COMMAND_LINE,
	INPUT_MAX_RECIPIENTS,
	INPUT_MAX_MESSAGES,
	INPUT_SEED,           /* of the cuts, and enum session_input_switch */
	INPUT_FLAGS,          /* enum session_input_flag */
	INPUT_CLOSING_HIGH,   /* offset at which the session is closed from outside */
	INPUT_CLOSING_LOW,
	INPUT_VERDICTS,       /* how many verdicts follow */
	INPUT_HEAD
};

enum session_input_flag {
	INPUT_SENDS_LATE = 1,
	INPUT_TRIMS = 2,
	INPUT_OFFERS = 4,
	INPUT_CLOSES = 8,
	INPUT_CLOSES_QUIETLY = 16,
	INPUT_BARE_NEWLINE = 32 | 64, /* enum smtp_bare_newline in two bits */
	INPUT_IS_LENIENT = 128,
};

/* Bits of the seed that mean something else too. */
enum session_input_switch {
	INPUT_GREETS_IN_LINES = 1,
	INPUT_CUTS_SMALL = 2,
	INPUT_REJECTS_UNKNOWN_PARAMETERS = 4,
	INPUT_OFFERS_STARTTLS = 8,
	INPUT_REQUIRES_TLS = 16,
	INPUT_STARTS_TLS = 32,    /* as soon as STARTTLS was accepted */
	INPUT_STARTS_IN_TLS = 64,
	INPUT_OFFERS_MORE = 128,  /* BINARYMIME, DSN, PRDR and REQUIRETLS */
};

/* Bits of INPUT_MAXNOTIMPL beyond those of the number. */
enum { INPUT_OFFERS_AUTH = 64, INPUT_AUTH_WITHOUT_TLS = 128 };

/* The last bytes choose these verdicts; all others are the default success. */
enum { INPUT_VERDICT_FIRST = 224 };

static const struct play_verdict session_input_verdicts[] = {
	{ { 250, "2.0.0", "Fine.", "told" }, false, false },
	{ { 250, NULL, "One.\nTwo.", "told" }, false, false },
	{ { 550, "5.7.1", "No.", "told" }, false, false },
	{ { 554, NULL, "No.\nNever.", "told" }, false, false },
	{ { 451, "4.3.0", "Later.", "told" }, false, false },
	{ { 421, "4.3.2", "Closing.", "told" }, false, false },
	{ { 421, "4.3.2", "Closing.", "told" }, true, false },
	{ { 0, NULL, NULL, NULL }, true, false },
	{ { 250, "2.0.0", "Fine.", "told" }, false, true },
};

enum { INPUT_VERDICT_KINDS = sizeof(session_input_verdicts) / sizeof(session_input_verdicts[0]) };

#endif
