/*
 * Between struct addr and the socket interface's addresses. An IPv4 address
 * that comes mapped into IPv6 is IPv4 afterwards, as everywhere.
 */
#ifndef NET_SOCKADDR_H
#define NET_SOCKADDR_H

#include "base/addr.h"

#include <sys/socket.h>

/* Fills *to and returns its length; 0 for ADDR_NONE. */
socklen_t sockaddr_from_addr(struct sockaddr_storage *to, const struct addr *from);

/* What is neither IPv4 nor IPv6 becomes ADDR_NONE. */
struct addr sockaddr_to_addr(const struct sockaddr_storage *from);

#endif
