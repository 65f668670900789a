#define _GNU_SOURCE 1 /* memfd_create() */
#include "net_fixture.h"

#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000 };

struct loop *net_loop;
uint64_t net_clock_ahead_ms;
uint64_t net_clock_frozen_ms;
unsigned net_clock_reads;
unsigned net_turn_count;
static struct loop_timer deadline;
static const char *awaited_now;
static int log_fd = -1;

/* The linker's --wrap puts this before base/clock, so that hours pass in no time. */
uint64_t __real_clock_monotonic_ms(void);
uint64_t __wrap_clock_monotonic_ms(void);

uint64_t __wrap_clock_monotonic_ms(void)
{
	net_clock_reads++;
	return net_clock_frozen_ms ? net_clock_frozen_ms : __real_clock_monotonic_ms() + net_clock_ahead_ms;
}

int __real_event_base_loop(struct event_base *base, int flags);
int __wrap_event_base_loop(struct event_base *base, int flags);

/* Each turn calls it once. */
int __wrap_event_base_loop(struct event_base *base, int flags)
{
	net_turn_count++;
	return __real_event_base_loop(base, flags);
}

void net_setup(void)
{
	struct err err;

	net_loop = loop_new(&err);
	ck_assert_msg(net_loop != NULL, "%s", err.text);
}

void net_teardown(void)
{
	loop_free(&net_loop);
	ck_assert_ptr_null(net_loop);
}

void net_stop(void)
{
	loop_stop(net_loop);
}

static void on_deadline(struct loop_timer *timer)
{
	(void)timer;
	ck_abort_msg("still waiting for: %s", awaited_now);
}

void net_run(const char *awaited)
{
	awaited_now = awaited;
	loop_timer_start(net_loop, &deadline, DEADLINE_MS, on_deadline);
	loop_run(net_loop);
	loop_timer_stop(net_loop, &deadline);
}

static void stop_after_turn(struct loop_deferred *deferred)
{
	(void)deferred;
	net_stop();
}

void net_turns(unsigned count)
{
	struct loop_deferred deferred = { 0 };

	for (unsigned i = 0; i < count; i++) {
		loop_defer(net_loop, &deferred, stop_after_turn);
		loop_run(net_loop);
	}
	loop_defer_cancel(&deferred); /* somebody else may have ended the last turn */
}

static bool sentinel_fired;

static void on_sentinel(struct loop_timer *timer)
{
	(void)timer;
	sentinel_fired = true;
	net_stop();
}

void net_pass(uint64_t ms)
{
	struct loop_timer sentinel = { 0 };

	ck_assert(net_clock_frozen_ms && ms >= LOOP_TICK_MS);
	loop_timer_start(net_loop, &sentinel, 0, on_sentinel);
	net_clock_frozen_ms += ms;
	for (sentinel_fired = false; !sentinel_fired;)
		loop_run(net_loop);
}

static int listen_on_loopback(struct sockaddr_in *in)
{
	socklen_t len = sizeof(*in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(fd, (struct sockaddr *)in, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)in, &len), 0);
	return fd;
}

static void on_peer_readable(evutil_socket_t fd, short what, void *arg)
{
	struct net_peer *peer = arg;
	char bytes[16 * 1024];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)what;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		ck_assert(buf_add(&peer->got, bytes, (size_t)n));
	} else {
		peer->is_eof = n == 0;
		peer->error = n < 0 ? errno : 0;
		event_del(&peer->event);
	}
	net_stop();
}

int net_peer_connect(struct net_peer *peer)
{
	struct sockaddr_in in;
	int listening = listen_on_loopback(&in);
	int accepted;

	*peer = (struct net_peer){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	ck_assert_int_eq(connect(peer->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ge(accepted, 0);
	close(listening);
	ck_assert_int_eq(fcntl(peer->fd, F_SETFL, O_NONBLOCK), 0);
	return accepted;
}

void net_peer_read(struct net_peer *peer)
{
	peer->is_reading = true;
	event_assign(&peer->event, loop_base(net_loop), peer->fd, EV_READ | EV_PERSIST, on_peer_readable,
		     peer);
	ck_assert_int_eq(event_add(&peer->event, NULL), 0);
}

void net_peer_write(struct net_peer *peer, const char *text)
{
	size_t len = strlen(text);

	ck_assert_int_eq(send(peer->fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

void net_peer_close(struct net_peer *peer)
{
	if (peer->fd < 0)
		return;
	if (peer->is_reading)
		event_del(&peer->event);
	close(peer->fd);
	buf_fini(&peer->got);
	peer->fd = -1;
}

void net_peer_reset(struct net_peer *peer)
{
	struct linger at_once = { .l_onoff = 1 };

	ck_assert_int_eq(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	net_peer_close(peer);
}

void net_log_open(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(log_fd, 0);
	log_open(log_fd, LOG_LEVEL_DEBUG);
}

const char *net_log_text(void)
{
	static char text[64 * 1024];
	ssize_t n;

	log_flush();
	n = pread(log_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	return text;
}

unsigned net_log_count(const char *needle)
{
	unsigned count = 0;

	for (const char *at = net_log_text(); (at = strstr(at, needle)); at += strlen(needle))
		count++;
	return count;
}
