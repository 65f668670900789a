#include "base/log.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/log_repeat.h"
#include "base/log_sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What is kept free at the end of a line for its own end. */
static const char text_cut[] = "...\n";
static const char json_cut[] = ",\"cut\":true}\n";

static const char *const level_names[LOG_LEVELS] = { "error", "warning", "notice", "info", "debug" };
static const uint8_t level_severities[LOG_LEVELS] = { 3, 4, 5, 6, 7 };

static struct {
	char buffer[LOG_BUFFER_SIZE]; /* whole lines, then the one being made */
	size_t whole;                 /* bytes of whole lines */
	size_t end;                   /* behind the line being made */
	size_t limit;                 /* where the line being made is cut */
	size_t body;                  /* where it begins behind time or priority */
	size_t content;               /* where it begins to differ from one that says the same earlier */
	const char *event;
	enum log_level level;         /* lines less urgent than this are dropped */
	enum log_level line_level;
	unsigned trace;               /* bits of enum log_trace */
	enum log_format format;
	bool is_making;               /* between log_begin() and log_end(), and wanted */
	bool is_cut;
	bool is_collapsible;
	bool is_journal;
	bool is_torn;                 /* of the first line in `buffer` the begin has been written already */
	time_t stamp_second;          /* the second for which `stamp` was made */
	char stamp[32];
	uint64_t next_loss_ms;        /* losses are told again from then on */
	struct log_repeat repeat;
} state = { .level = LOG_LEVEL_INFO };

void log_open(int fd, enum log_level level)
{
	log_flush();
	log_sink_open(fd);
	state.level = level;
	state.is_journal = log_sink_is_journal(fd);
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

void log_set_trace(unsigned bits)
{
	state.trace = bits;
}

void log_set_format(enum log_format format)
{
	state.format = format;
}

bool log_open_syslog(const char *path, unsigned facility, const char *tag, struct err *err)
{
	return log_sink_open_syslog(path, facility, tag, err);
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_enabled(enum log_level level)
{
	return level <= state.level;
}

/* ---- writing ---- */

static void write_out(void)
{
	size_t done = log_sink_write(span_of(state.buffer, state.whole));

	if (done)
		state.is_torn = state.buffer[done - 1] != '\n';
	memmove(state.buffer, state.buffer + done, state.end - done);
	state.end -= done;
	state.whole -= done;
}

static void report_lost(uint64_t now)
{
	if (now < state.next_loss_ms)
		return;
	state.next_loss_ms = now + LOG_REPEAT_MS;
	log_begin(LOG_LEVEL_NOTICE, NULL, "log_lost");
	log_u64("lines", log_sink_take_lost());
	log_end();
}

static void report_repeated(uint64_t now)
{
	const struct log_repeat_slot *slot;

	while ((slot = log_repeat_take_over(&state.repeat, now)) != NULL) {
		log_begin(LOG_LEVEL_NOTICE, NULL, "repeated");
		log_str("what", slot->event);
		log_u64("times", slot->count);
		log_end();
	}
}

void log_flush(void)
{
	if (!state.is_making && log_sink_lost())
		report_lost(clock_monotonic_ms());
	if (!state.is_making && state.repeat.next_look_ms)
		report_repeated(clock_monotonic_ms());
	write_out();
}

/*
 * Room for one more line; when nobody takes them, those that wait are dropped, but for the
 * rest of one that has begun to go out: or the next would be glued to its first half.
 */
static void make_room(void)
{
	struct span waiting;
	unsigned lines = 0;

	if (LOG_BUFFER_SIZE - state.end >= LOG_LINE_MAX)
		return;
	write_out();
	if (LOG_BUFFER_SIZE - state.end >= LOG_LINE_MAX)
		return;
	waiting = span_of(state.buffer, state.whole);
	if (state.is_torn)
		waiting = span_from(waiting, span_find(waiting, '\n') + 1);
	for (size_t i = 0; i < waiting.len; i++)
		lines += waiting.ptr[i] == '\n';
	log_sink_note_lost(lines);
	state.whole = state.end = state.whole - waiting.len;
}

/* ---- making a line ---- */

static void put(const char *bytes, size_t len)
{
	if (len > state.limit - state.end) {
		len = state.limit - state.end;
		state.is_cut = true;
	}
	memcpy(state.buffer + state.end, bytes, len);
	state.end += len;
}

static void put_str(const char *s)
{
	put(s, strlen(s));
}

static void put_time(void)
{
	uint64_t now = clock_wall_us();
	time_t second = (time_t)(now / 1000000);
	unsigned ms = (unsigned)(now / 1000 % 1000);
	const char millis[] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z' };

	if (second != state.stamp_second) {
		struct tm tm;

		gmtime_r(&second, &tm);
		strftime(state.stamp, sizeof(state.stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		state.stamp_second = second;
	}
	put_str(state.stamp);
	put(millis, sizeof(millis));
}

/* Printable ASCII but what must be quoted: in a word of its own for text, within quotes for JSON. */
static bool is_plain(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return value.len > 0;
}

/* A control or 8-bit byte is \xNN in text; JSON gets the same four characters, with its backslash escaped. */
static void put_escaped_byte(unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (state.format == LOG_FORMAT_JSON)
		put("\\", 1);
	put((char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
}

static void put_quoted(struct span value)
{
	put("\"", 1);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c == '"' || c == '\\')
			put((char[]){ '\\', (char)c }, 2);
		else if (c >= ' ' && c <= '~')
			put(value.ptr + i, 1);
		else
			put_escaped_byte(c);
	}
	put("\"", 1);
}

static void put_json_key(const char *key)
{
	put(",\"", 2);
	put_str(key);
	put("\":", 2);
}

static void put_json_str(const char *key, const char *value)
{
	put_json_key(key);
	put("\"", 1);
	put_str(value);
	put("\"", 1);
}

static void begin_json(enum log_level level, const char *id, const char *event)
{
	put_str("{\"v\":1,\"time\":\"");
	put_time();
	put("\"", 1);
	state.content = state.end;
	put_json_str("level", level_names[level]);
	if (id)
		put_json_str("id", id);
	put_json_str("event", event);
}

static void begin_text(enum log_level level, const char *id, const char *event)
{
	if (state.is_journal) {
		put((char[]){ '<', (char)('0' + level_severities[level]), '>' }, 3);
	} else {
		put_time();
		put(" ", 1);
	}
	state.body = state.content = state.end;
	put_str(id ? id : "-");
	put(" ", 1);
	put_str(event);
}

static void begin_line(enum log_level level, const char *id, const char *event)
{
	make_room();
	state.is_making = true;
	state.is_cut = false;
	state.is_collapsible = !id && level == LOG_LEVEL_WARNING;
	state.line_level = level;
	state.event = event;
	state.body = state.end;
	state.limit = state.end + LOG_LINE_MAX - (state.format == LOG_FORMAT_JSON ? sizeof(json_cut) : sizeof(text_cut));
	if (state.format == LOG_FORMAT_JSON)
		begin_json(level, id, event);
	else
		begin_text(level, id, event);
}

void log_begin(enum log_level level, const char *id, const char *event)
{
	BUG_ON(state.is_making);
	if (log_enabled(level))
		begin_line(level, id, event);
}

bool log_trace(enum log_trace what, const char *id, const char *event)
{
	BUG_ON(state.is_making);
	if (state.trace & what || log_enabled(LOG_LEVEL_DEBUG))
		begin_line(LOG_LEVEL_DEBUG, id, event);
	return state.is_making;
}

static void put_text_pair(const char *key, struct span value, bool is_cut)
{
	put(" ", 1);
	put_str(key);
	put("=", 1);
	if (is_plain(value))
		put(value.ptr, value.len);
	else
		put_quoted(value);
	if (is_cut)
		put("...", 3);
}

/* A pair that does not fit is left out whole, and none follows it. */
static void put_json_pair(const char *key, struct span value, bool is_cut)
{
	size_t before = state.end;

	if (state.is_cut)
		return;
	put_json_key(key);
	put_quoted(value);
	if (is_cut) {
		state.end--; /* the quote */
		put("...\"", 4);
	}
	if (state.is_cut)
		state.end = before;
}

void log_span(const char *key, struct span value)
{
	bool is_cut = value.len > LOG_VALUE_MAX;

	if (!state.is_making)
		return;
	value = span_head(value, LOG_VALUE_MAX);
	if (state.format == LOG_FORMAT_JSON)
		put_json_pair(key, value, is_cut);
	else
		put_text_pair(key, value, is_cut);
}

void log_str(const char *key, const char *value)
{
	if (value)
		log_span(key, span_str(value));
}

void log_u64(const char *key, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits), before = state.end;

	if (!state.is_making || (state.format == LOG_FORMAT_JSON && state.is_cut))
		return;
	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	if (state.format == LOG_FORMAT_TEXT) {
		put_text_pair(key, span_of(digits + n, sizeof(digits) - n), false);
		return;
	}
	put_json_key(key);
	put(digits + n, sizeof(digits) - n);
	if (state.is_cut)
		state.end = before;
}

void log_addr(const char *key, const struct addr *value)
{
	char text[ADDR_TEXT_SIZE];

	if (state.is_making)
		log_str(key, addr_format_ip(value, text));
}

static void put_line_end(void)
{
	state.limit = state.end + sizeof(json_cut);
	if (state.format == LOG_FORMAT_TEXT)
		put_str(state.is_cut ? text_cut : "\n");
	else
		put_str(state.is_cut ? json_cut : "}\n");
}

void log_end(void)
{
	struct span content = span_of(state.buffer + state.content, state.end - state.content);

	if (!state.is_making)
		return;
	state.is_making = false;
	if (state.is_collapsible &&
	    log_repeat_is_known(&state.repeat, content, state.event, clock_monotonic_ms(), LOG_REPEAT_MS)) {
		state.end = state.whole;
		return;
	}
	put_line_end();
	if (log_sink_has_syslog())
		log_sink_syslog(level_severities[state.line_level],
				span_of(state.buffer + state.body, state.end - 1 - state.body));
	state.whole = state.end;
	if (state.line_level == LOG_LEVEL_ERROR)
		log_flush();
}

void log_text(enum log_level level, const char *event, const char *format, ...)
{
	char text[LOG_VALUE_MAX];
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_begin(level, NULL, event);
	log_str("text", text);
	log_end();
}
