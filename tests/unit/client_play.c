/* See client_play.h. */
#include "client_play.h"

#include "transcript.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void (*client_play_on_enter)(void);
void (*client_play_on_leave)(void);

enum { EVENTS_MAX = 256 };

struct player {
	const struct client_script *script;
	const struct client_play *play;
	const struct client_line *line; /* that is being played */
	struct smtp_client *client;     /* owned */
	struct arena arena;
	const char *events[EVENTS_MAX]; /* told, and not expected yet */
	size_t first, last;
	size_t fed;     /* bytes of the hop */
	bool is_closed; /* CLOSE was told */
	bool is_dead;   /* for lack of memory */
	char problem[1024]; /* the first; "": none */
};

static void enter(void)
{
	if (client_play_on_enter)
		client_play_on_enter();
}

static void leave(void)
{
	if (client_play_on_leave)
		client_play_on_leave();
}

static void __attribute__((format(printf, 2, 3))) complain(struct player *p, const char *format, ...)
{
	va_list args;

	if (p->problem[0])
		return;
	va_start(args, format);
	vsnprintf(p->problem, sizeof(p->problem), format, args);
	va_end(args);
}

/* ---- events ---- */

static char *join(struct arena *a, const char *one, const char *two)
{
	char *both = arena_alloc(a, strlen(one) + strlen(two) + 2);

	play_need(both != NULL);
	sprintf(both, "%s%s%s", one, two[0] ? " " : "", two);
	return both;
}

static const char *reply_words(struct arena *a, const struct smtp_reply *r)
{
	char head[32];

	if (r->code == 0)
		return "";
	snprintf(head, sizeof(head), "%u %s", r->code, r->status ? r->status : "-");
	return join(a, head, play_escape(a, span_str(r->text)));
}

const char *client_event_words(struct arena *a, const struct smtp_client_event *event)
{
	static const char *const names[SMTP_CLIENT_EVENTS] = {
		[SMTP_CLIENT_NEED_INPUT] = "NEED_INPUT", [SMTP_CLIENT_STARTTLS] = "STARTTLS",
		[SMTP_CLIENT_READY] = "READY",           [SMTP_CLIENT_MAIL] = "MAIL",
		[SMTP_CLIENT_RCPT] = "RCPT",             [SMTP_CLIENT_DATA] = "DATA",
		[SMTP_CLIENT_RESULT] = "RESULT",         [SMTP_CLIENT_CLOSE] = "CLOSE",
	};
	const char *words = names[event->type];
	char index[16];

	if (event->type == SMTP_CLIENT_RCPT || event->type == SMTP_CLIENT_RESULT) {
		snprintf(index, sizeof(index), "%u", (unsigned)event->index);
		words = join(a, words, index);
	}
	if (event->reason)
		words = join(a, words, event->reason);
	return join(a, words, reply_words(a, &event->reply));
}

static void note_event(struct player *p, const struct smtp_client_event *event)
{
	if (event->type == SMTP_CLIENT_CLOSE)
		p->is_closed = true;
	if (p->play->lacks_memory && event->reason && strcmp(event->reason, "no_memory") == 0) {
		p->is_dead = true;
		return;
	}
	if (p->last == EVENTS_MAX) {
		complain(p, "more events than can be");
		return;
	}
	p->events[p->last++] = client_event_words(&p->arena, event);
}

/* Lend some bytes, a copy that is freed before anybody looks, and take all events that come. */
static void pump(struct player *p, struct span in)
{
	struct span copy = span_of(malloc(in.len + 1), in.len), rest;
	struct smtp_client_event event;

	play_need(copy.ptr != NULL);
	memcpy((char *)copy.ptr, in.ptr, in.len);
	for (rest = copy; !p->is_closed && !p->problem[0];) {
		enter();
		size_t used = smtp_client_next(p->client, rest, &event);
		leave();

		rest = span_from(rest, used);
		if (event.type == SMTP_CLIENT_NEED_INPUT) {
			if (rest.len)
				complain(p, "%zu bytes were not used", rest.len);
			break;
		}
		note_event(p, &event);
	}
	free((char *)copy.ptr);
	if (p->play->trims)
		smtp_client_trim(p->client);
}

static void expect_event(struct player *p)
{
	char *words = arena_dup(&p->arena, p->line->text);

	if (p->first == p->last)
		pump(p, SPAN_LITERAL(""));
	if (p->is_dead)
		return;
	if (p->first == p->last)
		complain(p, "no event came");
	else if (strcmp(p->events[p->first++], words) != 0)
		complain(p, "another event came: %s", p->events[p->first - 1]);
}

static void expect_no_event(struct player *p)
{
	if (p->first != p->last)
		complain(p, "an event came before: %s", p->events[p->first]);
}

/* ---- bytes ---- */

static void feed(struct player *p, struct span bytes)
{
	while (bytes.len && !p->is_closed) {
		size_t len = p->play->is_by_byte ? 1 : bytes.len;

		if (p->fed < p->play->cut && p->play->cut - p->fed < len)
			len = p->play->cut - p->fed;
		pump(p, span_head(bytes, len));
		p->fed += len;
		bytes = span_from(bytes, len);
	}
	p->fed += bytes.len;
}

/* The hop speaks; all S and R lines in a row at once. Returns the last of them. */
static const struct client_line *hop_speaks(struct player *p)
{
	const struct client_line *line = p->line, *end = p->script->lines + p->script->count;
	struct buf bytes = { 0 };

	if (line->letter != 'Y' && smtp_client_output(p->client).len)
		complain(p, "output is left: %.80s", play_escape(&p->arena, smtp_client_output(p->client)));
	do
		play_need(buf_add_span(&bytes, line->bytes));
	while (++line < end && (line->letter == 'S' || line->letter == 'R' || line->letter == 'Y'));
	feed(p, buf_span(&bytes));
	buf_fini(&bytes);
	return line - 1;
}

static void expect_output(struct player *p)
{
	struct span expected = p->line->bytes, out = smtp_client_output(p->client);
	bool is_raw = p->line->text.len >= 2 && memmem(p->line->text.ptr, p->line->text.len, "\\n", 2);
	char *line = malloc(expected.len + 3);
	size_t len = expected.len;

	play_need(line != NULL);
	memcpy(line, expected.ptr, len);
	if (!is_raw) {
		memcpy(line + len, "\r\n", 2);
		len += 2;
	}
	if (!span_eq(span_head(out, len), span_of(line, len)))
		complain(p, "other output: %.900s", play_escape(&p->arena, out));
	for (size_t i = 0; i < len && p->play->sends_by_byte && !p->problem[0]; i++) {
		out = smtp_client_output(p->client);
		if (out.len == 0 || out.ptr[0] != line[i])
			complain(p, "the output changed while it was sent");
		else
			smtp_client_sent(p->client, 1);
	}
	if (!p->play->sends_by_byte && !p->problem[0])
		smtp_client_sent(p->client, len);
	free(line);
}

/* ---- what the owner does ---- */


static struct span take_word(struct span *rest)
{
	size_t n = span_find(*rest, ' ');
	struct span word = span_head(*rest, n);

	*rest = span_trim(span_from(*rest, n));
	return word;
}

/* The value of "key=value" among the words, without escapes; empty: it is not there. */
static struct span value_of(struct player *p, struct span words, const char *key)
{
	size_t n = strlen(key);

	while (words.len) {
		struct span word = take_word(&words), value;

		if (word.len <= n || word.ptr[n] != '=' || memcmp(word.ptr, key, n) != 0)
			continue;
		if (!play_unescape(&p->arena, span_from(word, n + 1), &value))
			complain(p, "bad escape");
		return value;
	}
	return SPAN_LITERAL("");
}

static bool has_word(struct span words, const char *word)
{
	while (words.len)
		if (span_eq(take_word(&words), span_str(word)))
			return true;
	return false;
}

static void parse_address(struct player *p, struct smtp_address *address, struct span text)
{
	struct buf path = { 0 };
	struct span bytes;
	size_t used;

	memset(address, 0, sizeof(*address));
	if (span_eq(text, SPAN_LITERAL("<>")))
		return;
	if (!play_unescape(&p->arena, text, &bytes))
		complain(p, "bad escape");
	play_need(buf_add_str(&path, "<") && buf_add_span(&path, bytes) && buf_add_str(&path, ">"));
	if (!smtp_path_parse(address, SMTP_PATH_RECIPIENT, SMTP_CHARSET_UTF8, buf_span(&path), &used) ||
	    used != buf_len(&path))
		complain(p, "no address");
	buf_fini(&path);
}

static enum smtp_body_type body_type(struct span word)
{
	return span_eq(word, SPAN_LITERAL("8bitmime"))	   ? SMTP_BODY_8BITMIME
	       : span_eq(word, SPAN_LITERAL("binarymime")) ? SMTP_BODY_BINARYMIME
							   : SMTP_BODY_7BIT;
}

/* "mail ADDRESS [size=] [body=] [smtputf8] [requiretls] [ret=] [envid=] [auth=] [refused=word]" */
static void do_mail(struct player *p, struct span words)
{
	struct smtp_address sender;
	struct smtp_client_mail mail = { .sender = &sender };
	struct span refused = value_of(p, words, "refused"), ret = value_of(p, words, "ret");
	const struct smtp_reply *reply;

	parse_address(p, &sender, take_word(&words));
	if (!span_to_u64(value_of(p, words, "size"), &mail.size))
		mail.size = 0;
	mail.body_type = body_type(value_of(p, words, "body"));
	mail.is_smtputf8 = has_word(words, "smtputf8");
	mail.requires_tls = has_word(words, "requiretls");
	if (ret.len)
		mail.ret = ret.ptr[0] == 'f' ? SMTP_DSN_RET_FULL : SMTP_DSN_RET_HDRS;
	mail.envid = value_of(p, words, "envid");
	mail.auth = value_of(p, words, "auth");
	enter();
	reply = smtp_client_mail(p->client, &mail);
	leave();
	if (p->is_dead)
		return;
	if (!span_eq(span_str(reply ? reply->reason : ""), refused))
		complain(p, "refused with %s", reply ? reply->reason : "nothing");
}

static unsigned notify_bits(struct span words)
{
	static const char *const names[] = { "never", "success", "failure", "delay" };
	unsigned bits = 0;

	for (unsigned i = 0; i < 4; i++)
		if (memmem(words.ptr, words.len, names[i], strlen(names[i])))
			bits |= 1u << i;
	return bits;
}

/* "rcpt ADDRESS [notify=] [orcpt=] [full]" */
static void do_rcpt(struct player *p, struct span words)
{
	struct smtp_address recipient;
	struct smtp_client_rcpt rcpt = { .recipient = &recipient };
	bool is_full = has_word(words, "full"), taken;

	parse_address(p, &recipient, take_word(&words));
	rcpt.notify = notify_bits(value_of(p, words, "notify"));
	rcpt.orcpt = value_of(p, words, "orcpt");
	enter();
	taken = smtp_client_rcpt(p->client, &rcpt);
	leave();
	if (!p->is_dead && taken == is_full)
		complain(p, "the recipient was %s", taken ? "taken" : "not taken");
}

/* "introduce [addr=IP] [scope=N] [port=N] [name=] [helo=] [proto=] [login=] [ident=] [wait]" */
static void do_introduce(struct player *p, struct span words)
{
	struct smtp_client_facts facts = {
		.name = value_of(p, words, "name"),
		.helo = value_of(p, words, "helo"),
		.protocol = value_of(p, words, "proto"),
		.login = value_of(p, words, "login"),
		.ident = value_of(p, words, "ident"),
	};
	struct span ip = value_of(p, words, "addr");
	uint64_t port = 0, scope_id;
	bool waits;

	if (ip.len && !addr_parse_ip(&facts.client, ip))
		complain(p, "no address");
	if (span_to_u64(value_of(p, words, "port"), &port))
		facts.client.port = (uint16_t)port;
	if (span_to_u64(value_of(p, words, "scope"), &scope_id))
		facts.client.scope_id = (uint32_t)scope_id;
	enter();
	waits = smtp_client_introduce(p->client, &facts);
	leave();
	if (!p->is_dead && waits != has_word(words, "wait"))
		complain(p, "it is %sto be waited for", waits ? "" : "not ");
}

/* "content TEXT" is taken whole; "refused-content TEXT" is refused. */
static void do_content(struct player *p, struct span text, bool is_refused)
{
	struct span content;
	bool is_good;

	if (!play_unescape(&p->arena, text, &content))
		complain(p, "bad escape");
	/* In a block of its own, so that reading beyond it is seen. */
	char *copy = malloc(content.len + 1);

	play_need(copy != NULL);
	memcpy(copy, content.ptr, content.len);
	content.ptr = copy;
	enter();
	is_good = smtp_client_content(p->client, &content);
	leave();
	if (!p->is_dead && (is_good == is_refused || (is_good && content.len)))
		complain(p, "the content was %s", is_good ? "taken" : "refused");
	free(copy);
}

static bool do_plain(struct player *p, struct span verb)
{
	static const struct {
		const char *verb;
		void (*act)(struct smtp_client *c);
	} rows[] = {
		{ "data", smtp_client_data }, { "end", smtp_client_end },   { "reset", smtp_client_reset },
		{ "quit", smtp_client_quit }, { "trim", smtp_client_trim },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!span_eq(verb, span_str(rows[i].verb)))
			continue;
		enter();
		rows[i].act(p->client);
		leave();
		return true;
	}
	return false;
}

static void act(struct player *p)
{
	struct span rest = p->line->text, verb = take_word(&rest);

	if (span_eq(verb, SPAN_LITERAL("mail")))
		do_mail(p, rest);
	else if (span_eq(verb, SPAN_LITERAL("rcpt")))
		do_rcpt(p, rest);
	else if (span_eq(verb, SPAN_LITERAL("introduce")))
		do_introduce(p, rest);
	else if (span_eq(verb, SPAN_LITERAL("content")))
		do_content(p, span_from(p->line->text, strlen("content ")), false);
	else if (span_eq(verb, SPAN_LITERAL("refused-content")))
		do_content(p, span_from(p->line->text, strlen("refused-content ")), true);
	else if (!do_plain(p, verb))
		complain(p, "unknown action");
}

/* ---- what it says of itself ---- */

static void expect_waiting(struct player *p)
{
	static const char *const names[] = {
		[SMTP_CLIENT_WAIT_NOTHING] = "nothing",       [SMTP_CLIENT_WAIT_GREETING] = "greeting",
		[SMTP_CLIENT_WAIT_COMMAND] = "command",       [SMTP_CLIENT_WAIT_DATA_INIT] = "data_init",
		[SMTP_CLIENT_WAIT_DATA_BLOCK] = "data_block", [SMTP_CLIENT_WAIT_DATA_FINAL] = "data_final",
	};
	char words[64];

	snprintf(words, sizeof(words), "%s %s", names[smtp_client_waiting(p->client)],
		 smtp_client_stage(p->client));
	if (!span_eq(span_str(words), p->line->text))
		complain(p, "it waits for: %s", words);
}

static void expect_facts(struct player *p)
{
	char words[64];

	snprintf(words, sizeof(words), "accepted=%u asking=%d reusable=%d",
		 (unsigned)smtp_client_accepted(p->client), smtp_client_is_asking(p->client),
		 smtp_client_is_reusable(p->client));
	if (!span_eq(span_str(words), p->line->text))
		complain(p, "it is: %s", words);
}

/* ---- the script ---- */

static void play_line(struct player *p)
{
	switch (p->line->letter) {
	case 'E':
		expect_event(p);
		return;
	case 'S':
	case 'R':
	case 'Y':
		p->line = hop_speaks(p);
		return;
	case 'C':
		expect_output(p);
		return;
	case 'N':
		if (smtp_client_output(p->client).len)
			complain(p, "there is output");
		return;
	case 'D':
		act(p);
		return;
	case 'T':
		enter();
		smtp_client_tls_started(p->client);
		leave();
		return;
	case 'W':
		expect_waiting(p);
		return;
	case 'Q':
		expect_facts(p);
		return;
	}
}

/* What the owner does must do no harm when the connection has gone. */
static void play_dead_line(struct player *p)
{
	if (p->line->letter == 'D')
		act(p);
	if (smtp_client_output(p->client).len)
		complain(p, "output behind CLOSE");
}

static void play_lines(struct player *p)
{
	const struct client_line *end = p->script->lines + p->script->count;

	if (p->script->starts_in_tls)
		smtp_client_tls_started(p->client);
	pump(p, SPAN_LITERAL(""));
	for (p->line = p->script->lines; p->line < end && !p->problem[0]; p->line++) {
		if (p->line->letter != 'E')
			expect_no_event(p);
		/* It may have died in what the owner did last. */
		if (p->play->lacks_memory && !p->is_dead && p->line->letter != 'E')
			pump(p, SPAN_LITERAL(""));
		if (p->is_dead)
			play_dead_line(p);
		else
			play_line(p);
	}
	p->line--;
	if (p->is_dead)
		return;
	pump(p, SPAN_LITERAL(""));
	expect_no_event(p);
	if (smtp_client_output(p->client).len)
		complain(p, "output is left: %.200s", play_escape(&p->arena, smtp_client_output(p->client)));
}

const char *client_play(const struct client_script *s, const struct client_play *play, char *words,
			size_t size)
{
	struct player p = { .script = s, .play = play };

	enter();
	p.client = smtp_client_new(&s->options);
	leave();
	if (!p.client)
		return play->lacks_memory ? NULL : "no memory";
	play_lines(&p);
	smtp_client_free(&p.client);
	arena_fini(&p.arena);
	if (!p.problem[0])
		return NULL;
	snprintf(words, size, "%s:%u: %s: line %u (%c: %.*s): %s", s->file, s->line, s->name, p.line->line,
		 p.line->letter, (int)p.line->text.len, p.line->text.ptr, p.problem);
	return words;
}
