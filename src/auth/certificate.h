/*
 * EXTERNAL (RFC 4422 A): the client is whom its certificate names, which was
 * verified when TLS began. It knows no passwords.
 */
#ifndef AUTH_CERTIFICATE_H
#define AUTH_CERTIFICATE_H

#include "auth/auth.h"

/* NULL: out of memory. `mechanisms` as struct auth_source has it, lent. */
struct auth_source *auth_certificate_new(const char *const *mechanisms);

#endif
