/*
 * Domain names in the form in which they are compared: lower-case A-labels
 * (RFC 5890 2.3.2.1). The one place that knows libidn2. It stands between base
 * and all who compare domains, so that names from the configuration and names
 * from peers pass the same conversion; proto needs none and does not see it.
 */
#ifndef IDN_IDN_H
#define IDN_IDN_H

#include "base/bug.h"
#include "base/span.h"

enum { IDN_DOMAIN_MAX = 255 };

struct idn_domain {
	size_t len;
	char text[IDN_DOMAIN_MAX + 1]; /* NUL-terminated */
};

enum idn_result {
	IDN_OK,
	IDN_INVALID,   /* it can be the name of nothing */
	IDN_NO_MEMORY,
};

static inline struct span idn_domain_span(const struct idn_domain *domain)
{
	return span_of(domain->text, domain->len);
}

/*
 * A name in ASCII, or an address literal, is put into lower case and trusted to be well-formed. One with
 * U-labels is mapped (RFC 5895, by UTS 46: letters to lower case, then NFC), converted, and checked.
 */
MUST_CHECK enum idn_result idn_domain_to_ascii(struct idn_domain *ascii, struct span domain);

#endif
