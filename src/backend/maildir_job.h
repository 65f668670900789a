/*
 * What a maildir backend does on a worker thread, where it may block: asking for
 * a recipient, and delivering one message into all its mailboxes or into none. A
 * message that was delivered is on stable storage. The jobs own all they use but
 * the store, which they hold a reference to.
 */
#ifndef BACKEND_MAILDIR_JOB_H
#define BACKEND_MAILDIR_JOB_H

#include "backend/maildir_place.h"
#include "backend/maildir_store.h"

/*
 * Mailboxes of one message that are kept open, with a nameless file each. Further
 * ones get a file with a name, so that descriptors stay bounded.
 */
enum { MAILDIR_OPEN_MAX = 64 };

/* Most descriptors one delivery has open at the same time. */
enum { MAILDIR_DELIVERY_FDS = 2 * MAILDIR_OPEN_MAX + 4 };

struct maildir_mailbox {
	const struct maildir_places *places; /* where to look; NULL: `path` is known */
	const char *path;         /* the Maildir; NULL: not looked for yet */
	const char *root;         /* the mailbox that it is in */
	bool may_be_made;
	uint32_t path_hash;       /* for whoever looks for duplicates */
	struct span delivered_to; /* header line of its own */
	/* The worker's own. */
	int dir_fd, file_fd;              /* -1: not open */
	char tmp_name[MAILDIR_NAME_SIZE]; /* "": the file has no name */
	char new_name[MAILDIR_NAME_SIZE]; /* "": not linked yet */
};

struct maildir_delivery {
	struct maildir_store *store;
	struct maildir_mailbox *mailboxes; /* at least one; paths differ */
	size_t mailbox_count;
	struct span return_path, trace; /* header lines for all */
	struct spool content;
	/* The outcome. */
	struct backend_answer answer;
	uint64_t octets; /* of the first mailbox's file */
};

/* A mailbox whose worker's part is ready for maildir_deliver(). */
void maildir_mailbox_init(struct maildir_mailbox *mailbox, const char *path, struct span delivered_to);

uint32_t maildir_path_hash(const char *path);

/* Would a message of so many octets (0: not known) be taken for a recipient who may mean these places? */
void maildir_ask(struct maildir_store *store, const struct maildir_places *places, uint64_t octets,
		 struct backend_answer *answer);

/* Deliver to all mailboxes or to none; fills in answer and octets. */
void maildir_deliver(struct maildir_delivery *d);

#endif
