/*
 * Laws of proto/client, with any hop and an owner that keeps to the rules: any
 * cutting of what the hop says gives the same events and the same output; nothing
 * is told that was not asked; success is told when all was sent only; what leaves
 * is CRLF lines; what is passed on is printable; no password leaves without TLS;
 * behind CLOSE there is nothing. client_input.h tells what the bytes mean.
 */
#include "base/utf8.h"
#include "client_input.h"
#include "fuzz.h"

#include <stdlib.h>

enum { MUCH = 70000, BLOCK_ANY = 0, INPUT_MAX = 16 * 1024 };

enum owner_state { OPENING, READY, ASKING, DATA, CONTENT, ENDED, LEAVING, TLS, CLOSED };

struct owner {
	struct smtp_client *c; /* owned */
	struct smtp_client_options options;
	struct smtp_address sender, recipient;
	struct buf said;       /* by the hop, and not lent yet */
	struct buf transcript; /* all events and output */
	size_t block;          /* octets that are lent at once; BLOCK_ANY: all */
	enum owner_state state;
	unsigned asked, answered, accepted, results; /* recipients */
	bool is_mail_asked;    /* and not answered */
	bool is_utf8, is_binary, is_tls;
	bool is_secret_known;  /* it stands in the input itself */
	char last;             /* octet of output */
};

static void note(struct owner *o, const void *bytes, size_t len)
{
	LAW(buf_add(&o->transcript, bytes, len));
}

/* ---- events ---- */

static bool is_line_fit(struct span line, bool may_be_utf8)
{
	return line.len > 0 && line.len <= 400 && utf8_is_text(line) && (may_be_utf8 || utf8_is_ascii(line));
}

static void hold_reply(const struct owner *o, const struct smtp_reply *r)
{
	struct span rest = span_str(r->text);

	LAW(r->code >= 200 && r->code <= 599 && rest.len <= 2000);
	LAW(r->status && r->status[0] == (r->code < 400 ? '2' : (char)('0' + r->code / 100)));
	for (;;) {
		size_t n = span_find(rest, '\n');

		LAW(is_line_fit(span_head(rest, n), o->is_utf8));
		if (n == rest.len)
			break;
		rest = span_from(rest, n + 1);
	}
}

static void become_ready(struct owner *o)
{
	o->state = READY;
	o->asked = o->answered = o->accepted = o->results = 0;
	o->is_mail_asked = o->is_utf8 = o->is_binary = false;
}

static void take_rcpt(struct owner *o, const struct smtp_client_event *e)
{
	LAW(o->state == ASKING && !o->is_mail_asked && e->index == o->answered && o->answered < o->asked);
	o->answered++;
	o->accepted += e->reply.code < 300;
	LAW(smtp_client_accepted(o->c) == o->accepted);
}

static void take_data(struct owner *o, const struct smtp_client_event *e)
{
	LAW(o->state == DATA && e->reply.code >= 300);
	o->state = e->reply.code < 400 ? CONTENT : LEAVING;
}

static void take_result(struct owner *o, const struct smtp_client_event *e)
{
	o->results++;
	LAW(o->state == CONTENT || o->state == ENDED);
	LAW(o->results <= (o->options.is_lmtp ? o->accepted : 1) && e->reply.code / 100 != 3);
	LAW(e->reply.code >= 400 || (o->state == ENDED && smtp_client_output(o->c).len == 0));
	LAW(!o->options.is_lmtp || e->index < o->asked);
}

static void take_event(struct owner *o, const struct smtp_client_event *e)
{
	LAW(o->state != CLOSED);
	if (e->reply.code && e->reply.reason && strcmp(e->reply.reason, "next_hop") == 0)
		hold_reply(o, &e->reply);
	switch (e->type) {
	case SMTP_CLIENT_READY:
		LAW(o->state == OPENING || o->state == LEAVING || o->state == CONTENT || o->state == ENDED);
		LAW(o->state != ENDED || o->results == (o->options.is_lmtp ? o->accepted : 1));
		LAW(o->state != CONTENT || o->results);
		become_ready(o);
		return;
	case SMTP_CLIENT_MAIL:
		LAW(o->state == ASKING && o->is_mail_asked);
		o->is_mail_asked = false;
		return;
	case SMTP_CLIENT_RCPT:
		take_rcpt(o, e);
		return;
	case SMTP_CLIENT_DATA:
		take_data(o, e);
		return;
	case SMTP_CLIENT_RESULT:
		take_result(o, e);
		return;
	case SMTP_CLIENT_STARTTLS:
		LAW(o->state == OPENING && !o->is_tls && o->options.starttls);
		o->state = TLS;
		return;
	case SMTP_CLIENT_CLOSE:
		LAW(e->reason && smtp_client_output(o->c).len == 0);
		o->state = CLOSED;
		return;
	default:
		LAW(false);
	}
}

static void note_event(struct owner *o, const struct smtp_client_event *e)
{
	uint32_t numbers[3] = { (uint32_t)e->type, e->index, e->reply.code };

	note(o, numbers, sizeof(numbers));
	if (e->reply.code && e->reply.status)
		note(o, e->reply.status, strlen(e->reply.status));
	if (e->reply.code)
		note(o, e->reply.text, strlen(e->reply.text));
	if (e->reason)
		note(o, e->reason, strlen(e->reason));
}

/* Lend some octets, as a block that nobody else may look at. */
static void lend(struct owner *o, struct span in)
{
	struct span copy = span_of(malloc(in.len + 1), in.len), rest = copy;

	LAW(copy.ptr != NULL);
	memcpy((char *)copy.ptr, in.ptr, in.len);
	for (;;) {
		struct smtp_client_event e;
		size_t used = smtp_client_next(o->c, rest, &e);

		LAW(used <= rest.len);
		rest = span_from(rest, used);
		if (e.type == SMTP_CLIENT_NEED_INPUT) {
			LAW(rest.len == 0);
			break;
		}
		note_event(o, &e);
		take_event(o, &e);
		if (e.type == SMTP_CLIENT_CLOSE)
			break;
	}
	free((char *)copy.ptr);
}

/* Let the machine hear what the hop has said so far. */
static void hear(struct owner *o)
{
	struct span said = buf_span(&o->said);

	if (said.len == 0 && o->state != CLOSED)
		lend(o, said);
	while (said.len && o->state != CLOSED) {
		struct span part = span_head(said, o->block == BLOCK_ANY ? said.len : o->block);

		lend(o, part);
		said = span_from(said, part.len);
	}
	buf_clear(&o->said);
}

/* ---- output ---- */

static void hold_output(struct owner *o, struct span out)
{
	const struct smtp_client_options *options = &o->options;

	for (size_t i = 0; i < out.len && !o->is_binary; i++) {
		LAW((out.ptr[i] == '\n') == (o->last == '\r'));
		o->last = out.ptr[i];
	}
	if (o->is_binary && out.len)
		o->last = '\0';
	if (!o->is_tls && !options->auth_without_tls && !o->is_secret_known)
		LAW(!memmem(out.ptr, out.len, client_input_secret, strlen(client_input_secret)));
}

static void send_output(struct owner *o, size_t max)
{
	struct span out = span_head(smtp_client_output(o->c), max);

	LAW(o->state != CLOSED || out.len == 0);
	hold_output(o, out);
	note(o, out.ptr, out.len);
	smtp_client_sent(o->c, out.len);
}

/* ---- what the owner does ---- */

static bool has(struct span flags, char flag)
{
	return span_find(flags, flag) < flags.len;
}

static void say_mail(struct owner *o, struct span flags)
{
	struct smtp_client_mail mail = {
		.sender = &o->sender,
		.size = has(flags, 'z') ? 1000 : 0,
		.body_type = has(flags, 'b')   ? SMTP_BODY_BINARYMIME
			     : has(flags, '8') ? SMTP_BODY_8BITMIME
					       : SMTP_BODY_7BIT,
		.is_smtputf8 = has(flags, 'u'),
		.requires_tls = has(flags, 'r'),
		.ret = has(flags, 'd') ? SMTP_DSN_RET_FULL : SMTP_DSN_RET_NONE,
		.envid = flags,
		.auth = flags,
	};
	uint32_t needs = (has(flags, 'u') ? SMTP_OFFER_SMTPUTF8 : 0) |
			 (has(flags, 'r') ? SMTP_OFFER_REQUIRETLS : 0) |
			 (has(flags, 'b') ? SMTP_OFFER_BINARYMIME | SMTP_OFFER_CHUNKING : 0);

	if (o->state != READY || smtp_client_mail(o->c, &mail))
		return;
	LAW((smtp_client_offer(o->c)->bits & needs) == needs && (!mail.requires_tls || o->is_tls));
	o->state = ASKING;
	o->is_mail_asked = true;
	o->is_utf8 = mail.is_smtputf8;
	o->is_binary = mail.body_type == SMTP_BODY_BINARYMIME;
}

static void say_rcpt(struct owner *o, struct span text)
{
	struct smtp_client_rcpt rcpt = {
		.recipient = &o->recipient,
		.notify = text.len ? (unsigned)text.ptr[0] & 15 : 0,
		.orcpt = text,
	};

	if (o->state == ASKING && smtp_client_rcpt(o->c, &rcpt))
		o->asked++;
}

static void introduce(struct owner *o, struct span helo)
{
	struct smtp_client_facts facts = { .helo = helo, .name = helo, .protocol = SPAN_LITERAL("ESMTP") };

	if (o->state == READY && smtp_client_introduce(o->c, &facts))
		o->state = OPENING;
}

static void give_content(struct owner *o, struct span text, const char *tail)
{
	struct buf all = { 0 };
	struct span content;

	LAW(buf_add_span(&all, text) && buf_add_str(&all, tail));
	content = buf_span(&all);
	if (o->state == CONTENT && !smtp_client_content(o->c, &content))
		LAW(!o->is_binary && span_find(content, '\r') < content.len);
	buf_fini(&all);
}

static void give_much(struct owner *o)
{
	char *much = malloc(MUCH);

	LAW(much != NULL);
	memset(much, '.', MUCH);
	for (size_t i = 0; i < MUCH; i += 1000)
		much[i] = '\n';
	give_content(o, span_of(much, MUCH), "");
	free(much);
}

static void act(struct owner *o, char letter, struct span text)
{
	switch (letter) {
	case 'O':
		send_output(o, SIZE_MAX);
		return;
	case 'P':
		send_output(o, text.len);
		return;
	case 'M':
		say_mail(o, text);
		return;
	case 'r':
		say_rcpt(o, text);
		return;
	case 'D':
		if (o->state != ASKING || o->accepted == 0 || smtp_client_is_asking(o->c))
			return;
		smtp_client_data(o->c);
		o->state = DATA;
		return;
	case 'C':
		give_content(o, text, "\n");
		return;
	case 'c':
		give_content(o, text, "");
		return;
	case 'B':
		give_much(o);
		return;
	case 'E':
		if (o->state != CONTENT)
			return;
		smtp_client_end(o->c);
		o->state = ENDED;
		return;
	case 'X':
		smtp_client_reset(o->c);
		if (o->state != OPENING && o->state != TLS)
			o->state = LEAVING;
		return;
	case 'Q':
		smtp_client_quit(o->c);
		o->state = LEAVING;
		return;
	case 'I':
		introduce(o, text);
		return;
	case 'T':
		if (o->state != TLS)
			return;
		smtp_client_tls_started(o->c);
		o->is_tls = true;
		o->state = OPENING;
		return;
	case 'K':
		smtp_client_trim(o->c);
		return;
	}
}

static void hop_says(struct owner *o, char letter, struct span text)
{
	const char *tail = letter == 'S' ? "\r\n" : letter == 'L' ? "\n" : "";

	LAW(buf_add_span(&o->said, text) && buf_add_str(&o->said, tail));
}

static void play(struct owner *o, struct span input)
{
	size_t n = span_find(input, '\n');

	o->options = client_input_options(span_head(input, n));
	LAW(smtp_address_parse(&o->sender, SMTP_CHARSET_ASCII, SPAN_LITERAL("a@client.example")));
	LAW(smtp_address_parse(&o->recipient, SMTP_CHARSET_ASCII, SPAN_LITERAL("b@example.org")));
	o->c = smtp_client_new(&o->options);
	LAW(o->c != NULL);
	o->is_secret_known = memmem(input.ptr, input.len, client_input_secret, strlen(client_input_secret));
	while (input = span_from(input, n + 1), input.len && o->state != CLOSED) {
		char letter = input.ptr[0];

		n = span_find(input, '\n');
		struct span text = span_head(span_from(input, 1), n ? n - 1 : 0);

		if (letter == 'S' || letter == 'L' || letter == 'R') {
			hop_says(o, letter, text);
			continue;
		}
		hear(o);
		if (o->state != CLOSED)
			act(o, letter, text);
	}
	hear(o);
	send_output(o, SIZE_MAX);
	smtp_client_free(&o->c);
	buf_fini(&o->said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t blocks[] = { 1, 3, 64 };
	struct span input = span_of(data, size < INPUT_MAX ? size : INPUT_MAX);
	struct owner whole = { .block = BLOCK_ANY };

	play(&whole, input);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct owner cut = { .block = blocks[i] };

		play(&cut, input);
		LAW(span_eq(buf_span(&cut.transcript), buf_span(&whole.transcript)));
		buf_fini(&cut.transcript);
	}
	buf_fini(&whole.transcript);
	return 0;
}
