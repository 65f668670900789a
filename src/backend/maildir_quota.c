#include "backend/maildir_quota.h"

#include "base/clock.h"
#include "base/span.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

static const char file_name[] = "maildirsize";

struct usage {
	int64_t octets, messages;
};

/* What a maildirsize file says. */
struct size_file {
	bool has_quota; /* of its own */
	bool is_good;   /* `used` can be relied on */
	struct maildir_quota quota;
	struct usage used;
	unsigned lines; /* behind the first */
	uint64_t age_s;
};

/* ---- the file ---- */

/* A number with its sign from the front of *text, behind blanks. False: there is none that makes sense. */
static bool take_number(struct span *text, int64_t *number)
{
	bool is_negative;
	uint64_t value;
	size_t len = 0;

	while (text->len && text->ptr[0] == ' ')
		*text = span_from(*text, 1);
	is_negative = text->len && text->ptr[0] == '-';
	*text = span_from(*text, is_negative);
	while (len < text->len && ascii_is_digit(text->ptr[len]))
		len++;
	if (!span_to_u64(span_head(*text, len), &value) || value > INT64_MAX / 4)
		return false;
	*number = is_negative ? -(int64_t)value : (int64_t)value;
	*text = span_from(*text, len);
	return true;
}

/* "1000000S,500C": octets and messages, each of which may be missing. */
static bool parse_quota(struct span line, struct maildir_quota *quota)
{
	*quota = (struct maildir_quota){ 0 };
	while (line.len) {
		int64_t number;

		if (!take_number(&line, &number) || number < 0 || line.len == 0)
			return false;
		if (line.ptr[0] == 'S')
			quota->octets = (uint64_t)number;
		else if (line.ptr[0] == 'C')
			quota->messages = (uint64_t)number;
		else
			return false;
		line = span_trim(span_from(line, 1));
		if (line.len && line.ptr[0] != ',')
			return false;
		line = span_from(line, 1);
	}
	return maildir_quota_is_set(quota);
}

/* "<octets> <messages>", of which the sums stay within bounds. */
static bool add_line(struct size_file *file, struct span line)
{
	int64_t octets, messages;

	if (!take_number(&line, &octets) || !take_number(&line, &messages) || span_trim(line).len)
		return false;
	file->lines++;
	return !__builtin_add_overflow(file->used.octets, octets, &file->used.octets) &&
	       !__builtin_add_overflow(file->used.messages, messages, &file->used.messages);
}

static void parse_file(struct size_file *file, struct span text)
{
	size_t end = span_find(text, '\n');

	file->has_quota = parse_quota(span_trim(span_head(text, end)), &file->quota);
	file->is_good = file->has_quota;
	for (text = span_from(text, end + 1); file->is_good && text.len; text = span_from(text, end + 1)) {
		end = span_find(text, '\n');
		/* A line without its end is being written, or was torn. */
		file->is_good = end < text.len && add_line(file, span_head(text, end));
	}
	file->is_good = file->is_good && file->lines && file->used.octets >= 0 && file->used.messages >= 0;
}

/* A file that is missing or unreadable is not good, and that is all. */
static void read_file(struct size_file *file, int root_fd)
{
	char text[MAILDIR_QUOTA_FILE_MAX + 1];
	uint64_t now_s = clock_wall_us() / 1000000;
	struct stat st;
	ssize_t n = -1;
	int fd = openat(root_fd, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);

	*file = (struct size_file){ 0 };
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0)
		return;
	parse_file(file, span_of(text, (size_t)n));
	file->is_good = file->is_good && n <= MAILDIR_QUOTA_FILE_MAX;
	file->age_s = now_s > (uint64_t)st.st_mtime ? now_s - (uint64_t)st.st_mtime : 0;
}

static int format_file(const struct maildir_quota *quota, const struct usage *used, char *text, size_t size)
{
	const char *comma = quota->octets && quota->messages ? "," : "";
	char octets[32] = "", messages[32] = "";

	if (quota->octets)
		snprintf(octets, sizeof(octets), "%" PRIu64 "S", quota->octets);
	if (quota->messages)
		snprintf(messages, sizeof(messages), "%" PRIu64 "C", quota->messages);
	return snprintf(text, size, "%s%s%s\n%" PRId64 " %" PRId64 "\n", octets, comma, messages,
			used->octets, used->messages);
}

/* In one step, so that others find it whole. No file is no harm: then it is counted again. */
static void write_file(struct maildir_store *store, int root_fd, const struct maildir_quota *quota,
		       const struct usage *used)
{
	char name[MAILDIR_NAME_SIZE], text[128];
	int len = format_file(quota, used, text, sizeof(text)), fd;
	bool is_written;

	maildir_store_name_tmp(store, name);
	fd = openat(root_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return;
	is_written = write(fd, text, (size_t)len) == len;
	close(fd);
	if (!is_written || renameat(root_fd, name, root_fd, file_name) < 0)
		unlinkat(root_fd, name, 0);
}

/* ---- counting ---- */

/* ",S=123" in a file's name, as Maildir++ has it. */
static bool octets_of_name(struct span name, int64_t *octets)
{
	for (size_t i = 0; i + 3 < name.len; i++) {
		struct span rest = span_from(name, i + 3);

		if (memcmp(name.ptr + i, ",S=", 3) == 0)
			return ascii_is_digit(rest.ptr[0]) && take_number(&rest, octets);
	}
	return false;
}

/* The flag T behind ":2,". */
static bool is_deleted(struct span name)
{
	size_t flags = span_find(name, ':');

	return span_find(span_from(name, flags + 3), 'T') < span_from(name, flags + 3).len;
}

static void count_message(int dir_fd, const char *name, struct usage *used)
{
	struct stat st;
	int64_t octets;

	if (name[0] == '.' || is_deleted(span_str(name)))
		return;
	if (!octets_of_name(span_str(name), &octets)) {
		if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			return;
		octets = st.st_size;
	}
	used->octets += octets;
	used->messages++;
}

/* What is asked of each directory that holds messages. */
struct count {
	struct usage used;
	struct timespec newest; /* change of any of them */
	bool only_times;
};

static void note_time(struct count *count, int dir_fd)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return;
	if (st.st_mtim.tv_sec > count->newest.tv_sec ||
	    (st.st_mtim.tv_sec == count->newest.tv_sec && st.st_mtim.tv_nsec > count->newest.tv_nsec))
		count->newest = st.st_mtim;
}

/* What is not there, or no directory, holds nothing. *dir is NULL then. */
static bool open_dir(int at_fd, const char *name, DIR **dir)
{
	int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	*dir = fd < 0 ? NULL : fdopendir(fd);
	if (*dir)
		return true;
	if (fd >= 0)
		close(fd);
	return errno == ENOENT || errno == ENOTDIR;
}

/* False: that was the last, or *error tells. */
static bool next_entry(DIR *dir, const struct dirent **entry, int *error)
{
	errno = 0;
	*entry = readdir(dir);
	if (!*entry)
		*error = errno;
	return *entry != NULL;
}

static bool count_dir(int maildir_fd, const char *name, struct count *count)
{
	const struct dirent *entry;
	int error = 0;
	DIR *dir;

	if (!open_dir(maildir_fd, name, &dir))
		return false;
	if (!dir)
		return true;
	note_time(count, dirfd(dir));
	while (!count->only_times && next_entry(dir, &entry, &error))
		count_message(dirfd(dir), entry->d_name, &count->used);
	closedir(dir);
	errno = error;
	return error == 0;
}

static bool count_maildir(int maildir_fd, struct count *count)
{
	return count_dir(maildir_fd, "new", count) && count_dir(maildir_fd, "cur", count);
}

static bool is_counted_folder(const char *name)
{
	return name[0] == '.' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strcmp(name, ".Trash") != 0;
}

static bool count_folder(int root_fd, const char *name, struct count *count)
{
	int fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool is_counted;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR;
	is_counted = count_maildir(fd, count);
	close(fd);
	return is_counted;
}

/* The mailbox and its folders. False: errno tells. */
static bool count_mailbox(int root_fd, struct count *count)
{
	const struct dirent *entry;
	int error = 0;
	DIR *dir;

	if (!count_maildir(root_fd, count) || !open_dir(root_fd, ".", &dir))
		return false;
	while (error == 0 && dir && next_entry(dir, &entry, &error))
		if (is_counted_folder(entry->d_name) && !count_folder(root_fd, entry->d_name, count))
			error = errno;
	if (dir)
		closedir(dir);
	errno = error;
	return error == 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Count anew, and keep the result where nothing has changed meanwhile. False: errno tells. */
static bool count_again(struct maildir_store *store, int root_fd, struct size_file *file)
{
	struct count before = { .only_times = true }, after = before, count = { .only_times = false };

	if (!count_mailbox(root_fd, &before) || !count_mailbox(root_fd, &count) ||
	    !count_mailbox(root_fd, &after))
		return false;
	if (!file->has_quota)
		file->quota = store->quota;
	file->used = count.used;
	if (same_time(before.newest, after.newest))
		write_file(store, root_fd, &file->quota, &file->used);
	return true;
}

/* ---- the questions ---- */

static bool fits(const struct size_file *file, uint64_t octets)
{
	const struct maildir_quota *quota = &file->quota;

	if (quota->messages && (uint64_t)file->used.messages >= quota->messages)
		return false;
	return !quota->octets ||
	       (octets <= quota->octets && (uint64_t)file->used.octets <= quota->octets - octets);
}

static enum maildir_quota_answer check_mailbox(struct maildir_store *store, int root_fd, uint64_t octets)
{
	struct size_file file;
	bool is_old;

	read_file(&file, root_fd);
	if (file.is_good && fits(&file, octets))
		return MAILDIR_QUOTA_FITS;
	is_old = file.lines > 1 || file.age_s > MAILDIR_QUOTA_BELIEVED_S;
	if ((!file.is_good || is_old) && !count_again(store, root_fd, &file))
		return MAILDIR_QUOTA_FAILED;
	return fits(&file, octets) ? MAILDIR_QUOTA_FITS : MAILDIR_QUOTA_FULL;
}

enum maildir_quota_answer maildir_quota_check(struct maildir_store *store, const char *root, uint64_t octets)
{
	int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
	enum maildir_quota_answer answer;

	if (root_fd < 0) /* one that will be made is empty */
		return errno == ENOENT ? MAILDIR_QUOTA_FITS : MAILDIR_QUOTA_FAILED;
	answer = check_mailbox(store, root_fd, octets);
	error = errno;
	close(root_fd);
	errno = error;
	return answer;
}

void maildir_quota_add(const char *root, uint64_t octets)
{
	int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, len;
	char line[48];

	if (root_fd < 0)
		return;
	fd = openat(root_fd, file_name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd >= 0) {
		len = snprintf(line, sizeof(line), "%" PRIu64 " 1\n", octets);
		if (write(fd, line, (size_t)len) != len)
			unlinkat(root_fd, file_name, 0);
		close(fd);
	}
	close(root_fd);
}
