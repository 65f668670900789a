/*
 * Where lines of the log go: a file descriptor and, beside it, a syslog socket.
 * Neither may ever hold up the loop: a pipe is written only as far as its reader
 * has made room, and a datagram that does not fit is lost and counted.
 */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include "base/err.h"
#include "base/span.h"

void log_sink_open(int fd);

/* Is that descriptor the journal's own stream (systemd.exec(5), JOURNAL_STREAM)? */
bool log_sink_is_journal(int fd);

/* Write what goes without waiting; returns how much. What failed for good counts as written. */
size_t log_sink_write(struct span lines);

bool log_sink_open_syslog(const char *path, unsigned facility, const char *tag, struct err *err);
bool log_sink_has_syslog(void);

/* One line without its end; `severity` is that of syslog, 0 to 7. */
void log_sink_syslog(unsigned severity, struct span line);

/* Lines lost since log_sink_take_lost() was last called. */
unsigned log_sink_lost(void);
unsigned log_sink_take_lost(void);
void log_sink_note_lost(unsigned lines);

#endif
