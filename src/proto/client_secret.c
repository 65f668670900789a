/*
 * A hop that repeats the command which it refuses would have our password stand
 * in the log, and be told to clients. The text of such a reply is left out.
 */
#include "base/base64.h"
#include "proto/client_private.h"

#include <stdlib.h>

/*
 * So much of a password in base64 is as good as all of it: what hops repeat may be cut short. In plain text
 * it must stand there whole, and one that is shorter than most words is not looked for: it is no secret.
 */
enum { PART_MIN = 8, PASSWORD_MIN = 4 };

static bool has_text(struct span in, struct span text)
{
	for (size_t i = 0; i + text.len <= in.len; i++)
		if (memcmp(in.ptr + i, text.ptr, text.len) == 0)
			return true;
	return false;
}

/* Is any part of so many octets, or all of it where it has fewer, in there? */
static bool has_part(struct span in, struct span secret)
{
	size_t part = secret.len < PART_MIN ? secret.len : PART_MIN;

	for (size_t i = 0; i + part <= secret.len; i++)
		if (has_text(in, span_head(span_from(secret, i), part)))
			return true;
	return false;
}

/* `room` has room for the base64 of it. */
static bool has_encoded(struct span in, struct span secret, char *room)
{
	return has_part(in, span_of(room, base64_encode(secret, room)));
}

bool client_hide_secrets(struct smtp_client *c)
{
	struct span text = buf_span(&c->reply.text), password;
	size_t plain_len, size;
	bool is_repeated;
	char *plain;

	if (!c->options->user || !c->options->password || text.len == 0)
		return true;
	password = span_str(c->options->password);
	plain_len = client_plain_len(c);
	size = plain_len + base64_encoded_len(plain_len);
	plain = malloc(size);
	if (!plain)
		return false;
	client_write_plain(c, plain);
	is_repeated = (password.len >= PASSWORD_MIN && has_text(text, password)) ||
		      has_encoded(text, password, plain + plain_len) ||
		      has_encoded(text, span_of(plain, plain_len), plain + plain_len);
	explicit_bzero(plain, size);
	free(plain);
	if (!is_repeated)
		return true;
	explicit_bzero(c->reply.text.data, c->reply.text.size);
	buf_clear(&c->reply.text);
	return buf_add_str(&c->reply.text, "The text is left out: it repeats a password.");
}
