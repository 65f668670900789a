/*
 * One message on its way to a next hop: a connection from the first recipient on,
 * MAIL and RCPT as they come, the content, and what the hop says to all of it.
 *
 * A connection that goes away while nothing is being asked is replaced by another
 * one when the next thing is due: who was accepted is asked for again. One that fails
 * in the middle of a question is replaced as long as nobody was accepted. Later the
 * transaction is stuck: what was answered cannot be taken back, and all that follows
 * gets 451. Content that is not complete ends with the connection
 * and never with its final dot. A delivery that has begun goes on to its end also
 * when nobody waits for it any more; the transaction then belongs to itself.
 */
#include "backend/relay_transaction.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static const struct relay_hop_ops transaction_ops;

/* ---- what is logged ---- */

void relay_log_reply(const struct relay_transaction *t, const char *event, const char *stage,
		      const struct smtp_address *recipient, const struct smtp_reply *reply)
{
	struct buf address = { 0 };

	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	log_begin(LOG_LEVEL_INFO, t->session_id, event);
	log_str("message", t->message_id);
	log_str("backend", t->relay->backend.name);
	log_str("host", t->hop->host->text);
	log_str("stage", stage);
	if (recipient && smtp_address_write(&address, recipient))
		log_span("recipient", buf_span(&address));
	log_u64("code", reply->code);
	log_str("status", reply->status);
	log_str("reply", reply->text);
	log_end();
	buf_fini(&address);
}

static void log_lost(const struct relay_transaction *t, const struct relay_hop *hop, const char *then)
{
	log_begin(LOG_LEVEL_INFO, t->session_id, "hop_lost");
	log_str("message", t->message_id);
	log_str("backend", t->relay->backend.name);
	log_str("host", hop->host->text);
	log_str("error", hop->failure);
	log_u64("messages", hop->messages);
	log_str("then", then);
	log_end();
}

/* ---- the end ---- */

static void transaction_destroy(struct loop_garbage *garbage)
{
	free(LIST_OWNER(garbage, struct relay_transaction, garbage));
}

void relay_transaction_end(struct relay_transaction *t)
{
	relay_pool_cancel(&t->ticket);
	if (t->hop)
		relay_hop_close(t->hop);
	t->hop = NULL;
	relay_feed_free(&t->feed);
	free(t->each);
	t->each = NULL;
	buf_fini(&t->orcpt);
	buf_fini(&t->pending);
	arena_fini(&t->arena);
	list_remove(&t->link);
	loop_reap(t->relay->loop, &t->garbage, transaction_destroy);
	relay_put(t->relay);
}

/* The hop is ours no longer. Without content begun it can be used again. */
void relay_let_go(struct relay_transaction *t, bool is_usable)
{
	struct relay_hop *hop = t->hop;

	t->hop = NULL;
	t->stage = RELAY_RESTS;
	if (!hop)
		return;
	if (is_usable)
		relay_pool_give_back(hop);
	else
		relay_hop_close(hop);
}

/* Leave the hop's transaction. */
void relay_take_back(struct relay_transaction *t)
{
	if (t->hop)
		smtp_client_reset(t->hop->client);
	relay_let_go(t, true);
}

/* ---- answers ---- */

static void get_stuck(struct relay_transaction *t, const struct backend_answer *answer)
{
	if (t->is_stuck)
		return;
	t->is_stuck = true;
	backend_answer_copy(&t->stuck, answer);
}

static void answer_check(struct relay_transaction *t, const struct backend_answer *answer)
{
	struct backend_check *check = t->check;

	t->check = NULL;
	if (!check)
		return;
	backend_answer_copy(&check->answer, answer);
	op_finish(&check->op);
}

void relay_answer_check_yes(struct relay_transaction *t)
{
	struct backend_answer answer;

	backend_answer_yes(&answer);
	answer_check(t, &answer);
}

/* 421 is about the connection between us and the hop (RFC 5321 4.2.1), and no news for our own client. */
void relay_pass_on(struct backend_answer *answer, const struct relay_hop *hop, const struct smtp_reply *reply)
{
	struct smtp_reply said = *reply;

	if (said.code == 421)
		said = (struct smtp_reply){ 451, "4.3.0", reply->text, NULL };
	backend_answer_pass_on(answer, &said, "next_hop");
	snprintf(answer->detail, sizeof(answer->detail), "said by %.140s", hop->host->text);
}

void relay_no_memory(struct backend_answer *answer)
{
	backend_answer_no(answer, SMTP_REPLY_NO_MEMORY, "out of memory");
}

/* Nothing came of it: whoever waits is told. */
void relay_fail(struct relay_transaction *t, const struct backend_answer *answer)
{
	get_stuck(t, answer);
	buf_fini(&t->pending);
	relay_finish_more(t);
	if (t->check)
		answer_check(t, answer);
	else if (t->has_begun)
		relay_conclude(t, answer);
}

/* ---- asking ---- */

static void ask_for(struct relay_transaction *t, const struct smtp_address *address, unsigned notify,
		    struct span orcpt)
{
	const struct smtp_client_rcpt rcpt = { .recipient = address, .notify = notify, .orcpt = orcpt };

	/* One at a time is asked for, so that there is room. */
	BUG_ON(!smtp_client_rcpt(t->hop->client, &rcpt));
	t->stage = RELAY_ASKS;
	relay_hop_poke(t->hop);
}

/* Behind MAIL, and behind each recipient that was asked for again. */
static void ask_next(struct relay_transaction *t)
{
	if (t->again)
		ask_for(t, &t->again->address, t->again->notify, t->again->orcpt);
	else if (t->has_begun || t->is_streaming)
		relay_start_data(t);
	else
		ask_for(t, &t->recipient, t->notify, buf_span(&t->orcpt));
}

static void ask_mail(struct relay_transaction *t)
{
	const struct smtp_client_mail mail = {
		.sender = t->mail->sender,
		.size = t->mail->octets,
		.body_type = t->mail->body_type,
		.is_smtputf8 = t->mail->is_smtputf8,
		.requires_tls = t->mail->requires_tls,
		.ret = t->mail->ret,
		.envid = t->mail->envid,
	};
	const struct smtp_reply *refusal = smtp_client_mail(t->hop->client, &mail);
	struct backend_answer answer;

	if (!refusal) {
		ask_next(t);
		return;
	}
	relay_pass_on(&answer, t->hop, refusal);
	relay_take_back(t);
	relay_fail(t, &answer);
}

static void introduce(struct relay_transaction *t)
{
	const struct smtp_client_facts facts = {
		.client = t->mail->client ? *t->mail->client : (struct addr){ .family = ADDR_NONE },
		.helo = t->mail->helo_name,
		.protocol = span_str(t->mail->protocol),
		.login = span_str(t->mail->user),
		.ident = span_str(t->message_id),
	};

	t->stage = RELAY_INTRODUCES;
	if (smtp_client_introduce(t->hop->client, &facts))
		relay_hop_poke(t->hop);
	else
		ask_mail(t);
}

static void got_hop(struct relay_ticket *ticket, struct relay_hop *hop)
{
	struct relay_transaction *t = LIST_OWNER(ticket, struct relay_transaction, ticket);
	struct backend_answer answer;

	if (hop) {
		t->hop = hop;
		relay_hop_own(hop, &transaction_ops, t);
		introduce(t);
		return;
	}
	t->stage = RELAY_RESTS;
	backend_answer_no(&answer, SMTP_REPLY_HOP_DOWN, "%s", t->relay->failure);
	answer.is_down = true;
	relay_fail(t, &answer);
}

static void ask_for_hop(struct relay_transaction *t)
{
	t->stage = RELAY_WAITS;
	t->ticket.done = got_hop;
	relay_pool_ask(t->relay, &t->ticket);
}

void relay_ask_again(struct relay_transaction *t)
{
	t->again = t->first;
	t->has_mail = false;
	ask_for_hop(t);
}

/* ---- what the hop says ---- */

static void mail_told(struct relay_transaction *t, const struct smtp_reply *reply)
{
	struct backend_answer answer;

	t->has_mail = !smtp_reply_is_error(reply);
	if (t->has_mail)
		return;
	relay_log_reply(t, "hop_refused", "mail", NULL, reply);
	/* The connection is about to end; whether another is tried is seen then. */
	if (reply->code == 421)
		return;
	relay_pass_on(&answer, t->hop, reply);
	relay_take_back(t);
	relay_fail(t, &answer);
}

static void note_accepted(struct relay_transaction *t)
{
	struct relay_accepted *a = arena_alloc(&t->arena, sizeof(*a));
	const char *orcpt = a ? arena_dup(&t->arena, buf_span(&t->orcpt)) : NULL;

	t->accepted++;
	if (!orcpt) {
		t->is_incomplete = true;
		return;
	}
	a->address = t->recipient;
	a->notify = t->notify;
	a->orcpt = span_of(orcpt, buf_len(&t->orcpt));
	if (t->last)
		t->last->next = a;
	else
		t->first = t->next = a;
	t->last = a;
}

/* Who was accepted before was promised to our client already. */
static void again_told(struct relay_transaction *t, const struct smtp_reply *reply)
{
	struct backend_answer answer;

	if (!smtp_reply_is_error(reply)) {
		t->again = t->again->next;
		ask_next(t);
		return;
	}
	relay_log_reply(t, "hop_refused", "rcpt", &t->again->address, reply);
	backend_answer_no(&answer, SMTP_REPLY_HOP_LOST, "a recipient is accepted no more: %.100s", reply->text);
	relay_take_back(t);
	relay_fail(t, &answer);
}

static void rcpt_told(struct relay_transaction *t, const struct smtp_reply *reply)
{
	struct backend_answer answer;

	if (t->again) {
		again_told(t, reply);
		return;
	}
	t->stage = RELAY_RESTS;
	t->rests_since_ms = loop_now_ms(t->relay->loop);
	if (!smtp_reply_is_error(reply)) {
		note_accepted(t);
		relay_answer_check_yes(t);
		return;
	}
	relay_log_reply(t, "hop_refused", "rcpt", &t->recipient, reply);
	relay_pass_on(&answer, t->hop, reply);
	answer_check(t, &answer);
}

static void hop_event(void *owner, struct relay_hop *hop, const struct smtp_client_event *event)
{
	struct relay_transaction *t = owner;

	(void)hop;
	switch (event->type) {
	case SMTP_CLIENT_READY:
		if (t->stage == RELAY_INTRODUCES)
			ask_mail(t);
		return;
	case SMTP_CLIENT_MAIL:
		mail_told(t, &event->reply);
		return;
	case SMTP_CLIENT_RCPT:
		if (t->has_mail)
			rcpt_told(t, &event->reply);
		return;
	case SMTP_CLIENT_DATA:
		relay_data_told(t, &event->reply);
		return;
	case SMTP_CLIENT_RESULT:
		relay_result_told(t, event);
		return;
	default:
		return;
	}
}

/* To refuse the client whom XCLIENT or XFORWARD named tells nothing about the host: others are welcome. */
static bool is_about_client(const struct relay_hop *hop)
{
	return strcmp(hop->reason, "xclient_refused") == 0 || strcmp(hop->reason, "xforward_refused") == 0;
}

/*
 * May another connection be tried? Yes as long as nobody was accepted. A kept connection that dies
 * before MAIL is answered was dead before, and so may be the others to that host; a fresh one tells
 * something about the host.
 */
static bool tries_again(struct relay_transaction *t, struct relay_hop *hop)
{
	if (t->stage != RELAY_ASKS && t->stage != RELAY_INTRODUCES)
		return false;
	if (t->accepted && !t->again)
		return false;
	if (hop->was_idle && !t->has_mail) {
		relay_pool_drop_idle(t->relay, hop->host);
		return true;
	}
	if (!is_about_client(hop))
		relay_pool_blame(hop);
	return ++t->failovers < t->relay->host_count;
}

static void hop_gone(void *owner, struct relay_hop *hop)
{
	struct relay_transaction *t = owner;
	bool has_results = t->each && t->results && t->stage == RELAY_ENDS;
	struct backend_answer answer;

	t->hop = NULL;
	if (t->stage == RELAY_RESTS) {
		log_lost(t, hop, "another connection will do");
		return;
	}
	if (tries_again(t, hop)) {
		log_lost(t, hop, "another connection is tried");
		relay_ask_again(t);
		return;
	}
	log_lost(t, hop, NULL);
	t->stage = RELAY_RESTS;
	backend_answer_no(&answer, SMTP_REPLY_HOP_LOST, "%.60s: %.90s", hop->host->text, hop->failure);
	answer.is_down = t->check && !t->accepted && !t->is_streaming && !is_about_client(hop);
	if (!has_results) {
		relay_fail(t, &answer);
		return;
	}
	relay_keep_results(t, &answer);
	relay_conclude(t, NULL);
}

static void hop_room(void *owner, struct relay_hop *hop)
{
	(void)hop;
	relay_room_told(owner);
}

/* Who waits for our own client, and for long, can do so without a connection. */
static bool hop_yield(void *owner, struct relay_hop *hop)
{
	struct relay_transaction *t = owner;
	uint64_t rested_ms = loop_now_ms(t->relay->loop) - t->rests_since_ms;

	(void)hop;
	if (t->stage != RELAY_RESTS || rested_ms < RELAY_YIELD_MS || t->is_incomplete)
		return false;
	relay_take_back(t);
	return true;
}

static const struct relay_hop_ops transaction_ops = {
	.yield = hop_yield,
	.event = hop_event,
	.room = hop_room,
	.gone = hop_gone,
};

/* ---- the backend's operations ---- */

static struct backend_transaction *relay_transaction_new(struct backend *b, const struct backend_mail *mail)
{
	struct relay *relay = LIST_OWNER(b, struct relay, backend);
	struct relay_transaction *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->base.backend = b;
	t->relay = relay;
	t->mail = mail;
	snprintf(t->session_id, sizeof(t->session_id), "%s", mail->session_id ? mail->session_id : "-");
	snprintf(t->message_id, sizeof(t->message_id), "%s", mail->message_id ? mail->message_id : "");
	list_append(&relay->transactions, &t->link);
	return &t->base;
}

static void relay_transaction_free(struct backend_transaction *base)
{
	struct relay_transaction *t = relay_transaction_of(base);

	t->mail = NULL;
	t->check = NULL;
	t->more = NULL;
	if (t->has_begun && t->stage >= RELAY_STARTS) {
		t->is_orphan = true;
		return;
	}
	/* Content without its end is no message: only the end of the connection says so. */
	if (t->stage == RELAY_RESTS || t->stage == RELAY_ASKS)
		relay_take_back(t);
	relay_transaction_end(t);
}

/* The reply to what was asked may come yet, and nobody knows what it was: the transaction is of no use any more. */
void relay_check_cancel(struct op *op)
{
	struct relay_transaction *t = op->work;
	struct backend_answer answer;

	t->check = NULL;
	relay_pool_cancel(&t->ticket);
	relay_let_go(t, false);
	backend_answer_no(&answer, SMTP_REPLY_HOP_LOST, "it took too long");
	get_stuck(t, &answer);
}

static bool keep_recipient(struct relay_transaction *t, const struct backend_recipient *r)
{
	t->recipient = *r->address;
	t->notify = r->notify;
	buf_clear(&t->orcpt);
	return buf_add_span(&t->orcpt, r->orcpt);
}

static bool relay_check_start(struct backend_transaction *base, struct backend_check *check,
			      const struct backend_recipient *recipient)
{
	struct relay_transaction *t = relay_transaction_of(base);

	if (t->is_stuck) {
		backend_answer_copy(&check->answer, &t->stuck);
		return false;
	}
	if (!t->hop && t->is_incomplete) {
		relay_no_memory(&check->answer);
		return false;
	}
	if (!keep_recipient(t, recipient)) {
		relay_no_memory(&check->answer);
		return false;
	}
	t->check = check;
	op_begin(&check->op, relay_check_cancel, t);
	if (t->hop)
		ask_next(t);
	else
		relay_ask_again(t);
	return true;
}

void relay_transactions_abandon(struct relay *relay)
{
	for (struct list *link = relay->transactions.next, *next; link != &relay->transactions; link = next) {
		struct relay_transaction *t = LIST_OWNER(link, struct relay_transaction, link);

		next = link->next;
		if (t->is_orphan)
			relay_transaction_end(t);
	}
}

const struct backend_ops relay_lmtp_ops = {
	.type = "lmtp",
	.transaction_new = relay_transaction_new,
	.transaction_free = relay_transaction_free,
	.check_start = relay_check_start,
	.deliver_start = relay_deliver_start,
	.stream_start = relay_stream_start,
	.stream = relay_stream,
	.free = relay_free,
};

const struct backend_ops relay_smtp_ops = {
	.type = "smtp",
	.transaction_new = relay_transaction_new,
	.transaction_free = relay_transaction_free,
	.check_start = relay_check_start,
	.deliver_start = relay_deliver_start,
	.stream_start = relay_stream_start,
	.stream = relay_stream,
	.free = relay_free,
};
