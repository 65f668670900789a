/*
 * Rude SMTP clients on loopback: so many at a time behave badly in one way for
 * so many seconds, from several addresses 127.0.0.2 onwards. Whoever is closed
 * comes back after a rest. Prints one line of JSON that tells what became of
 * them: replies by their code, ends by the last code that came before, resets.
 *
 * A kind is a script, sent line by line as replies come, and what is done then.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum manner {
	IDLE,  /* nothing more */
	DRIP,  /* `text` over and over, a byte each beat */
	TICK,  /* `text` as a whole each beat */
	POUR,  /* `text` over and over, as fast as it goes */
	SHUT,  /* `text`, then no more to send, and never close */
	LEAVE, /* close: every other one with a reset. The deaf do not wait for the greeting */
};

struct kind {
	const char *name;
	const char *script;
	const char *text;  /* "": random bytes */
	const char *last;  /* sent behind --bytes of text; NULL: text has no end */
	enum manner manner;
	bool is_deaf;      /* does not read replies to what the manner sends */
	unsigned clients;  /* unless --clients tells */
};

#define TO_MAIL "EHLO rude.example.net\r\n"
#define TO_RCPT TO_MAIL "MAIL FROM:<rude@example.net>\r\n"
#define TO_DATA TO_RCPT "RCPT TO:<anna@example.org>\r\n"
#define TO_BODY TO_DATA "DATA\r\n"
#define LINE_OF_TEXT "A line of a message that is much like any other line of a message.\r\n"

static const struct kind kinds[] = {
	{ "idle", TO_MAIL, NULL, NULL, IDLE, false, 10000 },
	{ "silent", "", NULL, NULL, IDLE, false, 200 },
	{ "drip_helo", "", "EHLO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, DRIP, false, 200 },
	{ "drip_mail", TO_MAIL, "MAIL FROM:<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, DRIP, false, 200 },
	{ "drip_rcpt", TO_RCPT, "RCPT TO:<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, DRIP, false, 200 },
	{ "drip_data", TO_DATA, "DATA                                    ", NULL, DRIP, false, 200 },
	{ "drip_header", TO_BODY, "Subject: a\r\n", NULL, DRIP, false, 200 },
	{ "drip_body", TO_BODY "Subject: a\r\n\r\n", "drip\r\n", NULL, DRIP, false, 200 },
	{ "slow_noop", TO_MAIL, "NOOP\r\n", NULL, TICK, false, 200 },
	{ "endless_line", "", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL, POUR, false, 20 },
	{ "endless_header", TO_BODY, "X-Header: there are more of them to come\r\n", NULL, POUR, false, 20 },
	{ "endless_field", TO_BODY, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL, POUR, false, 20 },
	{ "endless_recipients", TO_RCPT, "RCPT TO:<anna@example.org>\r\n", NULL, POUR, false, 20 },
	{ "endless_noop", TO_MAIL, "NOOP\r\n", NULL, POUR, true, 20 },
	{ "eager_noop", TO_MAIL, "NOOP\r\n", NULL, POUR, false, 20 },
	{ "garbage", "", "", NULL, POUR, false, 20 },
	{ "connect_close", "", NULL, NULL, LEAVE, true, 20 },
	{ "greeting_close", "", NULL, NULL, LEAVE, false, 20 },
	{ "big_message", TO_BODY, LINE_OF_TEXT, ".\r\n", POUR, false, 4 },
	{ "half_closed", TO_MAIL, "MAIL FROM:<rude@exam", NULL, SHUT, false, 200 },
};

enum { CHUNK_SIZE = 64 * 1024, ADDRESSES_MAX = 200, DEAF_BUFFER = 4096 };

struct client {
	int fd;                /* -1: rests */
	const char *script;    /* what is left of it */
	bool is_acting;        /* the script is over */
	bool is_through;       /* with all that it has to send */
	struct bench_reply reply;
	unsigned last_code;
	uint64_t sent;         /* of the text */
	uint64_t due_us;       /* the next beat, or coming back */
};

static struct {
	const struct kind *kind;
	unsigned port, clients, seconds, addresses, beat_ms, rest_ms;
	uint64_t bytes;
} wanted = { .seconds = 10, .addresses = 50, .beat_ms = 1000, .rest_ms = 100, .bytes = 200ULL << 20 };

static char chunk[CHUNK_SIZE];
static size_t chunk_len, text_len;
static int poller;
static struct client *clients;
static uint64_t end_us, bytes_sent, connects, refused, resets, left;
static unsigned replies[1000], ends[1000];
static unsigned long long rounds;

static void make_chunk(void)
{
	const char *text = wanted.kind->text;

	text_len = text ? strlen(text) : 0;
	if (text && !text_len) {
		for (chunk_len = 0; chunk_len < CHUNK_SIZE; chunk_len += 256)
			if (getrandom(chunk + chunk_len, 256, 0) != 256)
				bench_die("getrandom: %s", strerror(errno));
		return;
	}
	while (text_len && chunk_len + text_len <= CHUNK_SIZE) {
		memcpy(chunk + chunk_len, text, text_len);
		chunk_len += text_len;
	}
}

static void watch(struct client *c, int how, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLRDHUP, .data.ptr = c };

	if (epoll_ctl(poller, how, c->fd, &event) < 0)
		bench_die("epoll_ctl: %s", strerror(errno));
}

static void rest(struct client *c, uint64_t now)
{
	close(c->fd);
	c->fd = -1;
	c->due_us = now + 1000ULL * wanted.rest_ms;
}

/* The server has closed, with or without a reset. */
static void end(struct client *c, bool is_reset, uint64_t now)
{
	ends[c->last_code]++;
	resets += is_reset;
	rest(c, now);
}

static void leave(struct client *c, uint64_t now)
{
	struct linger reset = { .l_onoff = 1 };

	if (++left % 2)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	c->fd = -1;
	c->due_us = now;
}

static void enter(struct client *c, uint64_t now)
{
	unsigned source = 2 + (unsigned)(c - clients) % wanted.addresses;

	*c = (struct client){ .script = wanted.kind->script, .due_us = now };
	c->fd = bench_connect(wanted.port, source, wanted.kind->is_deaf ? DEAF_BUFFER : 0);
	if (c->fd < 0) {
		refused++;
		c->due_us = now + 1000ULL * wanted.rest_ms;
		return;
	}
	connects++;
	if (wanted.kind->manner == LEAVE && wanted.kind->is_deaf)
		leave(c, now);
	else
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

/* False: it would block, or the connection has ended. */
static bool send_all(struct client *c, const char *bytes, size_t len, uint64_t now)
{
	ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

	if (n > 0)
		bytes_sent += (uint64_t)n;
	/* What the server said last is still to be read, if it is there; end() comes with that. */
	if (n < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET)
		end(c, false, now);
	return n == (ssize_t)len;
}

static void shut(struct client *c, uint64_t now)
{
	if (send_all(c, wanted.kind->text, text_len, now))
		shutdown(c->fd, SHUT_WR);
}

/* What comes next; nothing when the text that has an end is at it. Random bytes are other ones each time. */
static const char *next_bytes(const struct client *c, size_t *len)
{
	size_t offset;

	if (!text_len) {
		offset = (size_t)(++rounds * 7919 % (CHUNK_SIZE / 2));
		*len = chunk_len - offset;
		return chunk + offset;
	}
	offset = (size_t)(c->sent % text_len);
	*len = chunk_len - offset;
	if (wanted.kind->last && c->sent >= wanted.bytes)
		*len = offset ? text_len - offset : 0;
	return chunk + offset;
}

static void pour(struct client *c, uint64_t now)
{
	size_t len;
	const char *bytes = next_bytes(c, &len);
	ssize_t n;

	if (len == 0) {
		send_all(c, wanted.kind->last, strlen(wanted.kind->last), now);
		c->is_through = true;
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
		return;
	}
	n = send(c->fd, bytes, len, MSG_NOSIGNAL);
	if (n > 0) {
		bytes_sent += (uint64_t)n;
		c->sent += (uint64_t)n;
	}
}

static void beat(struct client *c, uint64_t now)
{
	const char *text = wanted.kind->text;

	if (wanted.kind->manner == DRIP)
		send_all(c, text + c->sent++ % text_len, 1, now);
	else
		send_all(c, text, text_len, now);
	c->due_us += 1000ULL * wanted.beat_ms;
}

static void act(struct client *c, uint64_t now)
{
	c->is_acting = true;
	switch (wanted.kind->manner) {
	case IDLE:
		break;
	case DRIP:
	case TICK:
		/* Spread over a beat. */
		c->due_us = now + 1000ULL * wanted.beat_ms * (unsigned)(c - clients) / wanted.clients;
		break;
	case POUR:
		watch(c, EPOLL_CTL_MOD, wanted.kind->is_deaf ? EPOLLOUT : EPOLLIN | EPOLLOUT);
		break;
	case SHUT:
		shut(c, now);
		break;
	case LEAVE:
		leave(c, now);
		break;
	}
}

static void next_line(struct client *c, uint64_t now)
{
	const char *line = c->script, *after = strstr(line, "\r\n");

	if (!after) {
		act(c, now);
		return;
	}
	c->script = after + 2;
	send_all(c, line, (size_t)(c->script - line), now);
	/* The begin of a message is not answered. */
	if (c->fd >= 0 && c->last_code == 354)
		next_line(c, now);
}

static void take_reply(struct client *c, unsigned code, uint64_t now)
{
	replies[code]++;
	c->last_code = code;
	if (c->is_through) {
		left++;
		rest(c, now);
	} else if (!c->is_acting && code < 400)
		next_line(c, now);
}

static void take_input(struct client *c, uint64_t now)
{
	char buffer[16 * 1024];
	ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
	unsigned code;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(c, n < 0, now);
		return;
	}
	for (ssize_t i = 0; i < n && c->fd >= 0; i++) {
		code = bench_reply_feed(&c->reply, buffer[i]);
		if (code)
			take_reply(c, code, now);
	}
}

/* The server is through with it: read what it said last. */
static void read_out(struct client *c, uint64_t now)
{
	for (unsigned i = 0; i < 1000 && c->fd >= 0; i++)
		take_input(c, now);
}

static void look_at_clocks(uint64_t now)
{
	for (unsigned i = 0; i < wanted.clients; i++) {
		struct client *c = &clients[i];

		if (c->due_us > now)
			continue;
		if (c->fd < 0)
			enter(c, now);
		else if (c->is_acting && (wanted.kind->manner == DRIP || wanted.kind->manner == TICK))
			beat(c, now);
	}
}

static void handle(struct client *c, uint32_t events, uint64_t now)
{
	if (c->fd < 0)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		read_out(c, now);
	else if (events & EPOLLIN)
		take_input(c, now);
	if (c->fd >= 0 && (events & EPOLLOUT) && c->is_acting && !c->is_through)
		pour(c, now);
}

static void run(void)
{
	struct epoll_event events[512];
	/* Of a flood all come again each millisecond. */
	int wait_ms = wanted.kind->manner == LEAVE ? 1 : 10;
	uint64_t now = bench_now_us(), looked_us = 0;

	for (unsigned i = 0; i < wanted.clients; i++)
		/* They come within a second. */
		clients[i] = (struct client){ .fd = -1, .due_us = now + 1000000ULL * i / wanted.clients };
	end_us = now + 1000000ULL * wanted.seconds;
	while (now < end_us) {
		int n = epoll_wait(poller, events, 512, wait_ms);

		now = bench_now_us();
		for (int i = 0; i < n; i++)
			handle(events[i].data.ptr, events[i].events, now);
		if (now - looked_us >= 1000ULL * (unsigned)wait_ms) {
			look_at_clocks(now);
			looked_us = now;
		}
	}
}

static void print_counts(const char *name, const unsigned *counts)
{
	const char *comma = "";

	printf("\"%s\":{", name);
	for (unsigned code = 0; code < 1000; code++)
		if (counts[code]) {
			printf("%s\"%03u\":%u", comma, code, counts[code]);
			comma = ",";
		}
	printf("}");
}

static void print_result(void)
{
	unsigned open = 0;

	for (unsigned i = 0; i < wanted.clients; i++)
		open += clients[i].fd >= 0;
	printf("{\"kind\":\"%s\",\"clients\":%u,\"connects\":%llu,\"refused\":%llu,\"bytes_sent\":%llu,"
	       "\"resets\":%llu,\"left\":%llu,\"open\":%u,", wanted.kind->name, wanted.clients,
	       (unsigned long long)connects, (unsigned long long)refused, (unsigned long long)bytes_sent,
	       (unsigned long long)resets, (unsigned long long)left, open);
	print_counts("replies", replies);
	printf(",");
	print_counts("ends", ends);
	printf("}\n");
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: rude --port N --kind KIND [--clients N] [--seconds N] [--addresses N]\n"
			"            [--beat-ms N] [--rest-ms N] [--bytes N]\n"
			"To 127.0.0.1 only. Kinds, and how many clients by default:\n");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		fprintf(stderr, "  %s %u\n", kinds[i].name, kinds[i].clients);
	exit(2);
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	usage();
}

static void read_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, NULL, 'p' },      { "kind", 1, NULL, 'k' },    { "clients", 1, NULL, 'c' },
		{ "seconds", 1, NULL, 's' },   { "addresses", 1, NULL, 'a' }, { "beat-ms", 1, NULL, 'b' },
		{ "rest-ms", 1, NULL, 'r' },   { "bytes", 1, NULL, 'n' },   { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'p': wanted.port = bench_u32("--port", optarg, 1, 65535); break;
		case 'k': wanted.kind = find_kind(optarg); break;
		case 'c': wanted.clients = bench_u32("--clients", optarg, 1, 60000); break;
		case 's': wanted.seconds = bench_u32("--seconds", optarg, 1, 600); break;
		case 'a': wanted.addresses = bench_u32("--addresses", optarg, 1, ADDRESSES_MAX); break;
		case 'b': wanted.beat_ms = bench_u32("--beat-ms", optarg, 1, 600000); break;
		case 'r': wanted.rest_ms = bench_u32("--rest-ms", optarg, 0, 600000); break;
		case 'n': wanted.bytes = bench_u64("--bytes", optarg, 1, 1ULL << 40); break;
		default: usage();
		}
	if (optind != argc || !wanted.port || !wanted.kind)
		usage();
	if (!wanted.clients)
		wanted.clients = wanted.kind->clients;
}

int main(int argc, char **argv)
{
	read_arguments(argc, argv);
	bench_want_descriptors(wanted.clients + 32ULL);
	make_chunk();
	poller = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc(wanted.clients, sizeof(*clients));
	if (poller < 0 || !clients)
		bench_die("cannot begin: %s", strerror(errno));
	run();
	print_result();
	return 0;
}
