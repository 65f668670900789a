/*
 * The player. See session_play.h.
 */
#include "session_play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void (*play_on_enter)(void);
void (*play_on_leave)(void);

struct player {
	const struct play *play;
	struct transcript *t;
	struct smtp_session *session;
	bool has_closed; /* the closing was done */
	bool awaits_tls; /* STARTTLS was accepted */
	size_t idle;     /* calls in a row that used no byte */
	size_t owed;     /* output that there was right after the last call */
};

static void enter(void)
{
	if (play_on_enter)
		play_on_enter();
}

static void leave(void)
{
	if (play_on_leave)
		play_on_leave();
}

static void __attribute__((format(printf, 2, 3))) object(struct transcript *t, const char *format, ...)
{
	va_list args;

	if (t->problem[0])
		return;
	va_start(args, format);
	vsnprintf(t->problem, sizeof(t->problem), format, args);
	va_end(args);
}

/* ---- playing ---- */

static void add_text(struct buf *text, struct arena *a, const char *key, struct span value)
{
	play_need(buf_add_str(text, key));
	play_need(buf_add_str(text, play_escape(a, value)));
}

static void add_number(struct buf *text, const char *key, uint64_t value)
{
	play_need(buf_add_str(text, key));
	play_need(buf_add_u64(text, value));
}

static void add_address(struct buf *text, struct arena *a, const struct smtp_address *address)
{
	add_text(text, a, " local=", smtp_address_local(address));
	add_text(text, a, " domain=", smtp_address_domain(address));
	if (address->is_literal)
		play_need(buf_add_str(text, " literal"));
}

static void add_word(struct buf *text, bool is_so, const char *word)
{
	play_need(buf_add_str(text, is_so ? word : ""));
}

static void add_mail(struct buf *text, struct arena *a, const struct smtp_event *event)
{
	if (event->u.mail.size)
		add_number(text, " size=", event->u.mail.size);
	add_word(text, event->u.mail.body_type == SMTP_BODY_8BITMIME, " body=8bitmime");
	add_word(text, event->u.mail.body_type == SMTP_BODY_BINARYMIME, " body=binarymime");
	add_word(text, event->u.mail.is_smtputf8, " smtputf8");
	add_word(text, event->u.mail.ret == SMTP_DSN_RET_FULL, " ret=full");
	add_word(text, event->u.mail.ret == SMTP_DSN_RET_HDRS, " ret=hdrs");
	if (event->u.mail.envid.len)
		add_text(text, a, " envid=", event->u.mail.envid);
	add_word(text, event->u.mail.requires_tls, " requiretls");
	add_word(text, event->u.mail.wants_each, " prdr");
}

static void add_rcpt(struct buf *text, struct arena *a, const struct smtp_event *event)
{
	if (event->u.rcpt.notify)
		play_need(buf_add_str(text, " notify"));
	add_word(text, event->u.rcpt.notify & SMTP_DSN_NOTIFY_NEVER, "=never");
	add_word(text, event->u.rcpt.notify & SMTP_DSN_NOTIFY_SUCCESS, "=success");
	add_word(text, event->u.rcpt.notify & SMTP_DSN_NOTIFY_FAILURE, "=failure");
	add_word(text, event->u.rcpt.notify & SMTP_DSN_NOTIFY_DELAY, "=delay");
	if (event->u.rcpt.orcpt.len)
		add_text(text, a, " orcpt=", event->u.rcpt.orcpt);
}

static void add_message(struct buf *text, const struct smtp_event *event)
{
	add_number(text, " octets=", event->u.message.octets);
	play_need(buf_add_str(text, event->u.message.has_lone_cr ? " lone_cr" : ""));
	play_need(buf_add_str(text, event->u.message.has_bare_lf ? " bare_lf" : ""));
	play_need(buf_add_str(text, event->u.message.has_bare_dot ? " bare_dot" : ""));
}

static void add_xclient(struct buf *text, struct arena *a, const struct smtp_xclient *x)
{
	char address[ADDR_TEXT_SIZE];

	if (x->has_client)
		add_text(text, a, " client=", span_str(addr_format_ip(&x->client, address)));
	if (x->client.port)
		add_number(text, " port=", x->client.port);
	if (*x->login)
		add_text(text, a, " login=", span_str(x->login));
}

static void add_fields(struct buf *text, struct arena *a, const struct smtp_event *event)
{
	switch (event->type) {
	case SMTP_EVENT_HELO:
		add_text(text, a, " name=", event->u.helo.name);
		play_need(buf_add_str(text, event->u.helo.is_extended ? " esmtp" : ""));
		break;
	case SMTP_EVENT_MAIL:
		add_address(text, a, &event->address);
		add_mail(text, a, event);
		break;
	case SMTP_EVENT_RCPT:
		add_address(text, a, &event->address);
		add_rcpt(text, a, event);
		break;
	case SMTP_EVENT_DATA:
		add_word(text, event->u.data.is_chunked, " chunked");
		break;
	case SMTP_EVENT_MESSAGE:
		add_message(text, event);
		break;
	case SMTP_EVENT_XCLIENT:
		add_xclient(text, a, &event->u.xclient);
		break;
	case SMTP_EVENT_AUTH:
	case SMTP_EVENT_AUTH_STEP:
		add_text(text, a, " mechanism=", span_str(event->u.auth.mechanism));
		if (event->u.auth.response.ptr)
			add_text(text, a, " response=", event->u.auth.response);
		break;
	case SMTP_EVENT_REPLIED:
		add_text(text, a, " reason=", span_str(event->u.replied.reply->reason));
		add_text(text, a, " line=", event->u.replied.line);
		break;
	default:
		break;
	}
}

static const char *event_name(enum smtp_event_type type)
{
	static const char *const names[SMTP_EVENTS] = {
		[SMTP_EVENT_CONNECT] = "CONNECT", [SMTP_EVENT_HELO] = "HELO",
		[SMTP_EVENT_MAIL] = "MAIL",       [SMTP_EVENT_RCPT] = "RCPT",
		[SMTP_EVENT_DATA] = "DATA",       [SMTP_EVENT_MESSAGE] = "MESSAGE",
		[SMTP_EVENT_RESET] = "RESET",     [SMTP_EVENT_REPLIED] = "REPLIED",
		[SMTP_EVENT_QUIT] = "QUIT",       [SMTP_EVENT_CLOSE] = "CLOSE",
		[SMTP_EVENT_STARTTLS] = "STARTTLS", [SMTP_EVENT_AUTH] = "AUTH",
		[SMTP_EVENT_AUTH_STEP] = "AUTH_STEP", [SMTP_EVENT_XCLIENT] = "XCLIENT",
	};

	return names[type];
}

static struct play_entry *write_event(struct transcript *t, const struct smtp_event *event)
{
	struct buf text = { 0 };
	struct play_entry *e;

	play_need(buf_add_str(&text, event_name(event->type)));
	add_fields(&text, &t->arena, event);
	play_need(buf_add(&text, "", 1));
	e = transcript_add(t, PLAY_EVENT, event->type, buf_span(&text).ptr);
	buf_fini(&text);
	if (event->type == SMTP_EVENT_MESSAGE) {
		e->octets = event->u.message.octets;
		e->has_lone_cr = event->u.message.has_lone_cr;
		e->has_bare_lf = event->u.message.has_bare_lf;
		e->has_bare_dot = event->u.message.has_bare_dot;
	}
	return e;
}

static void write_reply_lines(struct transcript *t)
{
	for (;;) {
		struct span rest = buf_span(&t->line);
		size_t n = span_find(rest, '\n');
		struct span line = span_head(rest, n);
		struct play_entry *e;
		char *copy;

		if (n == rest.len)
			return;
		if (n == 0 || line.ptr[n - 1] != '\r')
			object(t, "a reply line does not end in CRLF");
		else
			line.len--;
		copy = arena_dup(&t->arena, line);
		play_need(copy != NULL);
		e = transcript_add(t, PLAY_REPLY, SMTP_EVENTS, play_escape(&t->arena, line));
		e->bytes = span_of(copy, line.len);
		buf_use(&t->line, n + 1);
	}
}

static void send_bytes(struct player *p, size_t len)
{
	enter();
	smtp_session_sent(p->session, len);
	leave();
	p->t->seen -= len;
}

/* Write down what was put out since the last call. */
static void see_output(struct player *p)
{
	struct transcript *t = p->t;
	struct span output = smtp_session_output(p->session);

	if (output.len < t->seen) {
		object(t, "output vanished that was not sent");
		t->seen = output.len;
	}
	if (output.len > t->max_output)
		t->max_output = output.len;
	play_need(buf_add_span(&t->line, span_from(output, t->seen)));
	t->seen = output.len;
	p->owed = output.len;
	write_reply_lines(t);
	if (!p->play->sends_late && output.len > 0)
		send_bytes(p, output.len);
}

/* One call of the machine with a span of input; its block lives no longer than the event it gave. */
static size_t call_next(struct player *p, struct span in, struct smtp_event *event, char **block)
{
	size_t used;

	*block = NULL;
	if (p->play->lends_briefly) {
		*block = malloc(in.len ? in.len : 1);
		play_need(*block != NULL);
		if (in.len)
			memcpy(*block, in.ptr, in.len);
		in.ptr = *block;
	}
	memset(event, 0xa5, sizeof(*event));
	enter();
	used = smtp_session_next(p->session, in, event);
	leave();
	if (used > in.len)
		object(p->t, "used %zu bytes of %zu", used, in.len);
	see_output(p);
	return used > in.len ? in.len : used;
}

static struct span offer(const struct player *p)
{
	const struct play *play = p->play;
	size_t pos = p->t->used;
	size_t end = play->input.len;

	if (play->closing && !p->has_closed && play->closing->offset < end)
		end = play->closing->offset;
	/* Whoever starts TLS sends nothing between. */
	if (p->awaits_tls && play->starts_tls && play->tls_offset < end)
		end = play->tls_offset > pos ? play->tls_offset : pos;
	if (play->cut && pos < end) {
		size_t n = play->cut(play->arg, pos);

		BUG_ON(n == 0);
		if (n < end - pos)
			end = pos + n;
	}
	return span_head(span_from(play->input, pos), end - pos);
}

/* Spoil it before it goes, so that a pointer into it shows even without a sanitizer. */
static void end_block(char *block, size_t len)
{
	if (block)
		memset(block, '#', len);
	free(block);
}

/* A reply lent for one call only, in memory of its own, as a policy would make it. */
static void give_reply(struct player *p, const struct play_verdict *v)
{
	struct smtp_reply *r = NULL;
	char *status = NULL, *text = NULL;

	if (v->reply.code) {
		r = malloc(sizeof(*r));
		status = v->reply.status ? strdup(v->reply.status) : NULL;
		text = strdup(v->reply.text);
		play_need(r && text && (status || !v->reply.status));
		*r = (struct smtp_reply){ v->reply.code, status, text, "told" };
	}
	enter();
	if (v->is_close)
		smtp_session_close(p->session, r);
	else
		smtp_session_verdict(p->session, r);
	leave();
	free(status);
	free(text);
	free(r);
	see_output(p);
}

/* Recipients of a message whose MAIL had PRDR; 0 for others. */
static size_t count_recipients(const struct transcript *t)
{
	size_t count = 0;

	for (size_t i = t->count; i-- > 0;) {
		const struct play_entry *e = &t->entries[i];

		if (e->kind != PLAY_EVENT)
			continue;
		if (e->type == SMTP_EVENT_RCPT)
			count += e->verdict.reply.code < 400;
		if (e->type == SMTP_EVENT_MAIL)
			return strstr(e->text, " prdr") ? count : 0;
	}
	return 0;
}

static void answer_each(struct player *p, struct play_entry *message)
{
	struct smtp_reply no = { 550, "5.7.1", "Not this one.", "told" };

	message->each_count = count_recipients(p->t);
	enter();
	for (size_t i = 0; i < message->each_count; i++)
		smtp_session_answer_each(p->session, i % 2 ? &no : NULL);
	leave();
	see_output(p);
}

/* Law 2: while a verdict is owed, bytes are refused. */
static void offer_while_waiting(struct player *p)
{
	struct smtp_event event;
	char *block;

	for (int i = 0; i < 2; i++) {
		struct span in = i ? span_from(p->play->input, p->t->used) : span_of("", 0);
		size_t used = call_next(p, in, &event, &block);

		end_block(block, in.len);
		if (used != 0)
			object(p->t, "used %zu bytes while a verdict was owed", used);
		if (event.type != SMTP_EVENT_WAITING)
			object(p->t, "told event %d while a verdict was owed", (int)event.type);
	}
}

static void answer(struct player *p, size_t entry, enum smtp_event_type type)
{
	const struct play *play = p->play;
	struct play_verdict v = { .is_close = false };

	if (play->verdict)
		v = play->verdict(play->arg, p->t->waited, type);
	p->t->waited++;
	p->t->entries[entry].verdict = v;
	if (play->offers_while_waiting)
		offer_while_waiting(p);
	if (v.is_each && !v.is_close && type == SMTP_EVENT_MESSAGE)
		answer_each(p, &p->t->entries[entry]);
	give_reply(p, &v);
	p->awaits_tls = type == SMTP_EVENT_STARTTLS && v.reply.code < 400 && !v.is_close;
}

static void send_some(struct player *p)
{
	size_t pending = smtp_session_output(p->session).len;

	if (p->owed == 0)
		object(p->t, "wants output to be sent, but there is none");
	if (pending > 0)
		send_bytes(p, pending > 1000 ? 1000 : pending);
}

/* TLS runs over a connection that has nothing left to send in plain text. */
static void start_tls(struct player *p)
{
	transcript_add(p->t, PLAY_TLS, SMTP_EVENTS, "");
	p->awaits_tls = false;
	if (p->t->seen > 0)
		send_bytes(p, p->t->seen);
	enter();
	smtp_session_tls_started(p->session);
	leave();
	smtp_session_offer_auth(p->session, PLAY_AUTH_IN_TLS);
}

/* All that was offered is used: go on, close, or finish. False: the conversation is over. */
static bool feed_more(struct player *p)
{
	const struct play *play = p->play;

	if (play->trims) {
		enter();
		smtp_session_trim(p->session);
		leave();
	}
	if (play->closing && !p->has_closed && p->t->used >= play->closing->offset) {
		struct play_verdict v = { .reply = play->closing->reply, .is_close = true };

		p->has_closed = true;
		give_reply(p, &v);
		return true;
	}
	if (p->awaits_tls && play->starts_tls && p->t->used >= play->tls_offset)
		start_tls(p);
	return p->t->used < play->input.len;
}

/* After the end nothing more may happen, whatever is offered. */
static void prove_ended(struct player *p)
{
	size_t count = p->t->count;
	struct smtp_event event;
	char *block;

	p->t->has_ended = true;
	for (int i = 0; i < 3; i++) {
		struct span in = span_from(p->play->input, p->t->used);

		call_next(p, in, &event, &block);
		end_block(block, in.len);
		if (event.type != SMTP_EVENT_CLOSE && event.type != SMTP_EVENT_QUIT &&
		    event.type != SMTP_EVENT_NEED_INPUT)
			object(p->t, "told event %d after the end", (int)event.type);
	}
	if (p->t->count != count || buf_len(&p->t->line) > 0)
		object(p->t, "replied after the end");
}

/* Each call must use bytes, tell something new or take output; this many that do none are a loop. */
static bool is_stuck(struct player *p, size_t used)
{
	p->idle = used ? 0 : p->idle + 1;
	if (p->idle > 100)
		object(p->t, "goes round in circles");
	return p->idle > 100;
}

static bool take_event(struct player *p, const struct smtp_event *event, size_t offered, size_t used)
{
	struct transcript *t = p->t;

	switch (event->type) {
	case SMTP_EVENT_NEED_INPUT:
		if (used < offered)
			object(t, "wants input, but left %zu bytes unused", offered - used);
		return feed_more(p);
	case SMTP_EVENT_NEED_OUTPUT:
		send_some(p);
		return true;
	case SMTP_EVENT_BODY:
		transcript_add_body(t, event->u.body);
		return true;
	case SMTP_EVENT_WAITING:
	case SMTP_EVENTS:
		object(t, "told event %d at the wrong time", (int)event->type);
		return false;
	default:
		write_event(t, event);
		return event->type != SMTP_EVENT_QUIT && event->type != SMTP_EVENT_CLOSE;
	}
}

static void converse(struct player *p)
{
	for (;;) {
		struct transcript *t = p->t;
		struct span in = offer(p);
		struct smtp_event event;
		char *block;
		size_t used = call_next(p, in, &event, &block);
		bool goes_on;

		t->used += used;
		/* Law 6. */
		if (p->awaits_tls && (used > 0 || (in.len > 0 && event.type == SMTP_EVENT_NEED_INPUT)))
			object(t, "used %zu of %zu bytes behind STARTTLS", used, in.len);
		goes_on = (unsigned)event.type < SMTP_EVENTS && take_event(p, &event, in.len, used);
		end_block(block, in.len);
		if ((unsigned)event.type >= SMTP_EVENTS)
			object(t, "told no event");
		else if (play_event_waits(event.type))
			answer(p, t->count - 1, event.type);
		else if (event.type == SMTP_EVENT_QUIT || event.type == SMTP_EVENT_CLOSE)
			prove_ended(p);
		if (!goes_on || t->problem[0] || is_stuck(p, used))
			return;
	}
}

void play_run(const struct play *p, struct transcript *t)
{
	struct player player = { .play = p, .t = t };

	memset(t, 0, sizeof(*t));
	enter();
	player.session = smtp_session_new(p->options);
	leave();
	if (!player.session) {
		t->has_no_memory = true;
		return;
	}
	smtp_session_offer_auth(player.session, PLAY_AUTH);
	if (p->starts_in_tls)
		start_tls(&player);
	converse(&player);
	transcript_end_body(t);
	if (t->seen > 0)
		send_bytes(&player, t->seen);
	if (buf_len(&t->line) > 0)
		object(t, "the output ends inside a line");
	enter();
	smtp_session_free(&player.session);
	leave();
	if (player.session)
		object(t, "smtp_session_free() left the pointer");
}
