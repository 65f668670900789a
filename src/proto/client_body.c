/*
 * The client machine's content. Text goes out by DATA: lines end in CRLF, dots
 * are stuffed here and nowhere else, and a CR never leaves but before LF, so that
 * what is inside can neither end the message nor be taken for a command. Content
 * of BODY=BINARYMIME goes out as it is, by BDAT, in chunks that are counted.
 */
#include "proto/client_private.h"

enum { CHUNK_SIZE = 32 * 1024 };

/* Reserved before, so that it fits. */
static void put_within(struct buf *out, const char *bytes, size_t len)
{
	memcpy(out->data + out->end, bytes, len);
	out->end += len;
}

/* Text without CR. */
static void put_text(struct smtp_client *c, struct span text)
{
	struct client_transaction *t = &c->transaction;

	while (text.len) {
		size_t n = span_find(text, '\n');

		/* A dot before it and CRLF behind it, at most. */
		if (!buf_reserve(&c->out, n + 3)) {
			client_close(c, "no_memory");
			return;
		}
		/* RFC 5321 4.5.2 */
		if (!t->is_in_line && text.ptr[0] == '.')
			put_within(&c->out, ".", 1);
		put_within(&c->out, text.ptr, n);
		t->is_in_line = n == text.len;
		if (t->is_in_line)
			return;
		put_within(&c->out, "\r\n", 2);
		text = span_from(text, n + 1);
	}
}

/* The chunk that was put together, by BDAT (RFC 3030 2). */
static void say_chunk(struct smtp_client *c, bool is_last)
{
	client_put_str(c, "BDAT ");
	client_put_u64(c, buf_len(&c->chunk));
	client_put_str(c, is_last ? " LAST\r\n" : "\r\n");
	client_put(c, buf_span(&c->chunk));
	buf_clear(&c->chunk);
}

static void put_binary(struct smtp_client *c, struct span content)
{
	while (content.len && c->state != CLIENT_CLOSED) {
		struct span part = span_head(content, CHUNK_SIZE - buf_len(&c->chunk));

		if (!buf_add_span(&c->chunk, part)) {
			client_close(c, "no_memory");
			return;
		}
		content = span_from(content, part.len);
		if (buf_len(&c->chunk) == CHUNK_SIZE) {
			say_chunk(c, false);
			client_await(c, COMMAND_CHUNK, 0);
		}
	}
}

static size_t room(const struct smtp_client *c)
{
	size_t len = buf_len(&c->out) + buf_len(&c->chunk);

	if (len >= SMTP_CLIENT_OUTPUT_MAX)
		return 0;
	return c->awaited_count < SMTP_CLIENT_COMMANDS_MAX ? SMTP_CLIENT_OUTPUT_MAX - len : 0;
}

bool smtp_client_content(struct smtp_client *c, struct span *content)
{
	struct span part;

	/* A message that has its result, or no connection, needs no more of it. */
	if (c->state == CLIENT_CLOSED || c->state == CLIENT_LEAVING) {
		*content = span_from(*content, content->len);
		return true;
	}
	BUG_ON(c->state != CLIENT_CONTENT);
	part = span_head(*content, room(c));
	if (!c->transaction.is_binary && span_find(part, '\r') < part.len)
		return false;
	if (c->transaction.is_binary)
		put_binary(c, part);
	else
		put_text(c, part);
	*content = span_from(*content, part.len);
	return true;
}

void smtp_client_end(struct smtp_client *c)
{
	if (c->state == CLIENT_CLOSED || c->state == CLIENT_LEAVING)
		return;
	BUG_ON(c->state != CLIENT_CONTENT || c->is_data_due);
	c->state = CLIENT_ENDED;
	if (c->transaction.is_binary) {
		say_chunk(c, true);
	} else {
		if (c->transaction.is_in_line)
			client_put_str(c, "\r\n");
		client_put_str(c, ".\r\n");
	}
	/* RFC 2033 4.2: a reply for each recipient that was accepted. */
	client_await(c, COMMAND_END, c->options->is_lmtp ? c->transaction.accepted : 1);
}
