/*
 * The reference of the end of data and the judge of conversations. See
 * session_model.h.
 */
#include "session_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- DATA ---- */

static bool at(struct span in, size_t i, const char *what)
{
	struct span rest = span_from(in, i);

	return rest.len >= strlen(what) && memcmp(rest.ptr, what, strlen(what)) == 0;
}

/* How long the end of data at in[i], the begin of a line, is; 0: there is none. */
static size_t end_of_data(struct span in, size_t i, enum line_ending line_ending)
{
	bool takes_crlf = line_ending != LINE_ENDING_LF;
	bool takes_lf = line_ending != LINE_ENDING_CRLF;

	if (takes_crlf && at(in, i, ".\r\n"))
		return 3;
	if (takes_lf && at(in, i, ".\n"))
		return 2;
	return line_ending == LINE_ENDING_ANY && at(in, i, "\r.\n") ? 3 : 0;
}

void model_data_decode(struct model_data *m, struct span in, enum line_ending line_ending)
{
	bool is_crlf = line_ending == LINE_ENDING_CRLF;
	bool at_line = true;       /* behind the session's own line end */
	bool at_bare_line = false; /* behind a bare LF of a CRLF session */
	size_t i = 0;

	memset(m, 0, sizeof(*m));
	m->content = malloc(in.len + 1);
	play_need(m->content != NULL);
	m->used = in.len;
	while (i < in.len) {
		size_t end = at_line ? end_of_data(in, i, line_ending) : 0;
		size_t line_end;

		if (end) {
			m->has_ended = true;
			m->used = i + end;
			return;
		}
		m->has_bare_dot |= is_crlf && at(in, i, ".\n") && (at_line || at_bare_line);
		m->has_bare_dot |= at(in, i, ".\r\n") && at_bare_line;
		if (at_line && at(in, i, ".") && ++i == in.len)
			return;
		at_line = at_bare_line = false;

		line_end = at(in, i, "\r\n") ? 2 : at(in, i, "\n") ? 1 : 0;
		if (line_end) {
			m->content[m->len++] = '\n';
			m->octets += line_end;
			i += line_end;
			at_line = !is_crlf || line_end == 2;
			at_bare_line = !at_line;
			m->has_bare_lf |= at_bare_line;
		} else {
			m->has_lone_cr |= in.ptr[i] == '\r';
			m->content[m->len++] = in.ptr[i++];
			m->octets++;
		}
	}
}

void model_chunks_decode(struct model_data *m, struct span in, enum line_ending line_ending, bool is_binary,
			 bool is_whole)
{
	memset(m, 0, sizeof(*m));
	m->content = malloc(in.len + 1);
	play_need(m->content != NULL);
	m->octets = m->used = in.len;
	m->has_ended = is_whole;
	for (size_t i = 0; i < in.len; i++) {
		bool is_line_end = !is_binary && at(in, i, "\r\n");

		i += is_line_end;
		if (!is_binary && !is_line_end) {
			m->has_lone_cr |= in.ptr[i] == '\r';
			m->has_bare_lf |= in.ptr[i] == '\n' && line_ending == LINE_ENDING_CRLF;
		}
		m->content[m->len++] = in.ptr[i];
	}
	if (is_whole && !is_binary && m->len > 0 && m->content[m->len - 1] != '\n')
		m->content[m->len++] = '\n';
}

void model_data_fini(struct model_data *m)
{
	free(m->content);
	memset(m, 0, sizeof(*m));
}

/* ---- the judge ---- */

struct judge {
	const struct play *play;
	const struct transcript *t;
	char *words;
	size_t size;
	size_t entry;  /* next entry of the transcript */
	size_t used;   /* bytes of input accounted for */
	enum line_ending line_ending;
	bool is_tls;
	bool in_auth; /* the next line answers a challenge */
	bool is_chunking;     /* a first chunk was accepted */
	bool is_binary;       /* the last MAIL said so */
	struct buf chunks;    /* octets of the message's chunks */
	struct buf told;      /* content that was told of them */
	bool may_fall_silent; /* closed without a word, or out of memory */
};

struct final_reply {
	unsigned code;
	size_t first; /* entry of its first line */
	size_t entry; /* behind its last line */
};

static bool __attribute__((format(printf, 2, 3))) offence(struct judge *j, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(j->words, j->size, format, args);
	va_end(args);
	return false;
}

/* ---- laws 6 and 8: the order of events ---- */

static bool is_refusal(const struct play_verdict *v)
{
	return v->is_close || v->reply.code >= 400;
}

static bool is_closing(const struct play_verdict *v)
{
	return v->is_close || v->reply.code == 421;
}

bool model_may(const struct model *m, const struct smtp_session_options *o, enum smtp_event_type type,
	       bool is_closed_from_outside)
{
	bool in_transaction = m->state == MODEL_TRANSACTION || m->state == MODEL_BODY;
	bool is_safe = m->is_tls || !o->requires_tls;

	switch (type) {
	case SMTP_EVENT_CONNECT: return m->state == MODEL_START;
	case SMTP_EVENT_HELO: return m->state == MODEL_IDLE;
	case SMTP_EVENT_MAIL: return m->state == MODEL_IDLE && is_safe && (m->has_helo || o->is_lenient);
	case SMTP_EVENT_RCPT: return m->state == MODEL_TRANSACTION;
	case SMTP_EVENT_DATA: return m->state == MODEL_TRANSACTION && m->recipients > 0;
	case SMTP_EVENT_BODY:
	case SMTP_EVENT_MESSAGE: return m->state == MODEL_BODY;
	case SMTP_EVENT_STARTTLS: return m->state == MODEL_IDLE && o->offers_starttls && !m->is_tls;
	case SMTP_EVENT_XCLIENT: return m->state == MODEL_IDLE && is_safe && o->offers_xclient;
	case SMTP_EVENT_AUTH:
		return m->state == MODEL_IDLE && is_safe && (m->has_helo || o->is_lenient) && o->offers_auth &&
		       !m->is_authenticated && (m->is_tls || o->auth_without_tls);
	case SMTP_EVENT_AUTH_STEP: return m->state == MODEL_AUTH;
	case SMTP_EVENT_RESET: return in_transaction || m->owes_reset || m->may_reset;
	case SMTP_EVENT_REPLIED: return m->state != MODEL_START && m->state != MODEL_ENDED;
	case SMTP_EVENT_QUIT: return m->state == MODEL_IDLE;
	case SMTP_EVENT_CLOSE:
		return !m->owes_reset && !in_transaction && m->state != MODEL_ENDED &&
		       (m->state != MODEL_START || is_closed_from_outside);
	default: return false;
	}
}

static bool is_auth(enum smtp_event_type type)
{
	return type == SMTP_EVENT_AUTH || type == SMTP_EVENT_AUTH_STEP;
}

static void take_accepted(struct model *m, enum smtp_event_type type, unsigned code)
{
	if (type == SMTP_EVENT_CONNECT)
		m->state = MODEL_IDLE;
	else if (type == SMTP_EVENT_HELO)
		m->has_helo = true;
	else if (type == SMTP_EVENT_MAIL)
		m->state = MODEL_TRANSACTION;
	else if (type == SMTP_EVENT_RCPT)
		m->recipients++;
	else if (type == SMTP_EVENT_DATA)
		m->state = MODEL_BODY;
	else if (type == SMTP_EVENT_STARTTLS)
		m->state = MODEL_TLS;
	else if (type == SMTP_EVENT_XCLIENT)
		m->has_helo = m->is_authenticated = false;
	else if (is_auth(type) && code == 334)
		m->state = MODEL_AUTH;
	else if (is_auth(type))
		m->is_authenticated = true;
}

static void take_answered(struct model *m, enum smtp_event_type type, const struct play_verdict *v)
{
	if (type == SMTP_EVENT_MAIL)
		m->recipients = 0;
	if (type == SMTP_EVENT_MESSAGE && !v->is_close)
		m->state = MODEL_IDLE;
	if (type == SMTP_EVENT_AUTH_STEP)
		m->state = MODEL_IDLE;
	if (!is_refusal(v))
		take_accepted(m, type, v->reply.code);
	if (is_closing(v) || ((type == SMTP_EVENT_CONNECT || type == SMTP_EVENT_XCLIENT) && is_refusal(v))) {
		m->owes_reset = m->state == MODEL_TRANSACTION || m->state == MODEL_BODY;
		m->may_reset = type == SMTP_EVENT_MAIL && v->is_close;
		m->state = MODEL_CLOSING;
	}
}

void model_take(struct model *m, enum smtp_event_type type, const struct play_verdict *verdict)
{
	if (play_event_waits(type)) {
		take_answered(m, type, verdict);
	} else if (type == SMTP_EVENT_RESET) {
		m->owes_reset = m->may_reset = false;
		if (m->state != MODEL_CLOSING)
			m->state = MODEL_IDLE;
	} else if (type == SMTP_EVENT_REPLIED && m->state == MODEL_AUTH) {
		/* The machine refused a response by itself. */
		m->state = MODEL_IDLE;
	} else if (type == SMTP_EVENT_QUIT || type == SMTP_EVENT_CLOSE) {
		m->state = MODEL_ENDED;
	}
}

/* RFC 3207 4.2: what was said before is forgotten. */
void model_take_tls(struct model *m)
{
	m->is_tls = true;
	m->has_helo = m->is_authenticated = false;
	if (m->state == MODEL_TLS)
		m->state = MODEL_IDLE;
}

static bool judge_events(struct judge *j)
{
	const struct smtp_session_options *o = j->play->options;
	struct model m = { .state = MODEL_START };

	for (size_t i = 0; i < j->t->count; i++) {
		const struct play_entry *e = &j->t->entries[i];

		if (e->kind == PLAY_TLS)
			model_take_tls(&m);
		if (e->kind != PLAY_EVENT)
			continue;
		if (!model_may(&m, o, e->type, j->play->closing != NULL))
			return offence(j, "the event \"%s\" (entry %zu) comes at the wrong time", e->text, i);
		model_take(&m, e->type, &e->verdict);
	}
	if (m.state == MODEL_CLOSING)
		return offence(j, "the session should have closed");
	return true;
}

/* ---- law 3: one final reply for each command ---- */

static bool judge_reply_line(struct judge *j, struct span line)
{
	bool is_fine = line.len >= 4 && line.ptr[0] >= '2' && line.ptr[0] <= '5' &&
		       ascii_is_digit(line.ptr[1]) && ascii_is_digit(line.ptr[2]) &&
		       (line.ptr[3] == ' ' || line.ptr[3] == '-');

	for (size_t i = 0; i < line.len; i++)
		is_fine = is_fine && line.ptr[i] >= ' ' && line.ptr[i] <= '~';
	return is_fine || offence(j, "malformed reply line: %.*s", (int)line.len, line.ptr);
}

/* 1: there is one; 0: there is none; -1: an offence. */
static int next_reply(struct judge *j, struct final_reply *r)
{
	char code[3] = { 0 };

	for (; j->entry < j->t->count; j->entry++) {
		const struct play_entry *e = &j->t->entries[j->entry];

		if (e->kind != PLAY_REPLY)
			continue;
		if (!judge_reply_line(j, e->bytes))
			return -1;
		if (!code[0])
			r->first = j->entry;
		if (code[0] && memcmp(code, e->bytes.ptr, 3) != 0) {
			offence(j, "the lines of a reply differ in their code: %s", e->text);
			return -1;
		}
		memcpy(code, e->bytes.ptr, 3);
		if (e->bytes.ptr[3] == '-')
			continue;
		r->code = (unsigned)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
		r->entry = ++j->entry;
		return 1;
	}
	if (!code[0])
		return 0;
	offence(j, "a reply of several lines has no last line");
	return -1;
}

static bool judge_end(struct judge *j)
{
	struct final_reply r;
	int found = next_reply(j, &r);

	if (found == 0 && !j->t->has_ended)
		return offence(j, "the session should have ended");
	return found == 0 ||
	       (found > 0 && offence(j, "a reply too many: %s", j->t->entries[r.entry - 1].text));
}

/* There is nothing more that could be answered: only a closing may speak. */
static bool judge_silence(struct judge *j)
{
	struct final_reply r;
	int found = next_reply(j, &r);

	if (found <= 0)
		return found == 0;
	if (r.code != 421)
		return offence(j, "an answer to no command: %s", j->t->entries[r.entry - 1].text);
	return judge_end(j);
}

/* The peer's words are left without answer: only when the session was ended without one. */
static bool judge_no_answer(struct judge *j, const char *what)
{
	return (j->t->has_ended && j->may_fall_silent) || offence(j, "%s has no reply", what);
}

/* ---- what a command may come to ---- */

static bool is_verb(struct span line, const char *verb)
{
	size_t n = strlen(verb);
	char next = line.len > n ? line.ptr[n] : '\n';
	bool is_whole = next == ' ' || next == '\t' || next == '\r' || next == '\n';

	return is_whole && span_istarts(line, span_str(verb));
}

/* The event that a verb asks by; SMTP_EVENTS: it asks nothing. */
static enum smtp_event_type event_of(struct span line)
{
	if (is_verb(line, "EHLO") || is_verb(line, "HELO"))
		return SMTP_EVENT_HELO;
	if (is_verb(line, "MAIL"))
		return SMTP_EVENT_MAIL;
	if (is_verb(line, "RCPT"))
		return SMTP_EVENT_RCPT;
	if (is_verb(line, "STARTTLS"))
		return SMTP_EVENT_STARTTLS;
	if (is_verb(line, "AUTH"))
		return SMTP_EVENT_AUTH;
	if (is_verb(line, "XCLIENT"))
		return SMTP_EVENT_XCLIENT;
	return is_verb(line, "DATA") ? SMTP_EVENT_DATA : SMTP_EVENTS;
}

/*
 * Between two replies the owner is asked once at most, and for nothing but this; success must have been
 * asked for.
 */
static bool judge_asked(struct judge *j, size_t from, const struct final_reply *r,
			enum smtp_event_type type)
{
	size_t asked = 0;

	for (size_t i = from; i < r->first; i++) {
		const struct play_entry *e = &j->t->entries[i];

		if (e->kind != PLAY_EVENT || !play_event_waits(e->type))
			continue;
		if (e->type != type)
			return offence(j, "nobody asked for the event \"%s\"", e->text);
		asked++;
	}
	if (asked > 1)
		return offence(j, "event %d was told twice", (int)type);
	return asked == 1 || type == SMTP_EVENTS || r->code >= 400 ||
	       offence(j, "%u without asking for event %d", r->code, (int)type);
}

static bool may_come_before_tls(struct span line)
{
	static const char *const verbs[] = { "EHLO", "HELO", "STARTTLS", "RSET", "NOOP", "QUIT" };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (is_verb(line, verbs[i]))
			return true;
	return false;
}

static bool judge_code(struct judge *j, struct span line, const struct final_reply *r)
{
	bool is_go_ahead = r->code == 354;
	bool is_bye = r->code == 221;
	bool is_tls = r->code == 220;
	bool is_auth_code = r->code == 235 || r->code == 334;

	if (r->code >= 400)
		return true;
	if (is_auth_code != (j->in_auth || is_verb(line, "AUTH")))
		return offence(j, "%u belongs to AUTH, or not", r->code);
	if (j->in_auth)
		return true;
	if (j->play->options->requires_tls && !j->is_tls && !may_come_before_tls(line))
		return offence(j, "%u before TLS to %.*s", r->code, (int)span_head(line, 80).len, line.ptr);
	if ((is_tls != is_verb(line, "STARTTLS") && !is_verb(line, "XCLIENT")) || is_go_ahead != is_verb(line, "DATA") || is_bye != is_verb(line, "QUIT"))
		return offence(j, "%u is no answer to %.*s", r->code, (int)span_head(line, 80).len, line.ptr);
	return true;
}

static bool ends_in_crlf(struct span line)
{
	return line.len >= 2 && line.ptr[line.len - 2] == '\r';
}

/* The first line fixes the ending of all, if the options do not. */
static void fix_line_ending(struct judge *j, struct span line)
{
	if (j->play->options->bare_newline == SMTP_BARE_NEWLINE_REJECT)
		j->line_ending = LINE_ENDING_CRLF;
	else if (j->play->options->bare_newline == SMTP_BARE_NEWLINE_LENIENT)
		j->line_ending = LINE_ENDING_ANY;
	else if (j->line_ending == LINE_ENDING_UNKNOWN)
		j->line_ending = ends_in_crlf(line) ? LINE_ENDING_CRLF : LINE_ENDING_LF;
}

static bool holds_bare_lf(const struct judge *j, struct span line)
{
	return j->line_ending == LINE_ENDING_CRLF && !ends_in_crlf(line);
}

/* ---- law 5: the content and its end ---- */

static const struct play_entry *event_behind(const struct judge *j, size_t entry, enum smtp_event_type type)
{
	for (; entry < j->t->count && j->t->entries[entry].kind == PLAY_EVENT; entry++)
		if (j->t->entries[entry].type == type)
			return &j->t->entries[entry];
	return NULL;
}

static bool judge_content(struct judge *j, const struct model_data *m, struct span content,
			  const struct play_entry *message)
{
	if (content.len > m->len || !span_eq(content, span_of(m->content, content.len)))
		return offence(j, "the content differs");
	if (!message)
		return true;
	if (!m->has_ended)
		return offence(j, "a message without end of data");
	if (m->has_bare_lf && j->play->options->bare_newline == SMTP_BARE_NEWLINE_REJECT)
		return offence(j, "a message with a bare LF");
	if (content.len != m->len)
		return offence(j, "content of %zu instead of %zu bytes", content.len, m->len);
	if (message->octets != m->octets)
		return offence(j, "%llu octets instead of %llu", (unsigned long long)message->octets,
			       (unsigned long long)m->octets);
	if (message->has_lone_cr != m->has_lone_cr || message->has_bare_lf != m->has_bare_lf ||
	    message->has_bare_dot != m->has_bare_dot)
		return offence(j, "the message's line ends are told wrongly");
	return true;
}

/*
 * The reply for a message as a whole, behind those for its recipients where there are such. As next_reply();
 * *first is the first reply of all.
 */
static int next_message_reply(struct judge *j, const struct play_entry *message, struct final_reply *r,
			      struct final_reply *first)
{
	int found = next_reply(j, r);

	*first = *r;
	if (found <= 0 || !message || message->each_count == 0)
		return found;
	if (r->code != 353) {
		offence(j, "%u where replies for recipients begin", r->code);
		return -1;
	}
	for (size_t i = 0; i < message->each_count && found > 0; i++) {
		found = next_reply(j, r);
		if (found > 0 && r->code != (i % 2 ? 550 : 250)) {
			offence(j, "%u for recipient %zu", r->code, i);
			return -1;
		}
	}
	return found > 0 ? next_reply(j, r) : found;
}

/* 1: the next command may follow; 0: all is judged; -1: an offence. */
static int judge_data(struct judge *j)
{
	const struct play_entry *body;
	struct model_data m;
	struct final_reply r, first;
	size_t from = j->entry;
	bool is_fine, has_ended;

	model_data_decode(&m, span_from(j->play->input, j->used), j->line_ending);
	body = event_behind(j, j->entry, SMTP_EVENT_BODY);
	is_fine = judge_content(j, &m, body ? body->bytes : span_of("", 0),
				event_behind(j, j->entry, SMTP_EVENT_MESSAGE));
	has_ended = m.has_ended;
	j->used += m.used;
	model_data_fini(&m);
	if (!is_fine)
		return -1;
	if (!has_ended)
		return judge_silence(j) ? 0 : -1;
	switch (next_message_reply(j, event_behind(j, from, SMTP_EVENT_MESSAGE), &r, &first)) {
	case 1:
		first.code = r.code;
		if (!judge_asked(j, from, &first, SMTP_EVENT_MESSAGE))
			return -1;
		if (r.code == 421)
			return judge_end(j) ? 0 : -1;
		return 1;
	case 0:
		return judge_no_answer(j, "an end of data") ? 0 : -1;
	default:
		return -1;
	}
}

/* ---- chunks ---- */

static bool is_verb_end(char c)
{
	return c == ' ' || c == '\t';
}

bool model_bdat_read(struct model_bdat *b, const struct smtp_session_options *o, struct span line)
{
	size_t i = 4;

	memset(b, 0, sizeof(*b));
	line.len--;
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (line.len > o->max_command_line || !span_istarts(line, SPAN_LITERAL("BDAT")) ||
	    (line.len > 4 && !is_verb_end(line.ptr[4])))
		return false;
	for (size_t k = 0; k < line.len; k++)
		if (((unsigned char)line.ptr[k] < ' ' && line.ptr[k] != '\t') || line.ptr[k] == 0x7f)
			return false;
	line = span_trim(span_from(line, i));
	for (i = 0; i < line.len && ascii_is_digit(line.ptr[i]); i++)
		b->size = b->size > UINT64_MAX / 10 - 1 ? UINT64_MAX : b->size * 10 + (uint64_t)(line.ptr[i] - '0');
	b->is_well_formed = i > 0 && (i == line.len || is_verb_end(line.ptr[i]));
	line = span_trim(span_from(line, i));
	b->is_last = line.len > 0;
	b->is_well_formed = b->is_well_formed && (line.len == 0 || span_ieq(line, SPAN_LITERAL("LAST")));
	return true;
}

static void end_chunks(struct judge *j)
{
	j->is_chunking = false;
	buf_clear(&j->chunks);
	buf_clear(&j->told);
}

/* What was told between two entries; the MESSAGE among it, or NULL. */
static const struct play_entry *hear_chunk(struct judge *j, size_t from, size_t to)
{
	const struct play_entry *message = NULL;

	for (size_t i = from; i < to; i++) {
		const struct play_entry *e = &j->t->entries[i];

		if (e->kind != PLAY_EVENT)
			continue;
		if (e->type == SMTP_EVENT_BODY)
			play_need(buf_add_span(&j->told, e->bytes));
		if (e->type == SMTP_EVENT_MESSAGE)
			message = e;
		if (e->type == SMTP_EVENT_DATA)
			j->is_chunking = !is_refusal(&e->verdict);
	}
	return message;
}

static bool judge_chunk_content(struct judge *j, const struct play_entry *message)
{
	struct model_data m;
	bool is_fine;

	model_chunks_decode(&m, buf_span(&j->chunks), j->line_ending, j->is_binary, message != NULL);
	is_fine = judge_content(j, &m, buf_span(&j->told), message);
	model_data_fini(&m);
	return is_fine;
}

/* Nobody is asked twice, and for what is no success nobody need be asked. */
static bool judge_chunk_reply(struct judge *j, const struct model_bdat *b, const struct final_reply *r,
			      const struct play_entry *message)
{
	if (r->code == 250 && !j->is_chunking)
		return offence(j, "a chunk was taken outside of a message");
	if (message && !b->is_last)
		return offence(j, "a message without its last chunk");
	if (r->code == 250 && b->is_last && !message)
		return offence(j, "a last chunk was answered without asking");
	return r->code == 250 || r->code >= 400 || offence(j, "%u is no answer to BDAT", r->code);
}

/* The MESSAGE that is told before the next reply, or NULL. */
static const struct play_entry *message_of_chunk(const struct judge *j)
{
	for (size_t i = j->entry; i < j->t->count && j->t->entries[i].kind != PLAY_REPLY; i++)
		if (j->t->entries[i].kind == PLAY_EVENT && j->t->entries[i].type == SMTP_EVENT_MESSAGE)
			return &j->t->entries[i];
	return NULL;
}

/* 1: the next command may follow; 0: all is judged; -1: an offence. */
static int judge_whole_chunk(struct judge *j, struct span line, const struct model_bdat *b)
{
	size_t from = j->entry;
	const struct play_entry *message;
	struct final_reply r, first;
	int found = next_message_reply(j, message_of_chunk(j), &r, &first);

	if (found < 0)
		return -1;
	if (found == 0)
		return judge_no_answer(j, "a chunk") ? 0 : -1;
	message = hear_chunk(j, from, first.first);
	if (!judge_code(j, line, &r) || !judge_chunk_reply(j, b, &r, message))
		return -1;
	if (!judge_chunk_content(j, message))
		return -1;
	if (r.code != 250 || b->is_last)
		end_chunks(j);
	if (r.code == 421)
		return judge_end(j) ? 0 : -1;
	return 1;
}

static int judge_bdat(struct judge *j, struct span line, const struct model_bdat *b)
{
	uint64_t there = j->play->input.len - j->used - line.len;

	j->used += line.len;
	if (!b->is_well_formed) {
		struct final_reply r;

		if (next_reply(j, &r) > 0 && r.code != 501 && r.code != 421)
			offence(j, "%u to a malformed BDAT", r.code);
		return !j->words[0] && judge_end(j) ? 0 : -1;
	}
	play_need(buf_add_span(&j->chunks, span_head(span_from(j->play->input, j->used), b->size > there ? there : b->size)));
	if (b->size <= there) {
		j->used += b->size;
		return judge_whole_chunk(j, line, b);
	}
	j->used += there;
	hear_chunk(j, j->entry, j->t->count);
	return judge_chunk_content(j, NULL) && judge_silence(j) ? 0 : -1;
}

/* ---- law 6 ---- */

static bool has_tls_started(const struct judge *j)
{
	for (size_t i = j->entry; i < j->t->count && j->t->entries[i].kind != PLAY_REPLY; i++)
		if (j->t->entries[i].kind == PLAY_TLS)
			return true;
	return false;
}

/*
 * Behind the 220 to STARTTLS: what comes over TLS is a session of its own; what comes in plain text ends
 * it without a word. 1: the next command may follow; 0: all is judged; -1: an offence.
 */
static int judge_starttls(struct judge *j)
{
	if (has_tls_started(j)) {
		j->is_tls = true;
		j->line_ending = LINE_ENDING_UNKNOWN;
		return 1;
	}
	if (j->t->used > j->used) {
		offence(j, "plain text behind STARTTLS was used");
		return -1;
	}
	/* A closing from outside may have been quicker. */
	if (j->play->closing)
		return judge_silence(j) ? 0 : -1;
	if (j->used < j->play->input.len && !j->t->has_ended) {
		offence(j, "plain text behind STARTTLS did not end the session");
		return -1;
	}
	for (; j->entry < j->t->count; j->entry++) {
		if (j->t->entries[j->entry].kind != PLAY_REPLY)
			continue;
		offence(j, "plain text behind STARTTLS was answered: %s", j->t->entries[j->entry].text);
		return -1;
	}
	return 0;
}

/* What the command means for chunks that follow. */
static void note_command(struct judge *j, struct span line, size_t from, const struct final_reply *r)
{
	if (r->code >= 400)
		return;
	if (is_verb(line, "RSET") || event_of(line) == SMTP_EVENT_HELO)
		end_chunks(j);
	for (size_t i = from; i < r->first && event_of(line) == SMTP_EVENT_MAIL; i++)
		if (j->t->entries[i].kind == PLAY_EVENT && j->t->entries[i].type == SMTP_EVENT_MAIL)
			j->is_binary = strstr(j->t->entries[i].text, " body=binarymime") != NULL;
}

/* 1: the next command may follow; 0: all is judged; -1: an offence. */
static int judge_command(struct judge *j)
{
	struct span rest = span_from(j->play->input, j->used);
	size_t n = span_find(rest, '\n');
	struct span line = span_head(rest, n + 1);
	struct final_reply r;
	struct model_bdat bdat;
	size_t from = j->entry;
	int found;

	if (n == rest.len)
		return judge_silence(j) ? 0 : -1;
	fix_line_ending(j, line);
	if (!j->in_auth && !holds_bare_lf(j, line) && model_bdat_read(&bdat, j->play->options, line))
		return judge_bdat(j, line, &bdat);
	found = next_reply(j, &r);
	if (found < 0)
		return -1;
	if (found == 0)
		return judge_no_answer(j, "a command") ? 0 : -1;
	if (!judge_asked(j, from, &r, j->in_auth ? SMTP_EVENT_AUTH_STEP : event_of(line)) || !judge_code(j, line, &r))
		return -1;
	j->in_auth = r.code == 334;
	note_command(j, line, from, &r);
	j->used += line.len;
	if (holds_bare_lf(j, line)) {
		if (r.code != 500 && r.code != 421) {
			offence(j, "a bare LF in a command was answered with %u", r.code);
			return -1;
		}
		return judge_end(j) ? 0 : -1;
	}
	if (r.code == 221 || r.code == 421)
		return judge_end(j) ? 0 : -1;
	if (r.code == 220 && is_verb(line, "XCLIENT")) {
		j->line_ending = LINE_ENDING_UNKNOWN;
		return 1;
	}
	if (r.code == 220)
		return judge_starttls(j);
	return r.code == 354 ? judge_data(j) : 1;
}

static bool judge_replies(struct judge *j)
{
	struct final_reply r;
	int more = next_reply(j, &r);

	if (more == 0)
		return judge_no_answer(j, "the connection");
	if (more > 0 && !judge_asked(j, 0, &r, SMTP_EVENT_CONNECT))
		return false;
	if (more > 0 && r.code != 220)
		return judge_end(j);
	while (more > 0)
		more = judge_command(j);
	return more == 0;
}

/* Was the session closed from outside without a word, or could it run out of memory? */
static bool may_fall_silent(const struct play *p, const struct transcript *t)
{
	if (p->lacks_memory || (p->closing && p->closing->reply.code == 0))
		return true;
	for (size_t i = 0; i < t->count; i++)
		if (t->entries[i].verdict.is_close && t->entries[i].verdict.reply.code == 0)
			return true;
	return false;
}

const char *model_judge(const struct play *p, const struct transcript *t, char *words, size_t size)
{
	struct judge j = { .play = p, .t = t, .words = words, .size = size };
	bool is_fine;

	j.may_fall_silent = may_fall_silent(p, t);
	j.is_tls = p->starts_in_tls;

	if (t->has_no_memory)
		return NULL;
	if (t->problem[0]) {
		offence(&j, "%s", t->problem);
		return words;
	}
	words[0] = '\0';
	is_fine = judge_events(&j) && judge_replies(&j);
	buf_fini(&j.chunks);
	buf_fini(&j.told);
	return is_fine ? NULL : words;
}
