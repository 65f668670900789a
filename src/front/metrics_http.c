#include "front/metrics_http.h"

#include "conf/place.h"
#include "front/http_request.h"
#include "front/server_metrics.h"
#include "net/conn.h"
#include "net/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	/* For a connection as a whole, from its begin until the last byte has left. */
	DEADLINE_MS = 10 * 1000,
	/* Behind the answer: how long the peer may take to close, and what it may send meanwhile (RFC 9112 9.6). */
	FAREWELL_MS = 2 * 1000,
	FAREWELL_BYTES = 64 * 1024,
	BACKLOG = 16,
};

struct metrics_http {
	struct server *server;
	struct listener *listener; /* owned; NULL: it was stopped */
	struct addr addr;          /* as it was configured */
	bool is_started;
	struct list requests;      /* of request.link; owned */
	unsigned request_count;
};

struct request {
	struct list link;
	struct metrics_http *http;
	struct conn *conn; /* owned */
	struct loop_timer deadline;
	struct loop_garbage garbage;
	struct buf in;
	struct buf out;    /* what is still to be sent */
	bool is_answered;
	bool is_sent;      /* all of it; the peer is to close now */
	bool is_eof;
	size_t dropped;    /* bytes that came behind the answer */
};

/* ---- the end ---- */

static void free_request(struct loop_garbage *garbage)
{
	struct request *r = LIST_OWNER(garbage, struct request, garbage);

	buf_fini(&r->in);
	buf_fini(&r->out);
	free(r);
}

static void end_request(struct request *r)
{
	struct loop *loop = r->http->server->loop;

	loop_timer_stop(loop, &r->deadline);
	conn_close(&r->conn);
	list_remove(&r->link);
	r->http->request_count--;
	loop_reap(loop, &r->garbage, free_request);
}

static void on_deadline(struct loop_timer *timer)
{
	end_request(LIST_OWNER(timer, struct request, deadline));
}

/* ---- the answer ---- */

/* What the peer still sends must be read, or it would lose the answer. Such connections count like others. */
static void bid_farewell(struct request *r)
{
	r->is_sent = true;
	if (r->is_eof || !conn_end_output(r->conn))
		end_request(r);
	else
		loop_timer_start(r->http->server->loop, &r->deadline, FAREWELL_MS, on_deadline);
}

static void send_rest(struct request *r)
{
	size_t sent = 0;
	int error;

	if (!conn_send(r->conn, buf_span(&r->out), &sent, &error)) {
		end_request(r);
		return;
	}
	buf_use(&r->out, sent);
	if (buf_len(&r->out) == 0)
		bid_farewell(r);
}

static bool add_head(struct request *r, const char *status, const char *more, size_t length)
{
	return buf_add_str(&r->out, "HTTP/1.1 ") && buf_add_str(&r->out, status) && buf_add_str(&r->out, "\r\n") &&
	       buf_add_str(&r->out, more) && buf_add_str(&r->out, "Connection: close\r\nContent-Length: ") &&
	       buf_add_u64(&r->out, length) && buf_add_str(&r->out, "\r\n\r\n");
}

static void out_of_memory(struct request *r)
{
	log_text(LOG_LEVEL_WARNING, "trouble", "out of memory: metrics were not told");
	end_request(r);
}

static void answer(struct request *r, const char *status, const char *more, struct span body, bool is_head)
{
	r->is_answered = true;
	buf_fini(&r->in);
	if (add_head(r, status, more, body.len) && (is_head || buf_add_span(&r->out, body)))
		send_rest(r);
	else
		out_of_memory(r);
}

static void answer_error(struct request *r, const char *status, const char *more, bool is_head)
{
	struct buf body = { 0 };
	char fields[128];

	snprintf(fields, sizeof(fields), "%sContent-Type: text/plain; charset=utf-8\r\n", more);
	if (buf_add_str(&body, status) && buf_add_str(&body, "\n"))
		answer(r, status, fields, buf_span(&body), is_head);
	else
		out_of_memory(r);
	buf_fini(&body);
}

static void answer_metrics(struct request *r, bool is_head)
{
	struct buf body = { 0 };

	if (server_metrics_write(r->http->server, &body))
		answer(r, "200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", buf_span(&body),
		       is_head);
	else
		out_of_memory(r);
	buf_fini(&body);
}

static void answer_request(struct request *r, enum http_request_state state, struct span path)
{
	switch (state) {
	case HTTP_REQUEST_GET:
	case HTTP_REQUEST_HEAD:
		if (span_eq(path, SPAN_LITERAL("/metrics")))
			answer_metrics(r, state == HTTP_REQUEST_HEAD);
		else
			answer_error(r, "404 Not Found", "", state == HTTP_REQUEST_HEAD);
		break;
	case HTTP_REQUEST_OTHER_METHOD:
		answer_error(r, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", false);
		break;
	case HTTP_REQUEST_LINE_TOO_LONG:
		answer_error(r, "414 URI Too Long", "", false);
		break;
	case HTTP_REQUEST_TOO_LONG:
		answer_error(r, "431 Request Header Fields Too Large", "", false);
		break;
	case HTTP_REQUEST_OTHER_VERSION:
		answer_error(r, "505 HTTP Version Not Supported", "", false);
		break;
	case HTTP_REQUEST_MALFORMED:
	case HTTP_REQUEST_MORE:
		answer_error(r, "400 Bad Request", "", false);
		break;
	}
}

/* ---- what the connection tells ---- */

/* What comes behind the request is nobody's, and who sends no more may still read. */
static void take_rest(struct request *r, size_t bytes)
{
	r->dropped += bytes;
	if (r->is_sent && (r->is_eof || r->dropped > FAREWELL_BYTES))
		end_request(r);
}

static size_t take_input(void *owner, struct span in, bool is_eof)
{
	struct request *r = owner;
	struct span path = { 0 };
	enum http_request_state state;

	r->is_eof |= is_eof;
	if (r->is_answered) {
		take_rest(r, in.len);
		return in.len;
	}
	if (!buf_add_span(&r->in, span_head(in, HTTP_REQUEST_MAX - buf_len(&r->in)))) {
		out_of_memory(r);
		return in.len;
	}
	state = http_request_read(buf_span(&r->in), &path);
	if (state == HTTP_REQUEST_MORE && is_eof && buf_len(&r->in) == 0)
		end_request(r);
	else if (state != HTTP_REQUEST_MORE || is_eof)
		answer_request(r, state, path);
	return in.len;
}

static void take_writable(void *owner)
{
	send_rest(owner);
}

static void take_lost(void *owner, int error)
{
	(void)error;
	end_request(owner);
}

static const struct conn_ops request_ops = {
	.input = take_input,
	.writable = take_writable,
	.lost = take_lost,
};

/* ---- accepting ---- */

static bool is_loopback(const struct addr *peer)
{
	static const uint8_t loopback_v6[16] = { [15] = 1 };

	return peer->family == ADDR_IPV4 ? peer->ip[0] == 127 :
					   memcmp(peer->ip, loopback_v6, sizeof(loopback_v6)) == 0;
}

static bool may_ask(const struct server *s, const struct addr *peer)
{
	const struct network_list *from = &s->setup->config->metrics_from;

	for (size_t i = 0; i < from->count; i++)
		if (addr_in_prefix(peer, &from->networks[i]))
			return true;
	return from->count == 0 && is_loopback(peer);
}

/* Of the process, so that one that comes again and again is one line a minute. */
static void turn_away(int fd, const struct addr *peer, const char *reason)
{
	log_begin(LOG_LEVEL_WARNING, NULL, "metrics_refused");
	log_addr("client", peer);
	log_str("reason", reason);
	log_end();
	close(fd);
}

static void take_connection(void *owner, int fd, const struct addr *peer)
{
	struct metrics_http *http = owner;
	struct request *r;

	if (!may_ask(http->server, peer)) {
		turn_away(fd, peer, "not_in_metrics_from");
		return;
	}
	if (http->request_count == METRICS_HTTP_CONNECTIONS_MAX) {
		turn_away(fd, peer, "too_many_connections");
		return;
	}
	r = calloc(1, sizeof(*r));
	if (r)
		r->conn = conn_new(http->server->loop, fd, peer, &request_ops, r);
	else
		close(fd);
	if (!r || !r->conn) {
		log_text(LOG_LEVEL_WARNING, "trouble", "out of memory: metrics were not told");
		free(r);
		return;
	}
	r->http = http;
	conn_set_read_max(r->conn, HTTP_REQUEST_MAX);
	list_append(&http->requests, &r->link);
	http->request_count++;
	loop_timer_start(http->server->loop, &r->deadline, DEADLINE_MS, on_deadline);
}

/* ---- opening and closing ---- */

static bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope_id == b->scope_id &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool is_wanted(const struct metrics_http *http, const struct config *config)
{
	return http && http->listener && config->metrics_listen.text &&
	       same_addr(&http->addr, &config->metrics_listen.addr);
}

static struct metrics_http *open_http(struct server *s, const struct config *config, struct err *err)
{
	const struct listener_options o = { .addr = config->metrics_listen.addr, .backlog = BACKLOG };
	struct metrics_http *http = calloc(1, sizeof(*http));

	if (!http) {
		err_set(err, "out of memory");
		return NULL;
	}
	list_init(&http->requests);
	http->server = s;
	http->addr = o.addr;
	http->listener = listener_new(s->loop, &o, take_connection, http, err);
	if (http->listener)
		return http;
	free(http);
	return NULL;
}

bool metrics_http_prepare(struct server *s, const struct config *config, bool may_be_short,
			  struct metrics_http **fresh, struct err *err)
{
	*fresh = NULL;
	if (!config->metrics_listen.text || is_wanted(s->metrics_http, config))
		return true;
	*fresh = open_http(s, config, err);
	if (*fresh)
		return true;
	if (!may_be_short || err->error != EACCES)
		return config_place_tell(err, config_place_of_top(config, "metrics_listen"), "metrics_listen");
	log_begin(LOG_LEVEL_WARNING, NULL, "needs_restart");
	log_str("key", "metrics_listen");
	log_str("text", err->text);
	log_end();
	return true;
}

void metrics_http_commit(struct server *s, const struct config *config, struct metrics_http **fresh)
{
	/* What could not be opened leaves the one before where it is, unless none is wanted. */
	if (*fresh || !config->metrics_listen.text)
		metrics_http_free(&s->metrics_http);
	if (*fresh)
		s->metrics_http = *fresh;
	*fresh = NULL;
}

void metrics_http_start(struct server *s)
{
	struct metrics_http *http = s->metrics_http;
	char text[ADDR_TEXT_SIZE];

	if (!http || http->is_started)
		return;
	http->is_started = true;
	log_begin(LOG_LEVEL_NOTICE, NULL, "metrics_listening");
	log_str("addr", addr_format(listener_addr(http->listener), text));
	log_end();
	listener_start(http->listener);
}

void metrics_http_stop(struct server *s)
{
	if (s->metrics_http)
		listener_free(&s->metrics_http->listener);
}

void metrics_http_free(struct metrics_http **metrics_http)
{
	struct metrics_http *http = *metrics_http;

	*metrics_http = NULL;
	if (!http)
		return;
	listener_free(&http->listener);
	while (!list_empty(&http->requests))
		end_request(LIST_OWNER(http->requests.next, struct request, link));
	free(http);
}
