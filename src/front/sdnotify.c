#include "front/sdnotify.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	STATUS_MS = 5 * 1000,
	OWED_MS = 200, /* until what is owed is tried again */
	/* While deliveries end: longer than until the next time. */
	MORE_TIME_US = 30 * 1000 * 1000,
	TEXT_SIZE = 1024,
};

struct sdnotify {
	struct server *server;
	int fd; /* connected; -1: nobody is to be told */
	struct loop_timer timer;
	uint64_t period_ms;    /* of the timer */
	bool has_watchdog;
	bool is_stopping;
	bool owes_state;       /* what we are could not be told: the socket was full */
	uint64_t status_due_ms;
	char trouble[256];     /* why the last reload failed; "": it did not */
};

/* False: it would have had to wait. Whoever does not listen at all is not told, either. */
static bool send_text(const struct sdnotify *n, const char *text)
{
	return n->fd < 0 || send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS);
}

/* A line of the status, with live numbers. No byte of peers is in it. */
static void format_status(const struct sdnotify *n, char *text, size_t size)
{
	const struct server *s = n->server;

	snprintf(text, size, "STATUS=%s%u of %u sessions, %llu messages accepted%s%s\n",
		 n->is_stopping ? "stopping: " : "", (unsigned)s->session_count, (unsigned)s->max_sessions,
		 (unsigned long long)s->accepted, n->trouble[0] ? "; last reload failed: " : "", n->trouble);
}

static bool send_with_status(const struct sdnotify *n, const char *lead)
{
	char status[TEXT_SIZE / 2], text[TEXT_SIZE];

	format_status(n, status, sizeof(status));
	snprintf(text, sizeof(text), "%s%s", lead, status);
	return send_text(n, text);
}

/* Where this got lost, the start or a reload would never be over for systemd, and it would end us. */
static void send_state(struct sdnotify *n)
{
	char lead[64];

	snprintf(lead, sizeof(lead), "READY=1\nMAINPID=%ld\n", (long)getpid());
	n->owes_state = !send_with_status(n, n->is_stopping ? "STOPPING=1\n" : lead);
}

static void beat(struct loop_timer *timer);

static void schedule(struct sdnotify *n)
{
	uint64_t wait_ms = n->owes_state && n->period_ms > OWED_MS ? OWED_MS : n->period_ms;

	if (n->fd >= 0)
		loop_timer_start(n->server->loop, &n->timer, wait_ms, beat);
}

/* The loop has come around: this is what a watchdog is for. */
static void beat(struct loop_timer *timer)
{
	struct sdnotify *n = LIST_OWNER(timer, struct sdnotify, timer);
	struct loop *loop = n->server->loop;
	char lead[128];

	if (n->owes_state)
		send_state(n);
	if (n->has_watchdog)
		(void)send_text(n, "WATCHDOG=1\n");
	if (loop_now_ms(loop) >= n->status_due_ms) {
		n->status_due_ms = loop_now_ms(loop) + STATUS_MS;
		snprintf(lead, sizeof(lead), "EXTEND_TIMEOUT_USEC=%d\n", MORE_TIME_US);
		(void)send_with_status(n, n->is_stopping ? lead : "");
	}
	schedule(n);
}

/* A path, or behind "@" a name in the abstract namespace. */
static bool connect_to(int fd, const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(addr.sun_path))
		return err_set(err, "NOTIFY_SOCKET=%.100s is no path of a socket", path);
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	if (connect(fd, (struct sockaddr *)&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return err_set_errno(err, "NOTIFY_SOCKET=%.100s", path);
	return true;
}

static bool open_socket(struct sdnotify *n, struct err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || !*path)
		return true;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		return err_set_errno(err, "cannot make a socket for NOTIFY_SOCKET");
	return connect_to(n->fd, path, err);
}

/* Three times in each period that systemd grants, as sd_watchdog_enabled(3) wants twice at least. */
static bool read_watchdog(struct sdnotify *n, struct err *err)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long period = 0;
	char *end = NULL;

	n->period_ms = STATUS_MS;
	if (!usec || n->fd < 0 || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return true;
	errno = 0;
	period = *usec >= '0' && *usec <= '9' ? strtoull(usec, &end, 10) : 0;
	if (period == 0 || errno || *end)
		return err_set(err, "WATCHDOG_USEC=%.30s is no time", usec);
	n->has_watchdog = true;
	if (period / 3000 < n->period_ms)
		n->period_ms = period / 3000;
	if (n->period_ms <= LOOP_TICK_MS)
		return err_set(err, "WATCHDOG_USEC=%.30s is less than the loop can keep up with", usec);
	/* A timer may be late by a tick. */
	n->period_ms -= LOOP_TICK_MS;
	return true;
}

struct sdnotify *sdnotify_new(struct server *server, struct err *err)
{
	struct sdnotify *n = calloc(1, sizeof(*n));
	bool ok;

	if (!n) {
		err_set(err, "out of memory");
		return NULL;
	}
	n->server = server;
	n->fd = -1;
	ok = open_socket(n, err) && read_watchdog(n, err);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (!ok)
		sdnotify_free(&n);
	return n;
}

void sdnotify_free(struct sdnotify **notify)
{
	struct sdnotify *n = *notify;

	*notify = NULL;
	if (!n)
		return;
	loop_timer_stop(n->server->loop, &n->timer);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}

void sdnotify_ready(struct sdnotify *n)
{
	send_state(n);
	schedule(n);
}

void sdnotify_reloading(struct sdnotify *n)
{
	char text[128];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu\n",
		 (unsigned long long)clock_monotonic_ms() * 1000);
	(void)send_text(n, text);
}

void sdnotify_reloaded(struct sdnotify *n, const char *failed)
{
	snprintf(n->trouble, sizeof(n->trouble), "%s", failed ? failed : "");
	for (char *c = n->trouble; *c; c++)
		if (*c == '\n')
			*c = ' ';
	send_state(n);
	if (n->owes_state) /* otherwise reloads could put the watchdog off for good */
		schedule(n);
}

void sdnotify_stopping(struct sdnotify *n)
{
	n->is_stopping = true;
	send_state(n);
	if (n->owes_state)
		schedule(n);
}
