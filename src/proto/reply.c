#include "proto/reply.h"

static const struct smtp_reply replies[] = {
	[SMTP_REPLY_HELP] = { 214, "2.0.0", "See RFC 5321; the postmaster of this host helps with the rest.", "help" },
	[SMTP_REPLY_START_TLS] = { 220, "2.0.0", "Ready to start TLS.", "start_tls" },
	[SMTP_REPLY_TLS_UNAVAILABLE] = { 454, "4.7.0", "TLS is not available now; try again later.",
					 "tls_unavailable" },
	[SMTP_REPLY_TLS_FIRST] = { 530, "5.7.0", "Must issue a STARTTLS command first", "tls_required" },
	[SMTP_REPLY_TLS_IN_TRANSACTION] = { 503, "5.5.1", "STARTTLS is not allowed within a transaction.",
					    "starttls_in_transaction" },
	[SMTP_REPLY_QUIT] = { 221, "2.0.0", "Bye.", "quit" },
	[SMTP_REPLY_OK] = { 250, "2.0.0", "OK", "ok" },
	[SMTP_REPLY_SENDER_OK] = { 250, "2.1.0", "Sender OK.", "sender_ok" },
	[SMTP_REPLY_RECIPIENT_OK] = { 250, "2.1.5", "Recipient OK.", "recipient_ok" },
	[SMTP_REPLY_MESSAGE_OK] = { 250, "2.0.0", "Message accepted.", "message_ok" },
	[SMTP_REPLY_VRFY] = { 252, "2.5.2", "Cannot verify; send mail to find out.", "vrfy" },
	[SMTP_REPLY_START_INPUT] = { 354, NULL, "Send the message; end it with a dot on a line of its own.",
				     "start_input" },
	[SMTP_REPLY_EACH_FOLLOWS] = { 353, NULL, "A reply for each recipient follows, and then one for the message.",
				      "each_follows" },
	[SMTP_REPLY_IDLE_TIMEOUT] = { 421, "4.4.2", "Timeout: nothing was received for too long; closing.",
				      "idle_timeout" },
	[SMTP_REPLY_SESSION_TIMEOUT] = { 421, "4.4.2", "Timeout: the session lasted too long; closing.",
					 "session_timeout" },
	[SMTP_REPLY_SHUTDOWN] = { 421, "4.3.2", "The service is shutting down; try again later.", "shutdown" },
	[SMTP_REPLY_TOO_MANY_SESSIONS] = { 421, "4.3.2", "Too many connections; try again later.",
					   "max_sessions" },
	[SMTP_REPLY_TOO_MANY_SESSIONS_PER_CLIENT] = { 421, "4.7.0",
						      "Too many connections from your address; try again later.",
						      "max_sessions_per_client" },
	[SMTP_REPLY_TOO_MANY_ERRORS] = { 421, "4.7.0", "Too many errors; closing.", "max_errors" },
	[SMTP_REPLY_TOO_MANY_UNIMPLEMENTED] = { 421, "4.7.0", "Too many unimplemented commands; closing.",
						"maxnotimpl" },
	[SMTP_REPLY_HTTP] = { 421, "4.7.0", "This is no web server.", "http" },
	[SMTP_REPLY_TOO_MANY_REFUSED_RECIPIENTS] = { 421, "4.7.0", "Far too many recipients; closing.",
						     "max_recipients_ignored" },
	[SMTP_REPLY_TOO_MANY_MESSAGES] = { 421, "4.7.0", "Too many messages in one session; connect again.",
					   "max_messages" },
	[SMTP_REPLY_TOO_MUCH_DISCARDED] = { 421, "4.3.4", "The message is far too big; closing.",
					    "discard_limit" },
	[SMTP_REPLY_NO_MEMORY] = { 451, "4.3.0", "Out of memory; try again later.", "no_memory" },
	[SMTP_REPLY_NO_MEMORY_CLOSE] = { 421, "4.3.0", "Out of memory; try again later.", "no_memory" },
	[SMTP_REPLY_LOCAL_ERROR] = { 451, "4.3.0", "Local trouble; try again later.", "local_error" },
	[SMTP_REPLY_MISCONFIGURED] = { 451, "4.3.5", "This server is not set up for that address; try again later.",
				       "misconfigured" },
	[SMTP_REPLY_NO_STORAGE] = { 452, "4.3.1", "No room to store the message; try again later.", "no_storage" },
	[SMTP_REPLY_TOO_MANY_RECIPIENTS] = { 452, "4.5.3", "Too many recipients; send another message for the rest.",
					     "max_recipients" },
	[SMTP_REPLY_OTHER_DESTINATION] = { 452, "4.5.3", "That recipient needs a message of its own; send it again.",
					   "other_destination" },
	[SMTP_REPLY_TOO_MANY_DOMAINS] = { 452, "4.5.3", "Too many domains for one message; send to this one separately.",
					  "too_many_domains" },
	[SMTP_REPLY_MIXED_OUTCOME] = { 451, "4.3.0", "Not all recipients could be served. Send it again.",
				       "mixed_outcome" },
	[SMTP_REPLY_NOT_IMPLEMENTED] = { 500, "5.5.1", "Not implemented.", "not_implemented" },
	[SMTP_REPLY_BARE_LF] = { 500, "5.5.2", "bare LF", "bare_lf" },
	[SMTP_REPLY_BAD_BYTE] = { 500, "5.5.2", "Control characters are not allowed in a command.", "bad_byte" },
	[SMTP_REPLY_LINE_TOO_LONG] = { 500, "5.5.2", "The command line is too long.", "line_too_long" },
	[SMTP_REPLY_LINE_ENDLESS] = { 421, "4.7.0", "The command line does not end; closing.", "line_endless" },
	[SMTP_REPLY_BAD_MAIL_SYNTAX] = { 501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]",
					 "mail_syntax" },
	[SMTP_REPLY_BAD_RCPT_SYNTAX] = { 501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]", "rcpt_syntax" },
	[SMTP_REPLY_BAD_SENDER] = { 501, "5.1.7", "The sender's address is malformed.", "bad_sender" },
	[SMTP_REPLY_BAD_RECIPIENT] = { 501, "5.1.3", "The recipient's address is malformed.", "bad_recipient" },
	[SMTP_REPLY_BAD_PARAMETER] = { 501, "5.5.4", "A parameter is malformed or has a bad value.",
				       "bad_parameter" },
	[SMTP_REPLY_UNKNOWN_PARAMETER] = { 555, "5.5.4", "A parameter is not known here.", "unknown_parameter" },
	/* RFC 6531 3.5 */
	[SMTP_REPLY_SENDER_NOT_ASCII] = { 550, "5.6.7", "A sender's address not in ASCII needs SMTPUTF8.",
					  "sender_not_ascii" },
	[SMTP_REPLY_RECIPIENT_NOT_ASCII] = { 553, "5.6.7",
					     "A recipient's address not in ASCII needs SMTPUTF8 at MAIL.",
					     "recipient_not_ascii" },
	[SMTP_REPLY_SMTPUTF8_NO_ROUTE] = { 553, "5.6.7", "No message with SMTPUTF8 can be delivered there.",
					   "smtputf8_no_route" },
	[SMTP_REPLY_BODY_NO_ROUTE] = { 554, "5.6.3", "No message of this body type can be delivered there.",
				       "body_no_route" },
	[SMTP_REPLY_REQUIRETLS_NO_ROUTE] = { 550, "5.7.30", "The way there is not secured from end to end.",
					     "requiretls_no_route" },
	[SMTP_REPLY_LONE_CR_IN_MESSAGE] = { 554, "5.6.0", "A CR in the message ends no line.", "lone_cr_in_message" },
	[SMTP_REPLY_HOP_DOWN] = { 451, "4.3.0", "The next mail server is not available now; try again later.",
				  "hop_down" },
	[SMTP_REPLY_HOP_LOST] = { 451, "4.3.0", "The next mail server was lost; try again later.", "hop_lost" },
	[SMTP_REPLY_BARE_LF_IN_MESSAGE] = { 554, "5.6.0", "A line of the message ends in a bare LF.",
					    "bare_lf_in_message" },
	[SMTP_REPLY_EARLY_TALKER] = { 554, "5.5.1", "You spoke before the greeting.", "early_talker" },
	[SMTP_REPLY_TOO_SLOW] = { 421, "4.4.2", "Timeout: the message comes too slowly; closing.", "min_data_rate" },
	[SMTP_REPLY_TOO_MANY_SESSIONS_PER_MINUTE] = { 421, "4.7.0",
						      "Too many connections from your address lately; try again later.",
						      "max_sessions_per_minute" },
	[SMTP_REPLY_TOO_MANY_HALF_OPEN] = { 421, "4.7.0",
					    "Too many connections from your address that are yet to begin.",
					    "max_half_open_per_client" },
	[SMTP_REPLY_NO_ARGUMENT_ALLOWED] = { 501, "5.5.4", "This command takes no argument.", "argument" },
	[SMTP_REPLY_HELO_NEEDS_ARGUMENT] = { 501, "5.5.4", "Your name is missing: EHLO your.host.name",
					     "helo_syntax" },
	[SMTP_REPLY_HELO_BAD_ARGUMENT] = { 501, "5.5.4", "That is not a host name.", "helo_syntax" },
	[SMTP_REPLY_HELO_FIRST] = { 503, "5.5.1", "Send EHLO or HELO first.", "helo_first" },
	[SMTP_REPLY_NESTED_MAIL] = { 503, "5.5.1", "There is a sender already; send RSET to begin anew.",
				     "nested_mail" },
	/* RFC 4954 4 and 6 */
	[SMTP_REPLY_EHLO_FIRST] = { 503, "5.5.1", "Send EHLO first.", "ehlo_first" },
	[SMTP_REPLY_AUTH_OK] = { 235, "2.7.0", "Authentication succeeded.", "auth_ok" },
	[SMTP_REPLY_AUTH_FAILED] = { 535, "5.7.8", "Authentication credentials invalid.", "auth_failed" },
	[SMTP_REPLY_AUTH_UNAVAILABLE] = { 454, "4.7.0", "Authentication is not possible now; try again later.",
					  "auth_unavailable" },
	/* RFC 5248 4 */
	[SMTP_REPLY_AUTH_DISABLED] = { 525, "5.7.13", "This user may not log in.", "auth_disabled" },
	[SMTP_REPLY_AUTH_EXPIRED] = { 535, "5.7.8", "The password has expired.", "auth_expired" },
	[SMTP_REPLY_AUTH_NEEDS_TLS] = { 538, "5.7.11", "Authentication needs encryption; begin TLS first.",
					"auth_needs_tls" },
	[SMTP_REPLY_AUTH_UNKNOWN_MECHANISM] = { 504, "5.5.4", "That mechanism is not offered here.",
						"auth_unknown_mechanism" },
	[SMTP_REPLY_AUTH_SYNTAX] = { 501, "5.5.4", "Syntax: AUTH mechanism [initial-response]", "auth_syntax" },
	[SMTP_REPLY_AUTH_BAD_BASE64] = { 501, "5.5.2", "That is not base64.", "auth_bad_base64" },
	[SMTP_REPLY_AUTH_MALFORMED] = { 501, "5.5.2", "That is not what the mechanism asks for.",
					"auth_malformed" },
	[SMTP_REPLY_AUTH_CANCELLED] = { 501, "5.7.0", "Authentication cancelled.", "auth_cancelled" },
	[SMTP_REPLY_AUTH_LINE_TOO_LONG] = { 500, "5.5.6", "The line of the authentication exchange is too long.",
					    "auth_line_too_long" },
	[SMTP_REPLY_XCLIENT_SYNTAX] = { 501, "5.5.4", "An attribute of XCLIENT is malformed.", "xclient_syntax" },
	[SMTP_REPLY_XCLIENT_IN_TRANSACTION] = { 503, "5.5.1", "XCLIENT cannot come within a transaction.",
						"xclient_in_transaction" },
	[SMTP_REPLY_AUTH_TWICE] = { 503, "5.5.1", "You are authenticated already.", "auth_twice" },
	[SMTP_REPLY_AUTH_IN_TRANSACTION] = { 503, "5.5.1", "AUTH is not allowed within a transaction.",
					     "auth_in_transaction" },
	[SMTP_REPLY_MAIL_FIRST] = { 503, "5.5.1", "Send MAIL FROM first.", "mail_first" },
	[SMTP_REPLY_RCPT_FIRST] = { 503, "5.5.1", "Send RCPT TO first; no recipient was accepted.", "rcpt_first" },
	[SMTP_REPLY_CHUNKS_BEGUN] = { 503, "5.5.1", "Only BDAT can go on with this message; send RSET to begin anew.",
				      "chunks_begun" },
	[SMTP_REPLY_CHUNK_OF_REFUSED] = { 503, "5.5.1", "The message was refused; this chunk of it was not used.",
					  "chunk_of_refused" },
	[SMTP_REPLY_BINARY_NEEDS_CHUNKS] = { 503, "5.5.1", "A message of BODY=BINARYMIME is sent with BDAT.",
					     "binary_needs_chunks" },
	/* It closes: content could be taken for commands. */
	[SMTP_REPLY_BAD_BDAT_SYNTAX] = { 501, "5.5.4", "Syntax: BDAT octets [LAST]; closing.", "bdat_syntax" },
	[SMTP_REPLY_TOO_MANY_CHUNKS] = { 421, "4.7.0", "Too many small chunks; closing.", "small_chunks" },
	[SMTP_REPLY_TOO_BIG] = { 552, "5.3.4", "The message is bigger than this server takes.", "too_big" },
	[SMTP_REPLY_HEADER_TOO_BIG] = { 552, "5.3.4", "The message's header is bigger than this server takes.",
					"header_too_big" },
	[SMTP_REPLY_TOO_MANY_HOPS] = { 554, "5.4.6", "Too many Received fields: the message is looping.",
				       "too_many_hops" },
	[SMTP_REPLY_UNKNOWN_MAILBOX] = { 550, "5.1.1", "There is no such mailbox here.", "unknown_mailbox" },
	[SMTP_REPLY_MAILBOX_UNREADABLE] = { 451, "4.3.0", "The mailbox is not available now; try again later.",
					    "mailbox_unavailable" },
	[SMTP_REPLY_MAILBOX_FULL] = { 452, "4.2.2", "The mailbox is full; try again later.", "over_quota" },
	[SMTP_REPLY_MAILBOX_FULL_FOR_GOOD] = { 552, "5.2.2", "The mailbox is full.", "over_quota" },
	[SMTP_REPLY_RELAY_DENIED] = { 550, "5.7.1", "Relaying denied: this server does not receive mail for that domain.",
				      "relay_denied" },
	[SMTP_REPLY_CLIENT_REFUSED] = { 554, "5.7.1", "This client may not use this server.", "client_refused" },
	/* RFC 4954 6 */
	[SMTP_REPLY_AUTH_FIRST] = { 530, "5.7.0", "Authentication required.", "require_auth" },
	[SMTP_REPLY_SENDER_NOT_YOURS] = { 553, "5.7.1", "You may not send in the name of that address.",
					  "sender_rights" },
	[SMTP_REPLY_ROUTED_RECIPIENT] = { 550, "5.7.1",
					  "An address with %, ! or @ in its local part is not passed on.",
					  "routed_recipient" },
	[SMTP_REPLY_TOO_MANY_REJECTED_RECIPIENTS] = { 421, "4.7.0", "Too many recipients were refused; closing.",
						      "max_rejected_recipients" },
	[SMTP_REPLY_RATE_OF_SESSIONS] = { 421, "4.7.0", "Too many connections lately; try again later.",
					  "rate_sessions" },
	[SMTP_REPLY_RATE_OF_MESSAGES] = { 451, "4.7.1", "Too many messages lately; try again later.",
					  "rate_messages" },
	[SMTP_REPLY_RATE_OF_RECIPIENTS] = { 451, "4.7.1", "Too many recipients lately; try again later.",
					    "rate_recipients" },
	[SMTP_REPLY_RATE_OF_OCTETS] = { 451, "4.7.1", "Too much was sent lately; try again later.",
					"rate_octets" },
	[SMTP_REPLY_AUTH_CLIENT_REFUSED] = { 421, "4.7.0",
					     "Too many failed logins from your address; try again later.",
					     "auth_client_refused" },
};

_Static_assert(sizeof(replies) / sizeof(replies[0]) == SMTP_REPLIES, "each reply has a row");

const struct smtp_reply *smtp_reply(enum smtp_reply_name name)
{
	BUG_ON(name >= SMTP_REPLIES || replies[name].code == 0);
	return &replies[name];
}

static bool write_line(struct buf *out, const struct smtp_reply *r, struct span text, bool is_last)
{
	return buf_add_u64(out, r->code) && buf_add(out, is_last ? " " : "-", 1) &&
	       (!r->status || (buf_add_str(out, r->status) && buf_add(out, " ", 1))) && buf_add_span(out, text) &&
	       buf_add(out, "\r\n", 2);
}

bool smtp_reply_write(struct buf *out, const struct smtp_reply *r)
{
	size_t before = buf_len(out);
	struct span rest = span_str(r->text);

	for (;;) {
		size_t n = span_find(rest, '\n');
		bool is_last = n == rest.len;

		if (!write_line(out, r, span_head(rest, n), is_last)) {
			out->end = out->start + before;
			return false;
		}
		if (is_last)
			return true;
		rest = span_from(rest, n + 1);
	}
}
