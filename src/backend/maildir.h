/*
 * The backend that stores messages in Maildirs: what it is told when it is made.
 */
#ifndef BACKEND_MAILDIR_H
#define BACKEND_MAILDIR_H

#include "backend/backend.h"

struct backend_maildir_options {
	const char *name;
	const char *path;     /* pattern: see backend/maildir_path.h */
	const char *hostname; /* for file names */
	/* What is not given, all zero, is not wanted. */
	const char *recipient_delimiter;
	bool detail_folders;
	const char *catch_all;  /* a local part or an address */
	const char *postmaster; /* an address that takes postmaster's mail: catch_all leaves it alone */
	bool creates;
	const char *const *mailboxes; /* that may be made: local parts or addresses */
	size_t mailbox_count;
	uint64_t quota_octets, quota_messages;
	bool is_quota_permanent;
	_Atomic unsigned *unsynced_mailboxes; /* borrowed: shared by all who may deliver to the same mailboxes */
	struct pool *disk;
	struct loop *loop;
};

/* NULL: err tells what is wrong with the pattern. */
struct backend *backend_maildir_new(const struct backend_maildir_options *options, struct err *err);

/*
 * For before the start, and blocking: is that there without which all mail is put off, or, with a
 * recipient, the mailbox of that one? False: err tells what is missing.
 */
MUST_CHECK bool backend_maildir_inspect(const struct backend_maildir_options *options,
					const struct smtp_address *recipient, struct err *err);

#endif
