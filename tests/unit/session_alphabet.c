/*
 * See session_alphabet.h. The limits they meet are those of the options in
 * check_session_explore.c: lines of 40 octets, messages of a few, and so on.
 */
#include "session_alphabet.h"

#define LINE(s) { .name = s, .kind = LETTER_LINE, .bytes = { s, sizeof(s) - 1 } }
#define LONG_LINE(s) { .name = s, .kind = LETTER_LINE, .bytes = { s, sizeof(s) - 1 }, .is_long_only = true }
#define OWN(s, code) { .name = s, .kind = LETTER_LINE, .bytes = { s, sizeof(s) - 1 }, .own_code = code }
#define LONG_OWN(s, code) { .name = s, .kind = LETTER_LINE, .bytes = { s, sizeof(s) - 1 }, .own_code = code, \
			    .is_long_only = true }
#define CHUNK(s) { .name = s, .kind = LETTER_LINE, .bytes = { s, sizeof(s) - 1 }, .own_code = 250, \
		   .is_of_chunks = true }
#define AUTH_LINE(s) { .name = s, .kind = LETTER_LINE, .bytes = { s, sizeof(s) - 1 }, .is_of_auth = true }
#define PART(s) { .name = s, .kind = LETTER_PART, .bytes = { s, sizeof(s) - 1 } }
#define LONG_PART(s) { .name = s, .kind = LETTER_PART, .bytes = { s, sizeof(s) - 1 }, .is_long_only = true }
#define BODY(s) { .name = s, .kind = LETTER_BODY, .bytes = { s, sizeof(s) - 1 } }
#define LONG_BODY(s) { .name = s, .kind = LETTER_BODY, .bytes = { s, sizeof(s) - 1 }, .is_long_only = true }
#define VERDICT(...) { .name = "verdict", .kind = LETTER_VERDICT, .reply = { __VA_ARGS__ } }
#define CLOSE(...) { .name = "close", .kind = LETTER_CLOSE, .reply = { __VA_ARGS__ } }

const struct letter letters[] = {
	LINE("EHLO a\r\n"), LINE("HELO a\r\n"), LINE("EHLO\r\n"), LONG_LINE("EHLO a b\r\n"), LONG_LINE("EHLO a\n"),
	LINE("MAIL FROM:<a@b>\r\n"), LINE("MAIL FROM:<>\n"), LONG_LINE("MAIL\r\n"), LINE("MAIL FROM:<a\r\n"),
	LINE("MAIL FROM:<a@b> SIZE=9999\r\n"), LONG_LINE("MAIL FROM:<a@b> X=1\r\n"), LINE("MAIL FROM:a@b\r\n"),
	LINE("MAIL FROM:<a@b> SMTPUTF8\r\n"), LONG_LINE("MAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\n"),
	LONG_LINE("MAIL FROM:<\xc3\xa4@b>\r\n"), LONG_LINE("MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME\r\n"),
	LONG_LINE("MAIL FROM:<a@b> SIZE=1 SIZE=1\r\n"),
	LINE("RCPT TO:<a@b>\r\n"), LINE("RCPT TO:<\xc3\xa4@b>\r\n"),
	LONG_LINE("RCPT\r\n"), LONG_LINE("RCPT TO:<a\r\n"),
	LONG_LINE("RCPT TO:<a@b> X=1\r\n"), LONG_LINE("RCPT TO:<a@b>\n"), LONG_LINE("RCPT TO:a@b\r\n"),
	LINE("DATA\r\n"), LINE("DATA\n"), LINE("DATA x\r\n"),
	OWN("RSET\r\n", 250), OWN("RSET x\r\n", 250), LONG_OWN("RSET x\n", 250),
	OWN("NOOP\r\n", 250), OWN("NOOP\n", 250), LONG_OWN("NOOP x\r\n", 250),
	OWN("QUIT\r\n", 221), OWN("QUIT x\r\n", 221),
	OWN("VRFY a\r\n", 252), OWN("HELP\r\n", 214),
	LINE("STARTTLS\r\n"), LINE("STARTTLS x\r\n"), LONG_LINE("STARTTLS\n"),
	LINE("XYZ\r\n"), LONG_LINE("\r\n"), LINE("\n"), LINE("NOOP\0\r\n"), LONG_LINE("NOOP\r\r\n"),
	AUTH_LINE("AUTH PLAIN AGEAYg==\r\n"), AUTH_LINE("AUTH LOGIN\r\n"), AUTH_LINE("AUTH PLAIN !\r\n"),
	AUTH_LINE("AUTH X =\r\n"), AUTH_LINE("AUTH\r\n"), AUTH_LINE("*\r\n"), AUTH_LINE("\r\n"), AUTH_LINE("YQ==\n"),
	CHUNK("BDAT 0\r\n"), CHUNK("BDAT 2\r\n"), CHUNK("BDAT 1 LAST\r\n"), CHUNK("BDAT 0 LAST\r\n"),
	CHUNK("BDAT 4\r\n"), CHUNK("BDAT 1 last\n"), CHUNK("BDAT 1x\r\n"), CHUNK("BDAT 99999999999\r\n"),
	LONG_LINE("AB\r\r\n"),
	/* 40 octets are a line, 41 are too many. */
	OWN("NOOP 67890678906789067890678906789067890\r\n", 250),
	LINE("NOOP 678906789067890678906789067890678901\r\n"),
	LINE("NOOP 678906789067890678906789067890678901\n"),
	PART("EH"), LINE("LO a\r\n"), PART("\r"), LONG_PART("MAIL FROM:<a@"), LONG_LINE("b>\r\n"),
	{ .name = "x 50 times", .kind = LETTER_LONG_PART, .bytes = { "x", 1 }, .times = 50 },
	{ .name = "x 50 times and CR", .kind = LETTER_LONG_PART,
	  .bytes = { "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r", 51 } },
	{ .name = "x without end", .kind = LETTER_LONG_PART, .bytes = { "xxxxxxxxxxxxxxxx", 16 }, .times = 65537,
	  .is_long_only = true },

	BODY("x"), BODY("\r"), BODY("\n"), BODY("."), BODY("\r\n.\r\n"), BODY("Received:"),
	LONG_BODY("\r\n"), LONG_BODY(".\r\n"), LONG_BODY(".\n"), LONG_BODY("\n.\n"),
	LONG_BODY("\r\n..\r\n"), LONG_BODY("\0"),
	LONG_BODY("\r.\r"), LONG_BODY("\n.\r\n"), LONG_BODY("\r\n.\n"), LONG_BODY("xxxxxxxxxxxx"),

	VERDICT(0, NULL, NULL, "told"), VERDICT(250, "2.0.0", "One.\nTwo.", "told"),
	VERDICT(451, "4.3.0", "Later.", "told"), VERDICT(550, NULL, "No.\nNever.", "told"),
	VERDICT(421, "4.3.2", "Closing.", "told"), VERDICT(334, NULL, "YWJj", "told"),
	CLOSE(0, NULL, NULL, "told"), CLOSE(421, "4.4.2", "Timeout.", "told"),
	{ .name = "TLS", .kind = LETTER_TLS },
	{ .name = "999 recipients put off", .kind = LETTER_RECIPIENTS,
	  .bytes = { "RCPT TO:<a@b>\r\n", 15 }, .times = 999 },
};

const size_t letter_count = sizeof(letters) / sizeof(letters[0]);
