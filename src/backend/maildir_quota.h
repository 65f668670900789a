/*
 * Quotas of Maildir++, kept in the file maildirsize of a mailbox in the form
 * that IMAP servers share: the quota in its first line, then a line for each
 * change, all added up. It is counted anew when it is missing, damaged or long,
 * and when it says that the mailbox is full but may be out of date. Messages in
 * .Trash and those marked as deleted do not count. For workers.
 */
#ifndef BACKEND_MAILDIR_QUOTA_H
#define BACKEND_MAILDIR_QUOTA_H

#include "backend/maildir_store.h"

/* As Maildir++ has it: a longer file is counted anew; one that says "full" is believed for so long. */
enum { MAILDIR_QUOTA_FILE_MAX = 5120, MAILDIR_QUOTA_BELIEVED_S = 15 * 60 };

enum maildir_quota_answer {
	MAILDIR_QUOTA_FITS,
	MAILDIR_QUOTA_FULL,
	MAILDIR_QUOTA_FAILED, /* errno tells why it is not known */
};

/* Would one more message of so many octets fit? store->quota holds where the mailbox has none itself. */
MUST_CHECK enum maildir_quota_answer maildir_quota_check(struct maildir_store *store, const char *root,
							 uint64_t octets);

/* One more message of so many octets is there. What fails is found out the next time it is counted. */
void maildir_quota_add(const char *root, uint64_t octets);

#endif
