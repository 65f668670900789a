/*
 * What the bytes of the fuzz target for the client machine mean. Its first line
 * has a letter for each option; each line behind it begins with a letter, too:
 *
 *	S text   the hop says the text and CRLF
 *	L text   the hop says the text and LF
 *	R text   the hop says the text as it is
 *	O        all output is sent
 *	P text   as many octets of output as the text has are sent
 *	M flags  MAIL: 8 (8BITMIME), b (BINARYMIME), u (SMTPUTF8), r (REQUIRETLS), z (SIZE), d (DSN)
 *	r text   RCPT
 *	D        DATA
 *	C text   content, and LF
 *	c text   content without LF
 *	B        much content
 *	E        end of data
 *	X        RSET
 *	Q        QUIT
 *	I text   who our client is; the text is its HELO name
 *	T        TLS runs
 *	K        memory is given back
 *
 * What the owner of a machine may not do at that point is passed over.
 */
#ifndef CLIENT_INPUT_H
#define CLIENT_INPUT_H

#include "proto/client.h"

static const char client_input_user[] = "u";
static const char client_input_password[] = "secretsecret";
/* It stands in both ways to say the password: AUTH PLAIN has three octets before it. */
static const char client_input_secret[] = "c2VjcmV0c2VjcmV0";

/* l: LMTP; s, m: STARTTLS may or must be; a: AUTH, p: without TLS, too; x, f: XCLIENT, XFORWARD. */
static inline struct smtp_client_options client_input_options(struct span letters)
{
	struct smtp_client_options o = { .hostname = "mx.example.org" };
	struct {
		char letter;
		bool *value;
	} rows[] = {
		{ 'l', &o.is_lmtp },
		{ 'p', &o.auth_without_tls },
		{ 'x', &o.sends_xclient },
		{ 'f', &o.sends_xforward },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		*rows[i].value = span_find(letters, rows[i].letter) < letters.len;
	if (span_find(letters, 's') < letters.len)
		o.starttls = SMTP_CLIENT_TLS_MAY;
	if (span_find(letters, 'm') < letters.len)
		o.starttls = SMTP_CLIENT_TLS_MUST;
	if (span_find(letters, 'a') < letters.len) {
		o.user = client_input_user;
		o.password = client_input_password;
	}
	return o;
}

#endif
