/*
 * A TLS server with a priority string, its Diffie-Hellman group, and nothing
 * else of the daemon, for tls-scan to look at: listens on a free port of 127.0.0.1, prints the port,
 * serves one connection after the other, and echoes what it is sent. It ends
 * when its standard input does.
 *   tls-serve PRIORITY (CERTIFICATE KEY)...
 */
#include "net/tls_dh.h"
#include "net/tls_priority.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { PEER_S = 20 };

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "tls-serve: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(2);
}

static SSL_CTX *new_server(int argc, char **argv)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
	struct tls_priority priority;
	struct err err;

	if (!ssl_ctx)
		fail("SSL_CTX_new");
	if (!tls_priority_parse(&priority, argv[1], &err) || !tls_priority_apply(&priority, ssl_ctx, &err) ||
	    !tls_dh_apply(ssl_ctx, NULL, &priority.groups, &err))
		fail(err.text);
	for (int i = 2; i + 1 < argc; i += 2)
		if (SSL_CTX_use_certificate_chain_file(ssl_ctx, argv[i]) != 1 ||
		    SSL_CTX_use_PrivateKey_file(ssl_ctx, argv[i + 1], SSL_FILETYPE_PEM) != 1)
			fail(argv[i]);
	SSL_CTX_set_session_id_context(ssl_ctx, (const unsigned char *)"test", 4);
	return ssl_ctx;
}

static int open_listener(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		fail("cannot listen");
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void serve_peer(SSL_CTX *ssl_ctx, int fd)
{
	struct timeval timeout = { .tv_sec = PEER_S };
	SSL *ssl = SSL_new(ssl_ctx);
	char text[256];
	int len;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1)
		while ((len = SSL_read(ssl, text, sizeof(text))) > 0 && SSL_write(ssl, text, len) == len)
			;
	SSL_free(ssl);
	ERR_clear_error();
	close(fd);
}

int main(int argc, char **argv)
{
	struct pollfd wait[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	SSL_CTX *ssl_ctx;

	if (argc < 4 || argc % 2) {
		fputs("usage: tls-serve PRIORITY (CERTIFICATE KEY)...\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	ssl_ctx = new_server(argc, argv);
	wait[1].fd = open_listener();
	while (poll(wait, 2, -1) > 0 && !wait[0].revents) {
		int fd = accept4(wait[1].fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			serve_peer(ssl_ctx, fd);
	}
	close(wait[1].fd);
	SSL_CTX_free(ssl_ctx);
	return 0;
}
