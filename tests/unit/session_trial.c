/*
 * See session_trial.h.
 */
#include "session_trial.h"

#include "unit.h"

#include <stdio.h>

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

static struct {
	bool is_inside;       /* the machine is running */
	bool has_failed;
	unsigned long left;   /* allocations that succeed before one fails; 0: all */
} memory;

/* ---- the allocator ---- */

static bool may_allocate(void)
{
	if (!memory.is_inside || memory.left == 0 || --memory.left > 0)
		return true;
	memory.has_failed = true;
	return false;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	return may_allocate() ? __real_realloc(old, size) : NULL;
}

/* ---- what is told when a law is broken ---- */

static void print_way(const struct explorer *e, const struct node *n, struct buf *out)
{
	char text[32];

	if (n->parent != UINT32_MAX)
		print_way(e, &e->nodes[n->parent], out);
	if (n->letter == UINT32_MAX)
		return;
	snprintf(text, sizeof(text), " | %u ", (unsigned)letters[n->letter].reply.code);
	play_need(buf_add_str(out, letters[n->letter].kind < LETTER_VERDICT ? " | " : text));
	play_need(buf_add_str(out, letters[n->letter].name));
}

static _Noreturn void break_law(const struct trial *t, const char *what)
{
	struct buf way = { 0 }, text = { 0 };
	struct arena arena = { 0 };
	struct span name = t->letter->kind < LETTER_VERDICT ? t->letter->bytes : span_str(t->letter->name);

	print_way(t->e, t->from, &way);
	play_need(buf_add_str(&text, play_escape(&arena, buf_span(&way))));
	play_need(buf_add(&text, "", 1));
	ck_abort_msg("%s\nbehind:%s\nby: %s (%u)%s%s\noutput: %.*s", what, buf_span(&text).ptr,
		     play_escape(&arena, span_head(name, 100)), (unsigned)t->letter->reply.code,
		     t->is_bytewise ? ", byte by byte" : "",
		     t->lacks_memory ? ", without memory" : "", (int)buf_len(&t->output),
		     buf_span(&t->output).ptr);
}

void trial_law(const struct trial *t, bool holds, const char *what)
{
	if (!holds)
		break_law(t, what);
}

/* ---- one transition ---- */

static void take_output(struct trial *t)
{
	struct span output = smtp_session_output(t->to.session);

	play_need(buf_add_span(&t->output, output));
	smtp_session_sent(t->to.session, output.len);
}

/* What the bytes of content so far come to. */
static void decode(const struct trial *t, struct model_data *m)
{
	struct span body = buf_span(&t->to.body);
	enum line_ending ending = t->from->key.dot_line_ending;

	if (t->from->key.is_chunked || t->from->key.is_in_chunk)
		model_chunks_decode(m, body, ending, false, state_is_chunk_last(t->to.session));
	else
		model_data_decode(m, body, ending);
}

/* Law 5: what is told of the content so far is what the reference makes of it. */
static void check_content(struct trial *t, struct span content)
{
	struct model_data m;

	decode(t, &m);
	trial_law(t, t->to.told + content.len <= m.len, "there is more content than was sent");
	trial_law(t, memcmp(m.content + t->to.told, content.ptr, content.len) == 0, "the content differs");
	t->to.told += content.len;
	model_data_fini(&m);
}

static void check_message(struct trial *t, const struct smtp_event *event)
{
	const struct smtp_session_options *o = &t->e->options;
	struct model_data m;

	decode(t, &m);
	trial_law(t, m.has_ended && m.used == buf_len(&t->to.body), "a message without end of data");
	trial_law(t, t->to.told == m.len, "content is missing");
	trial_law(t, event->u.message.octets == m.octets && m.octets <= o->max_message_size, "another size");
	trial_law(t, event->u.message.has_lone_cr == m.has_lone_cr, "a lone CR is told wrongly");
	trial_law(t, event->u.message.has_bare_lf == m.has_bare_lf, "a bare LF is told wrongly");
	trial_law(t, event->u.message.has_bare_dot == m.has_bare_dot, "a bare dot is told wrongly");
	trial_law(t, !m.has_bare_lf || o->bare_newline != SMTP_BARE_NEWLINE_REJECT, "a bare LF was taken");
	model_data_fini(&m);
}

static void take_event(struct trial *t, const struct smtp_event *event)
{
	struct node *to = &t->to;
	bool is_closed = t->letter->kind == LETTER_CLOSE || t->lacks_memory;

	trial_law(t, (unsigned)event->type < SMTP_EVENTS, "no event");
	trial_law(t, model_may(&to->model, &t->e->options, event->type, is_closed), smtp_event_name(event->type));
	if (event->type == SMTP_EVENT_BODY) {
		check_content(t, event->u.body);
		return;
	}
	play_need(buf_add(&t->events, &(char){ (char)event->type }, 1));
	if (event->type == SMTP_EVENT_MESSAGE)
		check_message(t, event);
	if (event->type == SMTP_EVENT_REPLIED)
		trial_law(t, event->u.replied.reply->code >= 400, "a success was told as an error");
	if (!play_event_waits(event->type))
		model_take(&to->model, event->type, NULL);
	to->has_ended = event->type == SMTP_EVENT_QUIT || event->type == SMTP_EVENT_CLOSE;
}

/* Law 6 and the end: of these bytes none may be used. */
static bool must_use_nothing(const struct node *n)
{
	return state_is_waiting(n->session) || state_awaits_tls(n->session) || state_is_closed(n->session);
}

/* Offer a block that is gone right behind the call, until all of it is used or no more can be. */
static void offer(struct trial *t, struct span in)
{
	struct node *to = &t->to;

	for (unsigned calls = 0;; calls++) {
		bool may_use_nothing = must_use_nothing(to);
		char *block = malloc(in.len + 1);
		struct smtp_event event;
		size_t used;

		play_need(block != NULL);
		memcpy(block, in.ptr, in.len);
		memory.is_inside = true;
		used = smtp_session_next(to->session, span_of(block, in.len), &event);
		memory.is_inside = false;
		trial_law(t, used <= in.len && (used == 0 || !may_use_nothing), "bytes were used that may not be");
		trial_law(t, calls < 20, "it goes round in circles");
		if (event.type != SMTP_EVENT_NEED_INPUT && event.type != SMTP_EVENT_NEED_OUTPUT)
			take_event(t, &event);
		free(block);
		in = span_from(in, used);
		take_output(t);
		if (event.type == SMTP_EVENT_NEED_INPUT)
			trial_law(t, in.len == 0, "input was left though more is wanted");
		if (event.type == SMTP_EVENT_NEED_INPUT || play_event_waits(event.type) || to->has_ended)
			return;
	}
}

static void say(struct trial *t, struct span bytes)
{
	struct node *to = &t->to;
	bool is_content = state_is_in_body(to->session) || state_chunk_left(to->session);

	for (size_t i = 0; i < bytes.len && !to->has_ended; i++) {
		struct span part = t->is_bytewise ? span_of(bytes.ptr + i, 1) : bytes;

		/* Only what belongs to the message: the rest is behind its end. */
		if (is_content && !state_is_waiting(to->session) &&
		    (state_is_in_body(to->session) || state_chunk_left(to->session)))
			play_need(buf_add_span(&to->body, part));
		offer(t, part);
		if (!t->is_bytewise)
			return;
	}
}

static void answer(struct trial *t, enum smtp_event_type asked, const struct smtp_reply *reply)
{
	struct play_verdict v = { .is_close = t->letter->kind == LETTER_CLOSE };

	if (reply)
		v.reply = *reply;
	memory.is_inside = true;
	if (v.is_close)
		smtp_session_close(t->to.session, reply);
	else
		smtp_session_verdict(t->to.session, reply);
	memory.is_inside = false;
	if (asked != SMTP_EVENT_NEED_INPUT) {
		model_take(&t->to.model, asked, &v);
	} else {
		t->to.model.owes_reset = t->to.model.state == MODEL_TRANSACTION || t->to.model.state == MODEL_BODY;
		t->to.model.state = MODEL_CLOSING;
	}
	take_output(t);
	offer(t, span_of("", 0));
}

/* One recipient after the other, each put off by its owner, until one more would be one too many. */
static void put_off_recipients(struct trial *t)
{
	static const struct smtp_reply later = { 451, "4.3.0", "Later.", "told" };

	for (size_t i = 0; i < t->letter->times && !t->to.has_ended; i++) {
		say(t, t->letter->bytes);
		if (state_is_waiting(t->to.session))
			answer(t, SMTP_EVENT_RCPT, &later);
		buf_clear(&t->output);
		buf_clear(&t->events);
	}
}

static void say_repeatedly(struct trial *t)
{
	struct buf bytes = { 0 };

	for (size_t i = 0; i < t->letter->times; i++)
		play_need(buf_add_span(&bytes, t->letter->bytes));
	say(t, buf_span(&bytes));
	buf_fini(&bytes);
}

static void do_letter(struct trial *t)
{
	const struct letter *l = t->letter;

	switch (l->kind) {
	case LETTER_VERDICT:
	case LETTER_CLOSE:
		answer(t, smtp_session_waiting(t->from->session), l->reply.code ? &l->reply : NULL);
		break;
	case LETTER_TLS:
		smtp_session_tls_started(t->to.session);
		smtp_session_offer_auth(t->to.session, PLAY_AUTH_IN_TLS);
		model_take_tls(&t->to.model);
		offer(t, span_of("", 0));
		break;
	case LETTER_RECIPIENTS:
		put_off_recipients(t);
		break;
	default:
		if (l->times)
			say_repeatedly(t);
		else
			say(t, l->bytes);
	}
}

/* ---- law 3 ---- */

/* The code of the only reply; 0: there is none. */
static unsigned only_reply(const struct trial *t)
{
	struct span rest = buf_span(&t->output);
	unsigned code = 0;

	while (rest.len > 0) {
		size_t n = span_find(rest, '\n');
		struct span line = span_head(rest, n);
		uint64_t value;

		trial_law(t, n < rest.len && line.len >= 5 && line.ptr[n - 1] == '\r', "a reply line is torn");
		trial_law(t, span_to_u64(span_head(line, 3), &value) && value >= 200 && value < 600, "no reply line");
		trial_law(t, !code || value == code, "a reply too many, or one of two codes");
		code = (unsigned)value;
		rest = span_from(rest, n + 1);
		trial_law(t, (line.ptr[3] == '-') == (rest.len > 0), "a reply too many, or one without end");
	}
	return code;
}

static bool has_told(const struct trial *t, enum smtp_event_type type)
{
	return span_find(buf_span(&t->events), (char)type) < buf_len(&t->events);
}

/* Does what was done want a reply? */
static bool wants_reply(const struct trial *t)
{
	switch (t->letter->kind) {
	/* The reply to BDAT follows its octets. */
	case LETTER_VERDICT: return !state_chunk_left(t->to.session) && !state_is_waiting(t->to.session);
	case LETTER_CLOSE: return t->letter->reply.code && !t->from->has_ended;
	case LETTER_LINE:
		return !state_awaits_tls(t->from->session) && !state_is_waiting(t->to.session) &&
		       !state_chunk_left(t->to.session);
	/* Where it is clear already that it cannot become right. */
	case LETTER_PART:
	case LETTER_LONG_PART: return t->to.has_ended && !state_awaits_tls(t->from->session);
	/* Refused; the owner answers for the others. */
	case LETTER_BODY:
		if (t->from->key.is_in_chunk)
			return !state_chunk_left(t->to.session) && !state_is_waiting(t->to.session);
		return has_told(t, SMTP_EVENT_RESET) && !state_awaits_tls(t->from->session);
	default: return false;
	}
}

static void check_replies(const struct trial *t)
{
	unsigned code = only_reply(t);
	bool is_last = code == 421 || code == 221;

	if (t->lacks_memory && t->to.has_ended)
		return;
	trial_law(t, (code != 0) == wants_reply(t), "a reply is missing or too many");
	if (code && code < 400 && t->letter->kind == LETTER_LINE)
		trial_law(t, code == t->letter->own_code, "success that nobody was asked for");
	if (t->letter->kind == LETTER_BODY && code && !t->from->key.is_in_chunk)
		trial_law(t, code >= 400, "success that nobody was asked for");
	if (is_last)
		trial_law(t, t->to.has_ended, "421 or 221, and it goes on");
	if (t->to.has_ended && code && t->letter->kind != LETTER_VERDICT)
		trial_law(t, is_last || code == 500 || code == 501, "it ends by the wrong reply");
}

/* ---- after a transition ---- */

/* Is what a body's bytes come to the same for the machine and for the reference? */
static void check_end_of_data(const struct trial *t)
{
	struct model_data m;

	if (t->letter->kind != LETTER_BODY || t->lacks_memory || t->from->key.is_in_chunk)
		return;
	model_data_decode(&m, buf_span(&t->to.body), t->from->key.dot_line_ending);
	trial_law(t, m.has_ended == (has_told(t, SMTP_EVENT_MESSAGE) || has_told(t, SMTP_EVENT_RESET)),
	    "data ends elsewhere");
	model_data_fini(&m);
}

static void finish_trial(struct trial *t)
{
	struct node *to = &t->to;
	const char *fault = state_fault(to->session, &to->model);

	trial_law(t, !fault, fault);
	trial_law(t, to->has_ended == (to->model.state == MODEL_ENDED), "the end came without being told");
	trial_law(t, to->model.state != MODEL_CLOSING, "it should have closed");
	check_replies(t);
	check_end_of_data(t);
	if (to->model.state != MODEL_BODY) {
		buf_clear(&to->body);
		to->told = 0;
	}
	state_read(&to->key, to->session, &to->model);
}

void node_fini(struct node *n)
{
	smtp_session_free(&n->session);
	buf_fini(&n->body);
}

void trial_fini(struct trial *t)
{
	node_fini(&t->to);
	buf_fini(&t->output);
	buf_fini(&t->events);
}

void node_copy(struct node *to, const struct node *from)
{
	*to = *from;
	to->session = state_copy(from->session);
	to->body = (struct buf){ 0 };
	play_need(to->session && buf_add_span(&to->body, buf_span(&from->body)));
}

void trial_run(struct trial *t)
{
	node_copy(&t->to, t->from);
	do_letter(t);
	finish_trial(t);
}

bool trial_run_without_memory(struct trial *t, unsigned long nth)
{
	node_copy(&t->to, t->from);
	t->lacks_memory = true;
	memory.has_failed = false;
	memory.left = nth;
	do_letter(t);
	memory.left = 0;
	finish_trial(t);
	return memory.has_failed;
}

void trial_connect(struct trial *t)
{
	node_copy(&t->to, t->from);
	offer(t, span_of("", 0));
	finish_trial(t);
}
