#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

uint64_t bench_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t bench_u64(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || value < least || value > most)
		bench_die("%s: \"%s\" is no number from %llu to %llu", option, text,
			  (unsigned long long)least, (unsigned long long)most);
	return value;
}

unsigned bench_u32(const char *option, const char *text, unsigned least, unsigned most)
{
	return (unsigned)bench_u64(option, text, least, most);
}

void bench_want_descriptors(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_die("getrlimit: %s", strerror(errno));
	if (limit.rlim_max < wanted)
		bench_die("%llu descriptors are needed, and the hard limit is %llu",
			  (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_die("setrlimit: %s", strerror(errno));
}

int bench_connect(unsigned port, unsigned source, int receive_buffer)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + source) };
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, error;

	if (fd < 0)
		return -1;
	/* Without the first, each address could be used once only, whatever the other end. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (receive_buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

unsigned bench_reply_feed(struct bench_reply *r, char byte)
{
	unsigned code;

	if (byte == '\n') {
		code = r->goes_on || r->column < 3 ? 0 : r->code;
		*r = (struct bench_reply){ 0 };
		return code;
	}
	if (r->column < 3)
		r->code = byte >= '0' && byte <= '9' ? r->code * 10 + (unsigned)(byte - '0') : 999;
	else if (r->column == 3)
		r->goes_on = byte == '-';
	r->column++;
	return 0;
}

void bench_sample(struct bench_samples *s, uint64_t us)
{
	if (s->count == s->size) {
		s->size = s->size ? 2 * s->size : 4096;
		s->us = realloc(s->us, s->size * sizeof(*s->us));
		if (!s->us)
			bench_die("out of memory");
	}
	s->us[s->count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The smallest sample that `percent` of all do not exceed. */
static unsigned percentile(const struct bench_samples *s, unsigned percent)
{
	size_t rank = (s->count * percent + 99) / 100;

	return s->count ? s->us[rank ? rank - 1 : 0] : 0;
}

void bench_print_samples(const char *name, struct bench_samples *s)
{
	if (s->count)
		qsort(s->us, s->count, sizeof(*s->us), compare);
	printf("\"%s\":{\"count\":%zu,\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u}", name, s->count,
	       percentile(s, 50), percentile(s, 90), percentile(s, 99), percentile(s, 100));
}

uint64_t bench_pss_kib(unsigned pid)
{
	char path[64], line[256];
	unsigned long long kib;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/smaps_rollup", pid);
	file = fopen(path, "r");
	if (!file)
		bench_die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Pss: %llu kB", &kib) == 1) {
			fclose(file);
			return kib;
		}
	bench_die("%s tells no Pss", path);
}

double bench_cpu_s(unsigned pid)
{
	unsigned long long user, sys;
	char path[64], text[1024], *after;
	size_t n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "r");
	if (file) {
		n = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[n] = '\0';
	/* The program's name may hold anything, so begin behind it. */
	after = strrchr(text, ')');
	if (!after ||
	    sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &sys) != 2)
		bench_die("%s cannot be read", path);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}
