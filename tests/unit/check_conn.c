/*
 * A connection over real sockets: what is offered when, the end of input, output
 * that does not fit, and the ways to close. recv() is counted, because idle and
 * held-up connections must not cost system calls.
 */
#include "net/conn.h"
#include "net_fixture.h"
#include "unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 16 * 1024 * 1024 };

/* The owner of the connection, and what it heard. */
static struct {
	struct conn *conn;
	struct buf used;
	size_t (*use)(struct span in); /* NULL: everything */
	void (*on_end)(void);          /* inside of input() for the end, writable() and lost() */
	unsigned inputs;               /* calls with bytes */
	unsigned ends;                 /* calls with is_eof */
	unsigned writables;
	unsigned losses;
	int error;
	size_t last_offered;
	uint64_t to_send, sent;
} owner;

static struct net_peer peer;
static unsigned recv_calls;
static int recv_fails_once_with;

ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags);

/* Only net/conn calls it here, the other end uses read(). */
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
	int error = recv_fails_once_with;

	recv_calls++;
	recv_fails_once_with = 0;
	if (error) {
		errno = error;
		return -1;
	}
	return __real_recv(fd, bytes, size, flags);
}

static size_t on_input(void *who, struct span in, bool is_eof)
{
	size_t used = in.len;

	ck_assert_ptr_eq(who, &owner);
	net_stop();
	owner.inputs += in.len > 0;
	owner.last_offered = in.len;
	if (is_eof) {
		ck_assert_uint_eq(in.len, 0);
		owner.ends++;
		if (owner.on_end)
			owner.on_end();
		return 0;
	}
	if (owner.use)
		used = owner.use(in);
	ck_assert(buf_add(&owner.used, in.ptr, used));
	return used;
}

static void on_writable(void *who)
{
	(void)who;
	net_stop();
	owner.writables++;
	if (owner.on_end)
		owner.on_end();
}

static void on_lost(void *who, int error)
{
	(void)who;
	net_stop();
	owner.losses++;
	owner.error = error;
	if (owner.on_end)
		owner.on_end();
}

static const struct conn_ops ops = { .input = on_input, .writable = on_writable, .lost = on_lost };

static void setup(void)
{
	struct addr from = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 }, .port = 1025 };

	net_setup();
	owner.conn = conn_new(net_loop, net_peer_connect(&peer), &from, &ops, &owner);
	ck_assert_ptr_nonnull(owner.conn);
	recv_calls = 0;
}

static void teardown(void)
{
	conn_close(&owner.conn);
	net_peer_close(&peer);
	buf_fini(&owner.used);
	net_teardown();
}

static void send_all(const char *text)
{
	size_t sent;
	int error;

	ck_assert(conn_send(owner.conn, span_str(text), &sent, &error));
	ck_assert_uint_eq(sent, strlen(text));
}

static size_t use_nothing(struct span in)
{
	(void)in;
	return 0;
}

static size_t use_three(struct span in)
{
	return in.len < 3 ? in.len : 3;
}

static size_t use_three_and_resume(struct span in)
{
	conn_resume(owner.conn);
	return use_three(in);
}

static size_t close_inside(struct span in)
{
	conn_close(&owner.conn);
	return use_three(in);
}

static size_t linger_inside(struct span in)
{
	send_all("221 bye\r\n");
	conn_linger(&owner.conn);
	return use_three(in);
}

static void close_owner(void)
{
	conn_close(&owner.conn);
}

START_TEST(idle_connection_costs_no_reads)
{
	net_turns(5);
	ck_assert_uint_eq(recv_calls, 0);
	ck_assert_uint_eq(owner.inputs, 0);
	ck_assert_uint_eq(conn_peer(owner.conn)->port, 1025);
}
END_TEST

START_TEST(input_is_offered_with_one_read_per_wake_up)
{
	net_peer_write(&peer, "EHLO a\r\n");
	NET_UNTIL(owner.inputs == 1);
	ck_assert_uint_eq(recv_calls, 1);
	ASSERT_BUF_EQ(&owner.used, "EHLO a\r\n");
	ck_assert_uint_eq(conn_bytes_in(owner.conn), 8);
	net_turns(3);
	ck_assert_uint_eq(recv_calls, 1);
}
END_TEST

START_TEST(read_max_bounds_what_is_offered_at_once)
{
	conn_set_read_max(owner.conn, 5);
	net_peer_write(&peer, "0123456789ab");
	NET_UNTIL(buf_len(&owner.used) == 12);
	ck_assert_uint_eq(owner.inputs, 3);
	ASSERT_BUF_EQ(&owner.used, "0123456789ab");
}
END_TEST

static const char *lent;

static size_t use_three_of_what_is_lent(struct span in)
{
	lent = in.ptr;
	return use_three(in);
}

START_TEST(input_that_was_used_is_overwritten_where_it_may_be_secret)
{
	conn_set_wiping(owner.conn, true);
	owner.use = use_three_of_what_is_lent;
	net_peer_write(&peer, "secret");
	NET_UNTIL(owner.inputs == 1);
	ck_assert_mem_eq(lent, "\0\0\0\0\0\0", 6);
	conn_resume(owner.conn);
	NET_UNTIL(owner.inputs == 2);
	ASSERT_BUF_EQ(&owner.used, "secret");
}
END_TEST

START_TEST(unused_input_waits_for_resume_without_reads)
{
	owner.use = use_three;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	net_turns(3);
	for (unsigned i = 0; i < 5; i++) {
		net_peer_write(&peer, "abc");
		net_turns(2);
	}
	ck_assert_uint_eq(owner.inputs, 1);
	ck_assert_uint_eq(recv_calls, 1);
	conn_resume(owner.conn);
	ck_assert_uint_eq(owner.inputs, 1); /* not from inside of the call */
	NET_UNTIL(owner.inputs == 2);
	ASSERT_BUF_EQ(&owner.used, "012345");
	owner.use = NULL;
	NET_UNTIL(buf_len(&owner.used) == 21);
	ASSERT_BUF_EQ(&owner.used, "012345abcabcabcabcabc");
}
END_TEST

static bool is_time_over;

static void on_time_over(struct loop_timer *timer)
{
	(void)timer;
	is_time_over = true;
	net_stop();
}

START_TEST(held_up_connection_does_not_wake_the_loop)
{
	struct loop_timer timer = { 0 };
	unsigned before;

	owner.use = use_nothing;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	net_peer_write(&peer, "more");
	before = net_turn_count;
	loop_timer_start(net_loop, &timer, 3 * LOOP_TICK_MS, on_time_over);
	NET_UNTIL(is_time_over);
	ck_assert_uint_le(net_turn_count - before, 20); /* ticks; a few come twice */
}
END_TEST

START_TEST(input_left_twice_is_not_offered_without_a_second_resume)
{
	owner.use = use_nothing;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	conn_resume(owner.conn);
	conn_resume(owner.conn);
	NET_UNTIL(owner.inputs == 2);
	net_turns(5);
	ck_assert_uint_eq(owner.inputs, 2);
	ck_assert_uint_eq(owner.last_offered, 6);
}
END_TEST

START_TEST(resume_inside_of_input_offers_the_rest_once_per_turn)
{
	owner.use = use_three_and_resume;
	net_peer_write(&peer, "0123456789");
	NET_UNTIL(owner.inputs);
	ck_assert_uint_eq(owner.inputs, 2); /* one with the turn's events, one at its end */
	net_turns(1);
	ck_assert_uint_eq(owner.inputs, 3);
	NET_UNTIL(buf_len(&owner.used) == 10);
	ck_assert_uint_eq(owner.inputs, 4);
	ck_assert_uint_eq(recv_calls, 1);
	net_peer_write(&peer, "ab");
	NET_UNTIL(owner.inputs == 5);
	ASSERT_BUF_EQ(&owner.used, "0123456789ab");
}
END_TEST

START_TEST(resume_with_nothing_kept_does_nothing)
{
	conn_resume(owner.conn);
	net_turns(2);
	ck_assert_uint_eq(owner.inputs, 0);
	ck_assert_uint_eq(recv_calls, 0);
}
END_TEST

START_TEST(end_of_input_is_told_once)
{
	net_peer_write(&peer, "QUIT\r\n");
	ck_assert_int_eq(shutdown(peer.fd, SHUT_WR), 0);
	NET_UNTIL(owner.ends == 1);
	ASSERT_BUF_EQ(&owner.used, "QUIT\r\n");
	conn_resume(owner.conn);
	net_turns(5);
	ck_assert_uint_eq(owner.ends, 1);
	ck_assert_uint_eq(recv_calls, 2);
	ck_assert_uint_eq(owner.losses, 0);
}
END_TEST

START_TEST(end_of_input_comes_after_all_kept_bytes)
{
	owner.use = use_three;
	net_peer_write(&peer, "012345");
	ck_assert_int_eq(shutdown(peer.fd, SHUT_WR), 0);
	NET_UNTIL(owner.inputs == 1);
	net_turns(5);
	ck_assert_uint_eq(owner.ends, 0);
	conn_resume(owner.conn);
	NET_UNTIL(owner.ends == 1);
	ASSERT_BUF_EQ(&owner.used, "012345");
}
END_TEST

START_TEST(replies_can_still_be_sent_after_the_end_of_input)
{
	net_peer_read(&peer);
	ck_assert_int_eq(shutdown(peer.fd, SHUT_WR), 0);
	NET_UNTIL(owner.ends == 1);
	send_all("221 bye\r\n");
	conn_linger(&owner.conn); /* the peer has ended already, so that this closes at once */
	NET_UNTIL(peer.is_eof);
	ASSERT_BUF_EQ(&peer.got, "221 bye\r\n");
	ck_assert_uint_eq(recv_calls, 1);
}
END_TEST

START_TEST(interrupted_and_empty_reads_are_tried_again)
{
	static const int errors[] = { EINTR, EAGAIN };

	recv_fails_once_with = errors[_i];
	net_peer_write(&peer, "NOOP\r\n");
	NET_UNTIL(owner.inputs == 1);
	ck_assert_uint_eq(recv_calls, 2);
	ck_assert_uint_eq(owner.losses, 0);
}
END_TEST

START_TEST(reset_by_peer_is_told_once_as_lost)
{
	net_turns(1);
	net_peer_reset(&peer);
	NET_UNTIL(owner.losses == 1);
	ck_assert_int_eq(owner.error, ECONNRESET);
	net_turns(3);
	ck_assert_uint_eq(owner.losses, 1);
	ck_assert_uint_eq(owner.ends, 0);
	conn_linger(&owner.conn); /* nobody is there to linger for */
}
END_TEST

START_TEST(sending_to_a_peer_that_is_gone_fails_without_a_signal)
{
	bool is_sent = true;
	size_t sent;
	int error = 0;

	net_peer_reset(&peer);
	for (unsigned i = 0; i < 2 && is_sent; i++)
		is_sent = conn_send(owner.conn, SPAN_LITERAL("250 ok\r\n"), &sent, &error);
	ck_assert(!is_sent);
	ck_assert(error == EPIPE || error == ECONNRESET);
}
END_TEST

static char big[64 * 1024];

/* Send numbered bytes until it would block or all is out. */
static void send_more(void)
{
	while (owner.sent < owner.to_send) {
		size_t sent;
		int error;

		for (size_t i = 0; i < sizeof(big); i++)
			big[i] = (char)((owner.sent + i) % 251);
		ck_assert(conn_send(owner.conn, span_of(big, sizeof(big)), &sent, &error));
		owner.sent += sent;
		if (sent < sizeof(big))
			break;
	}
}

START_TEST(output_that_does_not_fit_goes_on_when_the_peer_reads)
{
	owner.on_end = send_more;
	owner.to_send = BIG;
	send_more();
	ck_assert_uint_lt(owner.sent, BIG);
	net_turns(5);
	ck_assert_uint_eq(owner.writables, 0);
	net_peer_read(&peer);
	NET_UNTIL(buf_len(&peer.got) >= BIG);
	ck_assert_uint_gt(owner.writables, 0);
	ck_assert_uint_eq(conn_bytes_out(owner.conn), owner.sent);
	for (size_t i = 0; i < BIG; i++)
		if (buf_span(&peer.got).ptr[i] != (char)(i % 251))
			ck_abort_msg("byte %zu is not what was sent", i);
}
END_TEST

START_TEST(writable_is_told_once_and_only_when_asked_for)
{
	owner.to_send = BIG;
	send_more();
	net_peer_read(&peer);
	NET_UNTIL(owner.writables == 1);
	NET_UNTIL(buf_len(&peer.got) == owner.sent);
	net_turns(3);
	ck_assert_uint_eq(owner.writables, 1);
	net_peer_write(&peer, "NOOP\r\n"); /* and reading goes on as before */
	NET_UNTIL(owner.inputs == 1);
	send_all("250 ok\r\n");
	net_turns(3);
	ck_assert_uint_eq(owner.writables, 1);
}
END_TEST

START_TEST(held_up_both_ways_hears_of_a_reset_by_writable)
{
	owner.use = use_nothing;
	owner.to_send = BIG;
	send_more();
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	net_peer_write(&peer, "012345");
	net_turns(3);
	net_peer_reset(&peer);
	owner.on_end = close_owner;
	NET_UNTIL(owner.conn == NULL);
	ck_assert_uint_eq(owner.writables + owner.losses, 1);
}
END_TEST

/* Whether more has come meanwhile, which stays in the kernel, or not. */
START_TEST(reset_while_input_is_kept_is_told)
{
	owner.use = use_nothing;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	if (_i) {
		net_peer_write(&peer, "more");
		net_turns(3);
	}
	ck_assert_uint_eq(owner.losses, 0);
	net_peer_reset(&peer);
	NET_UNTIL(owner.losses == 1);
	ck_assert_int_eq(owner.error, ECONNRESET);
	net_turns(3);
	ck_assert_uint_eq(owner.losses, 1);
	ck_assert_uint_eq(owner.inputs, 1);
}
END_TEST

START_TEST(what_was_held_goes_on_behind_the_watch_for_a_reset)
{
	owner.use = use_nothing;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	net_peer_write(&peer, "678");
	net_turns(3);
	/* Output that does not fit, and its end. */
	owner.to_send = BIG;
	send_more();
	net_peer_read(&peer);
	NET_UNTIL(owner.writables == 1);
	owner.use = NULL;
	conn_resume(owner.conn);
	NET_UNTIL(buf_len(&owner.used) == 9);
	ASSERT_BUF_EQ(&owner.used, "012345678");
	net_peer_write(&peer, "9");
	NET_UNTIL(buf_len(&owner.used) == 10);
	ck_assert_uint_eq(owner.losses, 0);
}
END_TEST

/* All is in the kernel already, so that no further edge will tell of what a small read leaves there. */
START_TEST(bytes_that_came_during_the_watch_are_read_however_little_at_once)
{
	owner.use = use_nothing;
	net_peer_write(&peer, "0");
	NET_UNTIL(owner.inputs == 1);
	net_peer_write(&peer, "123456789");
	net_turns(3);
	conn_set_read_max(owner.conn, 2);
	owner.use = NULL;
	conn_resume(owner.conn);
	NET_UNTIL(buf_len(&owner.used) == 10);
	ASSERT_BUF_EQ(&owner.used, "0123456789");
}
END_TEST

START_TEST(no_callback_after_close_inside_of_input)
{
	owner.use = close_inside;
	net_peer_write(&peer, "012345");
	ck_assert_int_eq(shutdown(peer.fd, SHUT_WR), 0);
	NET_UNTIL(owner.inputs == 1);
	net_turns(3);
	ck_assert_uint_eq(owner.inputs, 1);
	ck_assert_uint_eq(owner.ends, 0);
}
END_TEST

START_TEST(no_callback_after_close_inside_of_kept_input)
{
	owner.use = use_three;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	owner.use = close_inside;
	conn_resume(owner.conn);
	NET_UNTIL(owner.inputs == 2);
	net_turns(3);
	ck_assert_uint_eq(owner.inputs, 2);
	ASSERT_BUF_EQ(&owner.used, "012345");
}
END_TEST

START_TEST(no_callback_after_close_with_a_resume_under_way)
{
	owner.use = use_three;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	conn_resume(owner.conn);
	conn_close(&owner.conn);
	conn_close(&owner.conn);
	net_turns(3);
	ck_assert_uint_eq(owner.inputs, 1);
}
END_TEST

static void linger_owner(void)
{
	conn_linger(&owner.conn);
}

static void (*const ways_to_end[])(void) = { close_owner, linger_owner };

/* Readable and writable in the same wake-up: the owner ends it in the first of the two callbacks. */
START_TEST(no_input_after_an_end_inside_of_writable)
{
	owner.to_send = BIG;
	send_more();
	net_turns(1);
	net_peer_write(&peer, "012345");
	owner.on_end = ways_to_end[_i];
	while (read(peer.fd, big, sizeof(big)) > 0)
		;
	NET_UNTIL(owner.conn == NULL);
	net_turns(2);
	ck_assert_uint_eq(owner.inputs, 0);
	ck_assert_int_eq(recv_calls > 0, ways_to_end[_i] == linger_owner); /* which goes on discarding */
	ck_assert_uint_eq(owner.writables, 1);
}
END_TEST

START_TEST(close_inside_of_lost_is_the_end)
{
	owner.on_end = close_owner;
	net_turns(1);
	net_peer_reset(&peer);
	NET_UNTIL(owner.losses == 1);
	ck_assert_ptr_null(owner.conn);
	net_turns(2);
}
END_TEST

/* RFC 1122 4.2.2.13: closing with unread input resets, and a reset may overtake the reply. */
START_TEST(linger_delivers_the_last_reply_despite_unread_input)
{
	owner.use = linger_inside;
	conn_set_read_max(owner.conn, 8);
	net_peer_write(&peer, "0123456789 and more that nobody reads\r\n");
	NET_UNTIL(owner.inputs == 1);
	for (unsigned i = 0; i < 5; i++) {
		net_peer_write(&peer, "still more\r\n");
		net_turns(2);
	}
	net_peer_read(&peer);
	NET_UNTIL(peer.is_eof || peer.error);
	ck_assert_int_eq(peer.error, 0);
	ASSERT_BUF_EQ(&peer.got, "221 bye\r\n");
	ck_assert_uint_eq(owner.inputs, 1);
}
END_TEST

START_TEST(close_with_unread_input_resets)
{
	owner.use = use_nothing;
	conn_set_read_max(owner.conn, 8);
	net_peer_write(&peer, "0123456789 and more that nobody reads\r\n");
	NET_UNTIL(owner.inputs == 1);
	conn_close(&owner.conn);
	net_peer_read(&peer);
	NET_UNTIL(peer.is_eof || peer.error);
	ck_assert_int_eq(peer.error, ECONNRESET);
}
END_TEST

/* Write until the other side has closed; false when it still takes more than `most` bytes. */
static bool is_cut_off_within(size_t most)
{
	for (size_t written = 0; written <= most;) {
		ssize_t n = send(peer.fd, big, 4096, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return true;
		written += n > 0 ? (size_t)n : 0;
		net_turns(1);
	}
	return false;
}

START_TEST(linger_discards_a_bounded_number_of_bytes)
{
	conn_linger(&owner.conn);
	ck_assert(is_cut_off_within(256 * 1024));
	ck_assert_uint_ge(recv_calls, 4);
	ck_assert_uint_eq(owner.inputs, 0);
}
END_TEST

START_TEST(linger_ends_when_its_time_is_over)
{
	net_clock_frozen_ms = loop_now_ms(net_loop);
	conn_linger(&owner.conn);
	for (unsigned i = 0; i < 3; i++) {
		net_pass(600);
		ck_assert_int_eq(send(peer.fd, "x", 1, MSG_NOSIGNAL), 1);
	}
	net_pass(300);
	send(peer.fd, "x", 1, MSG_NOSIGNAL); /* answered with a reset */
	ck_assert_int_eq(send(peer.fd, "x", 1, MSG_NOSIGNAL), -1);
}
END_TEST

START_TEST(linger_with_a_resume_under_way_offers_nothing)
{
	owner.use = use_three;
	net_peer_write(&peer, "012345");
	NET_UNTIL(owner.inputs == 1);
	conn_resume(owner.conn);
	conn_linger(&owner.conn);
	net_turns(3);
	ck_assert_uint_eq(owner.inputs, 1);
}
END_TEST

/* The sanitizer tells when its memory is lost; the peer, when its descriptor is. */
START_TEST(lingering_connection_ends_with_the_loop)
{
	char byte;

	conn_linger(&owner.conn);
	net_turns(1);
	loop_free(&net_loop);
	ck_assert_int_eq(read(peer.fd, &byte, 1), 0);
	send(peer.fd, "x", 1, MSG_NOSIGNAL);
	ck_assert_int_eq(send(peer.fd, "x", 1, MSG_NOSIGNAL), -1);
}
END_TEST

static TCase *input_cases(void)
{
	TCase *input = tcase_create("input");

	tcase_add_checked_fixture(input, setup, teardown);
	tcase_set_timeout(input, 60);
	tcase_add_test(input, idle_connection_costs_no_reads);
	tcase_add_test(input, input_is_offered_with_one_read_per_wake_up);
	tcase_add_test(input, read_max_bounds_what_is_offered_at_once);
	tcase_add_test(input, input_that_was_used_is_overwritten_where_it_may_be_secret);
	tcase_add_test(input, unused_input_waits_for_resume_without_reads);
	tcase_add_test(input, held_up_connection_does_not_wake_the_loop);
	tcase_add_test(input, input_left_twice_is_not_offered_without_a_second_resume);
	tcase_add_test(input, resume_inside_of_input_offers_the_rest_once_per_turn);
	tcase_add_test(input, resume_with_nothing_kept_does_nothing);
	tcase_add_test(input, end_of_input_is_told_once);
	tcase_add_test(input, end_of_input_comes_after_all_kept_bytes);
	tcase_add_test(input, replies_can_still_be_sent_after_the_end_of_input);
	tcase_add_loop_test(input, interrupted_and_empty_reads_are_tried_again, 0, 2);
	tcase_add_test(input, reset_by_peer_is_told_once_as_lost);
	return input;
}

static TCase *output_cases(void)
{
	TCase *output = tcase_create("output");

	tcase_add_checked_fixture(output, setup, teardown);
	tcase_set_timeout(output, 60);
	tcase_add_test(output, sending_to_a_peer_that_is_gone_fails_without_a_signal);
	tcase_add_test(output, output_that_does_not_fit_goes_on_when_the_peer_reads);
	tcase_add_test(output, writable_is_told_once_and_only_when_asked_for);
	tcase_add_test(output, held_up_both_ways_hears_of_a_reset_by_writable);
	tcase_add_loop_test(output, reset_while_input_is_kept_is_told, 0, 2);
	tcase_add_test(output, what_was_held_goes_on_behind_the_watch_for_a_reset);
	tcase_add_test(output, bytes_that_came_during_the_watch_are_read_however_little_at_once);
	return output;
}

static TCase *end_cases(void)
{
	TCase *end = tcase_create("end");

	tcase_add_checked_fixture(end, setup, teardown);
	tcase_set_timeout(end, 60);
	tcase_add_test(end, no_callback_after_close_inside_of_input);
	tcase_add_test(end, no_callback_after_close_inside_of_kept_input);
	tcase_add_test(end, no_callback_after_close_with_a_resume_under_way);
	ADD_ROWS(end, no_input_after_an_end_inside_of_writable, ways_to_end);
	tcase_add_test(end, close_inside_of_lost_is_the_end);
	tcase_add_test(end, linger_delivers_the_last_reply_despite_unread_input);
	tcase_add_test(end, close_with_unread_input_resets);
	tcase_add_test(end, linger_discards_a_bounded_number_of_bytes);
	tcase_add_test(end, linger_ends_when_its_time_is_over);
	tcase_add_test(end, linger_with_a_resume_under_way_offers_nothing);
	tcase_add_test(end, lingering_connection_ends_with_the_loop);
	return end;
}

int main(void)
{
	Suite *suite = suite_create("conn");

	suite_add_tcase(suite, input_cases());
	suite_add_tcase(suite, output_cases());
	suite_add_tcase(suite, end_cases());
	return unit_main(suite);
}
