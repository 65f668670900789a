/*
 * The system's own priority strings: section [priorities] of GnuTLS's
 * configuration (/etc/gnutls/config, or what GNUTLS_SYSTEM_PRIORITY_FILE
 * names), which @NAME in a priority string refers to. Nothing else of that
 * file is looked at.
 */
#ifndef NET_TLS_PRIORITY_SYSTEM_H
#define NET_TLS_PRIORITY_SYSTEM_H

#include "base/buf.h"
#include "base/err.h"

enum tls_system_result {
	TLS_SYSTEM_FOUND,
	TLS_SYSTEM_MISSING, /* no such file, or not in it */
	TLS_SYSTEM_ERROR,   /* the file cannot be read; *err tells */
};

/* The value of the first of `names` (separated by commas) that has one, NUL-terminated, into *value. */
enum tls_system_result tls_priority_system_find(struct span names, struct buf *value, struct err *err);

/* The file that is looked at. */
const char *tls_priority_system_file(void);

#endif
