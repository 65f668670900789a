/*
 * A listening socket: accepts several connections per wake-up, survives running
 * out of descriptors without spinning, and can be stopped.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/addr.h"
#include "net/loop.h"

struct listener;

/* What the kernel keeps of output for a connection that is accepted (it takes twice that for its own needs). */
enum { LISTENER_SEND_BUFFER_SIZE = 64 * 1024 };

struct listener_options {
	struct addr addr;
	bool is_v6_only; /* IPv6 without IPv4 on the same socket */
	bool reuse_port; /* SO_REUSEPORT: several processes share the port */
	int backlog;
};

/* Called for each connection; fd is non-blocking, close-on-exec, TCP_NODELAY, and now the callee's. */
typedef void (*listener_accept_fn)(void *owner, int fd, const struct addr *peer);

/* Bind and listen. NULL: err tells address and reason. Accepting begins with listener_start(). */
struct listener *listener_new(struct loop *loop, const struct listener_options *options,
			      listener_accept_fn accept, void *owner, struct err *err);
/* The same with a socket that listens already; fd is taken over, whatever comes of it. */
struct listener *listener_new_from(struct loop *loop, int fd, listener_accept_fn accept, void *owner,
				   struct err *err);
void listener_start(struct listener *l);

/* The address it is bound to, with the port that the kernel chose. */
const struct addr *listener_addr(const struct listener *l);

void listener_free(struct listener **l);

#endif
