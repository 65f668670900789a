#define _GNU_SOURCE 1 /* accept4() */
#include "net/listener.h"

#include "base/bug.h"
#include "base/log.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ACCEPTS_PER_TURN = 16,
	PAUSE_MS = 1000,
};

struct listener {
	struct loop *loop;
	struct event event;
	struct loop_timer pause;     /* runs while accepting is put off */
	struct loop_garbage garbage;
	listener_accept_fn accept;
	void *owner;
	struct addr addr;
	bool is_short;               /* of descriptors or memory, and the log says so */
	bool is_closed;
};

static void close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

/*
 * What Linux hands on to all that is accepted: one system call here, not one per connection. Replies are
 * short; a peer that asks for more of them and reads none would have megabytes of the kernel's memory.
 */
static bool set_for_accepted(int fd)
{
	int on = 1, send_bytes = LISTENER_SEND_BUFFER_SIZE;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)) == 0;
}

static int open_socket(const struct listener_options *options)
{
	int af = options->addr.family == ADDR_IPV4 ? AF_INET : AF_INET6;
	int fd = socket(af, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, v6_only = options->is_v6_only;

	if (fd < 0)
		return -1;
	if (!set_for_accepted(fd) || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (options->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
	    (af == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0)) {
		close_keeping_errno(fd);
		return -1;
	}
	return fd;
}

static bool bind_socket(int fd, const struct listener_options *options, struct addr *bound)
{
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_from_addr(&ss, &options->addr);

	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, options->backlog) < 0)
		return false;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return false;
	*bound = sockaddr_to_addr(&ss);
	return true;
}

static void log_shortage(struct listener *l, enum log_level level, const char *error)
{
	char text[ADDR_TEXT_SIZE];

	log_begin(level, NULL, "limit");
	log_str("what", "descriptors");
	log_str("listener", addr_format(&l->addr, text));
	log_str("state", error ? "reached" : "over");
	log_str("error", error);
	log_end();
}

static void on_pause_over(struct loop_timer *timer)
{
	listener_start(LIST_OWNER(timer, struct listener, pause));
}

/*
 * The connections that wait stay in the kernel's queue and would wake us up all
 * the time, so do not look at it for a while.
 */
static void pause_accepting(struct listener *l, int error)
{
	if (!l->is_short)
		log_shortage(l, LOG_LEVEL_WARNING, strerror(error));
	l->is_short = true;
	event_del(&l->event);
	loop_timer_start(l->loop, &l->pause, PAUSE_MS, on_pause_over);
}

/* Errors of the one connection, which is gone with them; accept(2) names them. */
static bool is_of_peer(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM: /* a firewall rule */
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

/* False: there is none now, or accepting is put off. */
static bool accept_one(struct listener *l, int listening)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(listening, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct addr peer;

	if (fd < 0) {
		if (is_of_peer(errno))
			return true;
		/* EMFILE, ENFILE, ENOBUFS, ENOMEM; an unknown error must not make us spin either. */
		if (errno != EAGAIN)
			pause_accepting(l, errno);
		return false;
	}
	if (l->is_short)
		log_shortage(l, LOG_LEVEL_NOTICE, NULL);
	l->is_short = false;
	peer = sockaddr_to_addr(&ss);
	l->accept(l->owner, fd, &peer);
	return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN && !l->is_closed; i++)
		if (!accept_one(l, fd))
			break;
}

/* Takes fd over. NULL: out of memory. */
static struct listener *make(struct loop *loop, int fd, const struct addr *bound, listener_accept_fn accept,
			     void *owner)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l) {
		close(fd);
		return NULL;
	}
	l->loop = loop;
	l->accept = accept;
	l->owner = owner;
	l->addr = *bound;
	event_assign(&l->event, loop_base(loop), fd, EV_READ | EV_PERSIST, on_acceptable, l);
	return l;
}

struct listener *listener_new(struct loop *loop, const struct listener_options *options,
			      listener_accept_fn accept, void *owner, struct err *err)
{
	struct listener *l = NULL;
	char text[ADDR_TEXT_SIZE];
	struct addr bound = { 0 };
	int fd = open_socket(options);

	BUG_ON(options->addr.family == ADDR_NONE);
	if (fd >= 0 && bind_socket(fd, options, &bound))
		l = make(loop, fd, &bound, accept, owner);
	else if (fd >= 0)
		close_keeping_errno(fd);
	if (!l)
		err_set_errno(err, "cannot listen on %s", addr_format(&options->addr, text));
	return l;
}

/* Is it a TCP socket that listens? */
static bool look_at(int fd, struct addr *bound, struct err *err)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss), int_len = sizeof(int);
	int type = 0, listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &int_len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return err_set_errno(err, "it is no socket");
	if (type != SOCK_STREAM || !listens || (ss.ss_family != AF_INET && ss.ss_family != AF_INET6))
		return err_set(err, "it is no TCP socket that listens");
	*bound = sockaddr_to_addr(&ss);
	return true;
}

static bool prepare_socket(int fd, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || !set_for_accepted(fd))
		return err_set_errno(err, "cannot set it up");
	return true;
}

struct listener *listener_new_from(struct loop *loop, int fd, listener_accept_fn accept, void *owner,
				   struct err *err)
{
	struct addr bound;
	struct listener *l;

	if (!look_at(fd, &bound, err) || !prepare_socket(fd, err)) {
		close(fd);
		return NULL;
	}
	l = make(loop, fd, &bound, accept, owner);
	if (!l)
		err_set(err, "out of memory");
	return l;
}

void listener_start(struct listener *l)
{
	loop_timer_stop(l->loop, &l->pause);
	if (event_add(&l->event, NULL) < 0)
		pause_accepting(l, ENOMEM);
}

const struct addr *listener_addr(const struct listener *l)
{
	return &l->addr;
}

static void free_listener(struct loop_garbage *garbage)
{
	free(LIST_OWNER(garbage, struct listener, garbage));
}

void listener_free(struct listener **listener)
{
	struct listener *l = *listener;

	if (!l)
		return;
	*listener = NULL;
	l->is_closed = true;
	loop_timer_stop(l->loop, &l->pause);
	event_del(&l->event);
	close(event_get_fd(&l->event));
	loop_reap(l->loop, &l->garbage, free_listener);
}
