/*
 * A password file that is read again when it changes: once, for however many
 * sources of it there are. A source of an older configuration lives as long as a
 * session of it, and must see the same users as the new one. Counted by the
 * loop's thread.
 */
#ifndef AUTH_FILE_WATCH_H
#define AUTH_FILE_WATCH_H

#include "auth/users.h"
#include "net/loop.h"
#include "net/pool.h"

struct file_watch;

/* One reference is the caller's. NULL: err tells file, line and what is wrong. */
struct file_watch *file_watch_new(const char *path, const unsigned char key[USERS_KEY_SIZE], struct loop *loop,
				  struct pool *pool, struct err *err);

/*
 * Another reference, for a new source: the file is read now if it has changed. NULL: err tells why it cannot be; the
 * users that were read before stay.
 */
struct file_watch *file_watch_join(struct file_watch *watch, struct err *err);
void file_watch_put(struct file_watch **watch);

/* As they are now; who keeps them over a turn of the loop takes a reference of them. */
struct users *file_watch_users(const struct file_watch *watch);

bool file_watch_is_of(const struct file_watch *watch, const char *path);

#endif
