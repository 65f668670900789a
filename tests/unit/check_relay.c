/*
 * The relay backend against a next hop that the test speaks itself, word by word:
 * waiters that go away in each state, a backend that is freed too early, deadlines
 * without waiting for them, hosts that rest.
 */
#include "backend/relay.h"

#include "net_fixture.h"
#include "spool/disk.h"
#include "temp_dir.h"
#include "unit.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define GREETING "220 hop\r\n"
#define HELLO "250-hop\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n"

static struct temp_dir root;
static struct pool *disk;
static struct list relays;
static struct backend *backend;
static struct backend_transaction *transaction;
static struct backend_mail mail;
static struct smtp_address sender, anna, ben;
static struct backend_check check;
static struct backend_delivery delivery;
static struct op more;
static unsigned checks_done, deliveries_done, mores_done;
static struct spool_budget budget;
static struct spool spool;

/* The next hop. */
static int listening;
static struct sockaddr_in address;
static struct event accepting;
static struct net_peer hop;
static unsigned connections;

static void check_done(struct op *op)
{
	(void)op;
	checks_done++;
	net_stop();
}

static void deliver_done(struct op *op)
{
	(void)op;
	deliveries_done++;
	net_stop();
}

static void more_done(struct op *op)
{
	(void)op;
	mores_done++;
	net_stop();
}

/* One connection at a time is looked at: the last. */
static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)arg;
	if (connections++)
		net_peer_close(&hop);
	hop = (struct net_peer){ .fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) };
	ck_assert_int_ge(hop.fd, 0);
	net_peer_read(&hop);
	net_stop();
}

static void hop_listen(void)
{
	socklen_t len = sizeof(address);
	int yes = 1;

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	ck_assert_int_eq(listen(listening, 8), 0);
	event_assign(&accepting, loop_base(net_loop), listening, EV_READ | EV_PERSIST, on_connection, NULL);
	ck_assert_int_eq(event_add(&accepting, NULL), 0);
}

static void hop_unlisten(void)
{
	event_del(&accepting);
	close(listening);
	listening = -1;
}

static bool has_heard(const char *text)
{
	return memmem(buf_span(&hop.got).ptr, buf_len(&hop.got), text, strlen(text)) != NULL;
}

/* Wait until the hop has been told this, and forget all of it. */
static void hear(const char *text)
{
	NET_UNTIL(has_heard(text));
	buf_clear(&hop.got);
}

static void say(const char *text)
{
	net_peer_write(&hop, text);
}

static struct relay_options options_for(const struct endpoint *endpoint, bool is_lmtp)
{
	return (struct relay_options){
		.name = "hop", .is_lmtp = is_lmtp, .hosts = endpoint, .host_count = 1, .helo = "mx.example.org",
		.max_connections = 2, .idle_ms = 30000, .wait_ms = 60000, .connect_ms = 15000, .greeting_ms = 30000,
		.command_ms = 180000, .data_ms = 120000, .block_ms = 180000, .final_ms = 600000,
		.tls = RELAY_TLS_NEVER, .all = &relays, .loop = net_loop, .disk = disk,
	};
}

static void make_backend(bool is_lmtp)
{
	struct endpoint endpoint = { .kind = ENDPOINT_ADDR, .addr = { .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } } };
	struct relay_options options;
	struct err err = { .text = "" };

	endpoint.addr.port = ntohs(address.sin_port);
	options = options_for(&endpoint, is_lmtp);
	backend = backend_relay_new(&options, &err);
	ck_assert_msg(backend != NULL, "%s", err.text);
}

static void setup_with(bool is_lmtp)
{
	struct err err = { .text = "" };

	net_setup();
	temp_dir_init(&root);
	list_init(&relays);
	disk = pool_new(net_loop, "disk", 1, 8, &err);
	ck_assert_ptr_nonnull(disk);
	budget = (struct spool_budget){ .max_bytes = 1 << 20, .threshold_octets = 64 * 1024 };
	budget.disk = spool_disk_new(root.path, 1, disk, &err);
	ck_assert_msg(budget.disk != NULL, "%s", err.text);
	budget.disk->max_files = 8;
	spool_init(&spool, &budget);
	ck_assert(smtp_address_parse(&sender, SMTP_CHARSET_ASCII, span_str("s@example.net")));
	ck_assert(smtp_address_parse(&anna, SMTP_CHARSET_ASCII, span_str("anna@example.org")));
	ck_assert(smtp_address_parse(&ben, SMTP_CHARSET_ASCII, span_str("ben@example.org")));
	mail = (struct backend_mail){ .sender = &sender, .session_id = "s", .message_id = "s-1", .protocol = "ESMTP" };
	check.op.done = check_done;
	delivery.op.done = deliver_done;
	more.done = more_done;
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	hop.fd = -1;
	hop_listen();
	make_backend(is_lmtp);
}

static void setup_smtp(void)
{
	setup_with(false);
}

static void setup_lmtp(void)
{
	setup_with(true);
}

static void teardown(void)
{
	backend_transaction_free(&transaction);
	backend_delivery_fini(&delivery);
	spool_fini(&spool);
	backend_relay_abandon(&relays);
	pool_free(&disk);
	spool_disk_free(&budget.disk);
	backend_put(&backend);
	if (listening >= 0)
		hop_unlisten();
	net_peer_close(&hop);
	net_teardown();
	temp_dir_fini(&root);
}

/* ---- steps ---- */

static bool ask(const struct smtp_address *recipient)
{
	const struct backend_recipient r = { .address = recipient };

	return backend_check_start(transaction, &check, &mail, &r);
}

/* The hop is connected to, and told MAIL and the first RCPT. */
static void ask_first(void)
{
	unsigned before = connections;

	transaction = backend_transaction_new(backend, &mail);
	ck_assert_ptr_nonnull(transaction);
	ck_assert(ask(&anna));
	NET_UNTIL(connections > before);
	say(GREETING);
	NET_UNTIL(has_heard("LO mx.example.org\r\n"));
	buf_clear(&hop.got);
	say(HELLO);
	hear("RCPT TO:<anna@example.org>\r\n");
}

static void accept_first(void)
{
	unsigned before = checks_done;

	ask_first();
	say("250 ok\r\n250 ok\r\n");
	NET_UNTIL(checks_done > before);
	ck_assert_int_eq(check.answer.reply.code, 0);
}

static void accept_second(void)
{
	unsigned before = checks_done;

	ck_assert(ask(&ben));
	hear("RCPT TO:<ben@example.org>\r\n");
	say("250 ok\r\n");
	NET_UNTIL(checks_done > before);
}

static bool deliver(size_t recipients, struct spool *content)
{
	static const struct backend_recipient all[] = { { .address = &anna }, { .address = &ben } };
	const struct backend_message m = {
		.mail = &mail, .recipients = all, .recipient_count = recipients,
		.trace = SPAN_LITERAL("Received: x\n"), .spool = content,
	};

	return backend_deliver_start(transaction, &delivery, &m);
}

static void fill_spool(const char *line, size_t times)
{
	struct op op = { .done = more_done };

	for (size_t i = 0; i < times; i++) {
		switch (spool_append(&spool, span_str(line))) {
		case SPOOL_OK:
			break;
		case SPOOL_BUSY:
			if (spool_wait_start(&spool, &op))
				NET_UNTIL(!op_running(&op));
			break;
		default:
			ck_abort_msg("the spool failed: %s", spool.reason);
		}
	}
	if (spool_wait_start(&spool, &op))
		NET_UNTIL(!op_running(&op));
}

/* ---- a message ---- */

START_TEST(a_message_goes_out_stuffed_and_in_crlf)
{
	accept_first();
	fill_spool("Subject: x\n\n.dot\nlast\n", 1);
	ck_assert(deliver(1, &spool));
	hear("DATA\r\n");
	say("354 go\r\n");
	hear("Received: x\r\nSubject: x\r\n\r\n..dot\r\nlast\r\n.\r\n");
	ck_assert_uint_eq(deliveries_done, 0);
	say("250 2.0.0 taken\r\n");
	NET_UNTIL(deliveries_done == 1);
	ck_assert_int_eq(delivery.answer.reply.code, 0);
}
END_TEST

/* Bigger than memory may hold: it comes from a file, and no more of it is read than leaves. */
START_TEST(a_message_in_a_file_goes_out_whole)
{
	static const char line[] = "........ eighty octets of a line that is long enough to fill up a file in no time\n";
	enum { LINES = 6000 };
	size_t heard = 0;

	accept_first();
	fill_spool(line, LINES);
	ck_assert_ptr_nonnull(spool.file);
	ck_assert(deliver(1, &spool));
	hear("DATA\r\n");
	say("354 go\r\n");
	while (!has_heard("\r\n.\r\n")) {
		net_run("the end of data");
		if (buf_len(&hop.got) > 64 * 1024) { /* keep the end, which may be cut */
			heard += buf_len(&hop.got) - 8;
			buf_use(&hop.got, buf_len(&hop.got) - 8);
		}
	}
	heard += buf_len(&hop.got);
	/* A dot and a CR more for each line; then the trace and the end. */
	ck_assert_uint_eq(heard, LINES * (sizeof(line) + 1) + strlen("Received: x\r\n.\r\n"));
	say("250 ok\r\n");
	NET_UNTIL(deliveries_done == 1);
	ck_assert_uint_eq(delivery.octets, LINES * (sizeof(line) - 1) + strlen("Received: x\n"));
}
END_TEST

START_TEST(lmtp_tells_the_outcome_for_each_recipient)
{
	accept_first();
	accept_second();
	fill_spool("Subject: x\n\n", 1);
	ck_assert(deliver(2, &spool));
	hear("DATA\r\n");
	say("354 go\r\n");
	hear("\r\n.\r\n");
	say("250 ok\r\n452 4.2.2 full\r\n");
	NET_UNTIL(deliveries_done == 1);
	ck_assert_ptr_nonnull(delivery.each);
	ck_assert_int_eq(delivery.each[0].reply.code, 0);
	ck_assert_int_eq(delivery.each[1].reply.code, 452);
	ck_assert_str_eq(delivery.each[1].reply.status, "4.2.2");
}
END_TEST

/* What LMTP told before it was lost holds. */
START_TEST(lmtp_lost_between_two_outcomes_keeps_the_first)
{
	accept_first();
	accept_second();
	fill_spool("Subject: x\n\n", 1);
	ck_assert(deliver(2, &spool));
	hear("DATA\r\n");
	say("354 go\r\n");
	hear("\r\n.\r\n");
	say("250 ok\r\n");
	net_peer_close(&hop);
	NET_UNTIL(deliveries_done == 1);
	ck_assert_ptr_nonnull(delivery.each);
	ck_assert_int_eq(delivery.each[0].reply.code, 0);
	ck_assert_int_eq(delivery.each[1].reply.code, 451);
}
END_TEST

/* Then somebody would get what the client was told he does not, or the other way round. */
START_TEST(a_message_for_other_recipients_than_the_hop_accepted_is_refused)
{
	accept_first();
	fill_spool("Subject: x\n\n", 1);
	ck_assert(!deliver(2, &spool));
	ck_assert_int_eq(delivery.answer.reply.code, 451);
	hear("RSET\r\n");
}
END_TEST

/* ---- waiters that go away ---- */

START_TEST(a_check_that_is_cancelled_closes_the_hop)
{
	ask_first();
	op_cancel(&check.op);
	NET_UNTIL(hop.is_eof || hop.error);
	ck_assert(!ask(&ben));
	ck_assert_int_eq(check.answer.reply.code, 451);
}
END_TEST

START_TEST(a_check_that_waits_for_a_connection_may_be_cancelled)
{
	transaction = backend_transaction_new(backend, &mail);
	ck_assert(ask(&anna));
	net_turns(1); /* it is being made */
	op_cancel(&check.op);
	backend_transaction_free(&transaction);
	NET_UNTIL(connections == 1);
	say(GREETING);
	hear("EHLO mx.example.org\r\n");
	say(HELLO);
	net_turns(5);
	/* Nobody waits for it, so that the next one has it at once. */
	transaction = backend_transaction_new(backend, &mail);
	ck_assert(ask(&anna));
	hear("RCPT TO:<anna@example.org>\r\n");
	ck_assert_uint_eq(connections, 1);
}
END_TEST

START_TEST(a_transaction_that_is_left_gives_its_connection_back)
{
	accept_first();
	backend_transaction_free(&transaction);
	hear("RSET\r\n");
	say("250 ok\r\n");
	transaction = backend_transaction_new(backend, &mail);
	ck_assert(ask(&ben));
	hear("RCPT TO:<ben@example.org>\r\n");
	ck_assert_uint_eq(connections, 1);
}
END_TEST

START_TEST(a_delivery_goes_on_when_nobody_waits)
{
	accept_first();
	fill_spool("Subject: x\n\n", 1);
	ck_assert(deliver(1, &spool));
	op_cancel(&delivery.op);
	backend_transaction_free(&transaction);
	hear("DATA\r\n");
	say("354 go\r\n");
	hear("\r\n.\r\n");
	say("250 ok\r\n");
	transaction = backend_transaction_new(backend, &mail);
	ck_assert(ask(&ben));
	hear("RCPT TO:<ben@example.org>\r\n");
	ck_assert_uint_eq(connections, 1);
	ck_assert_uint_eq(deliveries_done, 0);
}
END_TEST

START_TEST(a_delivery_goes_on_when_its_backend_is_freed)
{
	accept_first();
	fill_spool("Subject: x\n\n", 1);
	ck_assert(deliver(1, &spool));
	op_cancel(&delivery.op);
	backend_transaction_free(&transaction);
	backend_put(&backend);
	ck_assert(!list_empty(&relays));
	hear("DATA\r\n");
	say("354 go\r\n");
	hear("\r\n.\r\n");
	say("250 ok\r\n");
	NET_UNTIL(hop.is_eof || hop.error);
	ck_assert(list_empty(&relays));
}
END_TEST

START_TEST(a_delivery_that_nobody_waits_for_is_given_up_at_the_end)
{
	accept_first();
	fill_spool("Subject: x\n\n", 1);
	ck_assert(deliver(1, &spool));
	op_cancel(&delivery.op);
	backend_transaction_free(&transaction);
	backend_relay_abandon(&relays);
	NET_UNTIL(hop.is_eof || hop.error);
	ck_assert(!has_heard("\r\n.\r\n"));
}
END_TEST

/* ---- streamed ---- */

static void begin_stream(void)
{
	static const struct backend_recipient all[] = { { .address = &anna } };
	const struct backend_message m = {
		.mail = &mail, .recipients = all, .recipient_count = 1, .trace = SPAN_LITERAL("Received: x\n"),
	};
	unsigned before;

	backend->streams = true;
	accept_first();
	before = checks_done;
	ck_assert(backend_stream_start(transaction, &check, &m));
	hear("DATA\r\n");
	say("354 go\r\n");
	NET_UNTIL(checks_done > before);
}

static void stream(const char *text)
{
	if (backend_stream(transaction, span_str(text), &more))
		NET_UNTIL(!op_running(&more));
}

START_TEST(streamed_content_arrives_as_it_comes)
{
	begin_stream();
	stream("Subject: x\n\n.fir");
	hear("Received: x\r\nSubject: x\r\n\r\n..fir");
	stream("st\nlast\n");
	hear("st\r\nlast\r\n");
	ck_assert(deliver(1, NULL));
	hear(".\r\n");
	say("250 ok\r\n");
	NET_UNTIL(deliveries_done == 1);
	ck_assert_int_eq(delivery.answer.reply.code, 0);
}
END_TEST

START_TEST(streamed_content_that_is_cut_off_has_no_final_dot)
{
	begin_stream();
	stream("Subject: x\n\nhalf\n");
	NET_UNTIL(has_heard("half"));
	backend_transaction_free(&transaction);
	NET_UNTIL(hop.is_eof || hop.error);
	ck_assert(!has_heard("\r\n.\r\n"));
}
END_TEST

START_TEST(a_lone_cr_ends_the_stream_and_is_told_at_the_end)
{
	begin_stream();
	stream("Subject: x\n\nb\rad\n");
	NET_UNTIL(hop.is_eof || hop.error);
	ck_assert(!has_heard("\r\n.\r\n"));
	stream("more\n");
	ck_assert(!deliver(1, NULL));
	ck_assert_int_eq(delivery.answer.reply.code, 554);
	ck_assert_str_eq(delivery.answer.reply.status, "5.6.0");
}
END_TEST

START_TEST(a_hop_that_reads_nothing_stops_the_stream)
{
	char block[16 * 1024];
	unsigned taken = 0;

	begin_stream();
	event_del(&hop.event);
	hop.is_reading = false;
	memset(block, 'x', sizeof(block) - 1);
	block[sizeof(block) - 1] = '\0';
	while (taken < 4096 && !backend_stream(transaction, span_str(block), &more)) {
		taken++;
		net_turns(2);
	}
	ck_assert_uint_lt(taken, 4096);
	net_turns(5);
	ck_assert(op_running(&more));
	net_peer_read(&hop);
	NET_UNTIL(!op_running(&more));
}
END_TEST

/* ---- time ---- */

enum moment { CONNECTED, GREETED, ASKED, DATA_SENT, CONTENT_SENT };

static const struct {
	const char *name;
	enum moment moment;
	uint64_t limit_ms;
} limits[] = {
	{ "greeting: timed out", CONNECTED, 30000 },   { "ehlo: timed out", GREETED, 30000 },
	{ "timed out", ASKED, 180000 },                { "data: timed out", DATA_SENT, 120000 },
	{ "timed out", CONTENT_SENT, 600000 },
};

static void come_to(enum moment moment)
{
	if (moment >= DATA_SENT) {
		accept_first();
		fill_spool("Subject: x\n\n", 1);
		ck_assert(deliver(1, &spool));
		hear("DATA\r\n");
		if (moment == CONTENT_SENT) {
			say("354 go\r\n");
			hear("\r\n.\r\n");
		}
	} else if (moment == ASKED) {
		ask_first();
	} else {
		transaction = backend_transaction_new(backend, &mail);
		ck_assert(ask(&anna));
		NET_UNTIL(connections == 1);
		net_turns(3);
		if (moment == GREETED) {
			say(GREETING);
			hear("EHLO mx.example.org\r\n");
		}
	}
}

START_TEST(a_silent_hop_is_left_when_its_time_is_up)
{
	bool is_delivering = limits[_i].moment >= DATA_SENT;
	const unsigned *done = is_delivering ? &deliveries_done : &checks_done;
	unsigned before;

	come_to(limits[_i].moment);
	before = *done;
	net_clock_ahead_ms += limits[_i].limit_ms - 5000;
	net_turns(20);
	ck_assert_uint_eq(*done, before);
	net_clock_ahead_ms += 6000;
	NET_UNTIL(*done > before);
	NET_UNTIL(hop.is_eof || hop.error);
	if (is_delivering) {
		ck_assert_int_eq(delivery.answer.reply.code, 451);
		ck_assert_msg(strstr(delivery.answer.detail, limits[_i].name) != NULL, "%s", delivery.answer.detail);
	} else {
		ck_assert_int_eq(check.answer.reply.code, 451);
		ck_assert_msg(strstr(check.answer.detail, limits[_i].name) != NULL, "%s", check.answer.detail);
	}
}
END_TEST

static void ask_in_vain(void)
{
	unsigned before = checks_done;

	transaction = backend_transaction_new(backend, &mail);
	ck_assert(ask(&anna));
	NET_UNTIL(checks_done > before);
	ck_assert_int_eq(check.answer.reply.code, 451);
	ck_assert(check.answer.is_down);
	backend_transaction_free(&transaction);
}

START_TEST(a_host_that_is_down_rests_longer_and_longer)
{
	static const uint64_t rests_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	char wanted[40];

	net_log_open();
	hop_unlisten();
	for (size_t i = 0; i < sizeof(rests_ms) / sizeof(*rests_ms); i++) {
		ask_in_vain();
		ask_in_vain(); /* not tried */
		ck_assert_uint_eq(net_log_count("hop_down"), i + 1);
		snprintf(wanted, sizeof(wanted), "rests_ms=%llu", (unsigned long long)rests_ms[i]);
		ck_assert_msg(net_log_count(wanted) > 0, "%s is not in\n%s", wanted, net_log_text());
		net_clock_ahead_ms += rests_ms[i];
	}
	hop_listen();
	accept_first();
	ck_assert_uint_eq(net_log_count("hop_up"), 1);
}
END_TEST

static void write_secret(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fchmod(fileno(out), 0600), 0);
	ck_assert_int_eq(fclose(out), 0);
}

START_TEST(a_relay_is_current_until_its_password_file_changes)
{
	struct endpoint endpoint = { .kind = ENDPOINT_ADDR, .addr = { .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } } };
	struct relay_options options = options_for(&endpoint, false);
	struct backend *b;
	struct err err;
	char path[300];

	snprintf(path, sizeof(path), "%s/password", root.path);
	write_secret(path, "one\n");
	options.user = "relay";
	options.password_file = path;
	b = backend_relay_new(&options, &err);
	ck_assert_msg(b != NULL, "%s", err.text);
	ck_assert(backend_relay_is_current(b, &options));
	write_secret(path, "another\n");
	ck_assert(!backend_relay_is_current(b, &options));
	backend_put(&b);
}
END_TEST

START_TEST(a_backend_goes_with_its_last_reference)
{
	struct backend *other = backend_get(backend);

	backend_put(&other);
	ck_assert_ptr_null(other);
	accept_first();
	ck_assert_uint_eq(connections, 1);
}
END_TEST

START_TEST(an_idle_connection_says_goodbye)
{
	accept_first();
	backend_transaction_free(&transaction);
	hear("RSET\r\n");
	say("250 ok\r\n");
	net_turns(3);
	net_clock_ahead_ms += 31000;
	hear("QUIT\r\n");
	say("221 bye\r\n");
	NET_UNTIL(hop.is_eof || hop.error);
}
END_TEST

static Suite *relay_suite(void)
{
	Suite *suite = suite_create("relay");
	TCase *smtp = tcase_create("smtp"), *lmtp = tcase_create("lmtp");

	tcase_add_checked_fixture(smtp, setup_smtp, teardown);
	tcase_add_checked_fixture(lmtp, setup_lmtp, teardown);
	tcase_set_timeout(smtp, 120);
	tcase_set_timeout(lmtp, 120);
	tcase_add_test(smtp, a_message_goes_out_stuffed_and_in_crlf);
	tcase_add_test(smtp, a_message_in_a_file_goes_out_whole);
	tcase_add_test(smtp, a_message_for_other_recipients_than_the_hop_accepted_is_refused);
	tcase_add_test(smtp, a_check_that_is_cancelled_closes_the_hop);
	tcase_add_test(smtp, a_check_that_waits_for_a_connection_may_be_cancelled);
	tcase_add_test(smtp, a_transaction_that_is_left_gives_its_connection_back);
	tcase_add_test(smtp, a_delivery_goes_on_when_nobody_waits);
	tcase_add_test(smtp, a_delivery_goes_on_when_its_backend_is_freed);
	tcase_add_test(smtp, a_delivery_that_nobody_waits_for_is_given_up_at_the_end);
	tcase_add_test(smtp, streamed_content_arrives_as_it_comes);
	tcase_add_test(smtp, streamed_content_that_is_cut_off_has_no_final_dot);
	tcase_add_test(smtp, a_lone_cr_ends_the_stream_and_is_told_at_the_end);
	tcase_add_test(smtp, a_hop_that_reads_nothing_stops_the_stream);
	ADD_ROWS(smtp, a_silent_hop_is_left_when_its_time_is_up, limits);
	tcase_add_test(smtp, a_host_that_is_down_rests_longer_and_longer);
	tcase_add_test(smtp, an_idle_connection_says_goodbye);
	tcase_add_test(smtp, a_relay_is_current_until_its_password_file_changes);
	tcase_add_test(smtp, a_backend_goes_with_its_last_reference);
	tcase_add_test(lmtp, lmtp_tells_the_outcome_for_each_recipient);
	tcase_add_test(lmtp, lmtp_lost_between_two_outcomes_keeps_the_first);
	suite_add_tcase(suite, smtp);
	suite_add_tcase(suite, lmtp);
	return suite;
}

int main(void)
{
	return unit_main(relay_suite());
}
