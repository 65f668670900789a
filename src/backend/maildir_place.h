/*
 * Which Maildirs a recipient may mean: the mailbox of that name, the one
 * without the detail (anna of anna+lists) or a folder in it, the one that
 * catches all. The loop names the places, in the order in which they are tried;
 * a worker finds the first that is there, or that may be made.
 */
#ifndef BACKEND_MAILDIR_PLACE_H
#define BACKEND_MAILDIR_PLACE_H

#include "backend/backend.h"
#include "base/arena.h"

/* Used on the loop. */
struct maildir_rules {
	const char *pattern;               /* checked by maildir_path_check_pattern() */
	const char *delimiters;            /* of the detail; "": none */
	bool has_folders;                  /* a detail may be a folder of Maildir++ */
	const char *catch_all;             /* a local part or an address; NULL: none */
	const char *postmaster;            /* takes postmaster's mail, which catch_all then leaves alone; or NULL */
	const char *const *made_mailboxes; /* local parts or addresses */
	size_t made_count;
};

struct maildir_place {
	const char *root;    /* the mailbox */
	const char *path;    /* the Maildir itself: root, or a folder in it */
	bool may_be_made;
};

/* With the whole name, its folder, without the detail, the one that catches all. */
enum { MAILDIR_PLACES_MAX = 4 };

struct maildir_places {
	struct maildir_place at[MAILDIR_PLACES_MAX];
	unsigned count; /* 0: there can be no such mailbox */
};

/* Paths are allocated in the arena. False: out of memory. */
MUST_CHECK bool maildir_places_name(struct maildir_places *places, const struct maildir_rules *rules,
				    const struct smtp_address *recipient, struct arena *arena);

/*
 * How many octets of each path of this pattern are never made: up to the last "/" before what the
 * first directive stands for. The functions below take it, and each works on a worker.
 */
size_t maildir_place_fixed_len(const char *pattern);

/*
 * Is there a mailbox at this path, and can we deliver into it? There may be one, and the error is
 * temporary, where the fixed part is missing, as with a volume that is not mounted, or where a
 * symbolic link behind it leads nowhere.
 */
void maildir_check(const char *path, size_t fixed_len, struct backend_answer *answer);

/* Is the fixed part of the path there? */
void maildir_check_base(const char *path, size_t fixed_len, struct backend_answer *answer);

/* The first place that is there or may be made. NULL: the answer tells why there is none. */
const struct maildir_place *maildir_places_find(const struct maildir_places *places, size_t fixed_len,
						struct backend_answer *answer);

/* Make the directories behind the first `fixed_len` octets of the path. False: errno tells. */
MUST_CHECK bool maildir_place_make(const char *path, size_t fixed_len);

/* Bring the entries for these directories to stable storage. False: errno tells. */
MUST_CHECK bool maildir_place_sync(const char *path, size_t fixed_len);

#endif
