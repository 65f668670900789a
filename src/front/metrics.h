/*
 * What is counted for those who watch many servers. The counters live as long as
 * the process, across reloads. Counting allocates nothing: tables have a fixed
 * size, and what finds no place in one is counted as "other". Records of
 * listeners and backends are found by name when a setup is built, and from then
 * on by pointer; they are never given up.
 *
 * Nothing here is per user, address or message: labels come from the
 * configuration, from constants, and from what next hops answer.
 */
#ifndef FRONT_METRICS_H
#define FRONT_METRICS_H

#include "base/list.h"
#include "front/metrics_text.h"
#include "proto/reply.h"

enum {
	METRICS_LABELS_MAX = 4,
	METRICS_VALUE_SIZE = 40, /* of a label's value; longer ones are cut */
	METRICS_BUCKETS = 14,
	METRICS_REFUSALS_MAX = 256,
	METRICS_NAMES_MAX = 128, /* of listeners, and of backends, beside "other" */
};

/* Counters of one family, one for each combination of labels that came. */
struct metrics_series {
	char values[METRICS_LABELS_MAX][METRICS_VALUE_SIZE];
	uint64_t count;
};

struct metrics_table {
	const char *name, *help;
	const char *labels[METRICS_LABELS_MAX + 1]; /* NULL behind the last */
	struct metrics_series *series; /* owned */
	unsigned count, most;
	uint64_t others; /* for which there was no place */
};

/* All zero is an empty one. */
struct metrics_histogram {
	uint64_t buckets[METRICS_BUCKETS + 1]; /* the last: beyond all bounds */
	uint64_t sum_ms, count;
};

struct metrics_listener {
	struct list link;
	char *name; /* owned */
	uint64_t sessions;
};

struct metrics_backend {
	struct list link;
	char *name; /* owned */
	uint64_t messages, octets, recipients;
	uint64_t temporary_failures, permanent_failures;
	struct metrics_histogram seconds;
};

struct metrics {
	uint64_t start_s; /* since 1970 */
	struct metrics_table refusals, session_ends, auth, handshakes;
	uint64_t handshake_failures;
	uint64_t bytes_received, bytes_sent;
	uint64_t reloads, failed_reloads;         /* of the configuration */
	uint64_t tls_reloads, failed_tls_reloads; /* of certificates, listener by listener */
	uint64_t last_reload_s;                   /* 0: there was none */
	bool has_reload_failed;                   /* the last one */
	struct list listeners, backends;          /* of metrics_listener.link, metrics_backend.link; owned */
	struct metrics_listener other_listener;
	struct metrics_backend other_backend;
};

/* NULL: out of memory. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics **metrics);

/* Never NULL: beyond METRICS_NAMES_MAX, or without memory, it is that of "other". */
struct metrics_listener *metrics_listener(struct metrics *m, const char *name);
struct metrics_backend *metrics_backend(struct metrics *m, const char *name);

void metrics_count_refusal(struct metrics *m, const char *stage, const struct smtp_reply *reply);
void metrics_count_session_end(struct metrics *m, const char *reason, uint64_t bytes_in, uint64_t bytes_out);
void metrics_count_auth(struct metrics *m, const char *mechanism, const char *result);
void metrics_count_handshake(struct metrics *m, const char *version, bool is_resumed);
void metrics_count_reload(struct metrics *m, bool is_ok);

/* A delivery has come to its verdict, `ms` after the end of the content. */
void metrics_count_delivery(struct metrics_backend *b, const struct smtp_reply *verdict, uint64_t ms,
			    size_t recipients, uint64_t octets);

/* For tests: the parts of the above. */
void metrics_histogram_add(struct metrics_histogram *h, uint64_t ms);
void metrics_table_add(struct metrics_table *table, const char *const values[METRICS_LABELS_MAX]);

void metrics_write(const struct metrics *m, struct metrics_text *t);

#endif
