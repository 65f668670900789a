/*
 * The log: one line per call of log_end(), `<id> <event> key=value ...` as text
 * or the same as a JSON object. Values that hold blanks, quotes or bytes outside
 * printable ASCII are quoted and escaped, so that a peer can neither forge a
 * line nor reach a terminal.
 *
 * Lines are formatted once into a buffer of the process, without allocation, and
 * written together by log_flush(), which the loop calls at the end of each turn;
 * errors and a full buffer are written at once. Warnings about the same thing
 * are collapsed. Only the thread of the loop may log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/addr.h"
#include "base/span.h"

enum log_level {
	LOG_LEVEL_ERROR,   /* somebody must act */
	LOG_LEVEL_WARNING, /* somebody should look */
	LOG_LEVEL_NOTICE,  /* start, stop */
	LOG_LEVEL_INFO,    /* sessions, transactions, refusals */
	LOG_LEVEL_DEBUG,
	LOG_LEVELS
};

enum log_format {
	LOG_FORMAT_TEXT,
	/*
	 * {"v":1,"time":"...","level":"info","id":"...","event":"...",key:value,...}; id is left out for the
	 * process itself, numbers are numbers, "cut":true tells that pairs did not fit. `v` grows when a key changes
	 * its meaning; new keys may come any time.
	 */
	LOG_FORMAT_JSON,
};

/*
 * Longest value and longest line written, in bytes; what is longer is cut and ends in "...".
 * Buffered lines that nobody takes are dropped beyond LOG_BUFFER_SIZE, and counted.
 */
enum { LOG_VALUE_MAX = 512, LOG_LINE_MAX = 4096, LOG_BUFFER_SIZE = 64 * 1024 };

/* A warning of the process that says the same again within this time is only counted. */
enum { LOG_REPEAT_MS = 60 * 1000 };

/* What can be traced by itself, whatever the level: bits. */
enum log_trace {
	LOG_TRACE_NET = 1,
	LOG_TRACE_SMTP = 2,
	LOG_TRACE_TLS = 4,
	LOG_TRACE_POLICY = 8,
	LOG_TRACE_SPOOL = 16,
	LOG_TRACE_BACKEND = 32,
	LOG_TRACE_ALL = 63,
};

/*
 * Lines below `level` are dropped. Writes to file descriptor `fd`; when that is
 * the journal's (JOURNAL_STREAM), lines carry a systemd priority instead of a time.
 */
void log_open(int fd, enum log_level level);
void log_set_level(enum log_level level);
void log_set_trace(unsigned bits);
void log_set_format(enum log_format format);

/*
 * Send each line to the syslog daemon's socket (usually /dev/log), too. `facility` is 0 to 23 (RFC 5424 6.2.1). False: err
 * tells why. `path` NULL closes it.
 */
bool log_open_syslog(const char *path, unsigned facility, const char *tag, struct err *err);

void log_flush(void);
const char *log_level_name(enum log_level level);
bool log_enabled(enum log_level level);

/* Begin a line of level debug if this is traced, or all of that level is wanted; otherwise (false) the calls up to log_end() do nothing. */
bool log_trace(enum log_trace what, const char *id, const char *event);

/* Begin a line; id may be NULL for the process itself ("-"). */
void log_begin(enum log_level level, const char *id, const char *event);
void log_span(const char *key, struct span value);
void log_str(const char *key, const char *value); /* NULL: left out */
void log_u64(const char *key, uint64_t value);
void log_addr(const char *key, const struct addr *value);
void log_end(void);

/* A whole line with one free text: `- event text="..."`. */
void log_text(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
