/*
 * proto/client: laws that no script can hold to the last octet: what content
 * becomes, how much of it is taken, chunks, and what is left of a password.
 */
#include "proto/client_private.h"
#include "proto/dot.h"
#include "unit.h"

static const struct smtp_client_options plain_options = { .hostname = "mx.example.org" };

static struct smtp_client_event next(struct smtp_client *c, const char *said)
{
	struct span in = span_str(said);
	struct smtp_client_event event;
	size_t used = smtp_client_next(c, in, &event);

	ck_assert_uint_eq(used, in.len);
	return event;
}

static void assert_event(struct smtp_client *c, const char *said, enum smtp_client_event_type type)
{
	struct smtp_client_event event = next(c, said);

	ck_assert_str_eq(smtp_client_event_name(event.type), smtp_client_event_name(type));
}

/* Send all that may be sent now; appended to *sent unless that is NULL. */
static void send_all(struct smtp_client *c, struct buf *sent)
{
	struct span out = smtp_client_output(c);

	if (sent)
		ck_assert(buf_add_span(sent, out));
	smtp_client_sent(c, out.len);
}

/* With a hop that offers this, up to where content may be given. */
static struct smtp_client *client_in_content(const char *offers, enum smtp_body_type body_type)
{
	struct smtp_client *c = smtp_client_new(&plain_options);
	static const struct smtp_address null_sender;
	struct smtp_client_mail mail = { .sender = &null_sender, .body_type = body_type };
	struct smtp_address address;

	ck_assert(smtp_address_parse(&address, SMTP_CHARSET_ASCII, SPAN_LITERAL("a@example.org")));
	struct smtp_client_rcpt rcpt = { .recipient = &address };

	assert_event(c, "220 hop\r\n", SMTP_CLIENT_NEED_INPUT);
	send_all(c, NULL);
	assert_event(c, offers, SMTP_CLIENT_READY);
	ck_assert_ptr_null(smtp_client_mail(c, &mail));
	send_all(c, NULL);
	assert_event(c, "250 OK\r\n", SMTP_CLIENT_MAIL);
	ck_assert(smtp_client_rcpt(c, &rcpt));
	send_all(c, NULL);
	assert_event(c, "250 OK\r\n", SMTP_CLIENT_RCPT);
	smtp_client_data(c);
	send_all(c, NULL);
	assert_event(c, body_type == SMTP_BODY_BINARYMIME ? "" : "354 Go\r\n", SMTP_CLIENT_DATA);
	return c;
}

static struct smtp_client *client_in_text(void)
{
	return client_in_content("250 hop\r\n", SMTP_BODY_7BIT);
}

static struct smtp_client *client_in_binary(bool has_pipelining)
{
	return client_in_content(has_pipelining ? "250-hop\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"
						: "250-hop\r\n250-CHUNKING\r\n250 BINARYMIME\r\n",
				 SMTP_BODY_BINARYMIME);
}

/* ---- text ---- */

/* The nth string over the alphabet, in the order of lengths. */
static struct span nth_string(char *text, unsigned n, const char *alphabet, unsigned letters)
{
	size_t len = 0;

	for (; n; n = (n - 1) / letters)
		text[len++] = alphabet[(n - 1) % letters];
	return span_of(text, len);
}

/* A hop that reads DATA strictly must get this out of it, and be at the end with the last octet. */
static void assert_hop_reads(struct span out, struct span expected)
{
	struct dot_decoder d;
	struct buf content = { 0 };
	enum dot_result result;
	struct span part;
	size_t used;

	dot_decoder_init(&d, LINE_ENDING_CRLF);
	while ((result = dot_decoder_next(&d, out, &used, &part)) == DOT_CONTENT) {
		ck_assert(buf_add_span(&content, part));
		out = span_from(out, used);
	}
	if (result != DOT_END || used != out.len || d.has_lone_cr || d.has_bare_lf)
		ck_abort_msg("the end is not where it belongs: %d, %zu octets are left", result, out.len - used);
	ASSERT_SPAN_EQ(buf_span(&content), expected);
	buf_fini(&content);
}

/* Give the text, cut in two, to a connection that has taken it often before. */
static void assert_text_arrives(struct smtp_client *c, struct span text, size_t cut)
{
	struct span head = span_head(text, cut), tail = span_from(text, cut);
	struct buf sent = { 0 }, expected = { 0 };

	c->transaction.is_in_line = false;
	ck_assert(smtp_client_content(c, &head) && head.len == 0);
	ck_assert(smtp_client_content(c, &tail) && tail.len == 0);
	smtp_client_end(c);
	send_all(c, &sent);
	ck_assert(buf_add_span(&expected, text));
	if (text.len && text.ptr[text.len - 1] != '\n')
		ck_assert(buf_add_str(&expected, "\n"));
	assert_hop_reads(buf_span(&sent), buf_span(&expected));
	buf_fini(&sent);
	buf_fini(&expected);
	/* Back to where content may be given. */
	c->awaited_count = 0;
	c->state = CLIENT_CONTENT;
}

START_TEST(all_short_texts_arrive_as_they_are)
{
	struct smtp_client *c = client_in_text();
	char text[8];

	/* 1 + 4 + ... + 4^5 strings */
	for (unsigned n = 0; n < 1365; n++) {
		struct span s = nth_string(text, n, ".\na\0", 4);

		for (size_t cut = 0; cut <= s.len; cut++)
			assert_text_arrives(c, s, cut);
	}
	smtp_client_free(&c);
}
END_TEST

START_TEST(all_short_texts_with_cr_are_refused)
{
	struct smtp_client *c = client_in_text();
	char text[8];

	for (unsigned n = 0; n < 1365; n++) {
		struct span s = nth_string(text, n, ".\na\r", 4), given = s;

		if (span_find(s, '\r') == s.len)
			continue;
		ck_assert(!smtp_client_content(c, &given));
		ck_assert_uint_eq(smtp_client_output(c).len, 0);
	}
	smtp_client_free(&c);
}
END_TEST

START_TEST(no_more_content_is_taken_than_there_is_room_for)
{
	struct smtp_client *c = client_in_text();
	static char text[1 << 20];
	struct span rest = span_of(text, sizeof(text));
	struct buf sent = { 0 };

	/* As bad as it can be: each octet becomes three. */
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '\n' : '.';
	while (rest.len) {
		size_t before;

		ck_assert(smtp_client_content(c, &rest));
		before = rest.len;
		ck_assert(smtp_client_content(c, &rest));
		ck_assert_uint_eq(rest.len, before);
		ck_assert_uint_ge(smtp_client_output(c).len, SMTP_CLIENT_OUTPUT_MAX);
		ck_assert_uint_le(smtp_client_output(c).len, 3 * SMTP_CLIENT_OUTPUT_MAX);
		ck_assert_int_eq(smtp_client_waiting(c), SMTP_CLIENT_WAIT_DATA_BLOCK);
		send_all(c, &sent);
		ck_assert_int_eq(smtp_client_waiting(c), SMTP_CLIENT_WAIT_NOTHING);
		if (rest.len < SMTP_CLIENT_OUTPUT_MAX)
			break;
	}
	ck_assert(smtp_client_content(c, &rest));
	smtp_client_end(c);
	send_all(c, &sent);
	assert_hop_reads(buf_span(&sent), span_of(text, sizeof(text)));
	ck_assert_uint_le(c->out.size, 8 * SMTP_CLIENT_OUTPUT_MAX);
	buf_fini(&sent);
	smtp_client_free(&c);
}
END_TEST

/* ---- chunks ---- */

/* Read "BDAT n [LAST]" and its octets off the front of *in, into *content. */
static bool read_chunk(struct span *in, struct buf *content)
{
	size_t lf = span_find(*in, '\n');
	struct span line = span_head(*in, lf), number;
	uint64_t len;
	bool is_last;

	ck_assert(span_istarts(line, SPAN_LITERAL("BDAT ")));
	number = span_from(line, strlen("BDAT "));
	is_last = span_find(number, ' ') < number.len;
	ck_assert(span_to_u64(span_head(number, number.len - (is_last ? strlen(" LAST\r") : 1)), &len));
	*in = span_from(*in, lf + 1);
	ck_assert_uint_le(len, in->len);
	ck_assert(buf_add_span(content, span_head(*in, (size_t)len)));
	*in = span_from(*in, (size_t)len);
	return is_last;
}

static char binary[300 * 1000];

static void fill_binary(void)
{
	unsigned seed = 1;

	for (size_t i = 0; i < sizeof(binary); i++)
		binary[i] = (char)((seed = seed * 1103515245u + 12345u) >> 16);
}

START_TEST(binary_content_arrives_as_it_is)
{
	bool has_pipelining = _i;
	struct smtp_client *c = client_in_binary(has_pipelining);
	struct span rest = span_of(binary, sizeof(binary)), in;
	struct buf sent = { 0 }, content = { 0 };
	size_t answered = 0, chunks = 0;

	fill_binary();
	while (rest.len) {
		struct span part = span_head(rest, 9999);
		size_t len = part.len;

		ck_assert(smtp_client_content(c, &part));
		rest = span_from(rest, len - part.len);
		if (part.len == 0)
			continue;
		/* No room: something must go out, and be answered. */
		ck_assert_uint_gt(smtp_client_output(c).len, 0);
		send_all(c, &sent);
		while (c->awaited_count && c->awaited[c->awaited_first].end <= c->sent) {
			assert_event(c, "250 OK\r\n", SMTP_CLIENT_NEED_INPUT);
			answered++;
		}
	}
	smtp_client_end(c);
	while (c->state == CLIENT_ENDED) {
		send_all(c, &sent);
		answered++;
		next(c, "250 OK\r\n");
	}
	for (in = buf_span(&sent); in.len; chunks++)
		ck_assert_int_eq(read_chunk(&in, &content), in.len == 0);
	ck_assert_uint_eq(chunks, answered);
	ck_assert_uint_le(chunks, sizeof(binary) / (32 * 1024) + 1);
	ASSERT_SPAN_EQ(buf_span(&content), span_of(binary, sizeof(binary)));
	buf_fini(&sent);
	buf_fini(&content);
	smtp_client_free(&c);
}
END_TEST

/* The hop takes all and answers nothing. */
START_TEST(no_more_chunks_wait_than_commands_may)
{
	struct smtp_client *c = client_in_binary(true);
	struct span rest;

	for (int i = 0; i < 2 * SMTP_CLIENT_COMMANDS_MAX; i++) {
		rest = span_of(binary, 32 * 1024);
		ck_assert(smtp_client_content(c, &rest));
		send_all(c, NULL);
	}
	ck_assert_uint_eq(rest.len, 32 * 1024);
	ck_assert_uint_eq(c->awaited_count, SMTP_CLIENT_COMMANDS_MAX);
	assert_event(c, "250 OK\r\n", SMTP_CLIENT_NEED_INPUT);
	ck_assert(smtp_client_content(c, &rest));
	ck_assert_uint_eq(rest.len, 0);
	smtp_client_free(&c);
}
END_TEST

/* Three chunks are on their way when the first is refused. */
START_TEST(a_refused_chunk_ends_the_message)
{
	struct smtp_client *c = client_in_binary(true);
	struct span rest;

	for (int i = 0; i < 3; i++) {
		rest = span_of(binary, 32 * 1024);
		ck_assert(smtp_client_content(c, &rest) && rest.len == 0);
		send_all(c, NULL);
	}
	ck_assert_uint_eq(c->awaited_count, 3);
	assert_event(c, "552 5.3.4 Too big\r\n", SMTP_CLIENT_RESULT);
	/* What comes yet is for nobody. */
	rest = span_of(binary, sizeof(binary));
	ck_assert(smtp_client_content(c, &rest));
	ck_assert_uint_eq(rest.len, 0);
	smtp_client_end(c);
	ASSERT_SPAN_EQ(smtp_client_output(c), SPAN_LITERAL("RSET\r\n"));
	send_all(c, NULL);
	assert_event(c, "503 5.5.1 No\r\n", SMTP_CLIENT_NEED_INPUT);
	assert_event(c, "503 5.5.1 No\r\n", SMTP_CLIENT_NEED_INPUT);
	assert_event(c, "250 2.0.0 OK\r\n", SMTP_CLIENT_READY);
	smtp_client_free(&c);
}
END_TEST

START_TEST(lmtp_with_a_refused_chunk_is_closed)
{
	struct smtp_client_options options = { .hostname = "mx", .is_lmtp = true };
	struct smtp_client *c = client_in_binary(true);
	struct smtp_client_event event;
	struct span rest = span_of(binary, 32 * 1024);

	/* As if it were LMTP from the start, with one recipient. */
	c->options = &options;
	ck_assert(buf_add(&c->accepted, "\1", 1));
	ck_assert(smtp_client_content(c, &rest) && rest.len == 0);
	send_all(c, NULL);
	assert_event(c, "552 5.3.4 Too big\r\n", SMTP_CLIENT_RESULT);
	event = next(c, "");
	ck_assert_int_eq(event.type, SMTP_CLIENT_CLOSE);
	ck_assert_str_eq(event.reason, "chunk_refused");
	smtp_client_free(&c);
}
END_TEST

/* ---- secrets ---- */

static bool holds(const struct buf *b, const char *secret)
{
	return b->data && memmem(b->data, b->size, secret, strlen(secret));
}

START_TEST(a_password_is_wiped_when_it_was_sent)
{
	static const struct smtp_client_options options = {
		.hostname = "mx", .user = "tim", .password = "tanstaaftanstaaf", .auth_without_tls = true,
	};
	static const char secret[] = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";
	struct smtp_client *c = smtp_client_new(&options);

	next(c, "220 hop\r\n");
	send_all(c, NULL);
	next(c, "250-hop\r\n250 AUTH PLAIN\r\n");
	ck_assert(holds(&c->out, secret));
	smtp_client_sent(c, 10);
	ck_assert(holds(&c->out, secret));
	send_all(c, NULL);
	ck_assert(!holds(&c->out, "W5z"));
	assert_event(c, "235 OK\r\n", SMTP_CLIENT_READY);
	smtp_client_free(&c);
}
END_TEST

/* Out comes a connection that waits without costs. */
START_TEST(an_idle_connection_holds_no_buffers)
{
	struct smtp_client *c = client_in_text();
	struct span text = SPAN_LITERAL("Hello.\n");

	ck_assert(smtp_client_content(c, &text));
	smtp_client_end(c);
	send_all(c, NULL);
	assert_event(c, "250 OK\r\n", SMTP_CLIENT_RESULT);
	assert_event(c, "", SMTP_CLIENT_READY);
	smtp_client_trim(c);
	ck_assert_ptr_null(c->out.data);
	ck_assert_ptr_null(c->reply.text.data);
	ck_assert_ptr_null(c->reply.line.data);
	ck_assert_uint_le(sizeof(*c), 4096);
	smtp_client_free(&c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_laws");
	TCase *tcase = tcase_create("client_laws");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, all_short_texts_arrive_as_they_are);
	tcase_add_test(tcase, all_short_texts_with_cr_are_refused);
	tcase_add_test(tcase, no_more_content_is_taken_than_there_is_room_for);
	tcase_add_loop_test(tcase, binary_content_arrives_as_it_is, 0, 2);
	tcase_add_test(tcase, no_more_chunks_wait_than_commands_may);
	tcase_add_test(tcase, a_refused_chunk_ends_the_message);
	tcase_add_test(tcase, lmtp_with_a_refused_chunk_is_closed);
	tcase_add_test(tcase, a_password_is_wiped_when_it_was_sent);
	tcase_add_test(tcase, an_idle_connection_holds_no_buffers);
	return unit_main(suite);
}
