/*
 * A private directory for a test, and a few questions about what is in it.
 * Everything here fails the test when the world does not play along.
 */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct temp_dir {
	char path[256];
};

struct file_bytes {
	char *bytes; /* owned */
	size_t len;
};

static inline void temp_dir_init(struct temp_dir *dir)
{
	const char *base = getenv("TMPDIR");

	snprintf(dir->path, sizeof(dir->path), "%.200s/smtpfrontd-test-XXXXXX",
		 base && *base ? base : "/tmp");
	ck_assert_msg(mkdtemp(dir->path) != NULL, "cannot make a directory in %s", dir->path);
}

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void temp_dir_fini(struct temp_dir *dir)
{
	ck_assert_int_eq(nftw(dir->path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Files of a directory, without "." and ".."; 0 when there is no such directory. */
static inline unsigned files_in(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	if (!dir)
		return 0;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return count;
}

/* The name of the only file in a directory. */
static inline void only_file_in(const char *path, char name[NAME_MAX + 1])
{
	DIR *dir = opendir(path);

	ck_assert_msg(dir != NULL && files_in(path) == 1, "%u files in %s", files_in(path), path);
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			snprintf(name, NAME_MAX + 1, "%s", e->d_name);
	closedir(dir);
}

/* All of a file; the bytes are the caller's to free, and a NUL stands behind them. */
static inline struct file_bytes file_bytes(const char *path)
{
	struct file_bytes file = { 0 };
	FILE *in = fopen(path, "rb");
	struct stat st;

	ck_assert_msg(in != NULL, "cannot open %s", path);
	ck_assert_int_eq(fstat(fileno(in), &st), 0);
	file.bytes = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(file.bytes);
	file.len = fread(file.bytes, 1, (size_t)st.st_size, in);
	ck_assert_uint_eq(file.len, (size_t)st.st_size);
	file.bytes[file.len] = '\0';
	fclose(in);
	return file;
}

static inline void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "cannot make %s", path);
	close(fd);
}

static inline unsigned open_descriptors(void)
{
	return files_in("/proc/self/fd");
}

#endif
