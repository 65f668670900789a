/*
 * The client machine's frame: replies are read and given to the commands they
 * belong to, output is let out as far as the hop may be sent it. The opening is in
 * client_open.c, what tells of our client in client_facts.c, transactions are in
 * client_mail.c, content is in client_body.c.
 */
#include "proto/client.h"

#include "proto/client_private.h"

#include <stdlib.h>

static const char *const event_names[SMTP_CLIENT_EVENTS] = {
	[SMTP_CLIENT_NEED_INPUT] = "need_input", [SMTP_CLIENT_STARTTLS] = "starttls",
	[SMTP_CLIENT_READY] = "ready",           [SMTP_CLIENT_MAIL] = "mail",
	[SMTP_CLIENT_RCPT] = "rcpt",             [SMTP_CLIENT_DATA] = "data",
	[SMTP_CLIENT_RESULT] = "result",         [SMTP_CLIENT_CLOSE] = "close",
};

const char *smtp_client_event_name(enum smtp_client_event_type type)
{
	BUG_ON(type >= SMTP_CLIENT_EVENTS);
	return event_names[type];
}

/* Each may be refused with 4xx and 5xx; this is the first digit of what is no refusal. */
static const struct {
	const char *stage;
	uint8_t success;
	uint8_t also; /* another one; 0: none */
	const char *status; /* of a success without one */
} commands[COMMANDS] = {
	[COMMAND_GREETING] = { "greeting", 2, 0, "2.0.0" },
	[COMMAND_EHLO] = { "ehlo", 2, 0, "2.0.0" },
	[COMMAND_HELO] = { "helo", 2, 0, "2.0.0" },
	[COMMAND_STARTTLS] = { "starttls", 2, 0, "2.0.0" },
	[COMMAND_AUTH] = { "auth", 2, 3, "2.7.0" },
	[COMMAND_XCLIENT] = { "xclient", 2, 0, "2.0.0" },
	[COMMAND_XFORWARD] = { "xforward", 2, 0, "2.0.0" },
	[COMMAND_MAIL] = { "mail", 2, 0, "2.1.0" },
	[COMMAND_RCPT] = { "rcpt", 2, 0, "2.1.5" },
	[COMMAND_DATA] = { "data", 3, 0, "2.0.0" },
	[COMMAND_CHUNK] = { "bdat", 2, 0, "2.0.0" },
	[COMMAND_END] = { "end_of_data", 2, 0, "2.0.0" },
	[COMMAND_RSET] = { "rset", 2, 0, "2.0.0" },
	[COMMAND_QUIT] = { "quit", 2, 0, "2.0.0" },
};

struct smtp_client *smtp_client_new(const struct smtp_client_options *options)
{
	struct smtp_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->options = options;
	return c;
}

static void wipe_output(struct smtp_client *c)
{
	if (c->has_secret && c->out.data)
		explicit_bzero(c->out.data, c->out.size);
	c->has_secret = false;
}

void smtp_client_free(struct smtp_client **client)
{
	struct smtp_client *c = *client;

	*client = NULL;
	if (!c)
		return;
	wipe_output(c);
	buf_fini(&c->out);
	buf_fini(&c->chunk);
	buf_fini(&c->accepted);
	buf_fini(&c->xclient);
	client_reply_fini(&c->reply);
	free(c);
}

/* ---- the end ---- */

void client_close(struct smtp_client *c, const char *reason)
{
	if (c->state == CLIENT_CLOSED)
		return;
	c->state = CLIENT_CLOSED;
	c->close_reason = reason;
	c->awaited_count = 0;
	c->is_ready_due = c->is_data_due = false;
}

void client_close_by_reply(struct smtp_client *c, const char *reason)
{
	if (c->state == CLIENT_CLOSED)
		return;
	client_close(c, reason);
	c->closed_by_reply = true;
}

/* ---- output ---- */

/* The command whose reply comes next; there is one. */
static const struct client_awaited *oldest(const struct smtp_client *c)
{
	return &c->awaited[c->awaited_first];
}

void client_put(struct smtp_client *c, struct span text)
{
	if (!buf_add_span(&c->out, text))
		c->has_failed = true;
}

void client_put_str(struct smtp_client *c, const char *text)
{
	client_put(c, span_str(text));
}

void client_put_u64(struct smtp_client *c, uint64_t value)
{
	if (!buf_add_u64(&c->out, value))
		c->has_failed = true;
}

void client_await(struct smtp_client *c, enum client_command command, uint32_t index)
{
	if (c->has_failed)
		client_close(c, "no_memory");
	if (c->state == CLIENT_CLOSED)
		return;
	BUG_ON(c->awaited_count == CLIENT_AWAITED_MAX);
	*client_awaited_at(c, c->awaited_count++) = (struct client_awaited){
		.end = c->sent + buf_len(&c->out),
		.index = index,
		.command = (uint8_t)command,
	};
}

static bool has_control_character(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < ' ' || line.ptr[i] == 0x7f)
			return true;
	return false;
}

void client_ask(struct smtp_client *c, enum client_command command, size_t from)
{
	/* What is put together from values of strangers must be one line, whatever they had in them. */
	if (has_control_character(span_from(buf_span(&c->out), from)))
		client_close(c, "bad_command");
	client_put_str(c, "\r\n");
	client_await(c, command, 0);
}

void client_say(struct smtp_client *c, enum client_command command, const char *line)
{
	size_t from = client_mark(c);

	client_put_str(c, line);
	client_ask(c, command, from);
}

struct span smtp_client_output(const struct smtp_client *c)
{
	struct span out = buf_span(&c->out);

	if (c->state == CLIENT_CLOSED)
		return span_head(out, 0);
	/* RFC 2920: without PIPELINING a command goes out when the one before it was answered. */
	if (c->awaited_count && !smtp_offer_has(&c->offer, SMTP_OFFER_PIPELINING)) {
		uint64_t end = oldest(c)->end;

		return span_head(out, end > c->sent ? (size_t)(end - c->sent) : 0);
	}
	return out;
}

void smtp_client_sent(struct smtp_client *c, size_t len)
{
	buf_use(&c->out, len);
	c->sent += len;
	if (buf_len(&c->out) == 0)
		wipe_output(c);
}

void smtp_client_trim(struct smtp_client *c)
{
	if (c->is_reply_done && !c->is_result_due && c->state != CLIENT_CLOSED) {
		client_reply_clear(&c->reply);
		c->is_reply_done = false;
	}
	buf_release_empty(&c->out);
	buf_release_empty(&c->chunk);
	buf_release_empty(&c->accepted);
	buf_release_empty(&c->reply.line);
	buf_release_empty(&c->reply.text);
}

/* ---- events ---- */

bool client_tell(const struct smtp_client *c, enum smtp_client_event_type type, uint32_t index,
		 struct smtp_client_event *event)
{
	*event = (struct smtp_client_event){ .type = type, .index = index };
	event->reply.code = c->reply.code;
	event->reply.status = c->reply.status;
	event->reply.text = buf_span(&c->reply.text).ptr;
	event->reply.reason = "next_hop";
	return true;
}

static void tell_close(const struct smtp_client *c, struct smtp_client_event *event)
{
	if (c->closed_by_reply)
		client_tell(c, SMTP_CLIENT_CLOSE, 0, event);
	else
		*event = (struct smtp_client_event){ .type = SMTP_CLIENT_CLOSE };
	event->reason = c->close_reason;
}

/* What was left to tell by an earlier call. */
static bool tell_due(struct smtp_client *c, struct smtp_client_event *event)
{
	if (c->is_result_due) {
		client_mail_tell_result(c, event);
		return true;
	}
	if (c->is_data_due) {
		c->is_data_due = false;
		*event = (struct smtp_client_event){ .type = SMTP_CLIENT_DATA };
		event->reply = *smtp_reply(SMTP_REPLY_START_INPUT);
		return true;
	}
	if (c->is_ready_due) {
		c->is_ready_due = false;
		*event = (struct smtp_client_event){ .type = SMTP_CLIENT_READY };
		return true;
	}
	if (c->state == CLIENT_CLOSED) {
		tell_close(c, event);
		return true;
	}
	return false;
}

void client_become_ready(struct smtp_client *c)
{
	c->state = CLIENT_READY;
	c->is_ready_due = true;
	c->transaction = (struct client_transaction){ 0 };
	buf_clear(&c->accepted);
	buf_clear(&c->chunk);
}

/* ---- replies ---- */

/* Take the command off that the reply is for. */
static struct client_awaited take_awaited(struct smtp_client *c)
{
	struct client_awaited *a = client_awaited_at(c, 0), taken = *a;

	/* RFC 2033 4.2: the end of data has a reply for each recipient that was accepted. */
	if (a->command == COMMAND_END && a->index > 1) {
		a->index--;
		return taken;
	}
	c->awaited_first = (c->awaited_first + 1) % CLIENT_AWAITED_MAX;
	c->awaited_count--;
	return taken;
}

static bool take_answer(struct smtp_client *c, struct smtp_client_event *event)
{
	struct client_awaited a = take_awaited(c);
	unsigned digit = c->reply.code / 100;

	if (digit < 4 && digit != commands[a.command].success && digit != commands[a.command].also) {
		client_close_by_reply(c, "unexpected_code");
		return false;
	}
	if (a.is_dropped)
		return false;
	if (a.command >= COMMAND_MAIL)
		return client_mail_take(c, &a, event);
	client_open_take(c, a.command);
	if (c->state != CLIENT_TLS)
		return false;
	*event = (struct smtp_client_event){ .type = SMTP_CLIENT_STARTTLS };
	return true;
}

/* A reply that began when there was nothing to reply to. */
static bool take_early(struct smtp_client *c, struct smtp_client_event *event)
{
	bool is_told = c->reply.code >= 400 && client_mail_take_early(c, event);

	if (c->reply.code != 421)
		client_close_by_reply(c, is_told ? "early_refusal" : "unsolicited_reply");
	return is_told;
}

/* The reply is complete. True: *event is made. */
static bool take_reply(struct smtp_client *c, struct smtp_client_event *event)
{
	const char *status = c->is_reply_early ? "2.0.0" : commands[oldest(c)->command].status;
	bool is_told;

	c->is_reply_done = true;
	if (!client_hide_secrets(c) || !client_reply_finish(&c->reply, status)) {
		client_close(c, "no_memory");
		return false;
	}
	is_told = c->is_reply_early ? take_early(c, event) : take_answer(c, event);
	/* RFC 5321 3.8: the hop closes, whatever it was asked. */
	if (c->reply.code == 421)
		client_close_by_reply(c, "hop_closing");
	return is_told;
}

/* One line of a reply. */
static bool take_line(struct smtp_client *c, struct span text, bool is_last, struct smtp_client_event *event)
{
	bool is_hello = !c->is_reply_early && oldest(c)->command == COMMAND_EHLO;

	/* RFC 5321 4.1.1.1: the first line is the hop's name. */
	if (is_hello && c->reply.code < 300 && c->reply.lines > 1)
		smtp_offer_add_line(&c->offer, text);
	if (!client_reply_add_text(&c->reply, text, c->transaction.is_smtputf8)) {
		client_close(c, "no_memory");
		return false;
	}
	return is_last && take_reply(c, event);
}

static bool take_input(struct smtp_client *c, struct span in, size_t *used, struct smtp_client_event *event)
{
	enum client_reply_step step;
	struct span text;

	*used = 0;
	if (c->state == CLIENT_TLS) {
		/* Plain text behind the 220: somebody tries to have it taken for what came over TLS. */
		client_close(c, "bytes_behind_starttls");
		return false;
	}
	if (c->is_reply_done) {
		client_reply_clear(&c->reply);
		c->is_reply_done = false;
	}
	if (c->reply.octets == 0)
		c->is_reply_early = c->awaited_count == 0 || c->sent < oldest(c)->end;
	step = client_reply_take(&c->reply, in, used, &text);
	if (step == CLIENT_REPLY_BAD)
		client_close(c, c->reply.fault);
	if (step == CLIENT_REPLY_BAD || step == CLIENT_REPLY_MORE)
		return false;
	return take_line(c, text, step == CLIENT_REPLY_LAST, event);
}

size_t smtp_client_next(struct smtp_client *c, struct span in, struct smtp_client_event *event)
{
	size_t total = 0, used;

	if (c->state == CLIENT_NEW)
		client_open_begin(c);
	while (!tell_due(c, event)) {
		bool is_told;

		if (total == in.len) {
			*event = (struct smtp_client_event){ .type = SMTP_CLIENT_NEED_INPUT };
			break;
		}
		is_told = take_input(c, span_from(in, total), &used, event);
		total += used;
		if (is_told)
			break;
	}
	return total;
}

/* ---- what the machine is at ---- */

bool smtp_client_is_reusable(const struct smtp_client *c)
{
	bool is_sticky = buf_len(&c->xclient) && !smtp_offer_has(&c->offer, SMTP_OFFER_XCLIENT);

	return c->state == CLIENT_READY && (c->reply.octets == 0 || c->is_reply_done) && !is_sticky;
}

const struct smtp_offer *smtp_client_offer(const struct smtp_client *c)
{
	return &c->offer;
}

enum smtp_client_wait smtp_client_waiting(const struct smtp_client *c)
{
	const struct client_awaited *a = oldest(c);

	if (c->awaited_count == 0)
		return c->state == CLIENT_CONTENT && buf_len(&c->out) ? SMTP_CLIENT_WAIT_DATA_BLOCK
								      : SMTP_CLIENT_WAIT_NOTHING;
	switch ((enum client_command)a->command) {
	case COMMAND_GREETING:
		return SMTP_CLIENT_WAIT_GREETING;
	case COMMAND_DATA:
		return SMTP_CLIENT_WAIT_DATA_INIT;
	case COMMAND_CHUNK:
		return SMTP_CLIENT_WAIT_DATA_BLOCK;
	case COMMAND_END:
		return c->sent < a->end ? SMTP_CLIENT_WAIT_DATA_BLOCK : SMTP_CLIENT_WAIT_DATA_FINAL;
	default:
		return SMTP_CLIENT_WAIT_COMMAND;
	}
}

const char *smtp_client_stage(const struct smtp_client *c)
{
	static const char *const names[] = {
		[CLIENT_NEW] = "greeting", [CLIENT_OPENING] = "greeting",      [CLIENT_TLS] = "tls",
		[CLIENT_READY] = "ready",  [CLIENT_TRANSACTION] = "recipients", [CLIENT_DATA] = "data",
		[CLIENT_CONTENT] = "content", [CLIENT_ENDED] = "content",       [CLIENT_LEAVING] = "rset",
		[CLIENT_CLOSED] = "closed",
	};

	return c->awaited_count ? commands[oldest(c)->command].stage : names[c->state];
}
