/*
 * What a configuration leans on outside of itself, looked at before the start
 * and by -t: the directory for big messages, the directories in which the
 * mailboxes lie, the mailbox of postmaster, programs. Nothing of it changes anything, and
 * all of it may block. Certificates are front/server_tls.h's.
 */
#ifndef FRONT_SERVER_CHECK_H
#define FRONT_SERVER_CHECK_H

#include "base/bug.h"
#include "conf/config.h"

/* Can files be made in spool_dir? Without it there is no start. False: err tells why. */
MUST_CHECK bool server_check_spool(const struct config *config, struct err *err);

/* Are the password files there, and right? Without them there is no start. False: err tells why. */
MUST_CHECK bool server_check_users(const struct config *config, struct err *err);

/* Are the certificates and passwords for next hops there, and right? Without them there is no start. False: err tells why. */
MUST_CHECK bool server_check_relays(const struct config *config, struct err *err);

/* What will put mail or logins off, but may come to be there: each is told to `warn`, as "file:line: text". */
void server_check_mailboxes(const struct config *config, void (*warn)(const char *text));

/* The same for programs that check passwords: as whoever runs them, so before privileges_enter(). */
void server_check_programs(const struct config *config, void (*warn)(const char *text));

#endif
