#include "auth/dovecot_private.h"

#include "auth/prepare.h"
#include "base/base64.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- requests ---- */

static void request_leave(struct dovecot_request *r)
{
	if (list_linked(&r->link))
		r->source->request_count--;
	list_remove(&r->link);
	loop_timer_stop(r->source->loop, &r->timer);
	buf_wipe(&r->line);
}

/* Nobody wants it any more; Dovecot need not go on with it. */
static void request_cancel(struct dovecot_request *r)
{
	struct dovecot_source *s = r->source;
	char text[32];

	if (list_linked(&r->link) && r->id && s->state == DOVECOT_READY) {
		snprintf(text, sizeof(text), "CANCEL\t%u\n", (unsigned)r->id);
		/* It ends by itself in the end. */
		(void)!dovecot_link_send(s, span_str(text));
	}
	request_leave(r);
}

/* The last answer, which is in r->answer: tell who waits, if anybody does. */
static void request_end(struct dovecot_request *r)
{
	struct op *op = r->op;

	request_leave(r);
	r->op = NULL;
	r->is_refused = true;
	if (r->over)
		r->over(r);
	if (op)
		op_finish(op);
}

static void request_fail(struct dovecot_request *r, const char *reason, const char *detail)
{
	if (r->op)
		auth_answer_set(r->answer, AUTH_UNAVAILABLE, reason, "%s", detail);
	request_end(r);
}

/* Of a Dovecot that has said nothing at all meanwhile, to anybody, nothing is to be expected. */
static void request_expire(struct loop_timer *timer)
{
	struct dovecot_request *r = LIST_OWNER(timer, struct dovecot_request, timer);
	struct dovecot_source *s = r->source;
	bool is_dead = s->state == DOVECOT_READY && s->heard_ms < r->since_ms;

	request_cancel(r);
	request_fail(r, "timeout", "Dovecot did not answer in time");
	if (is_dead && s->state == DOVECOT_READY)
		dovecot_link_lose(s, "it does not answer");
}

static bool has_mechanism(const struct dovecot_source *s, const char *name)
{
	for (size_t i = 0; i < s->mechanism_count; i++)
		if (strcmp(s->mechanisms[i].mechanism.name, name) == 0)
			return true;
	return false;
}

/*
 * Now, or when the link is ready. Returns why not, as a word for the log. A mechanism that it does not
 * have any more would make it close the connection.
 */
static const char *request_send(struct dovecot_request *r)
{
	struct dovecot_source *s = r->source;
	struct buf *line = &r->line;
	char head[32];
	bool is_sent;

	if (s->state != DOVECOT_READY)
		return NULL;
	if (!has_mechanism(s, r->mechanism))
		return "not_offered";
	if (!dovecot_link_has_room(s, sizeof(head) + buf_len(line)))
		return "busy";
	/* The line is "AUTH" or "CONT", TAB, and what stands behind the id. */
	if (!r->id)
		r->id = ++s->last_id;
	snprintf(head, sizeof(head), "%.5s%u\t", line->data + line->start, (unsigned)r->id);
	buf_use(line, 5);
	is_sent = dovecot_link_send(s, span_str(head)) && dovecot_link_send(s, buf_span(line));
	BUG_ON(!is_sent);
	buf_wipe(line);
	return NULL;
}

/* The line is there. False: the answer is. */
static bool request_start(struct dovecot_request *r, struct op *op, struct auth_answer *answer,
			  void (*cancel)(struct op *), void *work)
{
	struct dovecot_source *s = r->source;
	const char *reason;

	if (s->state == DOVECOT_RESTING)
		return auth_answer_set(answer, AUTH_UNAVAILABLE, "down", "%s", s->failure);
	if (!list_linked(&r->link) && s->request_count >= DOVECOT_REQUESTS_MAX)
		return auth_answer_set(answer, AUTH_UNAVAILABLE, "busy", "too many logins wait for Dovecot");
	reason = request_send(r);
	if (reason)
		return auth_answer_set(answer, AUTH_UNAVAILABLE, reason, NULL);
	if (!list_linked(&r->link)) {
		list_append(&s->requests, &r->link);
		s->request_count++;
	}
	r->op = op;
	r->answer = answer;
	r->since_ms = loop_now_ms(s->loop);
	loop_timer_start(s->loop, &r->timer, s->timeout_ms, request_expire);
	op_begin(op, cancel, work);
	return true;
}

void dovecot_requests_send(struct dovecot_source *s)
{
	struct list *link = s->requests.next;

	while (link != &s->requests && s->state == DOVECOT_READY) {
		struct dovecot_request *r = LIST_OWNER(link, struct dovecot_request, link);

		const char *reason = buf_len(&r->line) ? request_send(r) : NULL;

		link = link->next;
		if (reason) {
			request_fail(r, reason, "");
			/* What it led to may have changed the list. */
			link = s->requests.next;
		}
	}
}

void dovecot_requests_fail(struct dovecot_source *s)
{
	struct list lost;
	struct list *link;

	/* Those that come meanwhile are not among them. */
	list_init(&lost);
	while ((link = list_shift(&s->requests)))
		list_append(&lost, link);
	while (!list_empty(&lost))
		request_fail(LIST_OWNER(lost.next, struct dovecot_request, link), "down", s->failure);
}

/* ---- lines ---- */

static bool add_base64(struct buf *line, struct span bytes)
{
	size_t len = base64_encoded_len(bytes.len);

	if (!buf_reserve(line, len))
		return false;
	buf_added(line, base64_encode(bytes, line->data + line->end));
	return true;
}

/* A value must not have TAB or line ends in it; neither do addresses, ids and names that were prepared. */
static bool add_value(struct buf *line, const char *key, const char *value)
{
	return buf_add_str(line, key) && buf_add_str(line, value);
}

/* "AUTH TAB mechanism TAB service=smtp ..."; the id comes in between when it is sent. `resp` is the last. */
static bool write_auth(struct buf *line, const struct auth_channel *channel, const char *mechanism,
		       struct span response, const char *certificate_name)
{
	char address[ADDR_TEXT_SIZE];
	bool is_written;

	/* At once, since a buffer that grows leaves behind what was in it. */
	is_written = buf_reserve(line, 512 + base64_encoded_len(response.len)) &&
		     add_value(line, "AUTH\t", mechanism) && buf_add_str(line, "\tservice=smtp\tnologin") &&
		     (!channel->is_tls || buf_add_str(line, "\tsecured"));
	if (is_written && channel->client->family != ADDR_NONE)
		is_written = add_value(line, "\trip=", addr_format_ip(channel->client, address));
	if (is_written && channel->session_id)
		is_written = add_value(line, "\tsession=", channel->session_id);
	if (is_written && certificate_name)
		is_written = add_value(line, "\tvalid-client-cert\tcert_username=", certificate_name);
	if (is_written && response.ptr)
		is_written = buf_add_str(line, "\tresp=") && add_base64(line, response);
	return is_written && buf_add_str(line, "\n");
}

static bool write_continuation(struct buf *line, struct span response)
{
	return buf_reserve(line, 16 + base64_encoded_len(response.len)) && buf_add_str(line, "CONT\t") &&
	       add_base64(line, response) && buf_add_str(line, "\n");
}

/* ---- answers ---- */

/* What an OK or a FAIL says. */
struct dovecot_verdict {
	struct span user, code, last_words;
	bool has_user, is_temporary, is_nobody, is_barred, is_proxied;
};

/* "name" or "name=...". */
static bool is_flag(struct span field, const char *name)
{
	struct span value;

	return dovecot_field_is(field, name, &value) && (value.len == 0 || value.ptr[0] == '=');
}

static void read_verdict(struct dovecot_verdict *v, struct span fields)
{
	struct span field, value;

	*v = (struct dovecot_verdict){ .user = { "", 0 }, .code = { "", 0 }, .last_words = { "", 0 } };
	while (dovecot_field_next(&fields, &field)) {
		if (dovecot_field_is(field, "user=", &value)) {
			v->user = value;
			v->has_user = true;
		} else if (dovecot_field_is(field, "code=", &value)) {
			v->code = value;
		} else if (dovecot_field_is(field, "resp=", &value)) {
			v->last_words = value;
		}
		v->is_temporary |= span_eq(field, SPAN_LITERAL("temp"));
		v->is_nobody |= span_eq(field, SPAN_LITERAL("anonymous"));
		v->is_barred |= is_flag(field, "nologin");
		v->is_proxied |= is_flag(field, "proxy");
	}
	v->is_temporary |= span_eq(v->code, SPAN_LITERAL("temp_fail"));
}

/* Decoded into the answer's challenge. False: it is none that may be sent to a client. */
static bool read_challenge(struct auth_answer *answer, struct span text)
{
	struct buf *out = &answer->challenge;
	size_t len;

	if (text.len > AUTH_CHALLENGE_MAX || !buf_reserve(out, base64_decoded_max(text.len) + 1) ||
	    !base64_decode(text, out->data + out->end, &len))
		return false;
	buf_added(out, len);
	return true;
}

/* Somebody is somebody, if it is somebody whom we can call by a name. */
static void answer_ok(struct auth_answer *answer, const struct dovecot_verdict *v)
{
	char user[AUTH_USER_MAX + 1];

	if (!v->has_user || v->is_nobody || !auth_prepare(user, sizeof(user), v->user)) {
		auth_answer_set(answer, AUTH_UNAVAILABLE, "bad_answer", "Dovecot names nobody, or nobody's name");
		return;
	}
	auth_answer_name(answer, span_str(user));
	if (v->is_barred && !v->is_proxied)
		auth_answer_set(answer, AUTH_DISABLED, "login_disabled", NULL);
	else if (v->last_words.len > 0 && !read_challenge(answer, v->last_words))
		auth_answer_set(answer, AUTH_UNAVAILABLE, "bad_answer", "Dovecot's last words are no base64");
	else
		auth_answer_set(answer, AUTH_OK, NULL, NULL);
}

static void answer_fail(struct auth_answer *answer, const struct dovecot_verdict *v)
{
	char user[AUTH_USER_MAX + 1];

	if (v->has_user && auth_prepare(user, sizeof(user), v->user))
		auth_answer_name(answer, span_str(user));
	if (v->is_temporary)
		auth_answer_set(answer, AUTH_UNAVAILABLE, "temporary", "Dovecot cannot say now");
	else if (span_eq(v->code, SPAN_LITERAL("invalid_base64")))
		auth_answer_set(answer, AUTH_MALFORMED, "bad_message", NULL);
	else if (span_eq(v->code, SPAN_LITERAL("user_disabled")))
		auth_answer_set(answer, AUTH_DISABLED, "login_disabled", NULL);
	else if (span_eq(v->code, SPAN_LITERAL("pass_expired")))
		auth_answer_set(answer, AUTH_EXPIRED, "password_expired", NULL);
	else if (span_eq(v->code, SPAN_LITERAL("authz_fail")))
		auth_answer_set(answer, AUTH_WRONG, "other_identity", NULL);
	else
		auth_answer_set(answer, AUTH_WRONG, "wrong_password", NULL);
}

/* A challenge, where one may be; the request stays. */
static bool take_challenge(struct dovecot_request *r, struct span fields)
{
	struct op *op = r->op;
	struct span text = { "", 0 };

	(void)dovecot_field_next(&fields, &text);
	/* To PLAIN, which has said all it has to say, there is no question. */
	if (!op || !r->may_be_asked || !read_challenge(r->answer, text))
		return false;
	auth_answer_set(r->answer, AUTH_CONTINUE, NULL, NULL);
	r->op = NULL;
	loop_timer_stop(r->source->loop, &r->timer);
	op_finish(op);
	return true;
}

static struct dovecot_request *find_request(const struct dovecot_source *s, uint64_t id)
{
	for (struct list *link = s->requests.next; link != &s->requests; link = link->next) {
		struct dovecot_request *r = LIST_OWNER(link, struct dovecot_request, link);

		if (r->id == id)
			return r;
	}
	return NULL;
}

bool dovecot_take_answer(struct dovecot_source *s, struct span verb, struct span fields)
{
	struct dovecot_verdict verdict;
	struct dovecot_request *r;
	struct span text;
	uint64_t id;
	bool is_ok = span_eq(verb, SPAN_LITERAL("OK"));

	if (!dovecot_field_next(&fields, &text) || !span_to_u64(text, &id) || id == 0 || id > s->last_id)
		return false;
	r = find_request(s, id);
	if (!r) /* it was cancelled, and this was under way */
		return true;
	if (span_eq(verb, SPAN_LITERAL("CONT")))
		return take_challenge(r, fields);
	/* It may give up a client that says nothing; a yes to nothing is none. */
	if (!r->op && is_ok)
		return false;
	read_verdict(&verdict, fields);
	if (r->op && is_ok)
		answer_ok(r->answer, &verdict);
	else if (r->op)
		answer_fail(r->answer, &verdict);
	request_end(r);
	return true;
}

/* ---- mechanisms ---- */

static void show(struct dovecot_source *s, size_t *count, const char *name, enum auth_reach reach)
{
	struct auth_mechanism *m = &s->shown[(*count)++];

	snprintf(m->name, sizeof(m->name), "%s", name);
	m->reach = reach;
}

/* Before Dovecot was reached for the first time, the two that are certain to be tried by everybody. */
static const struct auth_mechanism *mechanisms(struct auth_source *source, const struct auth_channel *channel,
					       size_t *count)
{
	struct dovecot_source *s = LIST_OWNER(source, struct dovecot_source, source);
	bool has_plain = s->mechanism_count == 0;

	*count = 0;
	for (size_t i = 0; i < s->mechanism_count; i++) {
		const struct dovecot_mechanism *m = &s->mechanisms[i];

		if (m->needs_certificate && !channel->certificate_name)
			continue;
		has_plain |= strcmp(m->mechanism.name, "PLAIN") == 0;
		if (strcmp(m->mechanism.name, "PLAIN") != 0)
			show(s, count, m->mechanism.name, m->mechanism.reach);
	}
	if (has_plain) {
		show(s, count, "PLAIN", AUTH_REACH_USERS);
		show(s, count, "LOGIN", AUTH_REACH_USERS);
	}
	return s->shown;
}

/* ---- passwords ---- */

struct dovecot_check {
	struct dovecot_request request;
};

static void check_over(struct dovecot_request *r)
{
	free(LIST_OWNER(r, struct dovecot_check, request));
}

static void cancel_check(struct op *op)
{
	struct dovecot_check *c = op->work;

	request_cancel(&c->request);
	check_over(&c->request);
}

/* RFC 4616 2, without an authorization identity. */
static bool write_plain(struct buf *line, const struct auth_credentials *c)
{
	char message[AUTH_USER_MAX + AUTH_PASSWORD_MAX + 2];
	size_t user_len = strlen(c->user), password_len = strlen(c->password);
	struct span all = span_of(message, user_len + password_len + 2);
	bool is_written;

	message[0] = '\0';
	memcpy(message + 1, c->user, user_len + 1);
	memcpy(message + 2 + user_len, c->password, password_len);
	is_written = write_auth(line, c->channel, "PLAIN", all, NULL);
	explicit_bzero(message, sizeof(message));
	return is_written;
}

static bool check_start(struct auth_source *source, struct auth_check *check,
			const struct auth_credentials *credentials)
{
	struct dovecot_check *c = calloc(1, sizeof(*c));

	if (!c)
		return auth_answer_set(&check->answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	c->request.source = LIST_OWNER(source, struct dovecot_source, source);
	c->request.over = check_over;
	c->request.mechanism = "PLAIN";
	if (!write_plain(&c->request.line, credentials))
		auth_answer_set(&check->answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	else if (request_start(&c->request, &check->op, &check->answer, cancel_check, c))
		return true;
	request_leave(&c->request);
	free(c);
	return false;
}

/* ---- exchanges ---- */

struct dovecot_exchange {
	struct auth_exchange exchange;
	struct dovecot_request request;
	const struct auth_channel *channel;
	bool has_begun;
	char mechanism[AUTH_MECHANISM_MAX + 1];
	char certificate_name[AUTH_USER_MAX + 1]; /* "": is not told */
};

static struct auth_exchange *exchange_new(struct auth_source *source, const char *mechanism,
					  const struct auth_channel *channel)
{
	struct dovecot_exchange *x = calloc(1, sizeof(*x));
	struct span name = span_str(channel->certificate_name);

	if (!x)
		return NULL;
	x->exchange.source = source;
	x->request.source = LIST_OWNER(source, struct dovecot_source, source);
	x->channel = channel;
	snprintf(x->mechanism, sizeof(x->mechanism), "%s", mechanism);
	x->request.mechanism = x->mechanism;
	x->request.may_be_asked = true;
	if (strcmp(mechanism, "EXTERNAL") == 0 &&
	    !auth_prepare(x->certificate_name, sizeof(x->certificate_name), name))
		x->certificate_name[0] = '\0';
	return &x->exchange;
}

static void cancel_step(struct op *op)
{
	struct dovecot_exchange *x = op->work;

	request_cancel(&x->request);
	x->request.op = NULL;
	x->request.is_refused = true;
}

static bool step_start(struct auth_exchange *exchange, struct auth_step *step, struct span response)
{
	struct dovecot_exchange *x = LIST_OWNER(exchange, struct dovecot_exchange, exchange);
	struct dovecot_request *r = &x->request;
	bool is_written;

	if (r->is_refused)
		return auth_answer_set(&step->answer, AUTH_UNAVAILABLE, "down", "Dovecot gave this login up");
	if (strcmp(x->mechanism, "EXTERNAL") == 0 && !*x->certificate_name)
		return auth_answer_set(&step->answer, AUTH_WRONG, "bad_name", NULL);
	if (base64_encoded_len(response.len) > DOVECOT_LINE_MAX - 512)
		return auth_answer_set(&step->answer, AUTH_MALFORMED, "message_too_long", NULL);
	is_written = x->has_begun ? write_continuation(&r->line, response)
				  : write_auth(&r->line, x->channel, x->mechanism, response,
					       *x->certificate_name ? x->certificate_name : NULL);
	x->has_begun = true;
	if (!is_written)
		return auth_answer_set(&step->answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	return request_start(r, &step->op, &step->answer, cancel_step, x);
}

static void exchange_free(struct auth_exchange *exchange)
{
	struct dovecot_exchange *x = LIST_OWNER(exchange, struct dovecot_exchange, exchange);

	request_cancel(&x->request);
	explicit_bzero(x, sizeof(*x));
	free(x);
}

/* ---- the source ---- */

static void reap(struct loop_garbage *garbage)
{
	free(LIST_OWNER(garbage, struct dovecot_source, garbage));
}

static void dovecot_free(struct auth_source *source)
{
	struct dovecot_source *s = LIST_OWNER(source, struct dovecot_source, source);

	dovecot_link_close(s);
	loop_reap(s->loop, &s->garbage, reap);
}

static const struct auth_source_ops dovecot_ops = {
	.type = "dovecot",
	.mechanisms = mechanisms,
	.check_start = check_start,
	.exchange_new = exchange_new,
	.step_start = step_start,
	.exchange_free = exchange_free,
	.free = dovecot_free,
};

/* Until Dovecot has greeted the new one, what it said to the old one holds. */
static void inherit(struct dovecot_source *s, const struct auth_chain *older)
{
	for (size_t i = 0; older && i < older->count; i++) {
		struct auth_source *source = older->sources[i];
		const struct dovecot_source *o = LIST_OWNER(source, struct dovecot_source, source);

		if (source->ops != &dovecot_ops || strcmp(source->name, s->name) != 0)
			continue;
		memcpy(s->mechanisms, o->mechanisms, sizeof(s->mechanisms));
		s->mechanism_count = o->mechanism_count;
	}
}

struct auth_source *auth_dovecot_new(const struct auth_dovecot_options *o, struct err *err)
{
	struct dovecot_source *s = calloc(1, sizeof(*s) + strlen("dovecot:") + strlen(o->path) + 1);

	if (!s) {
		err_set(err, "out of memory");
		return NULL;
	}
	sprintf(s->name, "dovecot:%s", o->path);
	if (!endpoint_parse(&s->to, span_str(o->path), 0, err)) {
		free(s);
		return NULL;
	}
	s->source = (struct auth_source){ .ops = &dovecot_ops, .name = s->name, .mechanisms = o->mechanisms };
	s->loop = o->loop;
	s->timeout_ms = o->timeout_ms;
	list_init(&s->requests);
	inherit(s, o->older);
	dovecot_link_open(s);
	return &s->source;
}
