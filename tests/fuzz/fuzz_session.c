/*
 * Laws of proto/session: a conversation of any bytes, options, verdicts and
 * cuts is judged by the reference, and comes out the same when the input comes
 * whole and when it comes in pieces. The input is as session_input.h has it.
 */
#include "fuzz.h"
#include "session_input.h"
#include "session_model.h"

#include <stdio.h>
#include <stdlib.h>

struct conversation {
	const uint8_t *head;
	const uint8_t *verdicts;
	size_t verdict_count;
};

static uint32_t option(const uint8_t *head, enum session_input_byte which, uint32_t usual)
{
	return head[which] ? head[which] : usual;
}

static struct smtp_session_options read_options(const uint8_t *head)
{
	return (struct smtp_session_options){
		.hostname = "mx.example.org",
		.greeting = head[INPUT_SEED] & INPUT_GREETS_IN_LINES ? "mx.example.org\nsmtpfrontd"
								     : "mx.example.org smtpfrontd",
		.max_message_size = option(head, INPUT_MAX_MESSAGE_SIZE, 50 << 20),
		.max_header_size = option(head, INPUT_MAX_HEADER_SIZE, 256 << 10),
		.max_hops = option(head, INPUT_MAX_HOPS, 100),
		.max_command_line = option(head, INPUT_MAX_COMMAND_LINE, 2048),
		.max_recipients = option(head, INPUT_MAX_RECIPIENTS, 1000),
		.max_messages = option(head, INPUT_MAX_MESSAGES, 1000),
		.max_errors = option(head, INPUT_MAX_ERRORS, 20),
		.maxnotimpl = head[INPUT_MAXNOTIMPL] % INPUT_OFFERS_AUTH,
		.bare_newline = (enum smtp_bare_newline)((head[INPUT_FLAGS] & INPUT_BARE_NEWLINE) / 32 % 3),
		.is_lenient = head[INPUT_FLAGS] & INPUT_IS_LENIENT,
		.rejects_unknown_parameters = head[INPUT_SEED] & INPUT_REJECTS_UNKNOWN_PARAMETERS,
		.offers_binarymime = head[INPUT_SEED] & INPUT_OFFERS_MORE,
		.offers_dsn = head[INPUT_SEED] & INPUT_OFFERS_MORE,
		.offers_prdr = head[INPUT_SEED] & INPUT_OFFERS_MORE,
		.offers_requiretls = head[INPUT_SEED] & INPUT_OFFERS_MORE,
		.offers_starttls = head[INPUT_SEED] & INPUT_OFFERS_STARTTLS,
		.requires_tls = head[INPUT_SEED] & INPUT_REQUIRES_TLS,
		.offers_auth = head[INPUT_MAXNOTIMPL] & INPUT_OFFERS_AUTH,
		.auth_without_tls = head[INPUT_MAXNOTIMPL] & INPUT_AUTH_WITHOUT_TLS,
	};
}

/* No owner says 250 to the others. */
static bool may_be_250(enum smtp_event_type type)
{
	return type != SMTP_EVENT_CONNECT && type != SMTP_EVENT_DATA && type != SMTP_EVENT_STARTTLS &&
	       type != SMTP_EVENT_AUTH && type != SMTP_EVENT_AUTH_STEP;
}

/* Odd verdicts on AUTH are challenges. */
static bool is_challenge(const struct conversation *c, size_t nth, enum smtp_event_type type)
{
	return (type == SMTP_EVENT_AUTH || type == SMTP_EVENT_AUTH_STEP) && nth < c->verdict_count &&
	       c->verdicts[nth] % 2;
}

static struct play_verdict verdict_of(const void *arg, size_t nth, enum smtp_event_type type)
{
	const struct conversation *c = arg;
	struct play_verdict v = { .is_close = false };

	if (nth < c->verdict_count && c->verdicts[nth] >= INPUT_VERDICT_FIRST)
		v = session_input_verdicts[(c->verdicts[nth] - INPUT_VERDICT_FIRST) % INPUT_VERDICT_KINDS];
	if (v.reply.code == 0 && !v.is_close && is_challenge(c, nth, type))
		v.reply = (struct smtp_reply){ 334, NULL, "YWJj", "told" };
	if (v.reply.code == 250 && !may_be_250(type))
		v.reply.code = 0;
	return v;
}

/* Mostly blocks of a few bytes, the same whenever asked. */
static size_t cut_of(const void *arg, size_t offset)
{
	const struct conversation *c = arg;
	uint32_t x = (uint32_t)offset * 2654435761u + c->head[INPUT_SEED] * 40503u;

	x ^= x >> 15;
	return 1 + x % (c->head[INPUT_SEED] & INPUT_CUTS_SMALL ? 3 : 50);
}

static _Noreturn void break_law(const char *law, const char *words)
{
	fprintf(stderr, "%s: %s\n", law, words);
	abort();
}

static void play_and_judge(const struct play *p, struct transcript *t)
{
	char words[1024];

	play_run(p, t);
	if (model_judge(p, t, words, sizeof(words)))
		break_law("judge", words);
}

static void play_both_ways(struct play *whole)
{
	const struct conversation *c = whole->arg;
	uint8_t flags = c->head[INPUT_FLAGS];
	struct play cut = *whole;
	struct transcript expected, actual;
	char words[4096];

	cut.cut = cut_of;
	cut.lends_briefly = true;
	cut.sends_late = flags & INPUT_SENDS_LATE;
	cut.trims = flags & INPUT_TRIMS;
	cut.offers_while_waiting = flags & INPUT_OFFERS;
	play_and_judge(whole, &expected);
	play_and_judge(&cut, &actual);
	LAW(actual.max_output <= SMTP_SESSION_OUTPUT_MAX + 4096);
	transcript_drop_refused(&expected);
	transcript_drop_refused(&actual);
	if (transcript_compare(&expected, &actual, words, sizeof(words)))
		break_law("another cut", words);
	transcript_fini(&expected);
	transcript_fini(&actual);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conversation c = { .head = data, .verdicts = data + INPUT_HEAD };
	struct smtp_session_options options;
	struct play_closing closing = { .reply = { 421, "4.4.2", "Timeout.", "told" } };
	struct play p = { .options = &options, .verdict = verdict_of, .arg = &c };

	if (size < INPUT_HEAD || size - INPUT_HEAD < data[INPUT_VERDICTS])
		return 0;
	c.verdict_count = data[INPUT_VERDICTS];
	options = read_options(data);
	p.starts_tls = data[INPUT_SEED] & INPUT_STARTS_TLS;
	p.starts_in_tls = data[INPUT_SEED] & INPUT_STARTS_IN_TLS;
	p.input = span_of(c.verdicts + c.verdict_count, size - INPUT_HEAD - c.verdict_count);
	closing.offset = (size_t)data[INPUT_CLOSING_HIGH] << 8 | data[INPUT_CLOSING_LOW];
	if (data[INPUT_FLAGS] & INPUT_CLOSES_QUIETLY)
		closing.reply.code = 0;
	if (data[INPUT_FLAGS] & INPUT_CLOSES && closing.offset <= p.input.len)
		p.closing = &closing;
	play_both_ways(&p);
	return 0;
}
