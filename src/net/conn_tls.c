/*
 * TLS on a connection, by bufferevent_openssl: it drives the handshake, reads
 * and decrypts, and waits for the socket. Output goes to SSL_write() directly,
 * once per call, as long as the bufferevent owes nothing; only what the socket
 * does not take is left to it. Once the peer has said close_notify or TLS has
 * failed, nothing from the socket is interpreted any more.
 */
#include "net/conn_private.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILURE_SIZE = 160 };

struct conn_tls {
	SSL *ssl;                 /* owned */
	struct bufferevent *bev;  /* owned */
	struct loop_garbage garbage;
	uint64_t plain_in, plain_out; /* bytes before TLS */
	bool is_secured;
	char failure[FAILURE_SIZE];
};

const SSL *conn_ssl(const struct conn *c)
{
	return c->tls ? c->tls->ssl : NULL;
}

const char *conn_tls_failure(const struct conn *c)
{
	return c->tls ? c->tls->failure : "";
}

bool conn_tls_has_input(const struct conn *c)
{
	return evbuffer_get_length(bufferevent_get_input(c->tls->bev)) > 0;
}

bool conn_tls_has_output(const struct conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->tls->bev)) > 0;
}

/* What went over the wire, TLS's own bytes included. */
static void count_bytes(struct conn *c)
{
	c->bytes_in = c->tls->plain_in + BIO_number_read(SSL_get_rbio(c->tls->ssl));
	c->bytes_out = c->tls->plain_out + BIO_number_written(SSL_get_wbio(c->tls->ssl));
}

/* Read on, unless there is input that the owner left or nothing more can come. */
static void set_reading(struct conn *c)
{
	struct bufferevent *bev = c->tls->bev;

	if (c->is_over || conn_tls_has_input(c))
		bufferevent_disable(bev, EV_READ);
	else
		bufferevent_enable(bev, EV_READ);
}

/* Offer what was decrypted, piece by piece, until the owner leaves something. False: it gave the connection up. */
static bool offer_input(struct conn *c)
{
	struct evbuffer *input = bufferevent_get_input(c->tls->bev);
	struct evbuffer_iovec piece;
	size_t used = 0;

	while (evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		if (!conn_offer(c, span_of(piece.iov_base, piece.iov_len), &used))
			return false;
		evbuffer_drain(input, used);
		if (used < piece.iov_len)
			break;
	}
	return true;
}

/* The end of input is told once, when all before it was used. */
static void offer_end(struct conn *c)
{
	size_t used;

	if (c->is_over && !conn_tls_has_input(c))
		conn_offer(c, SPAN_LITERAL(""), &used);
}

void conn_tls_offer_kept(struct conn *c)
{
	if (!offer_input(c))
		return;
	set_reading(c);
	offer_end(c);
}

static void on_bev_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	count_bytes(c);
	/* When a resume is on its way, this waits behind what the owner left. */
	if (!list_linked(&c->resume.link) && offer_input(c))
		set_reading(c);
}

/* All that was left to the bufferevent has gone out. */
static void on_bev_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	count_bytes(c);
	if (c->tls->is_secured && !conn_tls_has_output(c))
		c->ops->writable(c->owner);
}

static void note_failure(struct conn *c, int error)
{
	unsigned long code = bufferevent_get_openssl_error(c->tls->bev);
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	long verdict = SSL_get_verify_result(c->tls->ssl);

	/* "certificate verify failed" alone tells nobody what to mend. */
	if (!c->tls->is_secured && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
		reason = X509_verify_cert_error_string(verdict);

	if (!reason)
		reason = error ? strerror(error) : "the connection was closed";
	snprintf(c->tls->failure, FAILURE_SIZE, "%s%s", c->tls->is_secured ? "" : "handshake: ", reason);
}

static void on_bev_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;
	int error = errno;

	if (what & BEV_EVENT_CONNECTED) {
		c->tls->is_secured = true;
		c->ops->secured(c->owner);
		return;
	}
	/* The peer's close_notify: an orderly end of its bytes. */
	if ((what & BEV_EVENT_EOF) && c->tls->is_secured) {
		c->is_over = true;
		bufferevent_disable(bev, EV_READ);
		offer_end(c);
		return;
	}
	note_failure(c, what & BEV_EVENT_EOF ? 0 : error);
	ERR_clear_error();
	bufferevent_disable(bev, EV_READ | EV_WRITE);
	conn_tell_lost(c, 0);
}

static bool start_tls(struct conn *c, SSL *ssl, enum bufferevent_ssl_state role)
{
	struct conn_tls *tls = calloc(1, sizeof(*tls));

	BUG_ON(c->tls || buf_len(&c->kept));
	conn_stop_events(c);
	if (tls)
		tls->bev = bufferevent_openssl_socket_new(loop_base(c->loop), event_get_fd(&c->event), ssl,
							  role, 0);
	if (!tls || !tls->bev) {
		SSL_free(ssl);
		free(tls);
		return false;
	}
	tls->ssl = ssl;
	tls->plain_in = c->bytes_in;
	tls->plain_out = c->bytes_out;
	c->tls = tls;
	bufferevent_setcb(tls->bev, on_bev_read, on_bev_written, on_bev_event, c);
	bufferevent_enable(tls->bev, EV_READ | EV_WRITE);
	return true;
}

bool conn_start_tls(struct conn *c, SSL *ssl)
{
	return start_tls(c, ssl, BUFFEREVENT_SSL_ACCEPTING);
}

bool conn_start_tls_client(struct conn *c, SSL *ssl)
{
	return start_tls(c, ssl, BUFFEREVENT_SSL_CONNECTING);
}

/*
 * Leave it to the bufferevent, in one piece: an SSL_write() that was interrupted
 * must be repeated with all its bytes. Nothing more is taken until they have gone.
 */
static bool leave_to_bev(struct conn *c, struct span out)
{
	struct evbuffer *output = bufferevent_get_output(c->tls->bev);

	return evbuffer_expand(output, out.len) == 0 && bufferevent_write(c->tls->bev, out.ptr, out.len) == 0;
}

/* SSL_write() takes a record at a time. False: TLS has failed. */
static bool write_records(struct conn_tls *tls, struct span out, size_t *sent)
{
	size_t n = 0;
	int reason;

	ERR_clear_error();
	while (*sent < out.len) {
		struct span rest = span_from(out, *sent);

		if (SSL_write_ex(tls->ssl, rest.ptr, rest.len, &n) != 1) {
			reason = SSL_get_error(tls->ssl, 0);
			return reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ;
		}
		*sent += n;
	}
	return true;
}

bool conn_tls_send(struct conn *c, struct span out, size_t *sent, int *error)
{
	struct conn_tls *tls = c->tls;

	*error = EPIPE;
	if (!tls->is_secured)
		return false;
	if (conn_tls_has_output(c))
		return true;
	if (!write_records(tls, out, sent))
		return false;
	if (*sent < out.len && !leave_to_bev(c, span_from(out, *sent))) {
		*error = ENOMEM;
		return false;
	}
	*sent = out.len;
	count_bytes(c);
	return true;
}

static void free_tls(struct loop_garbage *garbage)
{
	struct conn_tls *tls = LIST_OWNER(garbage, struct conn_tls, garbage);

	SSL_free(tls->ssl);
	free(tls);
}

void conn_tls_end(struct conn *c)
{
	struct conn_tls *tls = c->tls;

	if (tls->is_secured && !*tls->failure) {
		SSL_shutdown(tls->ssl); /* close_notify; a peer that does not take it has gone anyway */
		ERR_clear_error();
	}
	bufferevent_free(tls->bev);
	/* The bufferevent may be at work further up and still looks at its SSL. */
	loop_reap(c->loop, &tls->garbage, free_tls);
	c->tls = NULL;
}
