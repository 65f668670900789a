/*
 * The text of a configuration, read by ourselves, because libconfig's scanner
 * ends the process when a file cannot be read: @include lines are replaced by
 * the files they name, and each line of the result knows where it came from.
 * Only regular files are read, and no more than SOURCE_OCTETS_MAX of them all.
 */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/config.h"
#include "conf/strict.h"

enum {
	SOURCE_OCTETS_MAX = 4 * 1024 * 1024,
	SOURCE_DEPTH_MAX = 10,
	SOURCE_FILES_MAX = 256,
};

/* From this line of the whole text on, lines come from this place and those after it. */
struct source_segment {
	int line;
	struct config_place place;
};

struct source {
	struct buf text; /* ends in '\n' and NUL (not counted) */
	int line_count;
	struct source_segment segments[2 * SOURCE_FILES_MAX];
	size_t segment_count;
	size_t file_count;
	struct strict strict;
	struct arena *names; /* lent: file names live as long as the configuration */
};

/* Both leave a source that wants source_fini(), failed or not; err tells file and line. */
MUST_CHECK bool source_read(struct source *s, struct arena *names, const char *file, struct err *err);

/* A text that is in memory already; @include is refused. */
MUST_CHECK bool source_read_text(struct source *s, struct arena *names, const char *name, struct span text,
				 struct err *err);
void source_fini(struct source *s);

/* Where a line of the whole text stands. */
struct config_place source_place(const struct source *s, int line);

#endif
