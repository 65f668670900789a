#include "front/server_metrics.h"

#include "backend/relay.h"
#include "front/metrics.h"
#include "net/tls.h"
#include "spool/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

enum {
	/* Certificates that are told of one by one, of all listeners. */
	CERTIFICATES_MAX = 256,
	/* Descriptors are counted one by one, where Linux does not tell how many there are, up to so many sessions. */
	COUNTED_SESSIONS_MAX = 1000,
};

/* ---- the server ---- */

static void write_build(struct metrics_text *t)
{
	metrics_text_family(t, "smtpfrontd_build_info", "gauge", "The version that runs; always 1.");
	metrics_text_begin(t, "");
	metrics_text_label(t, "version", PACKAGE_VERSION);
	metrics_text_u64(t, 1);
}

static void write_now(const struct server *s, struct metrics_text *t)
{
	metrics_text_gauge(t, "smtpfrontd_sessions_open", "Sessions that there are now.", s->session_count);
	metrics_text_gauge(t, "smtpfrontd_sessions_max",
			   "Sessions that there may be: max_sessions, or less where descriptors are short.",
			   s->max_sessions);
	metrics_text_gauge(t, "smtpfrontd_disk_jobs", "Jobs that disk threads work at, or that wait for one.",
			   pool_pending(s->disk));
	metrics_text_gauge(t, "smtpfrontd_spool_memory_bytes",
			   "Memory that messages take while they are received.",
			   s->spool_budget.used_bytes);
	metrics_text_gauge(t, "smtpfrontd_spool_files", "Messages that are in files while they are received.",
			   s->spool_budget.disk->files);
	metrics_text_gauge(t, "smtpfrontd_setup_number",
			   "Configurations that were taken since the start, the first included.",
			   s->setup->number);
}

/* ---- next hops ---- */

static void write_hop(struct metrics_text *t, const char *backend, const char *state, unsigned count)
{
	metrics_text_begin(t, "");
	metrics_text_label(t, "backend", backend);
	if (state)
		metrics_text_label(t, "state", state);
	metrics_text_u64(t, count);
}

static void write_connections(const char *backend, const struct relay_counts *counts, struct metrics_text *t)
{
	write_hop(t, backend, "in_use", counts->in_use);
	write_hop(t, backend, "idle", counts->idle);
}

static void write_waiting(const char *backend, const struct relay_counts *counts, struct metrics_text *t)
{
	write_hop(t, backend, NULL, counts->waiting);
}

static void write_hosts(const char *backend, const struct relay_counts *counts, struct metrics_text *t)
{
	write_hop(t, backend, "up", counts->hosts - counts->down);
	write_hop(t, backend, "down", counts->down);
}

static const struct {
	const char *name, *help;
	void (*write)(const char *backend, const struct relay_counts *counts, struct metrics_text *t);
} hop_families[] = {
	{ "smtpfrontd_hop_connections", "Connections to next hops, by backend.", write_connections },
	{ "smtpfrontd_hop_waiting", "Messages that wait for a connection to a next hop.", write_waiting },
	{ "smtpfrontd_hop_hosts", "Next hops; down: the last connection could not be made.", write_hosts },
};

/* Of the current configuration: a backend that only older sessions still have is not told of. */
static void write_hops(const struct server *s, struct metrics_text *t)
{
	const struct setup *setup = s->setup;
	struct relay_counts counts;

	for (size_t i = 0; i < sizeof(hop_families) / sizeof(*hop_families); i++) {
		metrics_text_family(t, hop_families[i].name, "gauge", hop_families[i].help);
		for (size_t j = 0; j < setup->config->backend_count && j < METRICS_NAMES_MAX; j++)
			if (backend_relay_count(setup->backends[j], &counts))
				hop_families[i].write(setup->backends[j]->name, &counts, t);
	}
}

/* ---- certificates ---- */

/*
 * Of two samples with the same labels Prometheus takes none. Listeners have the same name only where the kernel chooses
 * their ports; the first of them is told of.
 */
static bool has_certificates_to_tell(const struct setup *setup, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (setup->listeners[j].tls &&
		    strcmp(setup->config->listeners[j].listen, setup->config->listeners[i].listen) == 0)
			return false;
	return setup->listeners[i].tls != NULL;
}

static bool is_file_told(const struct tls_context *tls, size_t i, const char *file)
{
	uint64_t not_after;

	for (size_t j = 0; j < i; j++)
		if (strcmp(tls_context_certificate(tls, j, &not_after), file) == 0)
			return true;
	return false;
}

static unsigned write_certificates_of(const struct setup_listener *l, unsigned left, struct metrics_text *t)
{
	unsigned told = 0;
	uint64_t not_after;
	const char *file;

	for (size_t i = 0; told < left && (file = tls_context_certificate(l->tls, i, &not_after)); i++) {
		if (is_file_told(l->tls, i, file))
			continue;
		metrics_text_begin(t, "");
		metrics_text_label(t, "listener", l->config->listen);
		metrics_text_label(t, "file", file);
		metrics_text_u64(t, not_after);
		told++;
	}
	return told;
}

static void write_certificates(const struct server *s, struct metrics_text *t)
{
	const struct setup *setup = s->setup;
	unsigned left = CERTIFICATES_MAX;

	metrics_text_family(t, "smtpfrontd_certificate_not_after_seconds", "gauge",
			    "When a certificate that is in use expires, in seconds since 1970; the first 256.");
	for (size_t i = 0; i < setup->config->listener_count; i++)
		if (has_certificates_to_tell(setup, i))
			left -= write_certificates_of(&setup->listeners[i], left, t);
	metrics_text_family(t, "smtpfrontd_certificate_first_not_after_seconds", "gauge",
			    "When the first of a listener's certificates expires, in seconds since 1970.");
	for (size_t i = 0; i < setup->config->listener_count && i < METRICS_NAMES_MAX; i++) {
		if (!has_certificates_to_tell(setup, i))
			continue;
		metrics_text_begin(t, "");
		metrics_text_label(t, "listener", setup->config->listeners[i].listen);
		metrics_text_u64(t, tls_context_not_after(setup->listeners[i].tls));
	}
}

/* ---- the process ---- */

/* Both are zero where they cannot be read; then nothing is told. */
static uint64_t resident_bytes(void)
{
	char text[128], *end;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Since Linux 6.2 the size of that directory is their number; before, looking at each costs some microseconds. */
static uint64_t open_descriptors(const struct server *s)
{
	struct stat status;
	uint64_t count = 0;
	DIR *dir;

	if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
		return (uint64_t)status.st_size;
	dir = s->session_count <= COUNTED_SESSIONS_MAX ? opendir("/proc/self/fd") : NULL;
	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1; /* that of the directory itself */
}

static uint64_t ms_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000 + (uint64_t)time->tv_usec / 1000;
}

static void write_process(const struct server *s, struct metrics_text *t)
{
	uint64_t resident = resident_bytes(), descriptors = open_descriptors(s);
	struct rlimit limit;
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		metrics_text_family(t, "process_cpu_seconds_total", "counter",
				    "CPU time of the process, user and system.");
		metrics_text_begin(t, "");
		metrics_text_ms(t, ms_of(&usage.ru_utime) + ms_of(&usage.ru_stime));
	}
	if (resident)
		metrics_text_gauge(t, "process_resident_memory_bytes", "Memory of the process that is resident.",
				   resident);
	if (descriptors)
		metrics_text_gauge(t, "process_open_fds", "Open descriptors.", descriptors);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_text_gauge(t, "process_max_fds", "Descriptors that may be open.", limit.rlim_cur);
}

bool server_metrics_write(const struct server *s, struct buf *out)
{
	struct metrics_text t = { .out = out };

	write_build(&t);
	write_now(s, &t);
	metrics_write(s->metrics, &t);
	write_hops(s, &t);
	write_certificates(s, &t);
	write_process(s, &t);
	return !t.out_of_memory;
}
