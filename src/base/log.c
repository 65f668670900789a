#include "base/log.h"

#include "base/bug.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOG_BUFFER_SIZE = 64 * 1024 };

static const char *const level_names[LOG_LEVELS] = { "error", "warning", "notice", "info", "debug" };
static const char level_priorities[LOG_LEVELS][5] = { "<3>", "<4>", "<5>", "<6>", "<7>" };

static struct {
	char buffer[LOG_BUFFER_SIZE]; /* whole lines, then the one being made */
	size_t flushed_to;            /* bytes of whole lines */
	size_t end;                   /* behind the line being made */
	size_t limit;                 /* where the line being made is cut */
	int fd;
	enum log_level level;  /* lines less urgent than this are dropped */
	enum log_level line_level;
	bool making;           /* between log_begin() and log_end(), and wanted */
	bool is_journal;
	time_t stamp_second; /* the second for which `stamp` was made */
	char stamp[32];
} state = { .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO };

static bool fd_is_journal(int fd)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_open(int fd, enum log_level level)
{
	log_flush();
	state.fd = fd;
	state.level = level;
	state.is_journal = fd_is_journal(fd);
}

void log_flush(void)
{
	size_t done = 0;

	while (done < state.flushed_to) {
		ssize_t n = write(state.fd, state.buffer + done, state.flushed_to - done);

		if (n <= 0)
			break; /* nobody is left to tell */
		done += (size_t)n;
	}
	memmove(state.buffer, state.buffer + state.flushed_to, state.end - state.flushed_to);
	state.end -= state.flushed_to;
	state.flushed_to = 0;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_enabled(enum log_level level)
{
	return level <= state.level;
}

static void put(const char *bytes, size_t len)
{
	if (len > state.limit - state.end)
		len = state.limit - state.end;
	memcpy(state.buffer + state.end, bytes, len);
	state.end += len;
}

static void put_stamp(void)
{
	uint64_t now = clock_wall_us();
	time_t second = (time_t)(now / 1000000);
	char millis[8];

	if (second != state.stamp_second) {
		struct tm tm;

		gmtime_r(&second, &tm);
		strftime(state.stamp, sizeof(state.stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		state.stamp_second = second;
	}
	put(state.stamp, strlen(state.stamp));
	put(millis, (size_t)snprintf(millis, sizeof(millis), ".%03uZ ", (unsigned)(now / 1000 % 1000)));
}

void log_begin(enum log_level level, const char *id, const char *event)
{
	BUG_ON(state.making);
	if (!log_enabled(level))
		return;
	if (LOG_BUFFER_SIZE - state.end < LOG_LINE_MAX)
		log_flush();
	state.making = true;
	state.line_level = level;
	state.limit = state.end + LOG_LINE_MAX - sizeof("...\n");
	if (state.is_journal)
		put(level_priorities[level], 3);
	else
		put_stamp();
	if (!id)
		id = "-";
	put(id, strlen(id));
	put(" ", 1);
	put(event, strlen(event));
}

static bool is_plain(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return value.len > 0;
}

static void put_quoted(struct span value)
{
	static const char hex[] = "0123456789abcdef";

	put("\"", 1);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c == '"' || c == '\\') {
			put((char[]){ '\\', (char)c }, 2);
		} else if (c >= ' ' && c <= '~') {
			put(value.ptr + i, 1);
		} else {
			put((char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
		}
	}
	put("\"", 1);
}

void log_span(const char *key, struct span value)
{
	bool is_cut = value.len > LOG_VALUE_MAX;

	if (!state.making)
		return;
	put(" ", 1);
	put(key, strlen(key));
	put("=", 1);
	value = span_head(value, LOG_VALUE_MAX);
	if (is_plain(value))
		put(value.ptr, value.len);
	else
		put_quoted(value);
	if (is_cut)
		put("...", 3);
}

void log_str(const char *key, const char *value)
{
	if (value)
		log_span(key, span_str(value));
}

void log_u64(const char *key, uint64_t value)
{
	char digits[24];

	if (state.making)
		log_span(key, span_of(digits, (size_t)snprintf(digits, sizeof(digits), "%llu",
							       (unsigned long long)value)));
}

void log_addr(const char *key, const struct addr *value)
{
	char text[ADDR_TEXT_SIZE];

	if (state.making)
		log_str(key, addr_format_ip(value, text));
}

void log_end(void)
{
	if (!state.making)
		return;
	if (state.end == state.limit) {
		state.limit += sizeof("...\n");
		put("...", 3);
	} else {
		state.limit += sizeof("...\n");
	}
	put("\n", 1);
	state.flushed_to = state.end;
	state.making = false;
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
