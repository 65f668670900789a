/*
 * Gives every file named, or found in a directory named, to the fuzz target
 * once. Without arguments it replays REPLAY_CORPUS below $srcdir, which is how
 * `make check` calls it. No file at all is a failure: nothing was shown then.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, INPUT_MAX = 16 * 1024 * 1024 };

static _Noreturn void fail(const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	exit(1);
}

/* In memory of exactly its size, so that a sanitizer sees a read beyond it. */
static void replay_file(const char *path, size_t size)
{
	uint8_t *data;
	FILE *file;

	errno = EFBIG;
	if (size > INPUT_MAX)
		fail(path);
	data = malloc(size ? size : 1);
	file = fopen(path, "rb");
	if (!file || !data || fread(data, 1, size, file) != size)
		fail(path);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static unsigned long replay(const char *path);

static unsigned long replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	unsigned long count = 0;
	struct dirent *entry;

	if (!dir)
		fail(path);
	while ((entry = readdir(dir))) {
		char name[PATH_SIZE];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name)) {
			errno = ENAMETOOLONG;
			fail(path);
		}
		count += replay(name);
	}
	closedir(dir);
	return count;
}

/* Returns the number of files. */
static unsigned long replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		fail(path);
	if (S_ISDIR(st.st_mode))
		return replay_directory(path);
	replay_file(path, (size_t)st.st_size);
	return 1;
}

static unsigned long replay_own_corpus(void)
{
	const char *srcdir = getenv("srcdir");
	char path[PATH_SIZE];

	if (!srcdir)
		srcdir = ".";
	if (snprintf(path, sizeof(path), "%s/%s", srcdir, REPLAY_CORPUS) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		fail(REPLAY_CORPUS);
	}
	return replay(path);
}

int main(int argc, char **argv)
{
	unsigned long count = 0;

	for (int i = 1; i < argc; i++)
		count += replay(argv[i]);
	if (argc < 2)
		count = replay_own_corpus();
	printf("replay: %lu inputs\n", count);
	return count ? 0 : 1;
}
