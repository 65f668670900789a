#include "net/dial.h"

#include "net/conn.h"
#include "net_fixture.h"
#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The linker's --wrap puts this before the C library: what a name means is the test's to say. */
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);

static struct addrinfo canned[4];
static struct sockaddr_in canned_addrs[4];
static size_t canned_count;
static bool is_held;
static sem_t hold;

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found)
{
	(void)name;
	(void)service;
	(void)hints;
	if (is_held)
		sem_wait(&hold);
	*found = canned;
	return canned_count ? 0 : EAI_NONAME;
}

void __wrap_freeaddrinfo(struct addrinfo *found)
{
	(void)found;
}

/* 127.0.0.n */
static void can(unsigned n)
{
	struct sockaddr_in *in = &canned_addrs[canned_count];
	struct addrinfo *ai = &canned[canned_count];

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000 + n) };
	*ai = (struct addrinfo){ .ai_addr = (struct sockaddr *)in, .ai_addrlen = sizeof(*in) };
	if (canned_count++ > 0)
		canned[canned_count - 2].ai_next = ai;
}

static struct pool *resolver;
static struct dial dial;
static bool is_done;

static void on_done(struct op *op)
{
	ck_assert_ptr_eq(op, &dial.op);
	is_done = true;
	net_stop();
}

static void setup(void)
{
	net_setup();
	resolver = pool_new(net_loop, "resolve", 1, 0, NULL);
	ck_assert_ptr_nonnull(resolver);
	sem_init(&hold, 0, 0);
	dial = (struct dial){ .op.done = on_done };
}

static void teardown(void)
{
	pool_free(&resolver);
	net_teardown();
}

/* 127.0.0.n, on the port that is given, or on any when it is 0; returns the port. */
static int listen_on(unsigned n, uint16_t *port, int backlog)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(*port),
				  .sin_addr.s_addr = htonl(0x7f000000 + n) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

/* A listener whose queue is full: the kernel drops who comes, and answers nothing. */
struct black_hole {
	int listening, waiting[8];
};

static void black_hole_open(struct black_hole *hole, unsigned n, uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000 + n) };

	hole->listening = listen_on(n, port, 0);
	in.sin_port = htons(*port);
	for (size_t i = 0; i < 8; i++) {
		hole->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(hole->waiting[i], 0);
		if (connect(hole->waiting[i], (struct sockaddr *)&in, sizeof(in)) < 0)
			ck_assert_int_eq(errno, EINPROGRESS);
	}
}

static void black_hole_close(struct black_hole *hole)
{
	for (size_t i = 0; i < 8; i++)
		close(hole->waiting[i]);
	close(hole->listening);
}

static struct endpoint endpoint_at(const char *host, uint16_t port)
{
	struct endpoint to;
	struct err err;

	ck_assert_msg(endpoint_parse(&to, span_str(host), port, &err), "%s", err.text);
	return to;
}

static void dial_to(const char *host, uint16_t port, uint64_t timeout_ms)
{
	struct endpoint to = endpoint_at(host, port);

	is_done = false;
	dial_start(&dial, net_loop, resolver, &to, timeout_ms);
	ck_assert(!is_done);
}

static void dial_and_wait(const char *host, uint16_t port)
{
	dial_to(host, port, 30000);
	NET_UNTIL(is_done);
}

static void assert_failed(int error, const char *failure)
{
	ck_assert_int_eq(dial.fd, -1);
	ck_assert_int_eq(dial.error, error);
	ck_assert_msg(strstr(dial.failure, failure) != NULL, "%s", dial.failure);
}

/* What is connected can be talked through, without blocking. */
static void assert_connected(int listening)
{
	int accepted;
	char byte;

	ck_assert_msg(dial.fd >= 0, "%s", dial.failure);
	ck_assert(fcntl(dial.fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(dial.fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_str_eq(dial.failure, "");
	accepted = accept(listening, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
	ck_assert_int_eq(write(dial.fd, "x", 1), 1);
	ck_assert_int_eq(read(accepted, &byte, 1), 1);
	close(accepted);
	close(dial.fd);
}

START_TEST(an_address_is_reached)
{
	char text[ADDR_TEXT_SIZE], expected[ADDR_TEXT_SIZE];
	uint16_t port = 0;
	int listening = listen_on(1, &port, 1);

	dial_and_wait("127.0.0.1", port);
	assert_connected(listening);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u", port);
	ck_assert_str_eq(addr_format(&dial.addr, text), expected);
	close(listening);
}
END_TEST

START_TEST(nobody_there_is_refused)
{
	uint16_t port = 0;
	int listening = listen_on(1, &port, 1);

	close(listening);
	dial_and_wait("127.0.0.1", port);
	assert_failed(ECONNREFUSED, "127.0.0.1:");
	assert_failed(ECONNREFUSED, ": Connection refused");
	ck_assert(!dial.is_timeout);
}
END_TEST

static struct temp_dir dir;
static char path[sizeof(dir.path) + 2];

/* A directory, and a name in it. */
static void make_path(void)
{
	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/s", dir.path);
	ck_assert_uint_le(strlen(path), ENDPOINT_PATH_MAX);
}

static int listen_on_path(int backlog)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, path, strlen(path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

START_TEST(a_unix_socket_is_reached_and_has_no_address)
{
	int listening;

	make_path();
	dial_and_wait(path, 0);
	assert_failed(ENOENT, "/s: No such file or directory");
	listening = listen_on_path(1);
	dial_and_wait(path, 0);
	assert_connected(listening);
	ck_assert_int_eq(dial.addr.family, ADDR_NONE);
	close(listening);
	dial_and_wait(path, 0);
	assert_failed(ECONNREFUSED, "unix:/");
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(a_unix_socket_whose_queue_is_full_fails_at_once)
{
	int listening, waiting;

	make_path();
	listening = listen_on_path(0);
	dial_and_wait(path, 0);
	waiting = dial.fd;
	ck_assert_int_ge(waiting, 0);
	dial_and_wait(path, 0);
	assert_failed(EAGAIN, "temporarily unavailable");
	close(waiting);
	close(listening);
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(the_addresses_of_a_name_are_tried_in_order)
{
	char text[ADDR_TEXT_SIZE];
	uint16_t port = 0;
	int second = listen_on(2, &port, 1), third = listen_on(3, &port, 1);

	can(1);
	can(2);
	can(3);
	dial_and_wait("mx.example.org", port);
	assert_connected(second);
	ck_assert_int_eq(strncmp(addr_format(&dial.addr, text), "127.0.0.2:", 10), 0);
	close(second);
	close(third);
}
END_TEST

START_TEST(when_all_addresses_fail_the_last_is_told)
{
	uint16_t port = 0;
	int listening = listen_on(1, &port, 1);

	close(listening);
	can(1);
	can(2);
	dial_and_wait("mx.example.org", port);
	assert_failed(ECONNREFUSED, "127.0.0.2:");
}
END_TEST

START_TEST(a_name_without_address_is_told)
{
	dial_and_wait("mx.example.org", 25);
	assert_failed(0, "mx.example.org: Name or service not known");
	ck_assert(dial.resolve.is_permanent);
}
END_TEST

START_TEST(an_address_that_never_answers_ends_by_the_deadline)
{
	struct black_hole hole;
	uint16_t port = 0;

	net_clock_frozen_ms = 1000000;
	black_hole_open(&hole, 1, &port);
	dial_to("127.0.0.1", port, 5000);
	net_pass(4900);
	ck_assert(!is_done);
	net_pass(200);
	NET_UNTIL(is_done);
	assert_failed(ETIMEDOUT, "Connection timed out");
	ck_assert(dial.is_timeout);
	black_hole_close(&hole);
}
END_TEST

/* Half of the time for each of two. */
START_TEST(an_address_that_never_answers_leaves_time_for_the_next)
{
	struct black_hole hole;
	uint16_t port = 0;
	int second;

	net_clock_frozen_ms = 1000000;
	black_hole_open(&hole, 1, &port);
	second = listen_on(2, &port, 1);
	can(1);
	can(2);
	dial_to("mx.example.org", port, 10000);
	while (dial.next == 0)
		net_turns(1);
	net_pass(4800);
	ck_assert_uint_eq(dial.next, 1);
	net_pass(400);
	NET_UNTIL(is_done);
	assert_connected(second);
	black_hole_close(&hole);
	close(second);
}
END_TEST

START_TEST(a_name_that_is_never_looked_up_ends_by_the_deadline)
{
	is_held = true;
	net_clock_frozen_ms = 1000000;
	dial_to("mx.example.org", 25, 3000);
	net_pass(2800);
	ck_assert(!is_done);
	net_pass(400);
	NET_UNTIL(is_done);
	assert_failed(ETIMEDOUT, "mx.example.org:25: the name was not looked up in time");
	ck_assert(dial.is_timeout);
	sem_post(&hold);
}
END_TEST

/* The only thread is busy, and nothing may wait. */
START_TEST(a_full_resolver_is_told)
{
	struct resolve busy = { .op.done = on_done };

	is_held = true;
	ck_assert(resolve_start(&busy, resolver, "a.example.org", 25));
	dial_and_wait("mx.example.org", 25);
	assert_failed(0, "too many names are being looked up");
	op_cancel(&busy.op);
	sem_post(&hold);
}
END_TEST

static void never(struct op *op)
{
	(void)op;
	ck_abort_msg("done() of what was cancelled");
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* The descriptors and jobs of what was cancelled are gone, and its memory may be. */
static void dial_and_cancel(const struct endpoint *to, bool is_connected)
{
	struct dial *gone = calloc(1, sizeof(*gone));
	int before = count_fds();

	gone->op.done = never;
	dial_start(gone, net_loop, resolver, to, 30000);
	ck_assert_int_eq(gone->fd >= 0, is_connected);
	op_cancel(&gone->op);
	ck_assert(!op_running(&gone->op));
	free(gone);
	while (pool_pending(resolver) > 0)
		net_turns(1);
	ck_assert_int_eq(count_fds(), before);
}

START_TEST(a_waiter_may_go_at_any_time)
{
	struct black_hole hole;
	uint16_t port = 0;
	struct endpoint named, silent, near;
	int listening;

	make_path();
	listening = listen_on_path(1);
	black_hole_open(&hole, 1, &port);
	can(1);
	named = endpoint_at("mx.example.org", port);
	silent = endpoint_at("127.0.0.1", port);
	near = endpoint_at(path, 0);
	ck_assert_uint_eq(pool_pending(resolver), 0);
	dial_and_wait(path, 0); /* the loop has its descriptors now */
	close(dial.fd);
	close(accept(listening, NULL, NULL));
	is_held = true;
	sem_post(&hold);
	dial_and_cancel(&named, false);
	dial_and_cancel(&silent, false);
	dial_and_cancel(&near, true);
	black_hole_close(&hole);
	close(listening);
	temp_dir_fini(&dir);
}
END_TEST

/* ---- a connection made so is one like others ---- */

static size_t on_input(void *owner, struct span in, bool is_eof)
{
	(void)is_eof;
	ck_assert(buf_add_span(owner, in));
	net_stop();
	return in.len;
}

static void on_writable(void *owner)
{
	(void)owner;
}

static void on_lost(void *owner, int error)
{
	(void)owner;
	ck_abort_msg("lost: %s", strerror(error));
}

static void on_secured(void *owner)
{
	(void)owner;
}

START_TEST(bytes_pass_over_a_unix_socket)
{
	static const struct conn_ops ops = { on_input, on_writable, on_lost, on_secured };
	char bytes[8];
	struct buf got = { 0 };
	int listening, accepted, error;
	struct conn *c;
	size_t sent;

	make_path();
	listening = listen_on_path(1);
	dial_and_wait(path, 0);
	c = conn_new(net_loop, dial.fd, &dial.addr, &ops, &got);
	ck_assert_ptr_nonnull(c);
	accepted = accept(listening, NULL, NULL);
	ck_assert(conn_send(c, SPAN_LITERAL("LHLO x\r\n"), &sent, &error));
	ck_assert_int_eq(read(accepted, bytes, sizeof(bytes)), 8);
	ck_assert_int_eq(write(accepted, "250 x\r\n", 7), 7);
	NET_UNTIL(buf_len(&got) == 7);
	conn_close(&c);
	ck_assert_int_eq(read(accepted, bytes, sizeof(bytes)), 0);
	buf_fini(&got);
	close(accepted);
	close(listening);
	temp_dir_fini(&dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dial");
	TCase *tcase = tcase_create("dial");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_address_is_reached);
	tcase_add_test(tcase, nobody_there_is_refused);
	tcase_add_test(tcase, a_unix_socket_is_reached_and_has_no_address);
	tcase_add_test(tcase, a_unix_socket_whose_queue_is_full_fails_at_once);
	tcase_add_test(tcase, the_addresses_of_a_name_are_tried_in_order);
	tcase_add_test(tcase, when_all_addresses_fail_the_last_is_told);
	tcase_add_test(tcase, a_name_without_address_is_told);
	tcase_add_test(tcase, an_address_that_never_answers_ends_by_the_deadline);
	tcase_add_test(tcase, an_address_that_never_answers_leaves_time_for_the_next);
	tcase_add_test(tcase, a_name_that_is_never_looked_up_ends_by_the_deadline);
	tcase_add_test(tcase, a_full_resolver_is_told);
	tcase_add_test(tcase, a_waiter_may_go_at_any_time);
	tcase_add_test(tcase, bytes_pass_over_a_unix_socket);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
