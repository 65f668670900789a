#include "net/conn_private.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_MAX_DEFAULT = 4096,
	LINGER_MS = 2000,
	LINGER_BYTES = 64 * 1024,
	/*
	 * While input is held nobody asks whether there is more. A reset is heard of all the same where
	 * writability is asked for by its edges: once when that begins, and then when all is over.
	 */
	WATCH = EV_WRITE | EV_ET,
};

static void on_event(evutil_socket_t fd, short what, void *arg);

/*
 * Waiting by edges leaves its mark on what is waited for next: of all changes of a turn libevent makes one call
 * for the kernel, with EPOLLET when any of them had it, removals too. Then what one read leaves behind would never
 * be told of. A change without edges in between takes the mark away, and costs no call.
 */
static void forget_edges(struct conn *c)
{
	event_assign(&c->event, loop_base(c->loop), event_get_fd(&c->event), EV_WRITE, on_event, c);
	event_add(&c->event, NULL);
	event_del(&c->event);
}

/* Wait for exactly these events. False: no memory; then it waits for none. */
static bool wait_for(struct conn *c, short events)
{
	evutil_socket_t fd = event_get_fd(&c->event);

	if (c->events == events)
		return true;
	if (c->events)
		event_del(&c->event);
	if (c->events & EV_ET)
		forget_edges(c);
	c->events = 0;
	if (events) {
		event_assign(&c->event, loop_base(c->loop), fd, events | EV_PERSIST, on_event, c);
		if (event_add(&c->event, NULL) < 0)
			return false;
		c->events = (uint8_t)events;
	}
	return true;
}

/* What is waited for, but for the watch: EV_READ, EV_WRITE. */
static short wanted_events(const struct conn *c)
{
	return c->events & EV_ET ? 0 : c->events;
}

void conn_stop_events(struct conn *c)
{
	wait_for(c, 0); /* cannot fail: nothing is added */
}

void conn_tell_lost(struct conn *c, int error)
{
	conn_stop_events(c);
	loop_defer_cancel(&c->resume);
	c->is_over = true;
	c->ops->lost(c->owner, error);
}

bool conn_offer(struct conn *c, struct span in, size_t *used)
{
	c->is_offering = true;
	*used = c->ops->input(c->owner, in, c->is_over);
	c->is_offering = false;
	BUG_ON(*used > in.len);
	/* What was lent is memory of the loop, of `kept` or of libevent, and ours to write to. */
	if (c->wipes && *used && !c->is_given_up)
		explicit_bzero((char *)in.ptr, *used);
	return !c->is_given_up;
}

static void read_end(struct conn *c)
{
	size_t used;

	c->is_over = true;
	if (wait_for(c, wanted_events(c) & EV_WRITE))
		conn_offer(c, SPAN_LITERAL(""), &used);
	else
		conn_tell_lost(c, ENOMEM);
}

static void read_input(struct conn *c)
{
	char *scratch = loop_scratch(c->loop);
	ssize_t n = recv(event_get_fd(&c->event), scratch, c->read_max, 0);
	size_t used;

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_tell_lost(c, errno);
		return;
	}
	if (n == 0) {
		read_end(c);
		return;
	}
	c->bytes_in += (size_t)n;
	if (!conn_offer(c, span_of(scratch, (size_t)n), &used) || used == (size_t)n)
		return;
	if (!buf_add(&c->kept, scratch + used, (size_t)n - used))
		conn_tell_lost(c, ENOMEM);
	else if (c->wipes)
		explicit_bzero(scratch + used, (size_t)n - used);
}

/* What to wait for where it is not for EV_READ: to write, if that is wanted, or else the watch. */
static short events_while_held(const struct conn *c, short wanted)
{
	return wanted || c->is_over || buf_len(&c->kept) == 0 ? wanted : WATCH;
}

/* More has come. As long as there is kept input it stays in the kernel, and soon nobody asks about it. */
static void on_readable(struct conn *c)
{
	if (buf_len(&c->kept) == 0)
		read_input(c);
	else if (!list_linked(&c->resume.link) && !wait_for(c, events_while_held(c, c->events & EV_WRITE)))
		conn_tell_lost(c, ENOMEM);
}

static void on_writable(struct conn *c)
{
	if (wait_for(c, events_while_held(c, c->events & EV_READ)))
		c->ops->writable(c->owner);
	else
		conn_tell_lost(c, ENOMEM);
}

/* Nothing, unless the peer has reset the connection. */
static void on_edge(struct conn *c)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(event_get_fd(&c->event), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
		conn_tell_lost(c, error);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if (c->events & EV_ET) {
		on_edge(c);
		return;
	}
	if (what & EV_WRITE)
		on_writable(c);
	if ((what & EV_READ) && (c->events & EV_READ) && !c->is_given_up)
		on_readable(c);
}

struct conn *conn_new(struct loop *loop, int fd, const struct addr *peer, const struct conn_ops *ops,
		      void *owner)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->loop = loop;
	c->peer = *peer;
	c->ops = ops;
	c->owner = owner;
	c->read_max = READ_MAX_DEFAULT;
	event_assign(&c->event, loop_base(loop), fd, EV_READ, on_event, c);
	if (!wait_for(c, EV_READ)) {
		close(fd);
		free(c);
		return NULL;
	}
	return c;
}

const struct addr *conn_peer(const struct conn *c)
{
	return &c->peer;
}

uint64_t conn_bytes_in(const struct conn *c)
{
	return c->bytes_in;
}

uint64_t conn_bytes_out(const struct conn *c)
{
	return c->bytes_out;
}

void conn_set_wiping(struct conn *c, bool wipes)
{
	c->wipes = wipes;
}

void conn_set_read_max(struct conn *c, size_t bytes)
{
	BUG_ON(bytes == 0);
	c->read_max = bytes < LOOP_SCRATCH_SIZE ? (uint32_t)bytes : LOOP_SCRATCH_SIZE;
}

bool conn_send(struct conn *c, struct span out, size_t *sent, int *error)
{
	ssize_t n;

	*sent = 0;
	if (out.len == 0)
		return true;
	if (c->tls)
		return conn_tls_send(c, out, sent, error);
	do
		n = send(event_get_fd(&c->event), out.ptr, out.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		*error = errno;
		return false;
	}
	*sent = n > 0 ? (size_t)n : 0;
	c->bytes_out += *sent;
	if (*sent < out.len && !wait_for(c, wanted_events(c) | EV_WRITE)) {
		*error = ENOMEM;
		return false;
	}
	return true;
}

bool conn_has_output(const struct conn *c)
{
	return c->tls && conn_tls_has_output(c);
}

bool conn_has_input(const struct conn *c)
{
	return c->tls ? conn_tls_has_input(c) : buf_len(&c->kept) > 0;
}

bool conn_has_unread(const struct conn *c)
{
	char byte;

	return recv(event_get_fd(&c->event), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool conn_end_output(struct conn *c)
{
	BUG_ON(c->tls);
	return !c->is_over && shutdown(event_get_fd(&c->event), SHUT_WR) == 0;
}

static void run_resume(struct loop_deferred *deferred)
{
	struct conn *c = LIST_OWNER(deferred, struct conn, resume);
	struct buf kept = c->kept;
	size_t used = 0;

	if (c->tls) {
		conn_tls_offer_kept(c);
		return;
	}
	/* Taken out, so that it outlives the call though the owner may give the connection up in it. */
	c->kept = (struct buf){ 0 };
	if (buf_len(&kept) && !conn_offer(c, buf_span(&kept), &used)) {
		buf_fini(&kept);
		return;
	}
	buf_use(&kept, used);
	buf_release_empty(&kept);
	c->kept = kept;
	/* TLS has begun in there: now all that comes is read by that, and nothing beside it. */
	if (c->tls) {
		BUG_ON(buf_len(&kept));
		return;
	}
	if (buf_len(&kept) == 0 && !c->is_over && !wait_for(c, wanted_events(c) | EV_READ))
		conn_tell_lost(c, ENOMEM);
}

void conn_resume(struct conn *c)
{
	if (c->is_offering || conn_has_input(c))
		loop_defer(c->loop, &c->resume, run_resume);
}

static void free_conn(struct loop_garbage *garbage)
{
	free(LIST_OWNER(garbage, struct conn, garbage));
}

/* The owner is done with it: no callback any more, and no input kept. */
static void give_up(struct conn *c)
{
	c->is_given_up = true;
	loop_defer_cancel(&c->resume);
	if (c->tls)
		conn_tls_end(c);
	buf_fini(&c->kept);
	c->linger = (struct loop_timer){ 0 };
	c->garbage = (struct loop_garbage){ 0 };
}

static void shut(struct conn *c)
{
	evutil_socket_t fd = event_get_fd(&c->event);

	if (c->events)
		event_del(&c->event);
	c->events = 0;
	loop_timer_stop(c->loop, &c->linger);
	close(fd);
}

static void shut_and_reap(struct conn *c)
{
	shut(c);
	loop_reap(c->loop, &c->garbage, free_conn);
}

void conn_close(struct conn **conn)
{
	struct conn *c = *conn;

	if (!c)
		return;
	*conn = NULL;
	give_up(c);
	shut_and_reap(c);
}

static void on_linger_over(struct loop_timer *timer)
{
	shut_and_reap(LIST_OWNER(timer, struct conn, linger));
}

static void on_linger_input(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	size_t most = c->linger_left < LOOP_SCRATCH_SIZE ? c->linger_left : LOOP_SCRATCH_SIZE;
	ssize_t n = recv(fd, loop_scratch(c->loop), most, 0);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && (size_t)n < c->linger_left)
		c->linger_left -= (uint32_t)n;
	else
		shut_and_reap(c);
}

/* The loop ends before the connection does. */
static void free_lingering(struct loop_garbage *garbage)
{
	shut(LIST_OWNER(garbage, struct conn, garbage));
	free_conn(garbage);
}

static bool start_linger(struct conn *c)
{
	evutil_socket_t fd = event_get_fd(&c->event);

	if (c->is_over || shutdown(fd, SHUT_WR) < 0)
		return false;
	wait_for(c, 0);
	event_assign(&c->event, loop_base(c->loop), fd, EV_READ | EV_PERSIST, on_linger_input, c);
	if (event_add(&c->event, NULL) < 0)
		return false;
	c->events = EV_READ;
	c->linger_left = LINGER_BYTES;
	loop_timer_start(c->loop, &c->linger, LINGER_MS, on_linger_over);
	loop_adopt(c->loop, &c->garbage, free_lingering);
	return true;
}

void conn_linger(struct conn **conn)
{
	struct conn *c = *conn;

	if (!c)
		return;
	*conn = NULL;
	give_up(c);
	if (!start_linger(c))
		shut_and_reap(c);
}
