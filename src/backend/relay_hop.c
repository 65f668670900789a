/*
 * One connection to a next hop: it is dialed, secured where that is wanted, and
 * then only carries bytes between the socket and the client machine, and watches
 * the deadlines of RFC 5321 4.5.3.2. Whatever goes wrong ends it.
 */
#include "backend/relay_private.h"

#include <stdio.h>
#include <stdlib.h>

/* Rounds of content in one turn of the loop; then others come first. */
enum { ROUNDS_PER_TURN = 8 };

static const struct conn_ops hop_conn_ops;

static void hop_reap(struct loop_garbage *garbage)
{
	struct relay_hop *hop = LIST_OWNER(garbage, struct relay_hop, garbage);

	smtp_client_free(&hop->client);
	free(hop);
}

void relay_hop_close(struct relay_hop *hop)
{
	if (hop->stage == RELAY_HOP_OVER)
		return;
	hop->stage = RELAY_HOP_OVER;
	op_cancel(&hop->dial.op);
	conn_close(&hop->conn);
	loop_timer_stop(hop->relay->loop, &hop->timer);
	loop_defer_cancel(&hop->pump);
	relay_pool_forget(hop);
	loop_reap(hop->relay->loop, &hop->garbage, hop_reap);
}

/* `reason` is a constant. What hop->failure points to may be in use, so that it is written here only. */
static void hop_lose(struct relay_hop *hop, const char *reason, const char *text)
{
	const struct relay_hop_ops *ops = hop->ops;
	void *owner = hop->owner;

	hop->reason = reason;
	snprintf(hop->failure, sizeof(hop->failure), "%s", text);
	relay_hop_close(hop);
	ops->gone(owner, hop);
}

/* ---- deadlines ---- */

/* 0: none; the owner's client is waited for. */
static uint64_t hop_limit_ms(const struct relay_hop *hop)
{
	const struct relay_options *o = &hop->relay->options;

	if (hop->stage == RELAY_HOP_SECURING)
		return hop->is_ready ? o->command_ms : o->connect_ms;
	if (hop->is_quitting)
		return RELAY_QUIT_MS;
	if (hop->is_returning)
		return RELAY_RESET_MS;
	if (!hop->is_ready)
		return o->greeting_ms;
	switch (hop->wait) {
	case SMTP_CLIENT_WAIT_NOTHING:
		return hop->is_idle ? o->idle_ms : 0;
	case SMTP_CLIENT_WAIT_GREETING:
	case SMTP_CLIENT_WAIT_COMMAND:
		return o->command_ms;
	case SMTP_CLIENT_WAIT_DATA_INIT:
		return o->data_ms;
	case SMTP_CLIENT_WAIT_DATA_BLOCK:
		return o->block_ms;
	case SMTP_CLIENT_WAIT_DATA_FINAL:
		return o->final_ms;
	}
	BUG_ON(true);
}

static void hop_expire(struct loop_timer *timer)
{
	struct relay_hop *hop = LIST_OWNER(timer, struct relay_hop, timer);
	char text[RELAY_FAILURE_SIZE];

	if (hop->is_idle) {
		relay_pool_retire(hop);
		return;
	}
	snprintf(text, sizeof(text), "%s: timed out",
		 hop->stage == RELAY_HOP_SECURING ? "tls" : smtp_client_stage(hop->client));
	hop_lose(hop, "timeout", text);
}

/* The deadline of what is waited for now. What drips in does not move it; only what is whole does. */
static void hop_watch(struct relay_hop *hop)
{
	enum smtp_client_wait wait = smtp_client_waiting(hop->client);
	uint64_t limit_ms;

	if (!hop->has_moved && wait == hop->wait)
		return;
	hop->has_moved = false;
	hop->wait = wait;
	limit_ms = hop_limit_ms(hop);
	if (limit_ms)
		loop_timer_start(hop->relay->loop, &hop->timer, limit_ms, hop_expire);
	else
		loop_timer_stop(hop->relay->loop, &hop->timer);
}

/* ---- bytes ---- */

/* Send what there is. False: the connection was lost. */
static bool hop_send(struct relay_hop *hop)
{
	struct span out = smtp_client_output(hop->client);
	size_t sent = 0;
	int error = 0;

	if (out.len == 0 || hop->stage != RELAY_HOP_TALKING)
		return true;
	if (!conn_send(hop->conn, out, &sent, &error)) {
		hop_lose(hop, "lost", error ? strerror(error) : conn_tls_failure(hop->conn));
		return false;
	}
	smtp_client_sent(hop->client, sent);
	hop->has_moved |= sent > 0 && hop->wait == SMTP_CLIENT_WAIT_DATA_BLOCK;
	hop->is_blocked = sent < out.len || conn_has_output(hop->conn);
	return true;
}

/* Send, and ask for more as long as it goes. */
static void hop_flush(struct relay_hop *hop)
{
	for (unsigned round = 0; round < ROUNDS_PER_TURN; round++) {
		if (!hop_send(hop))
			return;
		if (hop->is_blocked || !hop->wants_room)
			break;
		hop->wants_room = false;
		hop->ops->room(hop->owner, hop);
		if (hop->stage != RELAY_HOP_TALKING)
			return;
	}
	if (!hop->is_blocked && (hop->wants_room || smtp_client_output(hop->client).len))
		relay_hop_poke(hop);
	hop_watch(hop);
}

static void hop_closed_by_peer(struct relay_hop *hop, const struct smtp_client_event *event)
{
	char text[RELAY_FAILURE_SIZE];
	const struct smtp_reply *reply = &event->reply;

	if (reply->code)
		snprintf(text, sizeof(text), "%s: %s: %u %s%s%s", smtp_client_stage(hop->client), event->reason,
			 reply->code, reply->status ? reply->status : "", reply->status ? " " : "", reply->text);
	else
		snprintf(text, sizeof(text), "%s: %s", smtp_client_stage(hop->client), event->reason);
	hop_lose(hop, event->reason, text);
}

static void hop_dispatch(struct relay_hop *hop, const struct smtp_client_event *event)
{
	hop->has_moved = true;
	switch (event->type) {
	case SMTP_CLIENT_STARTTLS:
		hop->starts_tls = true;
		return;
	case SMTP_CLIENT_CLOSE:
		hop_closed_by_peer(hop, event);
		return;
	case SMTP_CLIENT_READY:
		hop->is_ready = true;
		break;
	default:
		break;
	}
	hop->ops->event(hop->owner, hop, event);
}

static void hop_start_tls(struct relay_hop *hop);

/* Give the machine what came, and tell what comes of it. Returns the bytes used. */
static size_t hop_run(struct relay_hop *hop, struct span in)
{
	struct smtp_client_event event;
	size_t used = 0;

	for (;;) {
		used += smtp_client_next(hop->client, span_from(in, used), &event);
		if (event.type == SMTP_CLIENT_NEED_INPUT)
			break;
		hop_dispatch(hop, &event);
		if (hop->stage != RELAY_HOP_TALKING)
			return in.len;
	}
	if (hop->starts_tls)
		hop_start_tls(hop);
	else
		hop_flush(hop);
	return hop->stage == RELAY_HOP_OVER ? in.len : used;
}

static void hop_pump(struct loop_deferred *deferred)
{
	struct relay_hop *hop = LIST_OWNER(deferred, struct relay_hop, pump);

	if (hop->stage == RELAY_HOP_TALKING)
		hop_run(hop, SPAN_LITERAL(""));
}

void relay_hop_poke(struct relay_hop *hop)
{
	hop->has_moved = true;
	loop_defer(hop->relay->loop, &hop->pump, hop_pump);
}

/* The deadline is for bytes that leave, not for the wish to send more. */
void relay_hop_push(struct relay_hop *hop)
{
	if (!hop->is_blocked)
		loop_defer(hop->relay->loop, &hop->pump, hop_pump);
}

void relay_hop_want_room(struct relay_hop *hop)
{
	hop->wants_room = true;
	relay_hop_push(hop);
}

void relay_hop_own(struct relay_hop *hop, const struct relay_hop_ops *ops, void *owner)
{
	hop->ops = ops;
	hop->owner = owner;
	hop->wants_room = false;
}

static size_t hop_input(void *owner, struct span in, bool is_eof)
{
	struct relay_hop *hop = owner;
	size_t used;

	/* TLS is asked for, and has not begun: see hop_start_tls(). */
	if (hop->stage != RELAY_HOP_TALKING)
		return 0;
	used = in.len ? hop_run(hop, in) : 0;
	if (is_eof && hop->stage != RELAY_HOP_OVER) {
		char text[RELAY_FAILURE_SIZE];

		snprintf(text, sizeof(text), "%s: closed by the hop", smtp_client_stage(hop->client));
		hop_lose(hop, "closed", text);
	}
	return used;
}

static void hop_writable(void *owner)
{
	struct relay_hop *hop = owner;

	hop->is_blocked = conn_has_output(hop->conn);
	if (hop->stage == RELAY_HOP_TALKING)
		hop_flush(hop);
}

static void hop_lost(void *owner, int error)
{
	struct relay_hop *hop = owner;
	char text[RELAY_FAILURE_SIZE];

	snprintf(text, sizeof(text), "%s: %s",
		 hop->stage == RELAY_HOP_SECURING ? "tls" : smtp_client_stage(hop->client),
		 error ? strerror(error) : conn_tls_failure(hop->conn));
	hop_lose(hop, hop->stage == RELAY_HOP_SECURING ? "tls" : "lost", text);
}

/* ---- TLS ---- */

static void hop_secure(struct relay_hop *hop)
{
	SSL *ssl = tls_client_context_new_ssl(hop->relay->tls, hop->host->name);

	hop->stage = RELAY_HOP_SECURING;
	if (!ssl || !conn_start_tls_client(hop->conn, ssl)) {
		hop_lose(hop, "tls", "tls: no handshake could be begun");
		return;
	}
	loop_timer_start(hop->relay->loop, &hop->timer, hop->relay->options.connect_ms, hop_expire);
}

/* What comes in plain text behind 220 to STARTTLS was put there by somebody else (CVE-2011-0411). */
static void hop_start_tls(struct relay_hop *hop)
{
	hop->starts_tls = false;
	if (conn_has_input(hop->conn) || conn_has_unread(hop->conn))
		hop_lose(hop, "starttls_injection", "starttls: bytes came behind the go-ahead");
	else
		hop_secure(hop);
}

static void hop_secured(void *owner)
{
	struct relay_hop *hop = owner;

	hop->stage = RELAY_HOP_TALKING;
	smtp_client_tls_started(hop->client);
	relay_hop_poke(hop);
}

static const struct conn_ops hop_conn_ops = {
	.input = hop_input,
	.writable = hop_writable,
	.lost = hop_lost,
	.secured = hop_secured,
};

/* ---- the begin ---- */

static void hop_connected(struct op *op)
{
	struct relay_hop *hop = op->owner;

	if (hop->dial.fd < 0) {
		hop_lose(hop, "connect", hop->dial.failure);
		return;
	}
	hop->conn = conn_new(hop->relay->loop, hop->dial.fd, &hop->dial.addr, &hop_conn_ops, hop);
	if (!hop->conn) {
		hop_lose(hop, "no_memory", "out of memory");
		return;
	}
	hop->stage = RELAY_HOP_TALKING;
	if (hop->relay->options.tls == RELAY_TLS_IMMEDIATE)
		hop_secure(hop);
	else
		relay_hop_poke(hop);
}

struct relay_hop *relay_hop_new(struct relay *relay, struct relay_host *host,
				const struct relay_hop_ops *ops, void *owner)
{
	struct relay_hop *hop = calloc(1, sizeof(*hop));

	if (hop)
		hop->client = smtp_client_new(&relay->client_options);
	if (!hop || !hop->client) {
		free(hop);
		return NULL;
	}
	hop->relay = relay;
	hop->host = host;
	hop->dialed_failures = host->failures;
	relay_hop_own(hop, ops, owner);
	hop->dial.op = (struct op){ .done = hop_connected, .owner = hop };
	dial_start(&hop->dial, relay->loop, relay->options.resolver, &host->endpoint, relay->options.connect_ms);
	return hop;
}
