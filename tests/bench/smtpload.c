/*
 * Well-behaved SMTP clients on loopback: so many at a time send messages, for a
 * time or a count, steadily or as fast as the server goes; or so many stay idle
 * behind EHLO. Prints one line of JSON with rates and latencies. With --pace-ms
 * a transaction is timed from when it was due, so that a server that stalls
 * cannot hide it by holding up the load.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum step {
	STEP_PAUSE,    /* a message is due later */
	STEP_GREETING,
	STEP_EHLO,
	STEP_MAIL,     /* with --pipeline: the reply to MAIL of all three */
	STEP_RCPT,
	STEP_DATA,
	STEP_END,      /* the message itself */
	STEP_QUIT,
	STEP_GONE,     /* connects again when it is due */
};

struct client {
	int fd;              /* -1: not connected */
	enum step step;
	unsigned messages;   /* in this session so far */
	struct bench_reply reply;
	const char *out;     /* what is left to send */
	size_t out_left;
	uint64_t due_us;     /* the message, or the next try to connect */
	uint64_t sent_us;    /* the command whose reply is waited for */
	uint64_t begun_us;   /* the session */
};

static struct {
	unsigned port, clients, seconds, per_session, size, pace_ms, source, pid, idle;
	uint64_t count;      /* messages; 0: no end by count */
	const char *to;
	bool is_pipelined;
} wanted = {
	.clients = 20, .seconds = 10, .per_session = 100, .size = 4096, .source = 1, .to = "anna@example.org",
};

static char *message, *envelope, *rcpt;
static size_t message_len;
static int poller;
static uint64_t end_us, messages, sessions, failures, started;
static unsigned failed_codes[1000];
static struct bench_samples reply_us, end_of_data_us, transaction_us, session_us;
static struct client *clients;

static bool is_over(uint64_t now)
{
	return now >= end_us || (wanted.count && started >= wanted.count);
}

static void make_texts(void)
{
	static const char head[] = "From: <bench@example.net>\r\nSubject: load\r\n\r\n";
	size_t at = sizeof(head) - 1;

	message = malloc(at + wanted.size + 128);
	if (!message || asprintf(&rcpt, "RCPT TO:<%s>\r\n", wanted.to) < 0 ||
	    asprintf(&envelope, "MAIL FROM:<bench@example.net>\r\n%sDATA\r\n", rcpt) < 0)
		bench_die("out of memory");
	memcpy(message, head, at);
	while (at < wanted.size) {
		memset(message + at, 'x', 70);
		memcpy(message + at + 70, "\r\n", 2);
		at += 72;
	}
	memcpy(message + at, ".\r\n", 3);
	message_len = at + 3;
}

static void watch(struct client *c, int how, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	if (epoll_ctl(poller, how, c->fd, &event) < 0)
		bench_die("epoll_ctl: %s", strerror(errno));
}

static void leave(struct client *c, uint64_t now, uint64_t rest_us)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->step = STEP_GONE;
	c->due_us = now + rest_us;
}

static void fail(struct client *c, unsigned code, uint64_t now)
{
	failures++;
	failed_codes[code < 1000 ? code : 999]++;
	leave(c, now, 100 * 1000);
}

static void send_rest(struct client *c, uint64_t now)
{
	ssize_t n = send(c->fd, c->out, c->out_left, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		fail(c, 0, now);
		return;
	}
	if (n > 0) {
		c->out += n;
		c->out_left -= (size_t)n;
	}
	if (c->out_left || n < 0)
		watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void say(struct client *c, enum step step, const char *text, size_t len, uint64_t now)
{
	c->step = step;
	c->out = text;
	c->out_left = len;
	c->sent_us = now;
	send_rest(c, now);
}

static void say_text(struct client *c, enum step step, const char *text, uint64_t now)
{
	say(c, step, text, strlen(text), now);
}

static void enter(struct client *c, uint64_t now)
{
	c->fd = bench_connect(wanted.port, wanted.source, 0);
	c->reply = (struct bench_reply){ 0 };
	c->messages = 0;
	c->step = STEP_GREETING;
	c->begun_us = c->sent_us = now;
	if (c->fd < 0)
		fail(c, 0, now);
	else
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void begin_message(struct client *c, uint64_t now)
{
	/* Where the load is not paced, a message is due when it begins. */
	if (!wanted.pace_ms)
		c->due_us = now;
	c->messages++;
	started++;
	if (wanted.is_pipelined)
		say_text(c, STEP_MAIL, envelope, now);
	else
		say_text(c, STEP_MAIL, "MAIL FROM:<bench@example.net>\r\n", now);
}

/* Between two messages. */
static void go_on(struct client *c, uint64_t now)
{
	if (is_over(now) || c->messages >= wanted.per_session)
		say_text(c, STEP_QUIT, "QUIT\r\n", now);
	else if (wanted.pace_ms && c->due_us > now)
		c->step = STEP_PAUSE;
	else
		begin_message(c, now);
}

static void end_message(struct client *c, uint64_t now)
{
	messages++;
	bench_sample(&end_of_data_us, now - c->sent_us);
	bench_sample(&transaction_us, now - c->due_us);
	c->due_us += 1000ULL * wanted.pace_ms;
	go_on(c, now);
}

static bool is_expected(enum step step, unsigned code)
{
	static const unsigned codes[] = {
		[STEP_GREETING] = 220, [STEP_EHLO] = 250, [STEP_MAIL] = 250, [STEP_RCPT] = 250,
		[STEP_DATA] = 354, [STEP_END] = 250, [STEP_QUIT] = 221, [STEP_GONE] = 0,
	};

	return codes[step] == code;
}

static void take_reply(struct client *c, unsigned code, uint64_t now)
{
	if (!is_expected(c->step, code)) {
		fail(c, code, now);
		return;
	}
	if (c->step != STEP_END && c->step != STEP_GREETING)
		bench_sample(&reply_us, now - c->sent_us);
	switch (c->step) {
	case STEP_GREETING:
		say_text(c, STEP_EHLO, "EHLO bench.example.net\r\n", now);
		break;
	case STEP_EHLO:
		if (wanted.idle)
			c->step = STEP_PAUSE;
		else
			go_on(c, now);
		break;
	case STEP_MAIL:
		if (wanted.is_pipelined)
			c->step = STEP_RCPT;
		else
			say_text(c, STEP_RCPT, rcpt, now);
		break;
	case STEP_RCPT:
		if (wanted.is_pipelined)
			c->step = STEP_DATA;
		else
			say_text(c, STEP_DATA, "DATA\r\n", now);
		break;
	case STEP_DATA:
		say(c, STEP_END, message, message_len, now);
		break;
	case STEP_END:
		end_message(c, now);
		break;
	case STEP_QUIT:
		sessions++;
		bench_sample(&session_us, now - c->begun_us);
		leave(c, now, 0);
		break;
	case STEP_PAUSE:
	case STEP_GONE:
		break;
	}
}

static void take_input(struct client *c)
{
	char buffer[4096];
	ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
	uint64_t now = bench_now_us();
	unsigned code;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(c, 0, now);
		return;
	}
	for (ssize_t i = 0; i < n && c->fd >= 0; i++) {
		code = bench_reply_feed(&c->reply, buffer[i]);
		if (code)
			take_reply(c, code, now);
	}
}

static void look_at_clocks(uint64_t now)
{
	for (unsigned i = 0; i < wanted.clients; i++) {
		struct client *c = &clients[i];

		if (wanted.idle || c->due_us > now)
			continue;
		if (c->step == STEP_PAUSE)
			go_on(c, now);
		else if (c->step == STEP_GONE && !is_over(now)) {
			enter(c, now);
		}
	}
}

/* Milliseconds until a client is due; they are looked at after each wait anyway. */
static int until_due(uint64_t now)
{
	uint64_t first = now + 100 * 1000;

	for (unsigned i = 0; i < wanted.clients && !wanted.idle; i++)
		if ((clients[i].step == STEP_PAUSE || (clients[i].step == STEP_GONE && !is_over(now))) &&
		    clients[i].due_us < first)
			first = clients[i].due_us;
	return first > now ? (int)((first - now + 999) / 1000) : 0;
}

static void wait_and_handle(uint64_t now)
{
	struct epoll_event events[256];
	int n = epoll_wait(poller, events, 256, until_due(now));

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (c->fd >= 0 && (events[i].events & EPOLLOUT)) {
			watch(c, EPOLL_CTL_MOD, EPOLLIN);
			send_rest(c, bench_now_us());
		}
		if (c->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
			take_input(c);
	}
	look_at_clocks(bench_now_us());
}

static unsigned in_step(enum step step)
{
	unsigned n = 0;

	for (unsigned i = 0; i < wanted.clients; i++)
		n += clients[i].step == step;
	return n;
}

static void begin_clients(void)
{
	uint64_t now = bench_now_us();

	poller = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc(wanted.clients, sizeof(*clients));
	if (poller < 0 || !clients)
		bench_die("cannot begin: %s", strerror(errno));
	for (unsigned i = 0; i < wanted.clients; i++) {
		clients[i] = (struct client){ .fd = -1, .step = STEP_GONE };
		/* Spread over one beat, so that they do not all come at once. */
		clients[i].due_us = now + 1000ULL * wanted.pace_ms * i / wanted.clients;
	}
	end_us = now + 1000000ULL * wanted.seconds;
}

static void print_failures(void)
{
	const char *comma = "";

	printf("\"failures\":%llu,\"failed\":{", (unsigned long long)failures);
	for (unsigned code = 0; code < 1000; code++)
		if (failed_codes[code]) {
			printf("%s\"%03u\":%u", comma, code, failed_codes[code]);
			comma = ",";
		}
	printf("}");
}

static void run_load(void)
{
	uint64_t begin, now;
	double seconds;

	begin_clients();
	begin = now = bench_now_us();
	/* What has begun ends, but not at any price. */
	while (now < end_us + 30000000 && !(is_over(now) && in_step(STEP_GONE) == wanted.clients)) {
		wait_and_handle(now);
		now = bench_now_us();
	}
	seconds = (double)(now - begin) / 1e6;
	failures += wanted.clients - in_step(STEP_GONE);
	printf("{\"seconds\":%.3f,\"messages\":%llu,\"sessions\":%llu,", seconds,
	       (unsigned long long)messages, (unsigned long long)sessions);
	printf("\"messages_per_s\":%.1f,\"sessions_per_s\":%.1f,", (double)messages / seconds,
	       (double)sessions / seconds);
	print_failures();
	printf(",\"us\":{");
	bench_print_samples("reply", &reply_us);
	printf(",");
	bench_print_samples("end_of_data", &end_of_data_us);
	printf(",");
	bench_print_samples("transaction", &transaction_us);
	printf(",");
	bench_print_samples("session", &session_us);
	printf("}}\n");
}

/* Connect some at a time, so that the backlog does not decide; each from the next of a hundred addresses. */
static void run_idle(void)
{
	uint64_t before = wanted.pid ? bench_pss_kib(wanted.pid) : 0, after = 0, now;
	unsigned begun = 0;

	wanted.clients = wanted.idle;
	bench_want_descriptors(wanted.idle + 32ULL);
	begin_clients();
	now = bench_now_us();
	while (in_step(STEP_PAUSE) < wanted.idle && failures == 0 && now < end_us) {
		while (begun < wanted.idle && begun < in_step(STEP_PAUSE) + 200) {
			wanted.source = 2 + begun % 100;
			enter(&clients[begun++], now);
		}
		wait_and_handle(now);
		now = bench_now_us();
	}
	if (wanted.pid)
		after = bench_pss_kib(wanted.pid);
	printf("{\"held\":%u,\"pss_kib\":%llu,\"kib_each\":%.3f,", in_step(STEP_PAUSE),
	       (unsigned long long)(after - before), (double)(after - before) / wanted.idle);
	print_failures();
	printf("}\n");
}

static _Noreturn void usage(void)
{
	bench_die("usage: smtpload --port N [--clients N] [--seconds N] [--count N] [--messages N]\n"
		  "                [--size N] [--pace-ms N] [--pipeline] [--source N] [--to ADDRESS]\n"
		  "       smtpload --port N --idle N [--pid N] [--seconds N]\n"
		  "To 127.0.0.1 only. --messages: in a session; --source N: from 127.0.0.N");
}

static void read_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, NULL, 'p' },     { "clients", 1, NULL, 'c' }, { "seconds", 1, NULL, 's' },
		{ "count", 1, NULL, 'n' },    { "messages", 1, NULL, 'm' }, { "size", 1, NULL, 'z' },
		{ "pace-ms", 1, NULL, 'w' },  { "pipeline", 0, NULL, 'P' }, { "source", 1, NULL, 'f' },
		{ "to", 1, NULL, 't' },       { "idle", 1, NULL, 'i' },     { "pid", 1, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'p': wanted.port = bench_u32("--port", optarg, 1, 65535); break;
		case 'c': wanted.clients = bench_u32("--clients", optarg, 1, 10000); break;
		case 's': wanted.seconds = bench_u32("--seconds", optarg, 1, 600); break;
		case 'n': wanted.count = bench_u64("--count", optarg, 1, 10000000); break;
		case 'm': wanted.per_session = bench_u32("--messages", optarg, 1, 1000000); break;
		case 'z': wanted.size = bench_u32("--size", optarg, 64, 1 << 30); break;
		case 'w': wanted.pace_ms = bench_u32("--pace-ms", optarg, 0, 60000); break;
		case 'P': wanted.is_pipelined = true; break;
		case 'f': wanted.source = bench_u32("--source", optarg, 1, 254); break;
		case 't': wanted.to = optarg; break;
		case 'i': wanted.idle = bench_u32("--idle", optarg, 1, 60000); break;
		case 'd': wanted.pid = bench_u32("--pid", optarg, 1, UINT32_MAX); break;
		default: usage();
		}
	if (optind != argc || !wanted.port)
		usage();
}

int main(int argc, char **argv)
{
	read_arguments(argc, argv);
	make_texts();
	if (wanted.idle)
		run_idle();
	else
		run_load();
	return failures ? 1 : 0;
}
