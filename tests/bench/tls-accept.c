/*
 * Two yardsticks for TLS, with nothing of the daemon in them, on a free port of
 * 127.0.0.1, which is printed first. They end when their standard input does.
 * The certificate is made on the spot: ECDSA P-256. tls-connect is their client.
 *   tls-accept handshakes   a blocking accept loop: a full TLS 1.3 handshake with
 *                           one client after the other, until it closes
 *   tls-accept idle         a bare bufferevent_openssl server that keeps all who
 *                           come, and says nothing
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

enum { PEER_S = 10 };

static void make_certificate(SSL_CTX *tls)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	if (!key || !cert || !ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), 0) ||
	    !X509_gmtime_adj(X509_getm_notAfter(cert), 86400) ||
	    !X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
					(const unsigned char *)"localhost", -1, -1, 0) ||
	    !X509_set_issuer_name(cert, X509_get_subject_name(cert)) || !X509_set_pubkey(cert, key) ||
	    !X509_sign(cert, key, EVP_sha256()) || SSL_CTX_use_certificate(tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(tls, key) != 1)
		bench_die("cannot make a certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* As the daemon has it: TLS 1.3 here, no buffers while idle, one ticket at most. */
static SSL_CTX *new_server_tls(void)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	if (!tls)
		bench_die("SSL_CTX_new");
	SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(tls, 1);
	make_certificate(tls);
	return tls;
}

static int open_listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		bench_die("cannot listen: %s", strerror(errno));
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static bool serve_one(SSL_CTX *tls, int fd)
{
	const struct timeval deadline = { .tv_sec = PEER_S };
	SSL *ssl = SSL_new(tls);
	char byte;
	bool is_ok;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		bench_die("SSL_new");
	is_ok = SSL_accept(ssl) == 1 && !SSL_session_reused(ssl);
	/* Until the client has said its close_notify. */
	while (is_ok && SSL_read(ssl, &byte, 1) > 0)
		;
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	return is_ok;
}

static void run_handshakes(void)
{
	SSL_CTX *tls = new_server_tls();
	int listener = open_listener();
	struct pollfd wait[2] = { { .fd = listener, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	unsigned failed = 0;

	while (poll(wait, 2, -1) > 0 && !wait[1].revents) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && !serve_one(tls, fd))
			failed++;
	}
	SSL_CTX_free(tls);
	if (failed)
		bench_die("%u handshakes failed or were resumed", failed);
}

/* ---- idle ---- */

static struct {
	struct event_base *base;
	SSL_CTX *tls;
} idle;

static void on_idle_event(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if (!(what & BEV_EVENT_CONNECTED))
		bufferevent_free(bev);
}

static void on_idle_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	(void)arg;
}

static void on_idle_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
			   int len, void *arg)
{
	SSL *ssl = SSL_new(idle.tls);
	struct bufferevent *bev;

	(void)listener;
	(void)from;
	(void)len;
	(void)arg;
	if (!ssl)
		bench_die("out of memory");
	bev = bufferevent_openssl_socket_new(idle.base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (!bev)
		bench_die("out of memory");
	bufferevent_setcb(bev, on_idle_read, NULL, on_idle_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	char byte;

	(void)what;
	(void)arg;
	if (read(fd, &byte, 1) != 1)
		event_base_loopbreak(idle.base);
}

static void run_idle(void)
{
	int fd = open_listener();
	struct evconnlistener *listener;
	struct event *end;

	bench_want_descriptors(64);
	evutil_make_socket_nonblocking(fd);
	idle.tls = new_server_tls();
	idle.base = event_base_new();
	if (!idle.base)
		bench_die("cannot begin");
	listener = evconnlistener_new(idle.base, on_idle_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 0, fd);
	end = event_new(idle.base, 0, EV_READ | EV_PERSIST, on_end, NULL);
	if (!listener || !end || event_add(end, NULL) < 0)
		bench_die("cannot begin");
	event_base_dispatch(idle.base);
	/* Connections that are still there go with the process. */
	event_free(end);
	evconnlistener_free(listener);
	event_base_free(idle.base);
	SSL_CTX_free(idle.tls);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(what, "handshakes") == 0)
		run_handshakes();
	else if (strcmp(what, "idle") == 0)
		run_idle();
	else
		bench_die("usage: tls-accept handshakes|idle");
	return 0;
}
