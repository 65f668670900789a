#include "net/tls_file.h"

#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse_file(struct err *err, const char *setting, const char *path)
{
	return err_set_errno(err, "%s: %s", setting, path);
}

/* All of it, into file->bytes; a file that shrinks meanwhile is just shorter. */
static bool read_all(int fd, size_t size, struct tls_file *file)
{
	file->bytes = malloc(size ? size : 1);
	if (!file->bytes)
		return false;
	while (file->len < size) {
		ssize_t n = read(fd, file->bytes + file->len, size - file->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		file->len += (size_t)n;
	}
	return true;
}

static bool read_open(int fd, struct tls_file *file, const char *setting, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return refuse_file(err, setting, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, "%s: %s: not a regular file", setting, path);
	if (st.st_size > TLS_FILE_SIZE_MAX)
		return err_set(err, "%s: %s: too big for a PEM file", setting, path);
	file->mode = st.st_mode;
	if (read_all(fd, (size_t)st.st_size, file))
		return true;
	refuse_file(err, setting, path);
	tls_file_fini(file);
	return false;
}

bool tls_file_read(struct tls_file *file, const char *setting, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool is_ok;

	*file = (struct tls_file){ 0 };
	if (fd < 0)
		return refuse_file(err, setting, path);
	is_ok = read_open(fd, file, setting, path, err);
	close(fd);
	return is_ok;
}

void tls_file_fini(struct tls_file *file)
{
	if (file->bytes)
		OPENSSL_cleanse(file->bytes, file->len);
	free(file->bytes);
	*file = (struct tls_file){ 0 };
}

BIO *tls_file_bio(const struct tls_file *file)
{
	return BIO_new_mem_buf(file->bytes, (int)file->len);
}

bool tls_file_refuse(struct err *err, const char *setting, const char *path, const char *what)
{
	char reason[160];

	return err_set(err, "%s: %s: %s (%s)", setting, path, what, tls_error_text(reason, sizeof(reason)));
}

/* FNV-1a: nobody gains by a collision but who may write the files anyway. */
static uint64_t mix(uint64_t state, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++)
		state = (state ^ b[i]) * UINT64_C(1099511628211);
	return state;
}

static uint64_t mix_time(uint64_t state, const struct timespec *t)
{
	return mix(mix(state, &t->tv_sec, sizeof(t->tv_sec)), &t->tv_nsec, sizeof(t->tv_nsec));
}

uint64_t tls_file_state(const char *path, uint64_t state)
{
	struct stat st;

	if (!path)
		return mix(state, "", 1);
	state = mix(state, path, strlen(path) + 1);
	if (stat(path, &st) < 0) {
		int error = errno;

		return mix(state, &error, sizeof(error));
	}
	state = mix(state, &st.st_dev, sizeof(st.st_dev));
	state = mix(state, &st.st_ino, sizeof(st.st_ino));
	state = mix(state, &st.st_size, sizeof(st.st_size));
	return mix_time(mix_time(state, &st.st_mtim), &st.st_ctim);
}
