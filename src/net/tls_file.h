/*
 * Files that a TLS context is made from: read whole into memory that is wiped
 * when it is given back, since there may be keys in it, and watched by their
 * names, sizes, times and inodes. Only regular files are read, so that nothing
 * can hold up the loop.
 */
#ifndef NET_TLS_FILE_H
#define NET_TLS_FILE_H

#include "base/bug.h"
#include "base/err.h"

#include <openssl/bio.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_FILE_SIZE_MAX = 8 * 1024 * 1024 };

struct tls_file {
	char *bytes; /* owned */
	size_t len;
	unsigned mode; /* as of stat(2) */
};

/* False: err tells setting, file and why. */
MUST_CHECK bool tls_file_read(struct tls_file *file, const char *setting, const char *path, struct err *err);
void tls_file_fini(struct tls_file *file);

/* A BIO over the bytes, which it does not copy; NULL: out of memory. */
BIO *tls_file_bio(const struct tls_file *file);

/* "setting: file: what (OpenSSL's reason)"; always false. Empties OpenSSL's queue of errors. */
bool tls_file_refuse(struct err *err, const char *setting, const char *path, const char *what);

/* The state of a file, mixed into a number that stands for many. No path (NULL) and no file are states. */
uint64_t tls_file_state(const char *path, uint64_t state);

#endif
