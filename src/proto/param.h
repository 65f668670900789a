/*
 * ESMTP parameters of MAIL and RCPT (RFC 5321 4.1.2: esmtp-keyword ["=" esmtp-value]).
 */
#ifndef PROTO_PARAM_H
#define PROTO_PARAM_H

#include "base/bug.h"
#include "base/span.h"

struct smtp_param {
	struct span keyword;
	struct span value; /* ptr NULL: there was no "=" */
};

enum smtp_param_result {
	SMTP_PARAM_FOUND,
	SMTP_PARAM_END,       /* nothing but blanks was left */
	SMTP_PARAM_MALFORMED, /* bad byte, no keyword, or "=" without value */
};

/*
 * Take the next parameter off the front of *rest. Parameters are separated by one or more
 * blanks; *rest must begin with one (or be empty). The spans point into the text.
 */
MUST_CHECK enum smtp_param_result smtp_param_next(struct span *rest, struct smtp_param *param);

/*
 * SIZE (RFC 1870): 1 to 20 digits; what exceeds 64 bits is UINT64_MAX.
 */
MUST_CHECK bool smtp_param_size(struct span value, uint64_t *octets);

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };

/* RET of MAIL (RFC 3461 4.3): what of the message goes into a report. */
enum smtp_dsn_ret { SMTP_DSN_RET_NONE, SMTP_DSN_RET_FULL, SMTP_DSN_RET_HDRS };

/* NOTIFY of RCPT (RFC 3461 4.1): bits; 0: not given. NEVER stands alone. */
enum smtp_dsn_notify {
	SMTP_DSN_NOTIFY_NEVER = 1,
	SMTP_DSN_NOTIFY_SUCCESS = 2,
	SMTP_DSN_NOTIFY_FAILURE = 4,
	SMTP_DSN_NOTIFY_DELAY = 8,
};

/* BODY (RFC 6152, RFC 3030), in any case of letters. */
MUST_CHECK bool smtp_param_body(struct span value, enum smtp_body_type *type);

/* RET (RFC 3461 4.3) and NOTIFY (4.1), in any case of letters. */
MUST_CHECK bool smtp_param_ret(struct span value, enum smtp_dsn_ret *ret);
MUST_CHECK bool smtp_param_notify(struct span value, unsigned *notify);

/*
 * ENVID (RFC 3461 4.4): xtext, 1 to 100 octets. ORCPT (4.2): an atom, ";" and xtext, up to 500 octets
 * together. What the xtext stands for must be printable ASCII or blanks, so that no control
 * character comes this way.
 */
MUST_CHECK bool smtp_param_envid(struct span value);
MUST_CHECK bool smtp_param_orcpt(struct span value);

#endif
