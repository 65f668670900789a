/*
 * The content of a message on its way to the hop, from the spool or as it arrives,
 * and what the hop says to it. Content that is not complete ends with the
 * connection, and never with its final dot.
 */
#include "backend/relay_transaction.h"

#include <stdlib.h>

/* ---- the outcome ---- */

static bool is_any_refused(const struct relay_transaction *t)
{
	for (uint32_t i = 0; i < t->accepted; i++)
		if (smtp_reply_is_error(&t->each[i].reply))
			return true;
	return false;
}

/* The delivery is over; `whole` is NULL where t->each has it. */
void relay_conclude(struct relay_transaction *t, const struct backend_answer *whole)
{
	struct backend_delivery *delivery = t->delivery;

	t->delivery = NULL;
	relay_feed_free(&t->feed);
	if (!delivery) {
		if (t->is_orphan)
			relay_transaction_end(t);
		return;
	}
	delivery->octets = t->octets;
	if (whole) {
		backend_answer_copy(&delivery->answer, whole);
	} else if (is_any_refused(t)) {
		delivery->each = t->each;
		t->each = NULL;
	}
	op_finish(&delivery->op);
}

void relay_finish_more(struct relay_transaction *t)
{
	struct op *more = t->more;

	t->more = NULL;
	if (more)
		op_finish(more);
}

/* ---- the content ---- */

/* A CR that ends no line cannot leave the house, and what has left is no message yet. */
static void fail_lone_cr(struct relay_transaction *t)
{
	struct backend_answer answer;

	backend_answer_no(&answer, SMTP_REPLY_LONE_CR_IN_MESSAGE, "backend %s", t->relay->backend.name);
	relay_let_go(t, false);
	relay_fail(t, &answer);
}

static void fail_feed(struct relay_transaction *t)
{
	struct backend_answer answer;

	backend_answer_no(&answer, SMTP_REPLY_LOCAL_ERROR, "reading the spool: %s", strerror(t->feed->error));
	relay_let_go(t, false);
	relay_fail(t, &answer);
}

/* Give what there is room for. False: the transaction is over. */
static bool give(struct relay_transaction *t, struct span *content)
{
	size_t before = content->len;

	if (!smtp_client_content(t->hop->client, content)) {
		fail_lone_cr(t);
		return false;
	}
	t->octets += before - content->len;
	return true;
}

static void end_content(struct relay_transaction *t)
{
	t->stage = RELAY_ENDS;
	smtp_client_end(t->hop->client);
	relay_hop_poke(t->hop);
}

static void send_spooled(struct relay_transaction *t)
{
	while (relay_feed_next(t->feed)) {
		if (t->feed->is_failed) {
			fail_feed(t);
			return;
		}
		if (t->feed->is_over) {
			end_content(t);
			return;
		}
		if (!give(t, &t->feed->piece))
			return;
		if (t->feed->piece.len) {
			relay_hop_want_room(t->hop);
			return;
		}
	}
	/* A worker reads; meanwhile the hop gets what there is. */
	relay_hop_push(t->hop);
}

static void feed_arrived(void *owner)
{
	struct relay_transaction *t = owner;

	if (t->hop && t->stage == RELAY_SENDS)
		send_spooled(t);
}

static void send_streamed(struct relay_transaction *t)
{
	struct span rest = buf_span(&t->pending);

	if (!give(t, &rest))
		return;
	buf_use(&t->pending, buf_len(&t->pending) - rest.len);
	if (rest.len) {
		relay_hop_want_room(t->hop);
		return;
	}
	buf_release_empty(&t->pending);
	relay_finish_more(t);
	/* The owner may have given us more, or the end, in that. */
	if (t->hop && t->has_begun && t->stage == RELAY_SENDS && !buf_len(&t->pending))
		end_content(t);
}

void relay_room_told(struct relay_transaction *t)
{
	if (t->stage != RELAY_SENDS)
		return;
	if (t->feed)
		send_spooled(t);
	else
		send_streamed(t);
}

/* ---- what the hop says ---- */

void relay_data_told(struct relay_transaction *t, const struct smtp_reply *reply)
{
	struct backend_answer answer;

	if (smtp_reply_is_error(reply)) {
		relay_log_reply(t, "hop_refused", "data", NULL, reply);
		relay_pass_on(&answer, t->hop, reply);
		relay_let_go(t, true);
		relay_fail(t, &answer);
		return;
	}
	t->stage = RELAY_SENDS;
	if (t->feed)
		send_spooled(t);
	else
		relay_answer_check_yes(t);
	if (t->hop && t->stage == RELAY_SENDS && t->is_streaming && buf_len(&t->pending))
		relay_hop_want_room(t->hop);
}

/* A refusal that came before we had sent all of it: CLOSE follows. */
static void refused_early(struct relay_transaction *t, const struct smtp_reply *reply)
{
	struct backend_answer answer;

	if (!smtp_reply_is_error(reply)) {
		backend_answer_no(&answer, SMTP_REPLY_HOP_LOST, "%s answered before the end of data",
				  t->hop->host->text);
	} else {
		relay_pass_on(&answer, t->hop, reply);
	}
	relay_let_go(t, false);
	relay_fail(t, &answer);
}

static void lmtp_result(struct relay_transaction *t, const struct smtp_reply *reply)
{
	struct backend_answer *a = &t->each[t->results];

	backend_answer_yes(a);
	if (smtp_reply_is_error(reply))
		relay_pass_on(a, t->hop, reply);
	if (++t->results < t->accepted)
		return;
	relay_let_go(t, true);
	relay_conclude(t, NULL);
}

void relay_result_told(struct relay_transaction *t, const struct smtp_client_event *event)
{
	const struct smtp_reply *reply = &event->reply;
	struct backend_answer answer;

	relay_log_reply(t, smtp_reply_is_error(reply) ? "hop_refused" : "relayed", "message",
		  t->next ? &t->next->address : NULL, reply);
	t->next = t->next ? t->next->next : NULL;
	if (t->stage != RELAY_ENDS) {
		refused_early(t, reply);
		return;
	}
	if (t->each) {
		lmtp_result(t, reply);
		return;
	}
	backend_answer_yes(&answer);
	if (smtp_reply_is_error(reply))
		relay_pass_on(&answer, t->hop, reply);
	relay_let_go(t, true);
	relay_conclude(t, &answer);
}

void relay_keep_results(struct relay_transaction *t, const struct backend_answer *lost)
{
	while (t->results < t->accepted)
		backend_answer_copy(&t->each[t->results++], lost);
}

/* ---- the begin ---- */

/* False: the answer tells why there can be no content. */
static bool may_begin(struct relay_transaction *t, const struct backend_message *m, struct backend_answer *answer)
{
	if (t->is_stuck)
		backend_answer_copy(answer, &t->stuck);
	else if (!t->hop && t->is_incomplete)
		relay_no_memory(answer);
	else if (t->accepted != m->recipient_count)
		backend_answer_no(answer, SMTP_REPLY_LOCAL_ERROR, "%u recipients at the hop, %zu here",
				  t->accepted, m->recipient_count);
	else
		return true;
	return false;
}

/* Room for what LMTP says to each recipient. */
static bool make_room_for_results(struct relay_transaction *t)
{
	if (!t->relay->options.is_lmtp)
		return true;
	t->each = calloc(t->accepted, sizeof(*t->each));
	return t->each != NULL;
}

/* The content of a binary message goes out as it is (RFC 3030), so that our fields must be in CRLF lines already. */
static bool add_trace(struct buf *out, const struct backend_message *m)
{
	bool is_added = true;

	if (m->mail->body_type != SMTP_BODY_BINARYMIME)
		return buf_add_span(out, m->trace);
	for (size_t start = 0, len; is_added && start < m->trace.len; start += len + 1) {
		struct span rest = span_from(m->trace, start);

		len = span_find(rest, '\n');
		is_added = buf_add_span(out, span_head(rest, len)) && buf_add(out, "\r\n", 2);
	}
	return is_added;
}

void relay_start_data(struct relay_transaction *t)
{
	t->stage = RELAY_STARTS;
	smtp_client_data(t->hop->client);
	relay_hop_poke(t->hop);
}

/* The connection may be gone. */
static void start(struct relay_transaction *t)
{
	if (t->hop)
		relay_start_data(t);
	else
		relay_ask_again(t);
}

/* ---- streamed ---- */

bool relay_stream_start(struct backend_transaction *base, struct backend_check *check,
			       const struct backend_message *m)
{
	struct relay_transaction *t = relay_transaction_of(base);

	if (!may_begin(t, m, &check->answer))
		return false;
	if (!make_room_for_results(t) || !add_trace(&t->pending, m)) {
		relay_no_memory(&check->answer);
		return false;
	}
	t->is_streaming = true;
	t->check = check;
	op_begin(&check->op, relay_check_cancel, t);
	start(t);
	return true;
}

static void more_cancel(struct op *op)
{
	struct relay_transaction *t = op->work;

	t->more = NULL;
}

bool relay_stream(struct backend_transaction *base, struct span content, struct op *more)
{
	struct relay_transaction *t = relay_transaction_of(base);
	struct backend_answer answer;

	/* What is in front goes first. */
	if (t->is_stuck || !t->hop || (!buf_len(&t->pending) && !give(t, &content)))
		return false;
	if (content.len && !buf_add_span(&t->pending, content)) {
		relay_no_memory(&answer);
		relay_let_go(t, false);
		relay_fail(t, &answer);
		return false;
	}
	relay_hop_want_room(t->hop);
	if (!buf_len(&t->pending))
		return false;
	t->more = more;
	op_begin(more, more_cancel, t);
	return true;
}

/* ---- the message ---- */

static void deliver_cancel(struct op *op)
{
	struct relay_transaction *t = op->work;

	t->delivery = NULL;
}

static bool begin_spooled(struct relay_transaction *t, const struct backend_message *m)
{
	struct buf trace = { 0 };

	if (add_trace(&trace, m))
		t->feed = relay_feed_new(t->relay->options.disk, m->spool, buf_span(&trace));
	buf_fini(&trace);
	if (!t->feed || !make_room_for_results(t))
		return false;
	t->feed->arrived = feed_arrived;
	t->feed->owner = t;
	start(t);
	return true;
}

/* False: it cannot be delivered, and the answer tells why. */
static bool begin_message(struct relay_transaction *t, const struct backend_message *m, struct backend_answer *answer)
{
	if (!may_begin(t, m, answer))
		return false;
	if (m->has_lone_cr && m->mail->body_type != SMTP_BODY_BINARYMIME) {
		backend_answer_no(answer, SMTP_REPLY_LONE_CR_IN_MESSAGE, "backend %s", t->relay->backend.name);
		return false;
	}
	if (t->is_streaming) {
		if (buf_len(&t->pending) == 0)
			end_content(t);
		return true;
	}
	if (begin_spooled(t, m))
		return true;
	relay_no_memory(answer);
	return false;
}

bool relay_deliver_start(struct backend_transaction *base, struct backend_delivery *delivery,
				const struct backend_message *m)
{
	struct relay_transaction *t = relay_transaction_of(base);
	bool has_begun = begin_message(t, m, &delivery->answer);

	if (m->spool)
		spool_fini(m->spool);
	if (!has_begun) {
		if (t->is_streaming)
			relay_let_go(t, false);
		else
			relay_take_back(t);
		return false;
	}
	t->has_begun = true;
	t->delivery = delivery;
	op_begin(&delivery->op, deliver_cancel, t);
	return true;
}

