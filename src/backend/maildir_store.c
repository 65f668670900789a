#include "backend/maildir_store.h"

#include "base/clock.h"
#include "base/span.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files younger than that may still be written to: nothing takes 36 hours, as the Maildir page has it. */
enum { LEFTOVER_AGE_S = 36 * 3600, SWEEP_FILES_MAX = 1000 };

static const char tmp_prefix[] = "smtpfrontd_";

/* In a file name "/" and ":" are written in octal, as the Maildir page asks for. */
static void host_escape(char *host, const char *hostname)
{
	size_t used = 0;

	for (const char *p = hostname; *p && used + 5 < MAILDIR_HOST_SIZE; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '/' || c == ':' || c <= ' ' || c >= 0x7f)
			used += (size_t)snprintf(host + used, 5, "\\%03o", c);
		else
			host[used++] = *p;
	}
	if (used == 0)
		host[used++] = '_';
	host[used] = '\0';
}

static void boot_id_read(char *boot_id)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot_id, MAILDIR_BOOT_ID_SIZE - 1);
	size_t len = 0;

	if (fd >= 0)
		close(fd);
	while (n > 0 && len < (size_t)n && (ascii_is_alnum(boot_id[len]) || boot_id[len] == '-'))
		len++;
	boot_id[len] = '\0';
	if (len == 0)
		snprintf(boot_id, MAILDIR_BOOT_ID_SIZE, "unknown");
}

struct maildir_store *maildir_store_new(const char *hostname)
{
	struct maildir_store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->references = 1;
	store->unsynced_mailboxes = &store->own_unsynced_mailboxes;
	host_escape(store->host, hostname);
	boot_id_read(store->boot_id);
	store->has_proc = access("/proc/self/fd", X_OK) == 0;
	return store;
}

struct maildir_store *maildir_store_get(struct maildir_store *store)
{
	store->references++;
	return store;
}

void maildir_store_put(struct maildir_store **store)
{
	if (*store && --(*store)->references == 0)
		free(*store);
	*store = NULL;
}

/* Time, process and counter are unique on a host whose clock is right; the random number is for others. */
static void name_unique(struct maildir_store *store, char *name, size_t size)
{
	uint64_t now_us = clock_wall_us(), random = 0;
	uint64_t count = atomic_fetch_add(&store->names, 1);

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = now_us * count;
	snprintf(name, size, "%" PRIu64 ".M%" PRIu64 "P%ldQ%" PRIu64 "_%016" PRIx64 ".%s", now_us / 1000000,
		 now_us % 1000000, (long)getpid(), count, random, store->host);
}

void maildir_store_name_new(struct maildir_store *store, char *name, uint64_t octets)
{
	char unique[MAILDIR_NAME_SIZE];
	int len;

	name_unique(store, unique, sizeof(unique));
	len = snprintf(name, MAILDIR_NAME_SIZE, "new/%.200s,S=%" PRIu64, unique, octets);
	BUG_ON(len < 0 || len >= MAILDIR_NAME_SIZE);
}

void maildir_store_name_tmp(struct maildir_store *store, char *name)
{
	char unique[MAILDIR_NAME_SIZE];
	int len;

	name_unique(store, unique, sizeof(unique));
	/* is_leftover() reads it. */
	len = snprintf(name, MAILDIR_NAME_SIZE, "tmp/%s%ld_%s_%.180s", tmp_prefix, (long)getpid(),
		       store->boot_id, unique);
	BUG_ON(len < 0 || len >= MAILDIR_NAME_SIZE);
}

bool maildir_store_sweep_is_due(struct maildir_store *store, const char *path, uint64_t now_s)
{
	uint32_t hour = (uint32_t)(now_s / 3600), hash = 5381, swept;

	for (const char *p = path; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	/* Mailboxes that share a slot share its hour: bounded, and the other one's turn comes. */
	swept = atomic_load(&store->swept_hour[hash % MAILDIR_SWEEP_SLOTS]);
	return swept != hour &&
	       atomic_compare_exchange_strong(&store->swept_hour[hash % MAILDIR_SWEEP_SLOTS], &swept, hour);
}

/* "smtpfrontd_<pid>_<boot id>_<unique name>.<host>": made here, by a process that is no more? */
static bool is_leftover(const struct maildir_store *store, const char *name)
{
	size_t len = strlen(name), host_len = strlen(store->host), boot_len = strlen(store->boot_id);
	char *end;
	long pid;

	if (strncmp(name, tmp_prefix, sizeof(tmp_prefix) - 1) != 0)
		return false;
	if (len <= host_len || name[len - host_len - 1] != '.' ||
	    strcmp(name + len - host_len, store->host) != 0)
		return false;
	pid = strtol(name + sizeof(tmp_prefix) - 1, &end, 10);
	if (*end != '_' || pid <= 0 || pid > INT_MAX)
		return false;
	if (strncmp(end + 1, store->boot_id, boot_len) != 0 || end[1 + boot_len] != '_')
		return true; /* before the last boot */
	return pid == (long)getpid() || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
}

static bool is_old(int tmp_fd, const char *name, uint64_t now_s)
{
	struct stat st;

	return fstatat(tmp_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_mtime + LEFTOVER_AGE_S < now_s;
}

unsigned maildir_store_sweep(const struct maildir_store *store, int mailbox_fd, uint64_t now_s)
{
	int fd = openat(mailbox_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned removed = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (unsigned seen = 0; seen < SWEEP_FILES_MAX; seen++) {
		const struct dirent *entry = readdir(dir);

		if (!entry)
			break;
		if (is_leftover(store, entry->d_name) && is_old(dirfd(dir), entry->d_name, now_s) &&
		    unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			removed++;
	}
	closedir(dir);
	return removed;
}
