/*
 * What all jobs of one maildir backend share: how files are named, and when
 * leftovers were looked for. It outlives the backend while jobs still run.
 * References are counted on the loop only; everything else here may be used by
 * many worker threads at the same time.
 */
#ifndef BACKEND_MAILDIR_STORE_H
#define BACKEND_MAILDIR_STORE_H

#include "base/bug.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MAILDIR_HOST_SIZE = 101,   /* of a host name escaped for file names; longer ones are cut */
	MAILDIR_BOOT_ID_SIZE = 40,
	MAILDIR_NAME_SIZE = 256,   /* of a file's name within a Maildir, "new/" or "tmp/" included */
	MAILDIR_SWEEP_SLOTS = 256,
};

/* 0: unlimited */
struct maildir_quota {
	uint64_t octets;
	uint64_t messages;
};

static inline bool maildir_quota_is_set(const struct maildir_quota *quota)
{
	return quota->octets || quota->messages;
}

struct maildir_store {
	unsigned references;
	/* Set before the first job, and never changed. */
	struct maildir_quota quota; /* of mailboxes without one of their own; not set: none is looked at */
	bool is_quota_permanent;    /* 552 rather than 452 */
	size_t fixed_len;           /* octets of a path that are never made */
	char host[MAILDIR_HOST_SIZE];
	char boot_id[MAILDIR_BOOT_ID_SIZE]; /* "unknown" where the kernel tells none */
	bool has_proc;                      /* /proc/self/fd is there: nameless files can be linked */
	_Atomic uint64_t names;             /* given out so far */
	/*
	 * Mailboxes with new subdirectories that are not on disk yet. Borrowed where stores share it, because they may
	 * come to the same mailboxes, as backends of an older setup do; else it is its own.
	 */
	_Atomic unsigned *unsynced_mailboxes;
	_Atomic unsigned own_unsynced_mailboxes;
	_Atomic uint32_t swept_hour[MAILDIR_SWEEP_SLOTS];
};

/* With one reference; NULL: out of memory. */
struct maildir_store *maildir_store_new(const char *hostname);
struct maildir_store *maildir_store_get(struct maildir_store *store);
void maildir_store_put(struct maildir_store **store);

/* "new/<unique name>,S=<octets>", the form that Maildir and Maildir++ ask for. */
void maildir_store_name_new(struct maildir_store *store, char *name, uint64_t octets);

/* "tmp/<name>" that tells host, boot and process, so that a leftover is known as one. */
void maildir_store_name_tmp(struct maildir_store *store, char *name);

/* Is it time to look for leftovers in the Maildir at `path`? True at most once an hour for each. */
bool maildir_store_sweep_is_due(struct maildir_store *store, const char *path, uint64_t now_s);

/*
 * Remove files from tmp that an earlier process of ours, on this host, left there
 * more than 36 hours ago. Looks at a bounded number of files. Returns how many went.
 */
unsigned maildir_store_sweep(const struct maildir_store *store, int mailbox_fd, uint64_t now_s);

#endif
