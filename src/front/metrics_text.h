/*
 * The text in which metrics are told: Prometheus' exposition format 0.0.4, one
 * family after the other, each with HELP, TYPE and its samples. Names and help
 * are constants of ours; values of labels may hold anything and are escaped.
 *
 * A writer that ran out of memory does nothing more, and says so at the end.
 */
#ifndef FRONT_METRICS_TEXT_H
#define FRONT_METRICS_TEXT_H

#include "base/buf.h"

struct metrics_text {
	struct buf *out;     /* lent */
	const char *name;    /* of the family that was begun last */
	bool has_labels;     /* of the sample that is being written */
	bool out_of_memory;  /* what is there is not whole */
};

/* Begin a family. `type` is "counter", "gauge" or "histogram"; `help` one line without backslashes. */
void metrics_text_family(struct metrics_text *t, const char *name, const char *type, const char *help);

/* A sample: its begin, maybe with an ending of the name such as "_sum" (or ""), then labels, then the value. */
void metrics_text_begin(struct metrics_text *t, const char *ending);
void metrics_text_label(struct metrics_text *t, const char *label, const char *value);
void metrics_text_u64(struct metrics_text *t, uint64_t value);
void metrics_text_ms(struct metrics_text *t, uint64_t milliseconds); /* told in seconds */

/* A family of one sample without labels. */
void metrics_text_counter(struct metrics_text *t, const char *name, const char *help, uint64_t value);
void metrics_text_gauge(struct metrics_text *t, const char *name, const char *help, uint64_t value);

#endif
