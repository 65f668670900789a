/*
 * Writes the seeds of fuzz_session and fuzz_dot: a file for each vector that is
 * not too long, named after it. Usage: seed_session DIR, run where
 * tests/vectors is or with srcdir set; DIR holds session/ and dot/.
 */
#include "session_input.h"
#include "vector.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEED_MAX = 3000 };

static FILE *create(const char *dir, const char *kind, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, kind, name);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void finish(FILE *file, struct span bytes)
{
	bool is_written = fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;

	if (fclose(file) != 0 || !is_written) {
		perror("seed_session");
		exit(1);
	}
}

/* In one byte; 0 for what is usual. */
static uint8_t option(uint64_t value, uint64_t usual)
{
	if (value == usual)
		return 0;
	return value < 255 ? (uint8_t)value : 255;
}

static void encode_options(uint8_t *head, const struct smtp_session_options *o)
{
	head[INPUT_MAX_ERRORS] = option(o->max_errors, 20);
	head[INPUT_MAXNOTIMPL] = option(o->maxnotimpl, 0) % INPUT_OFFERS_AUTH;
	head[INPUT_MAXNOTIMPL] |= o->offers_auth ? INPUT_OFFERS_AUTH : 0;
	head[INPUT_MAXNOTIMPL] |= o->auth_without_tls ? INPUT_AUTH_WITHOUT_TLS : 0;
	head[INPUT_MAX_MESSAGE_SIZE] = option(o->max_message_size, 50 << 20);
	head[INPUT_MAX_HEADER_SIZE] = option(o->max_header_size, 256 << 10);
	head[INPUT_MAX_HOPS] = option(o->max_hops, 100);
	head[INPUT_MAX_COMMAND_LINE] = option(o->max_command_line, 2048);
	head[INPUT_MAX_RECIPIENTS] = option(o->max_recipients, 1000);
	head[INPUT_MAX_MESSAGES] = option(o->max_messages, 1000);
}

/* The nearest of the verdicts there are. */
static uint8_t encode_verdict(const struct play_verdict *v)
{
	if (v->reply.code == 0 && !v->is_close)
		return 0;
	for (unsigned i = 0; i < INPUT_VERDICT_KINDS; i++) {
		const struct play_verdict *kind = &session_input_verdicts[i];

		if (kind->is_close == v->is_close && kind->is_each == v->is_each && kind->reply.code / 100 == v->reply.code / 100 &&
		    (kind->reply.code == 421) == (v->reply.code == 421))
			return (uint8_t)(INPUT_VERDICT_FIRST + i);
	}
	return 0;
}

/* Ways and cuts that stay the same when other vectors come and go. */
static unsigned hash(const char *name)
{
	unsigned h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h;
}

static uint8_t encode_switches(unsigned h, const struct vector *v)
{
	h &= INPUT_GREETS_IN_LINES | INPUT_CUTS_SMALL;
	h |= v->options.rejects_unknown_parameters ? INPUT_REJECTS_UNKNOWN_PARAMETERS : 0;
	h |= v->options.offers_starttls ? INPUT_OFFERS_STARTTLS : 0;
	h |= v->options.requires_tls ? INPUT_REQUIRES_TLS : 0;
	h |= v->options.offers_binarymime || v->options.offers_dsn || v->options.offers_prdr ||
	     v->options.offers_requiretls ? INPUT_OFFERS_MORE : 0;
	h |= v->starts_tls ? INPUT_STARTS_TLS : 0;
	h |= v->starts_in_tls ? INPUT_STARTS_IN_TLS : 0;
	return (uint8_t)h;
}

static void write_session(const char *dir, const struct vector *v)
{
	unsigned h = hash(v->name);
	uint8_t head[INPUT_HEAD] = { 0 };
	size_t verdicts = v->verdict_count < 255 ? v->verdict_count : 255;
	FILE *file = create(dir, "session", v->name);

	encode_options(head, &v->options);
	head[INPUT_SEED] = encode_switches(h, v);
	head[INPUT_FLAGS] = (uint8_t)(h % 8 | (unsigned)v->options.bare_newline * 32 |
				      (v->options.is_lenient ? INPUT_IS_LENIENT : 0));
	if (v->has_closing) {
		head[INPUT_FLAGS] |= INPUT_CLOSES | (v->closing.reply.code ? 0 : INPUT_CLOSES_QUIETLY);
		head[INPUT_CLOSING_HIGH] = (uint8_t)(v->closing.offset >> 8);
		head[INPUT_CLOSING_LOW] = (uint8_t)v->closing.offset;
	}
	head[INPUT_VERDICTS] = (uint8_t)verdicts;
	fwrite(head, 1, sizeof(head), file);
	for (size_t i = 0; i < verdicts; i++)
		putc(encode_verdict(&v->verdicts[i]), file);
	finish(file, v->input);
}

/* What stands behind the first DATA. */
static void write_dot(const char *dir, const struct vector *v)
{
	static const char *const datas[] = { "DATA\r\n", "DATA\n" };

	for (int is_lf = 0; is_lf < 2; is_lf++) {
		size_t len = strlen(datas[is_lf]);

		for (size_t i = 0; i + len < v->input.len; i++) {
			FILE *file;

			if (memcmp(v->input.ptr + i, datas[is_lf], len) != 0)
				continue;
			file = create(dir, "dot", v->name);
			putc(is_lf, file);
			putc(0, file);
			finish(file, span_from(v->input, i + len));
			return;
		}
	}
}

static bool is_about_data(const struct vector *v)
{
	return strstr(v->file, "data.smtp") != NULL;
}

int main(int argc, char **argv)
{
	struct vector_set vectors;
	char dir[4096];

	if (argc != 2) {
		fputs("usage: seed_session DIR\n", stderr);
		return 64;
	}
	vector_set_load(&vectors, vector_dir(dir, sizeof(dir)));
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *v = &vectors.vectors[i];

		if (v->input.len > SEED_MAX)
			continue;
		write_session(argv[1], v);
		if (is_about_data(v))
			write_dot(argv[1], v);
	}
	vector_set_fini(&vectors);
	return 0;
}
