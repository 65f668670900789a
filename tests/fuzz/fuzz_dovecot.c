/*
 * Laws of what Dovecot's auth service says (auth/dovecot*), whole or in pieces:
 * nobody is anybody without an OK to a request that was sent and waits for an
 * answer, with a name in it; each request has one answer, and all have one when
 * the link is lost; what they are does not depend on how the input is cut, as long
 * as the client says nothing in between. Of the first byte six bits are the size
 * of the pieces, 0 for the whole; one has a request given up, and one has the
 * client go on where it is asked to. What stands in for the loop and the
 * connection is below: both are there in name only.
 */
#include "auth/auth.h"
#include "auth/dovecot.h"
#include "base/log.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "net/conn.h"
#include "net/dial.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- the world ---- */

static struct dial *dialing;            /* that waits to be told its end */
static const struct conn_ops *link_ops; /* of the connection; NULL: there is none */
static void *link_owner;
static struct loop_deferred *deferred;  /* the one there is, of the link */
static uint64_t now_ms;
static int fake;                        /* its address is a loop's and a connection's */

static void cancel_dial(struct op *op)
{
	(void)op;
	dialing = NULL;
}

void dial_start(struct dial *dial, struct loop *loop, struct pool *resolver, const struct endpoint *to,
		uint64_t timeout_ms)
{
	(void)loop;
	(void)resolver;
	(void)to;
	(void)timeout_ms;
	op_begin(&dial->op, cancel_dial, dial);
	dialing = dial;
}

struct conn *conn_new(struct loop *loop, int fd, const struct addr *peer, const struct conn_ops *ops, void *owner)
{
	(void)loop;
	(void)fd;
	(void)peer;
	link_ops = ops;
	link_owner = owner;
	return (struct conn *)(void *)&fake;
}

void conn_close(struct conn **conn)
{
	if (*conn)
		link_ops = NULL;
	*conn = NULL;
}

bool conn_send(struct conn *conn, struct span out, size_t *sent, int *error)
{
	LAW(conn && link_ops && out.len > 0 && out.ptr[out.len - 1] == '\n');
	*sent = out.len;
	*error = 0;
	return true;
}

uint64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return now_ms++;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms,
		      void (*fire)(struct loop_timer *))
{
	(void)loop;
	(void)timer;
	(void)fire;
	LAW(delay_ms > 0);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	(void)timer;
}

void loop_defer(struct loop *loop, struct loop_deferred *what, void (*run)(struct loop_deferred *))
{
	(void)loop;
	what->run = run;
	deferred = what;
}

void loop_defer_cancel(struct loop_deferred *what)
{
	(void)what;
	deferred = NULL;
}

void loop_reap(struct loop *loop, struct loop_garbage *garbage, void (*release)(struct loop_garbage *))
{
	(void)loop;
	release(garbage);
}

/* The end of a turn. */
static void flush(void)
{
	struct loop_deferred *what = deferred;

	deferred = NULL;
	if (what)
		what->run(what);
}

/* ---- who asks ---- */

enum { CHECKS = 3, STEPS_MAX = 8 };

/* Of the first byte. */
enum { PIECE_MASK = 0x3f, GOES_ON = 0x40, GIVES_UP = 0x80 };

struct run {
	struct auth_source *source;
	struct auth_check checks[CHECKS];
	struct auth_exchange *exchange; /* owned */
	struct auth_step step;
	bool goes_on;                   /* the client answers challenges */
	unsigned told[CHECKS], steps_told;
	bool is_step_due;               /* the client would go on */
};

static const struct addr nowhere;
static const struct auth_channel channel = { .client = &nowhere, .session_id = "fuzz" };

/* Only who is text is somebody. */
static void hold_answer(const struct auth_answer *answer)
{
	if (answer->result == AUTH_OK)
		LAW(*answer->user && utf8_is_text(span_str(answer->user)));
	LAW(answer->result == AUTH_OK || answer->result == AUTH_WRONG || answer->result == AUTH_UNAVAILABLE ||
	    answer->result == AUTH_MALFORMED || answer->result == AUTH_CONTINUE || answer->result == AUTH_DISABLED ||
	    answer->result == AUTH_EXPIRED);
	LAW(answer->result == AUTH_OK || answer->result == AUTH_CONTINUE || answer->reason);
}

static void on_check(struct op *op)
{
	struct run *r = op->owner;
	size_t i = (size_t)(LIST_OWNER(op, struct auth_check, op) - r->checks);

	LAW(r->told[i]++ == 0);
	hold_answer(&r->checks[i].answer);
	LAW(r->checks[i].answer.result != AUTH_CONTINUE);
}

static void on_step(struct op *op)
{
	struct run *r = op->owner;

	r->steps_told++;
	hold_answer(&r->step.answer);
	r->is_step_due = r->step.answer.result == AUTH_CONTINUE && r->goes_on && r->steps_told < STEPS_MAX;
}

static void say_step(struct run *r)
{
	r->is_step_due = false;
	auth_answer_clear(&r->step.answer);
	r->step.op = (struct op){ .done = on_step, .owner = r };
	if (!r->source->ops->step_start(r->exchange, &r->step, SPAN_LITERAL("answer")))
		hold_answer(&r->step.answer);
}

/* All is asked before Dovecot greets us, and goes out then, in this order: its ids are 1 to 4. */
static void ask(struct run *r)
{
	const struct auth_credentials credentials = {
		.user = "anna", .password = "sesame", .channel = &channel, .is_last = true
	};

	for (size_t i = 0; i < CHECKS; i++) {
		r->checks[i].op = (struct op){ .done = on_check, .owner = r };
		if (!r->source->ops->check_start(r->source, &r->checks[i], &credentials))
			hold_answer(&r->checks[i].answer);
	}
	r->exchange = r->source->ops->exchange_new(r->source, "CRAM-MD5", &channel);
	if (r->exchange)
		say_step(r);
}

static void connect_link(void)
{
	struct dial *dial = dialing;

	dialing = NULL;
	dial->fd = 0;
	op_finish(&dial->op);
	flush();
}

static void feed(struct run *r, struct span in, size_t piece)
{
	if (piece == 0)
		piece = in.len;
	while (in.len && link_ops) {
		struct span part = span_head(in, piece);
		char *copy = malloc(part.len); /* so that a look beyond it shows */

		if (!copy)
			break;
		memcpy(copy, part.ptr, part.len);
		LAW(link_ops->input(link_owner, span_of(copy, part.len), false) == part.len);
		free(copy);
		in = span_from(in, part.len);
		if (r->is_step_due)
			say_step(r);
		flush();
	}
}

/* ---- the laws ---- */

/* Lines that say yes to some request, with a name. */
static unsigned count_yes(struct span in)
{
	unsigned count = 0;

	while (in.len) {
		size_t len = span_find(in, '\n');
		struct span line = span_head(in, len);
		bool has_name = false;

		for (size_t i = 0; i + 6 <= line.len; i++)
			has_name |= memcmp(line.ptr + i, "\tuser=", 6) == 0;
		count += has_name && line.len > 3 && memcmp(line.ptr, "OK\t", 3) == 0;
		in = span_from(in, len + 1);
	}
	return count;
}

static void hold_yes(const struct run *r, struct span in)
{
	unsigned count = r->step.answer.result == AUTH_OK;

	for (size_t i = 0; i < CHECKS; i++)
		count += r->checks[i].answer.result == AUTH_OK;
	LAW(count <= count_yes(in));
}

/* The results as text. */
static void play(struct span in, size_t piece, unsigned flags, char results[CHECKS])
{
	const struct auth_dovecot_options options = { .path = "/auth", .timeout_ms = 1000 };
	const bool gives_up = flags & GIVES_UP;
	struct run r = { .goes_on = flags & GOES_ON };
	struct err err;

	r.source = auth_dovecot_new(&options, &err);
	if (!r.source)
		return;
	ask(&r);
	if (gives_up)
		op_cancel(&r.checks[0].op);
	connect_link();
	feed(&r, in, piece);
	if (link_ops)
		link_ops->input(link_owner, SPAN_LITERAL(""), true);
	for (size_t i = 0; i < CHECKS; i++) {
		LAW(!op_running(&r.checks[i].op));
		LAW(r.told[i] == !(gives_up && i == 0));
		results[i] = (char)('0' + (int)r.checks[i].answer.result);
	}
	hold_yes(&r, in);
	op_cancel(&r.step.op);
	if (r.exchange)
		r.source->ops->exchange_free(r.exchange);
	auth_answer_clear(&r.step.answer);
	for (size_t i = 0; i < CHECKS; i++)
		auth_answer_clear(&r.checks[i].answer);
	auth_source_free(&r.source);
	deferred = NULL;
}

static void open_log(void)
{
	static bool is_open;

	if (!is_open)
		log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR);
	is_open = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data + 1, size ? size - 1 : 0);
	char bytes[CHECKS] = "", pieces[CHECKS] = "";

	if (size == 0)
		return 0;
	open_log();
	play(in, data[0] & PIECE_MASK, data[0], pieces);
	if (data[0] & GOES_ON)
		return 0;
	play(in, 1, data[0], bytes);
	LAW(memcmp(bytes, pieces, CHECKS) == 0);
	return 0;
}
