/*
 * The process's limit of open descriptors, raised as far as it goes.
 */
#ifndef NET_FDLIMIT_H
#define NET_FDLIMIT_H

#include <stdint.h>

/* Raise the soft limit (and the hard one, where we may) to `wanted`; returns the limit that is in force. */
uint64_t fdlimit_raise(uint64_t wanted);

#endif
