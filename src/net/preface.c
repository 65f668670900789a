#include "net/preface.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>

void preface_cancel(struct preface *p)
{
	if (!p->event)
		return;
	loop_timer_stop(p->loop, &p->timer);
	event_free(p->event);
	p->event = NULL;
}

static void finish(struct preface *p, enum preface_state state, const char *reason)
{
	preface_cancel(p);
	p->done(p, state, reason);
}

static void on_timeout(struct loop_timer *timer)
{
	finish(LIST_OWNER(timer, struct preface, timer), PREFACE_WRONG, "timeout");
}

/* Take off the socket what was looked at and used. They are there, so that they come at once. */
static bool consume(struct preface *p, size_t len)
{
	return recv(p->fd, loop_scratch(p->loop), len, 0) == (ssize_t)len;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct preface *p = arg;
	ssize_t n = recv(fd, loop_scratch(p->loop), LOOP_SCRATCH_SIZE, MSG_PEEK);
	enum preface_state state;
	size_t used;

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(p, PREFACE_WRONG, "lost");
		return;
	}
	state = p->take(p, span_of(loop_scratch(p->loop), (size_t)n), &used);
	BUG_ON(state == PREFACE_MORE && used == 0);
	if (!consume(p, used))
		finish(p, PREFACE_WRONG, "lost");
	else if (state != PREFACE_MORE)
		finish(p, state, state == PREFACE_WHOLE ? "" : "malformed");
}

bool preface_start(struct preface *p, struct loop *loop, int fd, uint64_t timeout_ms)
{
	p->loop = loop;
	p->fd = fd;
	p->timer = (struct loop_timer){ 0 };
	p->event = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, on_readable, p);
	if (!p->event || event_add(p->event, NULL) < 0) {
		preface_cancel(p);
		return false;
	}
	loop_timer_start(loop, &p->timer, timeout_ms, on_timeout);
	return true;
}
