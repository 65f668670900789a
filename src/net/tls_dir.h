/*
 * A directory of certificates and keys: NAME.crt or NAME.pem with NAME.key, in
 * the order of their names. A NAME.pem without NAME.key holds its key itself.
 * What begins with a dot, or ends otherwise, is left alone.
 */
#ifndef NET_TLS_DIR_H
#define NET_TLS_DIR_H

#include "net/tls.h"

#include "base/bug.h"

struct tls_dir {
	struct tls_pair *pairs; /* owned, with all their strings */
	size_t count;
};

/* False: err tells why, and there is nothing to free. A directory without any pair is an error, too. */
MUST_CHECK bool tls_dir_read(struct tls_dir *dir, const char *path, struct err *err);
void tls_dir_fini(struct tls_dir *dir);

/* The directory and its pairs, mixed into the state of files; see tls_file_state(). */
uint64_t tls_dir_state(const char *path, uint64_t state);

#endif
