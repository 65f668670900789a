/*
 * Names as configuration may hold them: domains, host names, mail addresses
 * and maildir path patterns. Domains are in A-labels when they come here. Each
 * check returns NULL when all is well, else what is wrong, worded to follow
 * `"name" `.
 */
#ifndef CONF_NAME_H
#define CONF_NAME_H

#include "base/span.h"

/* Letters, digits, hyphens and (in use for subdomains) underscores; labels of 1 to 63, 253 octets in all. */
const char *name_check_domain(struct span name);

/* The same without underscores, and not an IP address: what a host may call itself (RFC 5321 4.1.2). */
const char *name_check_hostname(struct span name);

/*
 * local-part@domain; the local part is a Dot-string (RFC 5321 4.1.2), which needs no quoting, in ASCII:
 * others may have to send to it without SMTPUTF8.
 */
const char *name_check_address(struct span address);

/* An absolute path with %d, %n, %u, the first characters of these such as %{2n}, and %%. */
const char *name_check_pattern(struct span pattern);

/* A host name, or a domain with a dot in front. */
const char *name_check_host_pattern(struct span name);

/* Two names with a colon between them; what they may be is the map's affair. */
const char *name_check_alias(struct span alias);

/* ".domain", or an @ and a domain, maybe behind letters that go with a local part; empty is no suffix. */
const char *name_check_suffix(struct span suffix);

/* Printable ASCII, up to 255 octets. */
const char *name_check_text(struct span text);

/* Printable ASCII, without blanks; what the words mean is not known here. */
const char *name_check_priority(struct span priority);

/* An absolute path. */
const char *name_check_path(struct span path);

/* Characters that may separate the detail from the user in a local part. */
const char *name_check_delimiters(struct span delimiters);

/* A local part that needs no quoting, in UTF-8, alone or with a domain. */
const char *name_check_mailbox(struct span mailbox);

/* Where a connection of ours may go, its port included: see base/endpoint.h. */
const char *name_check_endpoint(struct span endpoint);

/* An extension of SMTP that we tell our clients only when it is known that the next hop has it. */
const char *name_check_offer(struct span offer);

/* Letters, digits and any of "-._/", 32 at most: what syslog takes for the name of a program. */
const char *name_check_tag(struct span tag);

/* The name of a SASL mechanism (RFC 4422 3.1), in capitals. */
const char *name_check_mechanism(struct span mechanism);

/* One or more lines of printable ASCII, each short enough for a reply line (RFC 5321 4.5.3.1.5). */
const char *name_check_greeting(struct span text);

/* An argument of a program: anything but control characters. */
const char *name_check_argument(struct span text);

/* A variable of the environment, "NAME" or "NAME=value". */
const char *name_check_variable(struct span text);

#endif
