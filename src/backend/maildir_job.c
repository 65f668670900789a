#define _GNU_SOURCE 1 /* O_TMPFILE */

#include "backend/maildir_job.h"

#include "backend/maildir_quota.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILE_MODE = 0600, DIR_MODE = 0700, NAME_TRIES = 8, WRITE_PIECES = 64 };

void maildir_mailbox_init(struct maildir_mailbox *mailbox, const char *path, struct span delivered_to)
{
	*mailbox = (struct maildir_mailbox){ .path = path, .root = path, .delivered_to = delivered_to };
	mailbox->dir_fd = mailbox->file_fd = -1;
}

uint32_t maildir_path_hash(const char *path)
{
	uint32_t hash = 5381;

	for (const char *p = path; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	return hash;
}

/* ---- the question ---- */

/* False: the answer tells why. */
static bool quota_allows(struct maildir_store *store, const char *root, uint64_t octets,
			 bool may_be_permanent, struct backend_answer *answer)
{
	bool is_permanent = store->is_quota_permanent && may_be_permanent;
	enum smtp_reply_name full = is_permanent ? SMTP_REPLY_MAILBOX_FULL_FOR_GOOD : SMTP_REPLY_MAILBOX_FULL;

	switch (maildir_quota_check(store, root, octets)) {
	case MAILDIR_QUOTA_FITS:
		return true;
	case MAILDIR_QUOTA_FULL:
		backend_answer_no(answer, full, "over quota: %s", root);
		return false;
	case MAILDIR_QUOTA_FAILED:
		backend_answer_no(answer, SMTP_REPLY_MAILBOX_UNREADABLE, "quota: %s: %s", strerror(errno),
				  root);
		return false;
	}
	BUG_ON(true);
}

void maildir_ask(struct maildir_store *store, const struct maildir_places *places, uint64_t octets,
		 struct backend_answer *answer)
{
	const struct maildir_place *place = maildir_places_find(places, store->fixed_len, answer);

	if (place && maildir_quota_is_set(&store->quota))
		quota_allows(store, place->root, octets ? octets : 1, true, answer);
}

/* ---- steps of a delivery; each returns false with the answer filled in ---- */

static bool step_failed(struct maildir_delivery *d, const struct maildir_mailbox *m, const char *what)
{
	bool is_full = errno == ENOSPC || errno == EDQUOT;

	backend_answer_no(&d->answer, is_full ? SMTP_REPLY_NO_STORAGE : SMTP_REPLY_LOCAL_ERROR,
			  "%s: %s: %s", what, strerror(errno), m->path);
	return false;
}

static int sync_fd(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (result < 0 && errno == EINTR);
	return result;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void mailbox_close(struct maildir_mailbox *m)
{
	close_fd(&m->file_fd);
	close_fd(&m->dir_fd);
}

static bool mailbox_open(struct maildir_mailbox *m)
{
	if (m->dir_fd < 0)
		m->dir_fd = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return m->dir_fd >= 0;
}

/* The directories of a mailbox that may be made; others see meanwhile that they are not on disk yet. */
static bool mailbox_make(struct maildir_delivery *d, const struct maildir_mailbox *m)
{
	bool is_made;

	if (!m->may_be_made || errno != ENOENT)
		return false;
	atomic_fetch_add(d->store->unsynced_mailboxes, 1);
	is_made = maildir_place_make(m->path, d->store->fixed_len);
	if (is_made && !maildir_place_sync(m->path, d->store->fixed_len))
		return false; /* the count stays, as below */
	atomic_fetch_sub(d->store->unsynced_mailboxes, 1);
	return is_made;
}

static const char *const subdirs[] = { "cur", "new", "tmp" };

static bool subdirs_missing(int dir_fd)
{
	for (size_t i = 0; i < sizeof(subdirs) / sizeof(subdirs[0]); i++)
		if (faccessat(dir_fd, subdirs[i], F_OK, 0) < 0 && errno == ENOENT)
			return true;
	return false;
}

static bool subdirs_make(int dir_fd)
{
	for (size_t i = 0; i < sizeof(subdirs) / sizeof(subdirs[0]); i++) {
		if (mkdirat(dir_fd, subdirs[i], DIR_MODE) == 0) {
			if (fchmodat(dir_fd, subdirs[i], DIR_MODE, 0) < 0) /* whatever the umask is */
				return false;
		} else if (errno != EEXIST) {
			return false;
		}
	}
	return true;
}

/*
 * cur, new and tmp, made inside an existing mailbox only and synced at once. A
 * worker that finds them made by another cannot tell whether they are on disk
 * yet: while any sync is outstanding it syncs, too.
 */
static bool mailbox_prepare(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	bool is_missing = subdirs_missing(m->dir_fd);
	const char *failed = NULL;
	int error = 0;

	if (!is_missing && atomic_load(d->store->unsynced_mailboxes) == 0)
		return true;
	atomic_fetch_add(d->store->unsynced_mailboxes, 1);
	if (is_missing && !subdirs_make(m->dir_fd)) {
		error = errno;
		failed = "mkdir";
	}
	if (sync_fd(m->dir_fd) == 0 &&
	    (!m->may_be_made || maildir_place_sync(m->path, d->store->fixed_len))) {
		atomic_fetch_sub(d->store->unsynced_mailboxes, 1);
	} else if (!failed) {
		/* The count stays: from now on all sync, because nobody knows any more what is on disk. */
		error = errno;
		failed = "fsync of the mailbox";
	}
	errno = error;
	return failed ? step_failed(d, m, failed) : true;
}

/* The kernel (EISDIR, before 3.11) or the file system knows no O_TMPFILE. */
static bool tmpfile_refused(int error)
{
	return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT;
}

static int file_open_named(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	for (int tries = 0; tries < NAME_TRIES; tries++) {
		maildir_store_name_tmp(d->store, m->tmp_name);
		m->file_fd = openat(m->dir_fd, m->tmp_name,
				    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
		if (m->file_fd >= 0 || errno != EEXIST)
			break;
	}
	if (m->file_fd < 0)
		m->tmp_name[0] = '\0';
	return m->file_fd;
}

/* A file in tmp, without a name where that is possible: then a crash leaves nothing behind. */
static bool file_create(struct maildir_delivery *d, struct maildir_mailbox *m, bool is_nameless)
{
	if (is_nameless && d->store->has_proc) {
		m->file_fd = openat(m->dir_fd, "tmp", O_WRONLY | O_TMPFILE | O_CLOEXEC, FILE_MODE);
		if (m->file_fd < 0 && !tmpfile_refused(errno))
			return step_failed(d, m, "open in tmp");
	}
	if (m->file_fd < 0 && file_open_named(d, m) < 0)
		return step_failed(d, m, "create in tmp");
	if (fchmod(m->file_fd, FILE_MODE) < 0) /* whatever the umask is */
		return step_failed(d, m, "chmod in tmp");
	return true;
}

/* Write all pieces, however many calls it takes. Uses up the vector. */
static bool write_pieces(int fd, struct iovec *piece, int count)
{
	while (count > 0) {
		ssize_t n = writev(fd, piece, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return false;
		for (; count > 0 && (size_t)n >= piece->iov_len; piece++, count--)
			n -= (ssize_t)piece->iov_len;
		if (count > 0) {
			piece->iov_base = (char *)piece->iov_base + n;
			piece->iov_len -= (size_t)n;
		}
	}
	return true;
}

static void piece_set(struct iovec *piece, const char *bytes, size_t len)
{
	/* writev() does not change what it is given. */
	*piece = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
}

static bool file_write(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	struct iovec pieces[WRITE_PIECES];
	int count = 3;

	piece_set(&pieces[0], d->return_path.ptr, d->return_path.len);
	piece_set(&pieces[1], m->delivered_to.ptr, m->delivered_to.len);
	piece_set(&pieces[2], d->trace.ptr, d->trace.len);
	if (d->content.file) {
		/* The content begins there; our own lines must stand before it. */
		if (!write_pieces(m->file_fd, pieces, count))
			return step_failed(d, m, "write");
		if (!spool_copy_file(&d->content, m->file_fd))
			return step_failed(d, m, "copy from the spool");
		count = 0;
	}
	for (const struct spool_chunk *c = d->content.first; c; c = c->next) {
		if (count == WRITE_PIECES) {
			if (!write_pieces(m->file_fd, pieces, count))
				return step_failed(d, m, "write");
			count = 0;
		}
		piece_set(&pieces[count++], c->bytes, c->len);
	}
	if (!write_pieces(m->file_fd, pieces, count))
		return step_failed(d, m, "write");
	return true;
}

static bool file_sync(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	return sync_fd(m->file_fd) == 0 ? true : step_failed(d, m, "fsync of the file");
}

static bool stays_open(const struct maildir_delivery *d, const struct maildir_mailbox *m)
{
	return m - d->mailboxes < MAILDIR_OPEN_MAX;
}

/* First step: the file is written. Those that are not kept open are synced now. */
static bool step_write(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	return mailbox_prepare(d, m) && file_create(d, m, stays_open(d, m)) && file_write(d, m) &&
	       (stays_open(d, m) || file_sync(d, m));
}

/* Second step, for those kept open: one commit of the file system's log may now serve many. */
static bool step_sync(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	return file_sync(d, m);
}

static int file_link(const struct maildir_mailbox *m, const char *new_name)
{
	char proc[32];

	if (m->tmp_name[0])
		return linkat(m->dir_fd, m->tmp_name, m->dir_fd, new_name, 0);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", m->file_fd);
	return linkat(AT_FDCWD, proc, m->dir_fd, new_name, AT_SYMLINK_FOLLOW);
}

static uint64_t file_octets(const struct maildir_delivery *d, const struct maildir_mailbox *m)
{
	return d->return_path.len + m->delivered_to.len + d->trace.len + d->content.octets;
}

/* Third step: all are on disk, so they may be seen. */
static bool step_link(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	char name[MAILDIR_NAME_SIZE];

	for (int tries = 0; tries < NAME_TRIES; tries++) {
		maildir_store_name_new(d->store, name, file_octets(d, m));
		if (file_link(m, name) == 0) {
			memcpy(m->new_name, name, sizeof(name));
			return true;
		}
		if (errno != EEXIST)
			break;
	}
	return step_failed(d, m, "link into new");
}

/* Last step: their names are on disk. */
static bool step_sync_new(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	int fd = openat(m->dir_fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool is_synced;

	if (fd < 0)
		return step_failed(d, m, "open of new");
	is_synced = sync_fd(fd) == 0;
	if (!is_synced)
		step_failed(d, m, "fsync of new");
	close(fd);
	return is_synced;
}

/* ---- the delivery ---- */

/* Take a step for the first `count` mailboxes, until one fails. */
static bool each_mailbox(struct maildir_delivery *d, size_t count,
			 bool (*step)(struct maildir_delivery *, struct maildir_mailbox *))
{
	for (size_t i = 0; i < count; i++) {
		struct maildir_mailbox *m = &d->mailboxes[i];
		bool is_open = mailbox_open(m) || (mailbox_make(d, m) && mailbox_open(m));
		bool is_done = is_open ? step(d, m) : step_failed(d, m, "open of the mailbox");

		if (!stays_open(d, m))
			mailbox_close(m);
		if (!is_done)
			return false;
	}
	return true;
}

/* Before any step: which Maildir is it? False: the answer tells why there is none. */
static bool mailbox_find(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	const struct maildir_place *place = maildir_places_find(m->places, d->store->fixed_len, &d->answer);

	if (!place) {
		if (smtp_reply_is_permanent(&d->answer.reply)) /* it was there at RCPT */
			d->answer.reply = *smtp_reply(SMTP_REPLY_LOCAL_ERROR);
		return false;
	}
	m->path = place->path;
	m->root = place->root;
	m->may_be_made = place->may_be_made;
	m->path_hash = maildir_path_hash(m->path);
	return true;
}

static bool has_mailbox(const struct maildir_delivery *d, size_t count, const struct maildir_mailbox *m)
{
	for (size_t i = 0; i < count; i++)
		if (d->mailboxes[i].path_hash == m->path_hash && strcmp(d->mailboxes[i].path, m->path) == 0)
			return true;
	return false;
}

/* Find all mailboxes; two recipients who come to the same one get the message once. */
static bool find_mailboxes(struct maildir_delivery *d)
{
	size_t count = 0;

	for (size_t i = 0; i < d->mailbox_count; i++) {
		struct maildir_mailbox *m = &d->mailboxes[i];

		if (m->places) {
			if (!mailbox_find(d, m))
				return false;
			if (has_mailbox(d, count, m))
				continue;
		}
		d->mailboxes[count++] = *m;
	}
	d->mailbox_count = count;
	return true;
}

/*
 * All or none: a mailbox that is full holds the message up for the others, and for
 * good only where there are no others. It is rare: where the client declared the
 * size, it was found out at RCPT who is full.
 */
static bool quotas_allow(struct maildir_delivery *d)
{
	if (!maildir_quota_is_set(&d->store->quota))
		return true;
	for (size_t i = 0; i < d->mailbox_count; i++) {
		const struct maildir_mailbox *m = &d->mailboxes[i];

		if (!quota_allows(d->store, m->root, file_octets(d, m), d->mailbox_count == 1, &d->answer))
			return false;
	}
	return true;
}

static void add_to_quotas(struct maildir_delivery *d)
{
	if (!maildir_quota_is_set(&d->store->quota))
		return;
	for (size_t i = 0; i < d->mailbox_count; i++)
		maildir_quota_add(d->mailboxes[i].root, file_octets(d, &d->mailboxes[i]));
}

/* Take back what was linked. A reader may have moved it already: then it comes twice, but is not lost. */
static void mailbox_unlink(struct maildir_mailbox *m)
{
	if (m->new_name[0] && mailbox_open(m))
		unlinkat(m->dir_fd, m->new_name, 0);
}

/* Nothing of ours stays in tmp, however it went; where names are needed, earlier crashes are swept up. */
static void mailbox_release(struct maildir_delivery *d, struct maildir_mailbox *m)
{
	if (m->tmp_name[0] && mailbox_open(m)) {
		uint64_t now_s = clock_wall_us() / 1000000;

		unlinkat(m->dir_fd, m->tmp_name, 0);
		if (maildir_store_sweep_is_due(d->store, m->path, now_s))
			maildir_store_sweep(d->store, m->dir_fd, now_s);
	}
	mailbox_close(m);
}

static bool deliver_all(struct maildir_delivery *d)
{
	size_t all = d->mailbox_count, kept_open = all < MAILDIR_OPEN_MAX ? all : MAILDIR_OPEN_MAX;

	return each_mailbox(d, all, step_write) && each_mailbox(d, kept_open, step_sync) &&
	       each_mailbox(d, all, step_link) && each_mailbox(d, all, step_sync_new);
}

void maildir_deliver(struct maildir_delivery *d)
{
	bool is_kept;

	backend_answer_yes(&d->answer);
	is_kept = find_mailboxes(d) && quotas_allow(d) && deliver_all(d);
	d->octets = file_octets(d, &d->mailboxes[0]);
	for (size_t i = 0; i < d->mailbox_count; i++) {
		if (!is_kept)
			mailbox_unlink(&d->mailboxes[i]);
		mailbox_release(d, &d->mailboxes[i]);
	}
	if (is_kept)
		add_to_quotas(d);
	spool_close_file(&d->content);
}
