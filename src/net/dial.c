#include "net/dial.h"

#include "base/bug.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

/* A try that has others behind it gets no less than this of the time that is left. */
enum { TRY_MS_MIN = 1000 };

static void try_next(struct dial *dial);

static void note_failure(struct dial *dial, const char *whom, const char *reason)
{
	snprintf(dial->failure, sizeof(dial->failure), "%.*s: %.*s", ENDPOINT_TEXT_SIZE - 1, whom,
		 RESOLVE_FAILURE_SIZE - 2, reason);
}

/* ---- the end ---- */

static void on_report(struct loop_deferred *deferred)
{
	struct dial *dial = LIST_OWNER(deferred, struct dial, report);

	op_finish(&dial->op);
}

/* Stop what runs. The descriptor of a try is closed unless it was taken out before. */
static void stop_try(struct dial *dial)
{
	loop_timer_stop(dial->loop, &dial->timer);
	if (!dial->is_trying)
		return;
	event_del(&dial->event);
	close(event_get_fd(&dial->event));
	dial->is_trying = false;
}

static void dial_cancel(struct op *op)
{
	struct dial *dial = op->work;

	stop_try(dial);
	op_cancel(&dial->resolve.op);
	loop_defer_cancel(&dial->report);
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
}

/* done() comes from the loop, whoever finds out. */
static void finish(struct dial *dial)
{
	op_cancel(&dial->resolve.op);
	loop_timer_stop(dial->loop, &dial->timer);
	loop_defer(dial->loop, &dial->report, on_report);
}

/*
 * On one machine the kernel may choose the very port that we connect to as ours, and where nobody listens
 * there we then meet ourselves (a simultaneous open, RFC 9293 3.5).
 */
static bool is_ourselves(int fd)
{
	struct sockaddr_storage ours = { 0 }, theirs = { 0 };
	socklen_t our_len = sizeof(ours), their_len = sizeof(theirs);
	struct addr a, b;

	if (getsockname(fd, (struct sockaddr *)&ours, &our_len) < 0 ||
	    getpeername(fd, (struct sockaddr *)&theirs, &their_len) < 0)
		return false;
	a = sockaddr_to_addr(&ours);
	b = sockaddr_to_addr(&theirs);
	return a.family != ADDR_NONE && a.family == b.family && a.port == b.port &&
	       memcmp(a.ip, b.ip, sizeof(a.ip)) == 0;
}

static void succeed(struct dial *dial, int fd)
{
	dial->fd = fd;
	dial->error = 0;
	dial->failure[0] = '\0';
	finish(dial);
}

/* ---- one address ---- */

static const char *whom(const struct dial *dial, char text[ENDPOINT_TEXT_SIZE])
{
	return dial->to.kind == ENDPOINT_UNIX ? endpoint_format(&dial->to, text) :
						addr_format(&dial->addr, text);
}

/* There may be another one. */
static void fail_try(struct dial *dial, int error)
{
	char text[ENDPOINT_TEXT_SIZE];

	dial->error = error;
	note_failure(dial, whom(dial, text), strerror(error));
	try_next(dial);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	else if (!error && is_ourselves(fd))
		error = ECONNREFUSED;
	if (error) {
		stop_try(dial);
		fail_try(dial, error);
		return;
	}
	event_del(&dial->event);
	dial->is_trying = false;
	succeed(dial, fd);
}

static uint64_t time_left_ms(const struct dial *dial)
{
	uint64_t now_ms = loop_now_ms(dial->loop);

	return dial->deadline_ms > now_ms ? dial->deadline_ms - now_ms : 0;
}

static void on_time_up(struct loop_timer *timer)
{
	struct dial *dial = LIST_OWNER(timer, struct dial, timer);
	char text[ENDPOINT_TEXT_SIZE];

	if (dial->is_trying) {
		stop_try(dial);
		fail_try(dial, ETIMEDOUT);
		return;
	}
	/* The name is still being looked up. */
	dial->error = ETIMEDOUT;
	dial->is_timeout = true;
	note_failure(dial, endpoint_format(&dial->to, text), "the name was not looked up in time");
	finish(dial);
}

/* Each address that is left has the same part of the time that is left. */
static void start_timer(struct dial *dial)
{
	uint64_t left_ms = time_left_ms(dial);
	size_t others = dial->to.kind == ENDPOINT_NAME ? dial->resolve.count - dial->next : 0;
	uint64_t share_ms = left_ms / (others + 1);

	if (share_ms < TRY_MS_MIN)
		share_ms = TRY_MS_MIN;
	loop_timer_start(dial->loop, &dial->timer, share_ms < left_ms ? share_ms : left_ms, on_time_up);
}

/* Takes over fd, whose connect() is under way. */
static void wait_for_connect(struct dial *dial, int fd)
{
	event_assign(&dial->event, loop_base(dial->loop), fd, EV_WRITE, on_connected, dial);
	if (event_add(&dial->event, NULL) < 0) {
		close(fd);
		fail_try(dial, ENOMEM);
		return;
	}
	dial->is_trying = true;
	start_timer(dial);
}

static void connect_to(struct dial *dial, const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	/* TCP_NODELAY: whoever talks to servers sends commands, and waits for replies. */
	if (fd < 0 ||
	    (sa->sa_family != AF_UNIX && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		fail_try(dial, error);
	} else if (connect(fd, sa, len) == 0) {
		succeed(dial, fd);
	} else if (errno == EINPROGRESS || errno == EINTR) {
		wait_for_connect(dial, fd);
	} else {
		/* A unix socket whose queue is full says EAGAIN: nobody tells when there is room. */
		int error = errno;

		close(fd);
		fail_try(dial, error);
	}
}

static void try_addr(struct dial *dial, const struct addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_from_addr(&ss, addr);

	dial->addr = *addr;
	connect_to(dial, (const struct sockaddr *)&ss, len);
}

static void try_unix(struct dial *dial)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	_Static_assert(sizeof(un.sun_path) == ENDPOINT_PATH_MAX + 1, "the longest path of a unix socket");
	memcpy(un.sun_path, dial->to.name, sizeof(un.sun_path));
	connect_to(dial, (const struct sockaddr *)&un, sizeof(un));
}

/* ---- the next one ---- */

static void try_next(struct dial *dial)
{
	bool is_first = dial->next == 0;

	if (!is_first && time_left_ms(dial) == 0) {
		dial->is_timeout = true;
	} else if (dial->to.kind == ENDPOINT_NAME && dial->next < dial->resolve.count) {
		try_addr(dial, &dial->resolve.addrs[dial->next++]);
		return;
	} else if (is_first && dial->to.kind == ENDPOINT_ADDR) {
		dial->next++;
		try_addr(dial, &dial->to.addr);
		return;
	} else if (is_first && dial->to.kind == ENDPOINT_UNIX) {
		dial->next++;
		try_unix(dial);
		return;
	}
	dial->is_timeout = dial->is_timeout || dial->error == ETIMEDOUT;
	finish(dial);
}

static void on_resolved(struct op *op)
{
	struct resolve *resolve = LIST_OWNER(op, struct resolve, op);
	struct dial *dial = LIST_OWNER(resolve, struct dial, resolve);

	loop_timer_stop(dial->loop, &dial->timer);
	if (resolve->count == 0)
		note_failure(dial, dial->to.name, resolve->failure);
	try_next(dial);
}

static void look_up(struct dial *dial, struct pool *resolver)
{
	dial->resolve.op = (struct op){ .done = on_resolved };
	if (resolve_start(&dial->resolve, resolver, dial->to.name, dial->to.addr.port)) {
		loop_timer_start(dial->loop, &dial->timer, time_left_ms(dial), on_time_up);
		return;
	}
	note_failure(dial, dial->to.name, dial->resolve.failure);
	finish(dial);
}

void dial_start(struct dial *dial, struct loop *loop, struct pool *resolver, const struct endpoint *to,
		uint64_t timeout_ms)
{
	struct op op = dial->op;

	BUG_ON(op_running(&op) || to->kind == ENDPOINT_NONE);
	*dial = (struct dial){ .op = op, .fd = -1, .loop = loop, .to = *to };
	dial->deadline_ms = loop_now_ms(loop) + timeout_ms;
	op_begin(&dial->op, dial_cancel, dial);
	if (to->kind == ENDPOINT_NAME)
		look_up(dial, resolver);
	else
		try_next(dial);
}
