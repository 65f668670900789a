/*
 * The answer to EHLO and HELO: our name, and behind EHLO what is offered, a
 * line each (RFC 5321 4.1.1.1).
 */
#include "proto/session_private.h"

static bool put_keyword(struct buf *out, bool is_offered, const char *keyword)
{
	return !is_offered || (buf_add_str(out, "250-") && buf_add_str(out, keyword) && buf_add_str(out, "\r\n"));
}

/* RFC 9422: what of our limits a client can heed. */
static bool put_limits(struct buf *out, const struct smtp_session_options *o)
{
	return buf_add_str(out, "250-LIMITS MAILMAX=") && buf_add_u64(out, o->max_messages) &&
	       buf_add_str(out, " RCPTMAX=") && buf_add_u64(out, o->max_recipients) &&
	       (o->max_recipient_domains == 0 ||
		(buf_add_str(out, " RCPTDOMAINMAX=") && buf_add_u64(out, o->max_recipient_domains))) &&
	       buf_add_str(out, "\r\n");
}

static bool put_auth(struct buf *out, const struct smtp_session *s)
{
	return !session_offers_auth(s) ||
	       (buf_add_str(out, "250-AUTH ") && buf_add_str(out, s->auth_mechanisms) && buf_add_str(out, "\r\n"));
}

/* The whole answer at once or not at all. */
static bool write_ehlo_lines(struct smtp_session *s)
{
	const struct smtp_session_options *o = s->options;
	struct buf *out = &s->out;

	return put_keyword(out, true, o->hostname) && put_keyword(out, true, "PIPELINING") &&
	       buf_add_str(out, "250-SIZE ") && buf_add_u64(out, o->max_message_size) && buf_add_str(out, "\r\n") &&
	       put_keyword(out, true, "8BITMIME") && put_keyword(out, o->offers_binarymime, "BINARYMIME") &&
	       put_keyword(out, true, "SMTPUTF8") && put_keyword(out, true, "CHUNKING") &&
	       put_keyword(out, o->offers_dsn, "DSN") && put_keyword(out, o->offers_prdr, "PRDR") &&
	       put_limits(out, o) && put_auth(out, s) && put_keyword(out, session_offers_starttls(s), "STARTTLS") &&
	       put_keyword(out, session_offers_requiretls(s), "REQUIRETLS") &&
	       put_keyword(out, o->offers_xclient, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT") &&
	       buf_add_str(out, "250 ENHANCEDSTATUSCODES\r\n");
}

void session_write_ehlo(struct smtp_session *s)
{
	const struct smtp_reply helo = { 250, NULL, s->options->hostname, "helo" };
	size_t before = buf_len(&s->out);

	if (!s->is_extended) {
		session_write_reply(s, &helo);
		return;
	}
	if (write_ehlo_lines(s))
		return;
	s->out.end = s->out.start + before;
	session_note_written(s, false);
}
