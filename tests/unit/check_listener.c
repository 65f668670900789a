/*
 * Listening sockets: both families on one socket, what an accepted descriptor is
 * like, the end in the middle of accepting, and running out of descriptors.
 * accept4() is counted and can be made to fail.
 */
#include "base/log.h"
#include "net/listener.h"
#include "net/sockaddr.h"
#include "net_fixture.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANY = 40 };

static struct listener *listener;
static int accepted[MANY];
static struct addr peers[MANY];
static unsigned accepted_count;
static bool frees_listener; /* in the accept callback */
static unsigned accept_calls;
static int accept_fails_with; /* an errno */
static unsigned accept_failures;

int __real_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);

int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	accept_calls++;
	if (accept_failures > 0) {
		accept_failures--;
		errno = accept_fails_with;
		return -1;
	}
	return __real_accept4(fd, sa, len, flags);
}

static void on_accept(void *owner, int fd, const struct addr *peer)
{
	ck_assert_ptr_eq(owner, &listener);
	ck_assert_uint_lt(accepted_count, MANY);
	peers[accepted_count] = *peer;
	accepted[accepted_count++] = fd;
	if (frees_listener)
		listener_free(&listener);
	net_stop();
}

static bool try_listen(const char *where, bool is_v6_only, struct err *err)
{
	struct listener_options options = { .is_v6_only = is_v6_only, .backlog = MANY };

	ck_assert(addr_parse(&options.addr, span_str(where), err));
	listener = listener_new(net_loop, &options, on_accept, &listener, err);
	return listener != NULL;
}

static void listen_on(const char *where, bool is_v6_only)
{
	struct err err;

	ck_assert_msg(try_listen(where, is_v6_only, &err), "%s", err.text);
}

/* Returns the client's socket, or -1 when it was refused. */
static int try_connect(const char *ip)
{
	struct addr addr;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	ck_assert(addr_parse_ip(&addr, span_str(ip)));
	addr.port = listener_addr(listener)->port;
	len = sockaddr_from_addr(&ss, &addr);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	close(fd);
	return -1;
}

static int connect_to(const char *ip)
{
	int fd = try_connect(ip);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void teardown(void)
{
	listener_free(&listener);
	for (unsigned i = 0; i < accepted_count; i++)
		close(accepted[i]);
	net_teardown();
}

/* False, and said so, on a machine without IPv6. */
static bool has_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_there = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	if (!is_there)
		printf("no IPv6 here: skipped\n");
	return is_there;
}

static void assert_peer(unsigned index, const char *ip)
{
	char text[ADDR_TEXT_SIZE];

	ck_assert_str_eq(addr_format_ip(&peers[index], text), ip);
	ck_assert_uint_ne(peers[index].port, 0);
}

START_TEST(one_socket_accepts_both_families_and_folds_mapped_addresses)
{
	if (!has_ipv6())
		return;
	listen_on("[::]:0", false);
	ck_assert_uint_ne(listener_addr(listener)->port, 0);
	listener_start(listener);
	close(connect_to("127.0.0.1"));
	close(connect_to("::1"));
	NET_UNTIL(accepted_count == 2);
	assert_peer(0, "127.0.0.1");
	assert_peer(1, "::1");
}
END_TEST

START_TEST(v6_only_socket_refuses_ipv4)
{
	if (!has_ipv6())
		return;
	listen_on("[::]:0", true);
	listener_start(listener);
	ck_assert_int_eq(try_connect("127.0.0.1"), -1);
	close(connect_to("::1"));
	NET_UNTIL(accepted_count == 1);
}
END_TEST

START_TEST(ipv4_socket_listens_on_its_address)
{
	char text[ADDR_TEXT_SIZE];

	listen_on("127.0.0.1:0", false);
	ck_assert_str_eq(addr_format_ip(listener_addr(listener), text), "127.0.0.1");
	listener_start(listener);
	close(connect_to("127.0.0.1"));
	NET_UNTIL(accepted_count == 1);
	assert_peer(0, "127.0.0.1");
}
END_TEST

START_TEST(accepted_descriptor_is_ready_for_use)
{
	int no_delay = 0, send_bytes = 0;
	socklen_t len = sizeof(no_delay);

	listen_on("127.0.0.1:0", false);
	listener_start(listener);
	close(connect_to("127.0.0.1"));
	NET_UNTIL(accepted_count == 1);
	ck_assert(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(getsockopt(accepted[0], IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
	ck_assert_int_ne(no_delay, 0);
	ck_assert_int_eq(getsockopt(accepted[0], SOL_SOCKET, SO_SNDBUF, &send_bytes, &len), 0);
	ck_assert_int_eq(send_bytes, 2 * LISTENER_SEND_BUFFER_SIZE);
}
END_TEST

START_TEST(nothing_is_accepted_before_the_start)
{
	listen_on("127.0.0.1:0", false);
	close(connect_to("127.0.0.1"));
	net_turns(3);
	ck_assert_uint_eq(accept_calls, 0);
	listener_start(listener);
	NET_UNTIL(accepted_count == 1);
}
END_TEST

START_TEST(one_turn_accepts_several_but_not_all)
{
	listen_on("127.0.0.1:0", false);
	for (unsigned i = 0; i < MANY; i++)
		close(connect_to("127.0.0.1"));
	listener_start(listener);
	NET_UNTIL(accepted_count > 0);
	ck_assert_uint_eq(accepted_count, 16);
	NET_UNTIL(accepted_count == MANY);
	net_turns(2);
	ck_assert_uint_le(accept_calls, MANY + 1);
}
END_TEST

START_TEST(used_address_is_told_with_address_and_reason)
{
	struct listener *first;
	char where[ADDR_TEXT_SIZE];
	struct err err;

	listen_on("127.0.0.1:0", false);
	first = listener;
	addr_format(listener_addr(first), where);
	ck_assert(!try_listen(where, false, &err));
	ck_assert_ptr_nonnull(strstr(err.text, where));
	ck_assert_ptr_nonnull(strstr(err.text, strerror(EADDRINUSE)));
	listener_free(&first);
	ck_assert(try_listen(where, false, &err));
}
END_TEST

START_TEST(listener_may_be_freed_while_it_accepts)
{
	frees_listener = true;
	listen_on("127.0.0.1:0", false);
	close(connect_to("127.0.0.1"));
	close(connect_to("127.0.0.1"));
	listener_start(listener);
	NET_UNTIL(accepted_count);
	net_turns(2);
	ck_assert_uint_eq(accepted_count, 1);
	ck_assert_ptr_null(listener);
}
END_TEST

static const int peer_errors[] = { EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, ENETUNREACH };

START_TEST(connection_that_failed_early_does_not_hold_up_the_next)
{
	net_log_open();
	listen_on("127.0.0.1:0", false);
	close(connect_to("127.0.0.1"));
	accept_fails_with = peer_errors[_i];
	accept_failures = 2;
	listener_start(listener);
	NET_UNTIL(accepted_count == 1);
	ck_assert_str_eq(net_log_text(), "");
}
END_TEST

static const int shortages[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EIO };

START_TEST(shortage_pauses_and_is_logged_once_until_it_is_over)
{
	net_log_open();
	net_clock_frozen_ms = 1000000;
	listen_on("127.0.0.1:0", false);
	close(connect_to("127.0.0.1"));
	accept_fails_with = shortages[_i];
	accept_failures = 2;
	listener_start(listener);
	net_turns(5);
	ck_assert_uint_eq(accept_calls, 1);
	net_pass(900);
	net_turns(5);
	ck_assert_uint_eq(accept_calls, 1);
	net_pass(LOG_REPEAT_MS + 1000); /* nor is it the log that leaves out the second */
	net_turns(5);
	ck_assert_uint_eq(accept_calls, 2);
	ck_assert_uint_eq(net_log_count("limit what=descriptors"), 1);
	net_pass(1100);
	net_turns(5);
	ck_assert_uint_eq(accepted_count, 1);
	ck_assert_uint_eq(net_log_count("limit what=descriptors"), 2);
	ck_assert_uint_eq(net_log_count("state=over"), 1);
}
END_TEST

static int fillers[64];
static unsigned filler_count;

/* Leave the process no free descriptor. */
static void use_up_descriptors(void)
{
	struct rlimit limit;
	int fd = dup(0);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)fd + 8;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (; fd >= 0; fd = dup(0))
		fillers[filler_count++] = fd;
	ck_assert_int_eq(errno, EMFILE);
}

static void free_descriptors(void)
{
	while (filler_count)
		close(fillers[--filler_count]);
}

START_TEST(no_free_descriptor_neither_spins_nor_loses_the_client)
{
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len;

	net_log_open();
	net_clock_frozen_ms = 1000000;
	listen_on("127.0.0.1:0", false);
	listener_start(listener);
	net_turns(1);
	use_up_descriptors();
	len = sockaddr_from_addr(&ss, listener_addr(listener));
	ck_assert_int_eq(connect(client, (struct sockaddr *)&ss, len), 0);
	for (unsigned second = 1; second <= 3; second++) {
		net_turns(20);
		ck_assert_uint_eq(accept_calls, second);
		net_pass(1100);
	}
	free_descriptors();
	net_pass(1100);
	net_turns(2);
	ck_assert_uint_eq(accepted_count, 1);
	close(client);
}
END_TEST

START_TEST(paused_listener_can_be_freed)
{
	net_log_open();
	net_clock_frozen_ms = 1000000;
	listen_on("127.0.0.1:0", false);
	close(connect_to("127.0.0.1"));
	accept_fails_with = EMFILE;
	accept_failures = 1;
	listener_start(listener);
	net_turns(2);
	listener_free(&listener);
	net_turns(1);
	net_pass(2000);
	ck_assert_uint_eq(accept_calls, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tcase = tcase_create("listener");

	tcase_add_checked_fixture(tcase, net_setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, one_socket_accepts_both_families_and_folds_mapped_addresses);
	tcase_add_test(tcase, v6_only_socket_refuses_ipv4);
	tcase_add_test(tcase, ipv4_socket_listens_on_its_address);
	tcase_add_test(tcase, accepted_descriptor_is_ready_for_use);
	tcase_add_test(tcase, nothing_is_accepted_before_the_start);
	tcase_add_test(tcase, one_turn_accepts_several_but_not_all);
	tcase_add_test(tcase, used_address_is_told_with_address_and_reason);
	tcase_add_test(tcase, listener_may_be_freed_while_it_accepts);
	ADD_ROWS(tcase, connection_that_failed_early_does_not_hold_up_the_next, peer_errors);
	ADD_ROWS(tcase, shortage_pauses_and_is_logged_once_until_it_is_over, shortages);
	if (unit_limits_are_real())
		tcase_add_test(tcase, no_free_descriptor_neither_spins_nor_loses_the_client);
	tcase_add_test(tcase, paused_listener_can_be_freed);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
