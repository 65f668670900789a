/*
 * The laws of proto/session.h, over all vectors: other cuts and other ways to
 * take output than check_vectors has (1), bytes offered while a verdict is
 * owed (2), blocks that do not outlive the call (4), memory that does not grow
 * (7), and what happens when each allocation in turn fails. Laws 3, 5 and 8
 * are held by the judge of session_model.h in every one of these plays; that
 * it can judge is shown at the end.
 *
 * Linked with --wrap for the allocator: only what the machine allocates is
 * counted and refused.
 */
#include "session_model.h"
#include "unit.h"
#include "vector.h"

#include <malloc.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *ptr);

static struct {
	bool is_inside;        /* the machine is running */
	size_t live, peak;     /* bytes */
	unsigned long count;   /* allocations */
	unsigned long fail_at; /* this one fails; 0: none */
} memory;

static struct vector_set vectors;
static unsigned long seed;

/* ---- the allocator ---- */

static bool may_allocate(void)
{
	return !memory.is_inside || ++memory.count != memory.fail_at;
}

static void *count_live(void *ptr)
{
	if (!memory.is_inside || !ptr)
		return ptr;
	memory.live += malloc_usable_size(ptr);
	if (memory.live > memory.peak)
		memory.peak = memory.live;
	return ptr;
}

static void discount(void *ptr)
{
	if (memory.is_inside && ptr)
		memory.live -= malloc_usable_size(ptr);
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? count_live(__real_malloc(size)) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? count_live(__real_calloc(count, size)) : NULL;
}

/* While it copies, the old and the new block are both there. */
void *__wrap_realloc(void *old, size_t size)
{
	size_t before = memory.is_inside && old ? malloc_usable_size(old) : 0;
	void *ptr = may_allocate() ? count_live(__real_realloc(old, size)) : NULL;

	if (ptr)
		memory.live -= before;
	return ptr;
}

void __wrap_free(void *ptr)
{
	discount(ptr);
	__real_free(ptr);
}

static void enter(void)
{
	memory.is_inside = true;
}

static void leave(void)
{
	memory.is_inside = false;
}

static void watch_memory(unsigned long fail_at)
{
	memset(&memory, 0, sizeof(memory));
	memory.fail_at = fail_at;
	play_on_enter = enter;
	play_on_leave = leave;
}

/* ---- over all vectors ---- */

static void for_vectors_of_file(int file, void (*check)(const struct vector *v))
{
	for (size_t i = vectors.files[file]; i < vectors.files[file + 1]; i++)
		check(&vectors.vectors[i]);
}

static void must_hold(const struct vector *v, const struct play *p)
{
	static char words[4096];

	if (vector_check(v, p, words, sizeof(words)))
		ck_abort_msg("%s", words);
}

/* Blocks of 1 to 40 bytes, others with each seed, the same whenever asked. */
static size_t any_cut(const void *arg, size_t offset)
{
	unsigned long x = (unsigned long)offset * 2654435761u + seed * 40503u;

	(void)arg;
	x ^= x >> 13;
	return 1 + x % (x & 64 ? 40 : 5);
}

static void cut_anyhow(const struct vector *v)
{
	struct play whole = vector_play(v), cut = vector_play(v);
	struct transcript expected, actual;
	char words[2048];

	cut.cut = any_cut;
	play_run(&whole, &expected);
	transcript_drop_refused(&expected);
	for (seed = 1; seed <= 5; seed++) {
		const char *difference;

		play_run(&cut, &actual);
		transcript_drop_refused(&actual);
		difference = transcript_compare(&expected, &actual, words, sizeof(words));
		if (difference)
			ck_abort_msg("%s, cut with seed %lu: %s", v->name, seed, difference);
		transcript_fini(&actual);
	}
	transcript_fini(&expected);
}

START_TEST(any_cutting_gives_the_same_events_and_output)
{
	for_vectors_of_file(_i, cut_anyhow);
}
END_TEST

static void send_late(const struct vector *v)
{
	struct play p = vector_play(v);
	struct transcript t;

	p.sends_late = true;
	must_hold(v, &p);
	play_run(&p, &t);
	/* One reply may go beyond the mark. */
	ck_assert_uint_le(t.max_output, SMTP_SESSION_OUTPUT_MAX + 4096);
	transcript_fini(&t);
	p.cut = any_cut;
	must_hold(v, &p);
}

START_TEST(output_that_is_not_taken_stops_the_input)
{
	for_vectors_of_file(_i, send_late);
}
END_TEST

static void offer_while_waiting(const struct vector *v)
{
	struct play p = vector_play(v);

	p.offers_while_waiting = true;
	must_hold(v, &p);
	p.cut = any_cut;
	must_hold(v, &p);
}

START_TEST(no_byte_is_used_while_a_verdict_is_owed)
{
	for_vectors_of_file(_i, offer_while_waiting);
}
END_TEST

static void lend_briefly(const struct vector *v)
{
	struct play p = vector_play(v);

	p.lends_briefly = true;
	must_hold(v, &p);
	p.cut = any_cut;
	p.offers_while_waiting = true;
	must_hold(v, &p);
}

START_TEST(no_borrowed_memory_is_kept)
{
	for_vectors_of_file(_i, lend_briefly);
}
END_TEST

static void trim_often(const struct vector *v)
{
	struct play p = vector_play(v);

	p.trims = true;
	must_hold(v, &p);
	for (seed = 1; seed <= 3; seed++) {
		p.cut = any_cut;
		p.sends_late = seed == 2;
		must_hold(v, &p);
	}
}

START_TEST(trimming_changes_nothing)
{
	for_vectors_of_file(_i, trim_often);
}
END_TEST

/* ---- law 7 ---- */

/* Much more than any of these should take, much less than what is sent. */
enum { MEMORY_MAX = 96 * 1024 };

#define TO_RCPT "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\n"
#define TO_DATA TO_RCPT "DATA\r\n"
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X256 X64 X64 X64 X64
#define KIB X256 X256 X256 X256

static const struct flood {
	const char *name;
	const char *start;
	const char *unit;
	size_t times;
} floods[] = {
	{ "a line without end", "", "xxxxxxxxxxxxxxxx", 130000 },
	{ "overlong lines", "", NULL, 40 },
	{ "NOOP", "", "NOOP\r\n", 60000 },
	{ "empty lines", "", "\r\n", 100000 },
	{ "RSET in bare LF", "", "RSET\n", 60000 },
	{ "EHLO", "", "EHLO a\r\n", 20000 },
	{ "MAIL and RSET", "EHLO a\r\n", "MAIL FROM:<a@b>\r\nRSET\r\n", 20000 },
	{ "nested MAIL", "EHLO a\r\nMAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>\r\n", 20000 },
	{ "RCPT", "EHLO a\r\nMAIL FROM:<a@b>\r\n", "RCPT TO:<a@b>\r\n", 20000 },
	{ "messages", "EHLO a\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n", 5000 },
	{ "header", TO_DATA, "Received: from a by b\r\n", 100000 },
	{ "one field", TO_DATA "A: ", "xxxxxxxxxxxxxxxx", 130000 },
	{ "dots", TO_DATA "\r\n", "..\r\n", 500000 },
	{ "one line of body", TO_DATA "\r\n", "xxxxxxxxxxxxxxxx", 130000 },
	{ "CR", TO_DATA "\r\n", "\r", 500000 },
	{ "tiny chunks", TO_RCPT, "BDAT 1\r\nx", 100000 },
	{ "chunks", TO_RCPT, "BDAT 1024\r\n" KIB, 500 },
	{ "chunks in messages", "EHLO a\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nBDAT 1\r\nxBDAT 0 LAST\r\n", 5000 },
	{ "chunks without a message", "EHLO a\r\n", "BDAT 1024\r\n" KIB "RSET\r\n", 900 },
	{ "one chunk", TO_RCPT "BDAT 2000000\r\n", "xxxxxxxxxxxxxxxx", 130000 },
};

static struct span make_flood(struct buf *input, const struct flood *f)
{
	play_need(buf_add_str(input, f->start));
	for (size_t i = 0; i < f->times; i++) {
		if (f->unit) {
			play_need(buf_add_str(input, f->unit));
			continue;
		}
		for (size_t n = 0; n < 100000; n++)
			play_need(buf_add_str(input, "x"));
		play_need(buf_add_str(input, "\r\n"));
	}
	return buf_span(input);
}

/* The blocks of a busy connection. */
static size_t large_blocks(const void *arg, size_t offset)
{
	(void)arg;
	return 16384 - offset % 1000;
}

START_TEST(memory_does_not_grow)
{
	const struct flood *f = &floods[_i];
	struct smtp_session_options options = vectors.vectors[0].options;
	struct buf input = { 0 };
	struct play p = { .options = &options, .cut = large_blocks, .sends_late = true };
	struct transcript t;
	char words[1024];
	const char *offence;

	options.max_errors = options.max_messages = UINT32_MAX;
	options.max_message_size = options.max_header_size = 1 << 30;
	options.max_hops = UINT32_MAX;
	p.input = make_flood(&input, f);
	watch_memory(0);
	play_run(&p, &t);
	ck_assert_msg(memory.peak <= MEMORY_MAX, "%s: %zu bytes", f->name, memory.peak);
	ck_assert_msg(memory.live == 0, "%s: %zu bytes are left", f->name, memory.live);
	offence = model_judge(&p, &t, words, sizeof(words));
	ck_assert_msg(!offence, "%s: %s", f->name, offence);
	transcript_fini(&t);
	buf_fini(&input);
}
END_TEST

/* What is refused is read on to its end, but not for ever. */
START_TEST(a_message_far_too_big_is_given_up)
{
	enum { MIB = 1 << 20 };
	static const char start[] = TO_DATA;
	struct smtp_session_options options = vectors.vectors[0].options;
	struct smtp_session *s = smtp_session_new(&options);
	char *block = malloc(MIB);
	struct span in = SPAN_LITERAL(start);
	struct smtp_event event = { .type = SMTP_EVENT_NEED_INPUT };
	uint64_t used = 0;

	play_need(s && block);
	memset(block, 'x', MIB);
	options.max_message_size = MIB;
	while (event.type != SMTP_EVENT_CLOSE && used < (uint64_t)2048 * MIB) {
		size_t n = smtp_session_next(s, in, &event);

		if (play_event_waits(event.type))
			smtp_session_verdict(s, NULL);
		smtp_session_sent(s, smtp_session_output(s).len);
		if (event.type == SMTP_EVENT_REPLIED)
			ck_assert_str_eq(event.u.replied.reply->reason, "discard_limit");
		used += n;
		in = event.type == SMTP_EVENT_NEED_INPUT ? span_of(block, MIB) : span_from(in, n);
	}
	ck_assert_int_eq(event.type, SMTP_EVENT_CLOSE);
	ck_assert_uint_gt(used, (uint64_t)1024 * MIB);
	ck_assert_uint_lt(used, (uint64_t)1028 * MIB);
	smtp_session_free(&s);
	free(block);
}
END_TEST

START_TEST(an_idle_session_holds_little)
{
	struct smtp_session_options options = vectors.vectors[0].options;
	struct smtp_session *s;
	struct smtp_event event;
	size_t used;

	watch_memory(0);
	enter();
	s = smtp_session_new(&options);
	play_need(s != NULL);
	smtp_session_next(s, span_of("", 0), &event);
	smtp_session_verdict(s, NULL);
	smtp_session_sent(s, smtp_session_output(s).len);
	used = smtp_session_next(s, SPAN_LITERAL("NOOP\r\n"), &event);
	smtp_session_sent(s, smtp_session_output(s).len);
	smtp_session_trim(s);
	leave();
	ck_assert_uint_eq(used, 6);
	ck_assert_msg(memory.live <= 512, "%zu bytes", memory.live);
	enter();
	smtp_session_free(&s);
	leave();
	ck_assert_uint_eq(memory.live, 0);
}
END_TEST

/* ---- without memory ---- */

/* Fail the nth allocation. False: there were not so many. */
static bool play_without(const struct vector *v, struct play *p, unsigned long nth)
{
	struct transcript t;
	char words[1024];
	const char *offence;

	watch_memory(nth);
	p->lacks_memory = true;
	play_run(p, &t);
	offence = model_judge(p, &t, words, sizeof(words));
	if (offence)
		ck_abort_msg("%s, without allocation %lu: %s", v->name, nth, offence);
	ck_assert_msg(memory.live == 0, "%s, without allocation %lu: %zu bytes are left", v->name, nth,
		      memory.live);
	transcript_fini(&t);
	return memory.count >= nth;
}

static void fail_each_allocation(const struct vector *v)
{
	struct play p = vector_play(v);
	unsigned long nth = 1;

	if (v->input.len > 20000)
		return;
	while (play_without(v, &p, nth))
		nth++;
	ck_assert_uint_gt(nth, 1);
	p.cut = any_cut;
	p.trims = true;
	for (nth = 1; nth < 60 && play_without(v, &p, nth);)
		nth++;
}

START_TEST(each_allocation_may_fail)
{
	seed = 7;
	for_vectors_of_file(_i, fail_each_allocation);
}
END_TEST

/* ---- can the judge judge? ---- */

static const char forged_input[] = TO_DATA "x\r\n.\r\nMAIL FROM:<a@b.example>\r\nRSET\r\nQUIT\r\n";

struct honest {
	struct smtp_session_options options;
	struct play play;
	struct transcript t;
};

static void begin_honestly(struct honest *h)
{
	char words[1024];

	h->options = vectors.vectors[0].options;
	h->play = (struct play){ .options = &h->options, .input = SPAN_LITERAL(forged_input) };
	play_run(&h->play, &h->t);
	ck_assert_ptr_null(model_judge(&h->play, &h->t, words, sizeof(words)));
}

static size_t entry_with(const struct transcript *t, const char *text)
{
	for (size_t i = 0; i < t->count; i++)
		if (strncmp(t->entries[i].text, text, strlen(text)) == 0)
			return i;
	ck_abort_msg("there is no %s", text);
}

static void must_be_noticed(struct honest *h, const char *what)
{
	char words[1024];

	ck_assert_msg(model_judge(&h->play, &h->t, words, sizeof(words)), "%s went unnoticed", what);
	transcript_fini(&h->t);
}

static const char *const telling[] = {
	"220 ", "250 ENHANCEDSTATUSCODES", "250 2.1.0", "250 2.1.5", "354 ", "250 2.0.0 Message",
	"250 2.0.0 OK", "221 ", "CONNECT", "HELO", "MAIL", "RCPT", "DATA", "MESSAGE", "RESET",
};

START_TEST(what_is_missing_is_noticed)
{
	struct honest h;
	size_t i;

	begin_honestly(&h);
	i = entry_with(&h.t, telling[_i]);
	memmove(&h.t.entries[i], &h.t.entries[i + 1], (h.t.count - i - 1) * sizeof(*h.t.entries));
	h.t.count--;
	must_be_noticed(&h, telling[_i]);
}
END_TEST

START_TEST(what_is_there_twice_is_noticed)
{
	struct honest h;
	size_t i;

	begin_honestly(&h);
	i = entry_with(&h.t, telling[_i]);
	transcript_add(&h.t, PLAY_REPLY, SMTP_EVENTS, "");
	memmove(&h.t.entries[i + 1], &h.t.entries[i], (h.t.count - 1 - i) * sizeof(*h.t.entries));
	must_be_noticed(&h, telling[_i]);
}
END_TEST

START_TEST(other_content_is_noticed)
{
	struct honest h;
	struct play_entry *e;

	begin_honestly(&h);
	e = &h.t.entries[entry_with(&h.t, "x")];
	e->bytes = SPAN_LITERAL("y\n");
	must_be_noticed(&h, "other content");
	begin_honestly(&h);
	e = &h.t.entries[entry_with(&h.t, "x")];
	e->bytes = SPAN_LITERAL("x");
	must_be_noticed(&h, "content that was cut short");
	begin_honestly(&h);
	h.t.entries[entry_with(&h.t, "MESSAGE")].octets++;
	must_be_noticed(&h, "another size");
	begin_honestly(&h);
	h.t.entries[entry_with(&h.t, "MESSAGE")].has_lone_cr = true;
	must_be_noticed(&h, "a lone CR");
}
END_TEST

START_TEST(a_refused_sender_with_recipients_is_noticed)
{
	struct honest h;

	begin_honestly(&h);
	h.t.entries[entry_with(&h.t, "MAIL")].verdict.reply.code = 550;
	must_be_noticed(&h, "a recipient without sender");
	begin_honestly(&h);
	h.t.entries[entry_with(&h.t, "RCPT")].verdict.reply.code = 550;
	must_be_noticed(&h, "data without recipient");
}
END_TEST

/* Plain text behind STARTTLS, honestly played, is to be forged. */
static void begin_starttls(struct honest *h, bool starts_tls)
{
	char words[1024];

	h->options = vectors.vectors[0].options;
	h->options.offers_starttls = h->options.requires_tls = true;
	h->play = (struct play){ .options = &h->options, .starts_tls = starts_tls };
	h->play.input = SPAN_LITERAL("STARTTLS\r\nEHLO a\r\nMAIL FROM:<a@b.example>\r\n");
	play_run(&h->play, &h->t);
	ck_assert_ptr_null(model_judge(&h->play, &h->t, words, sizeof(words)));
}

START_TEST(plain_text_behind_starttls_is_noticed)
{
	struct honest h;

	begin_starttls(&h, false);
	h.t.used++;
	must_be_noticed(&h, "a byte that was used");
	begin_starttls(&h, false);
	transcript_add(&h.t, PLAY_REPLY, SMTP_EVENTS, "250 OK")->bytes = SPAN_LITERAL("250 OK");
	must_be_noticed(&h, "an answer");
	begin_starttls(&h, false);
	h.t.has_ended = false;
	must_be_noticed(&h, "a session that goes on");
}
END_TEST

START_TEST(mail_before_tls_is_noticed)
{
	struct honest h;
	size_t i;

	begin_starttls(&h, true);
	i = entry_with(&h.t, "STARTTLS") + 1;
	while (h.t.entries[i].kind != PLAY_TLS)
		i++;
	memmove(&h.t.entries[i], &h.t.entries[i + 1], (h.t.count - i - 1) * sizeof(*h.t.entries));
	h.t.count--;
	must_be_noticed(&h, "mail without TLS");
}
END_TEST

static void add_vector_tests(TCase *tcase)
{
	int files = (int)vectors.file_count;

	tcase_add_loop_test(tcase, any_cutting_gives_the_same_events_and_output, 0, files);
	tcase_add_loop_test(tcase, output_that_is_not_taken_stops_the_input, 0, files);
	tcase_add_loop_test(tcase, no_byte_is_used_while_a_verdict_is_owed, 0, files);
	tcase_add_loop_test(tcase, no_borrowed_memory_is_kept, 0, files);
	tcase_add_loop_test(tcase, trimming_changes_nothing, 0, files);
	tcase_add_loop_test(tcase, each_allocation_may_fail, 0, files);
}

int main(void)
{
	Suite *suite = suite_create("session laws");
	TCase *tcase = tcase_create("laws");
	char dir[4096];
	int status;

	vector_set_load(&vectors, vector_dir(dir, sizeof(dir)));
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	add_vector_tests(tcase);
	ADD_ROWS(tcase, memory_does_not_grow, floods);
	tcase_add_test(tcase, a_message_far_too_big_is_given_up);
	tcase_add_test(tcase, an_idle_session_holds_little);
	ADD_ROWS(tcase, what_is_missing_is_noticed, telling);
	ADD_ROWS(tcase, what_is_there_twice_is_noticed, telling);
	tcase_add_test(tcase, other_content_is_noticed);
	tcase_add_test(tcase, a_refused_sender_with_recipients_is_noticed);
	tcase_add_test(tcase, plain_text_behind_starttls_is_noticed);
	tcase_add_test(tcase, mail_before_tls_is_noticed);
	status = unit_main(suite);
	vector_set_fini(&vectors);
	return status;
}
