/*
 * TLS clients on loopback, one after the other: a full TLS 1.3 handshake each,
 * bare, or behind STARTTLS with one message sent through it. With --hold they
 * all stay until standard input ends. Prints one line of JSON; --pid names the
 * server, whose CPU seconds and memory (PSS) are then told.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum { PEER_S = 10, SOURCES = 100, MESSAGE_SIZE = 1024 };

struct peer {
	SSL *ssl;
	int fd;
	bool is_secured;
};

static struct {
	unsigned port, count, pid;
	bool is_starttls, is_held;
	const char *to;
} wanted = { .count = 1000, .to = "anna@example.org" };

static char message[MESSAGE_SIZE + 16], *rcpt;
static SSL_CTX *tls;

static void connect_peer(struct peer *p, unsigned source)
{
	const struct timeval deadline = { .tv_sec = PEER_S };
	struct pollfd wait = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	p->fd = wait.fd = bench_connect(wanted.port, source, 0);
	if (p->fd < 0 || poll(&wait, 1, PEER_S * 1000) != 1 ||
	    getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		bench_die("cannot connect: %s", strerror(error ? error : errno));
	if (fcntl(p->fd, F_SETFL, 0) < 0 ||
	    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)) < 0)
		bench_die("cannot connect: %s", strerror(errno));
}

static void shake_hands(struct peer *p)
{
	p->ssl = SSL_new(tls);
	if (!p->ssl || SSL_set_fd(p->ssl, p->fd) != 1 || SSL_connect(p->ssl) != 1 ||
	    SSL_session_reused(p->ssl))
		bench_die("a handshake failed");
	p->is_secured = true;
}

static int read_some(struct peer *p, char *buffer, int size)
{
	return p->is_secured ? SSL_read(p->ssl, buffer, size) : (int)recv(p->fd, buffer, (size_t)size, 0);
}

static int write_all(struct peer *p, const char *text, size_t len)
{
	return p->is_secured ? SSL_write(p->ssl, text, (int)len) : (int)send(p->fd, text, len, MSG_NOSIGNAL);
}

/* Say it and wait for this reply; NULL: only wait. */
static void talk(struct peer *p, const char *text, unsigned expected)
{
	struct bench_reply reply = { 0 };
	char buffer[1024];
	unsigned code = 0;
	int n;

	if (text && write_all(p, text, strlen(text)) != (int)strlen(text))
		bench_die("cannot send");
	while (!code) {
		n = read_some(p, buffer, sizeof(buffer));
		if (n <= 0)
			bench_die("closed where %u was due", expected);
		for (int i = 0; i < n && !code; i++)
			code = bench_reply_feed(&reply, buffer[i]);
	}
	if (code != expected)
		bench_die("%u where %u was due", code, expected);
}

static void start_tls(struct peer *p)
{
	talk(p, NULL, 220);
	talk(p, "EHLO bench.example.net\r\n", 250);
	talk(p, "STARTTLS\r\n", 220);
	shake_hands(p);
	talk(p, "EHLO bench.example.net\r\n", 250);
}

static void send_message(struct peer *p)
{
	talk(p, "MAIL FROM:<bench@example.net>\r\n", 250);
	talk(p, rcpt, 250);
	talk(p, "DATA\r\n", 354);
	talk(p, message, 250);
	talk(p, "QUIT\r\n", 221);
}

static void leave(struct peer *p)
{
	SSL_shutdown(p->ssl);
	SSL_free(p->ssl);
	close(p->fd);
}

static void run_clients(struct peer *held)
{
	for (unsigned i = 0; i < wanted.count; i++) {
		struct peer p = { 0 };

		connect_peer(&p, 2 + i % SOURCES);
		if (wanted.is_starttls)
			start_tls(&p);
		else
			shake_hands(&p);
		if (wanted.is_held) {
			held[i] = p;
			continue;
		}
		if (wanted.is_starttls)
			send_message(&p);
		leave(&p);
	}
}

static void measure(void)
{
	struct peer *held = calloc(wanted.count, sizeof(*held));
	double cpu = wanted.pid ? bench_cpu_s(wanted.pid) : 0;
	uint64_t pss = wanted.pid ? bench_pss_kib(wanted.pid) : 0, begin = bench_now_us();
	char byte;

	if (!held)
		bench_die("out of memory");
	run_clients(held);
	printf("{\"connections\":%u,\"seconds\":%.3f", wanted.count, (double)(bench_now_us() - begin) / 1e6);
	if (wanted.pid)
		printf(",\"cpu_s_per_1000\":%.4f", (bench_cpu_s(wanted.pid) - cpu) * 1000 / wanted.count);
	if (wanted.pid && wanted.is_held)
		printf(",\"kib_each\":%.3f",
		       ((double)bench_pss_kib(wanted.pid) - (double)pss) / wanted.count);
	printf("}\n");
	fflush(stdout);
	while (wanted.is_held && read(0, &byte, 1) == 1)
		;
	free(held);
}

static void make_texts(void)
{
	static const char head[] = "Subject: load\r\n\r\n";
	size_t at = sizeof(head) - 1;

	memcpy(message, head, at);
	for (; at + 72 <= MESSAGE_SIZE; at += 72) {
		memset(message + at, 'x', 70);
		memcpy(message + at + 70, "\r\n", 2);
	}
	memcpy(message + at, ".\r\n", 4);
	if (asprintf(&rcpt, "RCPT TO:<%s>\r\n", wanted.to) < 0)
		bench_die("out of memory");
}

static _Noreturn void usage(void)
{
	bench_die("usage: tls-connect --port N [--count N] [--pid N] [--starttls] [--hold] [--to ADDRESS]\n"
		  "To 127.0.0.1 only.");
}

static void read_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, NULL, 'p' }, { "count", 1, NULL, 'n' }, { "pid", 1, NULL, 'd' },
		{ "starttls", 0, NULL, 's' }, { "hold", 0, NULL, 'h' }, { "to", 1, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'p': wanted.port = bench_u32("--port", optarg, 1, 65535); break;
		case 'n': wanted.count = bench_u32("--count", optarg, 1, 1000000); break;
		case 'd': wanted.pid = bench_u32("--pid", optarg, 1, UINT32_MAX); break;
		case 's': wanted.is_starttls = true; break;
		case 'h': wanted.is_held = true; break;
		case 't': wanted.to = optarg; break;
		default: usage();
		}
	if (optind != argc || !wanted.port)
		usage();
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	read_arguments(argc, argv);
	make_texts();
	if (wanted.is_held)
		bench_want_descriptors(wanted.count + 32ULL);
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1)
		bench_die("SSL_CTX_new");
	/* The server's certificate is made for the occasion. */
	SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	measure();
	SSL_CTX_free(tls);
	return 0;
}
