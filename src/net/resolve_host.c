#include "net/resolve_host.h"

#include "net/sockaddr.h"

#include <netdb.h>
#include <stdlib.h>

enum { NAME_SIZE = 256, LABEL_MAX = 63 };

struct resolve_host_job {
	struct pool_job job;
	struct addr addr;
	char name[NAME_SIZE]; /* confirmed, or "" */
};

static bool label_is_valid(struct span label)
{
	if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-')
			return false;
	return true;
}

/* RFC 1123 2.1; a dot at the end is one of the DNS. */
static bool name_is_valid(const char *text)
{
	struct span name = span_str(text);

	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	do {
		size_t len = span_find(name, '.');

		if (!label_is_valid(span_head(name, len)) || len + 1 == name.len)
			return false;
		name = span_from(name, len + 1);
	} while (name.len);
	return true;
}

static bool has_address(const char *name, const struct addr *wanted)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	bool is_found = false;

	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return false;
	for (const struct addrinfo *a = found; a && !is_found; a = a->ai_next) {
		struct sockaddr_storage ss = { 0 };
		struct addr addr;

		if (a->ai_addrlen > sizeof(ss))
			continue;
		memcpy(&ss, a->ai_addr, a->ai_addrlen);
		addr = sockaddr_to_addr(&ss);
		is_found = addr.family == wanted->family && memcmp(addr.ip, wanted->ip, sizeof(addr.ip)) == 0;
	}
	freeaddrinfo(found);
	return is_found;
}

static void run(struct pool_job *pool_job)
{
	struct resolve_host_job *job = LIST_OWNER(pool_job, struct resolve_host_job, job);
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_from_addr(&ss, &job->addr);
	char name[NAME_SIZE];

	if (getnameinfo((const struct sockaddr *)&ss, len, name, sizeof(name), NULL, 0, NI_NAMEREQD) != 0)
		return;
	if (name_is_valid(name) && has_address(name, &job->addr))
		memcpy(job->name, name, strlen(name) + 1);
}

static void free_job(struct pool_job *pool_job)
{
	free(LIST_OWNER(pool_job, struct resolve_host_job, job));
}

bool resolve_host_start(struct op *op, struct pool *pool, const struct addr *addr)
{
	struct resolve_host_job *job = calloc(1, sizeof(*job));

	if (!job)
		return false;
	job->job.run = run;
	job->job.free = free_job;
	job->addr = *addr;
	if (pool_submit(pool, &job->job, op))
		return true;
	free(job);
	return false;
}

const char *resolve_host_name(const struct op *op)
{
	const struct pool_job *pool_job = op->work;
	const struct resolve_host_job *job = LIST_OWNER(pool_job, struct resolve_host_job, job);

	return job->name[0] ? job->name : NULL;
}
