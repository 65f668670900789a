/*
 * What a session of the protocol machine (proto/session.h) obeys: limits, and what
 * is offered to whom. Its owner fills it in, once for many sessions.
 */
#ifndef PROTO_SESSION_OPTIONS_H
#define PROTO_SESSION_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What to make of a bare LF. */
enum smtp_bare_newline {
	SMTP_BARE_NEWLINE_AUTO,    /* the session's first line decides */
	SMTP_BARE_NEWLINE_REJECT,  /* CRLF only; a message with a bare LF is refused */
	SMTP_BARE_NEWLINE_LENIENT, /* LF and CRLF mean the same everywhere, end of data included: open to smuggling */
};

/* What a session obeys; lent for its whole life, never changed meanwhile. */
struct smtp_session_options {
	const char *hostname;
	const char *greeting; /* text between 220 and ESMTP; '\n' makes 220- lines */
	uint64_t max_message_size; /* octets, as RFC 1870 counts them */
	uint64_t max_header_size;  /* octets */
	uint32_t max_hops;         /* Received fields */
	uint32_t max_command_line; /* octets, without the line end */
	uint32_t max_recipients;   /* per message */
	uint32_t max_recipient_domains; /* per message, told as RCPTDOMAINMAX (RFC 9422); 0: no limit */
	uint32_t max_messages;     /* per session */
	uint32_t max_errors;       /* 5xx replies since the last accepted message */
	uint32_t maxnotimpl;       /* unimplemented commands; 0: unlimited */
	enum smtp_bare_newline bare_newline;
	bool is_lenient; /* MAIL without HELO, nested MAIL, surplus or missing arguments, addresses without <> */
	bool rejects_unknown_parameters; /* 555 rather than ignoring them */
	/* What depends on where messages go. */
	bool offers_binarymime; /* RFC 3030 */
	bool offers_dsn;        /* RFC 3461 */
	bool offers_requiretls; /* RFC 8689; in TLS only */
	bool offers_prdr;       /* a reply for each recipient at the end of a message */
	bool offers_starttls;
	bool offers_xclient; /* the peer is a proxy that we trust */
	bool requires_tls; /* 530 to all that needs none but TLS */
	bool offers_auth;  /* the mechanisms that smtp_session_offer_auth() tells */
	bool auth_without_tls;
};

#endif
