#include "front/metrics.h"

#include "base/clock.h"

#include <stdlib.h>

enum { SESSION_ENDS_MAX = 128, AUTH_MAX = 128, HANDSHAKES_MAX = 16 };

/* As milliseconds, and as Prometheus has them. */
static const struct {
	uint64_t ms;
	const char *seconds;
} bounds[METRICS_BUCKETS] = {
	{ 1, "0.001" }, { 2, "0.002" }, { 5, "0.005" }, { 10, "0.01" },  { 25, "0.025" }, { 50, "0.05" },
	{ 100, "0.1" }, { 250, "0.25" }, { 500, "0.5" }, { 1000, "1" },   { 2500, "2.5" }, { 5000, "5" },
	{ 15000, "15" }, { 60000, "60" },
};

/* ---- tables ---- */

static bool has_values(const struct metrics_series *series, const char *const values[METRICS_LABELS_MAX])
{
	for (size_t i = 0; i < METRICS_LABELS_MAX && values[i]; i++)
		if (strncmp(series->values[i], values[i], METRICS_VALUE_SIZE - 1) != 0)
			return false;
	return true;
}

/* The place that this series has or gets; NULL: there is none left. */
static struct metrics_series *find_series(struct metrics_table *table,
					  const char *const values[METRICS_LABELS_MAX])
{
	struct metrics_series *series;

	for (unsigned i = 0; i < table->count; i++)
		if (has_values(&table->series[i], values))
			return &table->series[i];
	if (table->count == table->most)
		return NULL;
	series = &table->series[table->count++];
	for (size_t i = 0; i < METRICS_LABELS_MAX && values[i]; i++) {
		struct span value = span_head(span_str(values[i]), METRICS_VALUE_SIZE - 1);

		memcpy(series->values[i], value.ptr, value.len);
	}
	return series;
}

void metrics_table_add(struct metrics_table *table, const char *const values[METRICS_LABELS_MAX])
{
	struct metrics_series *series = find_series(table, values);
	size_t place;

	if (!series) {
		table->others++;
		return;
	}
	series->count++;
	/* What comes often moves to the front, step by step, where it is found at once. */
	place = (size_t)(series - table->series);
	if (place && series[-1].count < series->count) {
		struct metrics_series before = series[-1];

		series[-1] = *series;
		*series = before;
	}
}

static void write_table(const struct metrics_table *table, struct metrics_text *t)
{
	metrics_text_family(t, table->name, "counter", table->help);
	for (unsigned i = 0; i < table->count; i++) {
		metrics_text_begin(t, "");
		for (size_t j = 0; table->labels[j]; j++)
			metrics_text_label(t, table->labels[j], table->series[i].values[j]);
		metrics_text_u64(t, table->series[i].count);
	}
	if (table->others == 0)
		return;
	metrics_text_begin(t, "");
	for (size_t j = 0; table->labels[j]; j++)
		metrics_text_label(t, table->labels[j], "other");
	metrics_text_u64(t, table->others);
}

/* ---- histograms ---- */

void metrics_histogram_add(struct metrics_histogram *h, uint64_t ms)
{
	unsigned i = 0;

	while (i < METRICS_BUCKETS && ms > bounds[i].ms)
		i++;
	h->buckets[i]++;
	h->sum_ms += ms;
	h->count++;
}

static void write_histogram(const struct metrics_histogram *h, const char *name, struct metrics_text *t)
{
	uint64_t so_far = 0;

	for (unsigned i = 0; i <= METRICS_BUCKETS; i++) {
		so_far += h->buckets[i];
		metrics_text_begin(t, "_bucket");
		metrics_text_label(t, "backend", name);
		metrics_text_label(t, "le", i < METRICS_BUCKETS ? bounds[i].seconds : "+Inf");
		metrics_text_u64(t, so_far);
	}
	metrics_text_begin(t, "_sum");
	metrics_text_label(t, "backend", name);
	metrics_text_ms(t, h->sum_ms);
	metrics_text_begin(t, "_count");
	metrics_text_label(t, "backend", name);
	metrics_text_u64(t, h->count);
}

/* ---- making and freeing ---- */

static bool make_tables(struct metrics *m)
{
	struct metrics_table *const tables[] = { &m->refusals, &m->session_ends, &m->auth, &m->handshakes };

	m->refusals = (struct metrics_table){
		.name = "smtpfrontd_refusals_total",
		.help = "Error replies, by what was being done, code, enhanced code and reason.",
		.labels = { "stage", "code", "status", "reason" },
		.most = METRICS_REFUSALS_MAX,
	};
	m->session_ends = (struct metrics_table){
		.name = "smtpfrontd_session_ends_total",
		.help = "Sessions that ended, by reason, as the line disconnect of the log has it.",
		.labels = { "reason" },
		.most = SESSION_ENDS_MAX,
	};
	m->auth = (struct metrics_table){
		.name = "smtpfrontd_auth_total",
		.help = "Attempts to log in, by mechanism and result, as the line auth of the log has them.",
		.labels = { "mechanism", "result" },
		.most = AUTH_MAX,
	};
	m->handshakes = (struct metrics_table){
		.name = "smtpfrontd_tls_handshakes_total",
		.help = "TLS handshakes of clients that ended well.",
		.labels = { "version", "resumed" },
		.most = HANDSHAKES_MAX,
	};
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		tables[i]->series = calloc(tables[i]->most, sizeof(*tables[i]->series));
		if (!tables[i]->series)
			return false;
	}
	return true;
}

struct metrics *metrics_new(void)
{
	static char other[] = "other";
	struct metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	list_init(&m->listeners);
	list_init(&m->backends);
	m->other_listener.name = m->other_backend.name = other;
	m->start_s = clock_wall_us() / 1000000;
	if (!make_tables(m))
		metrics_free(&m);
	return m;
}

void metrics_free(struct metrics **metrics)
{
	struct metrics *m = *metrics;
	struct list *link;

	*metrics = NULL;
	if (!m)
		return;
	while ((link = list_shift(&m->listeners))) {
		struct metrics_listener *l = LIST_OWNER(link, struct metrics_listener, link);

		free(l->name);
		free(l);
	}
	while ((link = list_shift(&m->backends))) {
		struct metrics_backend *b = LIST_OWNER(link, struct metrics_backend, link);

		free(b->name);
		free(b);
	}
	free(m->refusals.series);
	free(m->session_ends.series);
	free(m->auth.series);
	free(m->handshakes.series);
	free(m);
}

/* ---- records by name ---- */

/* Of two samples with the same labels Prometheus takes none. */
static bool is_other(const char *name)
{
	return strcmp(name, "other") == 0;
}

struct metrics_listener *metrics_listener(struct metrics *m, const char *name)
{
	struct metrics_listener *l;
	unsigned count = 0;

	for (struct list *link = m->listeners.next; link != &m->listeners; link = link->next, count++) {
		l = LIST_OWNER(link, struct metrics_listener, link);
		if (strcmp(l->name, name) == 0)
			return l;
	}
	l = count < METRICS_NAMES_MAX && !is_other(name) ? calloc(1, sizeof(*l)) : NULL;
	if (!l)
		return &m->other_listener;
	l->name = strdup(name);
	if (!l->name) {
		free(l);
		return &m->other_listener;
	}
	list_append(&m->listeners, &l->link);
	return l;
}

struct metrics_backend *metrics_backend(struct metrics *m, const char *name)
{
	struct metrics_backend *b;
	unsigned count = 0;

	for (struct list *link = m->backends.next; link != &m->backends; link = link->next, count++) {
		b = LIST_OWNER(link, struct metrics_backend, link);
		if (strcmp(b->name, name) == 0)
			return b;
	}
	b = count < METRICS_NAMES_MAX && !is_other(name) ? calloc(1, sizeof(*b)) : NULL;
	if (!b)
		return &m->other_backend;
	b->name = strdup(name);
	if (!b->name) {
		free(b);
		return &m->other_backend;
	}
	list_append(&m->backends, &b->link);
	return b;
}

/* ---- counting ---- */

void metrics_count_refusal(struct metrics *m, const char *stage, const struct smtp_reply *reply)
{
	const char code[] = { (char)('0' + reply->code / 100 % 10), (char)('0' + reply->code / 10 % 10),
			      (char)('0' + reply->code % 10), '\0' };
	const char *const values[METRICS_LABELS_MAX] = { stage, code, reply->status ? reply->status : "",
							 reply->reason ? reply->reason : "" };

	metrics_table_add(&m->refusals, values);
}

void metrics_count_session_end(struct metrics *m, const char *reason, uint64_t bytes_in, uint64_t bytes_out)
{
	const char *const values[METRICS_LABELS_MAX] = { reason };

	metrics_table_add(&m->session_ends, values);
	m->bytes_received += bytes_in;
	m->bytes_sent += bytes_out;
}

void metrics_count_auth(struct metrics *m, const char *mechanism, const char *result)
{
	const char *const values[METRICS_LABELS_MAX] = { mechanism, result };

	metrics_table_add(&m->auth, values);
}

void metrics_count_handshake(struct metrics *m, const char *version, bool is_resumed)
{
	const char *const values[METRICS_LABELS_MAX] = { version, is_resumed ? "yes" : "no" };

	metrics_table_add(&m->handshakes, values);
}

void metrics_count_reload(struct metrics *m, bool is_ok)
{
	m->has_reload_failed = !is_ok;
	m->last_reload_s = clock_wall_us() / 1000000;
	if (is_ok)
		m->reloads++;
	else
		m->failed_reloads++;
}

void metrics_count_delivery(struct metrics_backend *b, const struct smtp_reply *verdict, uint64_t ms,
			    size_t recipients, uint64_t octets)
{
	metrics_histogram_add(&b->seconds, ms);
	if (!smtp_reply_is_error(verdict)) {
		b->messages++;
		b->octets += octets;
		b->recipients += recipients;
	} else if (smtp_reply_is_permanent(verdict)) {
		b->permanent_failures++;
	} else {
		b->temporary_failures++;
	}
}

/* ---- telling ---- */

static void write_listeners(const struct metrics *m, struct metrics_text *t)
{
	metrics_text_family(t, "smtpfrontd_sessions_total", "counter", "Sessions that began, by listener.");
	for (struct list *link = m->listeners.next; link != &m->listeners; link = link->next) {
		const struct metrics_listener *l = LIST_OWNER(link, struct metrics_listener, link);

		metrics_text_begin(t, "");
		metrics_text_label(t, "listener", l->name);
		metrics_text_u64(t, l->sessions);
	}
	if (m->other_listener.sessions == 0)
		return;
	metrics_text_begin(t, "");
	metrics_text_label(t, "listener", m->other_listener.name);
	metrics_text_u64(t, m->other_listener.sessions);
}

/* A family that each backend has a sample of, or several. */
struct backend_family {
	const char *name, *type, *help;
	void (*write)(const struct metrics_backend *b, struct metrics_text *t);
};

static void write_value(const struct metrics_backend *b, uint64_t value, struct metrics_text *t)
{
	metrics_text_begin(t, "");
	metrics_text_label(t, "backend", b->name);
	metrics_text_u64(t, value);
}

static void write_messages(const struct metrics_backend *b, struct metrics_text *t)
{
	write_value(b, b->messages, t);
}

static void write_octets(const struct metrics_backend *b, struct metrics_text *t)
{
	write_value(b, b->octets, t);
}

static void write_recipients(const struct metrics_backend *b, struct metrics_text *t)
{
	write_value(b, b->recipients, t);
}

static void write_failure(const struct metrics_backend *b, const char *kind, uint64_t count,
			  struct metrics_text *t)
{
	metrics_text_begin(t, "");
	metrics_text_label(t, "backend", b->name);
	metrics_text_label(t, "kind", kind);
	metrics_text_u64(t, count);
}

static void write_failures(const struct metrics_backend *b, struct metrics_text *t)
{
	write_failure(b, "temporary", b->temporary_failures, t);
	write_failure(b, "permanent", b->permanent_failures, t);
}

static void write_seconds(const struct metrics_backend *b, struct metrics_text *t)
{
	write_histogram(&b->seconds, b->name, t);
}

static const struct backend_family backend_families[] = {
	{ "smtpfrontd_messages_total", "counter", "Messages that were accepted, by backend.", write_messages },
	{ "smtpfrontd_message_bytes_total", "counter",
	  "Octets of accepted messages as they were written for each recipient, headers included.", write_octets },
	{ "smtpfrontd_recipients_total", "counter", "Recipients of accepted messages.", write_recipients },
	{ "smtpfrontd_delivery_failures_total", "counter",
	  "Messages that a backend did not take as a whole (temporary: 4xx, permanent: 5xx).", write_failures },
	{ "smtpfrontd_delivery_seconds", "histogram",
	  "From the end of a message's content to the backend's verdict, good or bad.", write_seconds },
};

static void write_backends(const struct metrics *m, struct metrics_text *t)
{
	const struct metrics_backend *other = &m->other_backend;

	for (size_t i = 0; i < sizeof(backend_families) / sizeof(*backend_families); i++) {
		const struct backend_family *family = &backend_families[i];

		metrics_text_family(t, family->name, family->type, family->help);
		for (struct list *link = m->backends.next; link != &m->backends; link = link->next)
			family->write(LIST_OWNER(link, struct metrics_backend, link), t);
		if (other->seconds.count)
			family->write(other, t);
	}
}

/* A counter of what went well or did not. */
static void write_results(struct metrics_text *t, const char *name, const char *help, uint64_t ok,
			  uint64_t failed)
{
	metrics_text_family(t, name, "counter", help);
	metrics_text_begin(t, "");
	metrics_text_label(t, "result", "ok");
	metrics_text_u64(t, ok);
	metrics_text_begin(t, "");
	metrics_text_label(t, "result", "failed");
	metrics_text_u64(t, failed);
}

static void write_reloads(const struct metrics *m, struct metrics_text *t)
{
	write_results(t, "smtpfrontd_reloads_total", "Reloads of the configuration.", m->reloads,
		      m->failed_reloads);
	metrics_text_gauge(t, "smtpfrontd_reload_successful",
			   "Whether the last reload succeeded; 1 if there was none.",
			   m->has_reload_failed ? 0 : 1);
	metrics_text_gauge(t, "smtpfrontd_last_reload_time_seconds",
			   "When the last reload was, well or not, in seconds since 1970; 0 if there was none.",
			   m->last_reload_s);
	write_results(t, "smtpfrontd_tls_reloads_total",
		      "Certificates loaded again because files changed, once for each listener that has them; "
		      "failed: the old ones are kept.",
		      m->tls_reloads, m->failed_tls_reloads);
}

void metrics_write(const struct metrics *m, struct metrics_text *t)
{
	metrics_text_gauge(t, "smtpfrontd_start_time_seconds",
			   "When the process started, in seconds since 1970.",
			   m->start_s);
	write_listeners(m, t);
	write_table(&m->session_ends, t);
	write_table(&m->refusals, t);
	write_backends(m, t);
	write_table(&m->auth, t);
	write_table(&m->handshakes, t);
	metrics_text_counter(t, "smtpfrontd_tls_handshake_failures_total",
			     "TLS handshakes of clients that were begun and did not end well.",
			     m->handshake_failures);
	metrics_text_counter(t, "smtpfrontd_bytes_received_total",
			     "Bytes that clients sent, those of TLS included; a session's are added when it ends.",
			     m->bytes_received);
	metrics_text_counter(t, "smtpfrontd_bytes_sent_total",
			     "Bytes sent to clients, those of TLS included; a session's are added when it ends.",
			     m->bytes_sent);
	write_reloads(m, t);
}
