#include "net/resolve.h"

#include "net/sockaddr.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

struct resolve_job {
	struct pool_job job;
	struct op op;
	struct resolve *waiter; /* borrowed; NULL: nobody waits any more */
	uint16_t port;
	/* What run() found. */
	struct addr addrs[RESOLVE_ADDRS_MAX];
	size_t count;
	bool is_permanent;
	char failure[RESOLVE_FAILURE_SIZE];
	char name[];
};

static bool has_addr(const struct resolve_job *job, const struct addr *addr)
{
	for (size_t i = 0; i < job->count; i++)
		if (job->addrs[i].family == addr->family && job->addrs[i].scope_id == addr->scope_id &&
		    memcmp(job->addrs[i].ip, addr->ip, sizeof(addr->ip)) == 0)
			return true;
	return false;
}

static void take_addrs(struct resolve_job *job, const struct addrinfo *found)
{
	for (; found && job->count < RESOLVE_ADDRS_MAX; found = found->ai_next) {
		struct sockaddr_storage ss = { 0 };
		struct addr addr;

		if (found->ai_addrlen > sizeof(ss))
			continue;
		memcpy(&ss, found->ai_addr, found->ai_addrlen);
		addr = sockaddr_to_addr(&ss);
		addr.port = job->port;
		if (addr.family != ADDR_NONE && !has_addr(job, &addr))
			job->addrs[job->count++] = addr;
	}
}

static void note_failure(struct resolve_job *job, int code, int error)
{
	const char *reason = code == EAI_SYSTEM ? strerror(error) : gai_strerror(code);

	job->is_permanent = code == EAI_NONAME || code == EAI_NODATA || code == EAI_FAIL;
	snprintf(job->failure, sizeof(job->failure), "%s", reason);
}

static void resolve_run(struct pool_job *pool_job)
{
	struct resolve_job *job = LIST_OWNER(pool_job, struct resolve_job, job);
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int code = getaddrinfo(job->name, NULL, &hints, &found);

	if (code != 0) {
		note_failure(job, code, errno);
		return;
	}
	take_addrs(job, found);
	freeaddrinfo(found);
	if (job->count == 0)
		note_failure(job, EAI_NODATA, 0);
}

static void resolve_free(struct pool_job *pool_job)
{
	struct resolve_job *job = LIST_OWNER(pool_job, struct resolve_job, job);

	if (job->waiter) /* the pool ends before it came to this job */
		job->waiter->op.cancel = NULL;
	free(job);
}

static void resolve_done(struct op *op)
{
	struct resolve_job *job = LIST_OWNER(op, struct resolve_job, op);
	struct resolve *waiter = job->waiter;

	job->waiter = NULL;
	memcpy(waiter->addrs, job->addrs, sizeof(job->addrs));
	waiter->count = job->count;
	waiter->is_permanent = job->is_permanent;
	memcpy(waiter->failure, job->failure, sizeof(job->failure));
	op_finish(&waiter->op);
}

static void resolve_cancel(struct op *op)
{
	struct resolve_job *job = op->work;

	job->waiter = NULL;
	op_cancel(&job->op);
}

/* NULL: out of memory. */
static struct resolve_job *job_new(const char *name, uint16_t port)
{
	size_t size = strlen(name) + 1;
	struct resolve_job *job = calloc(1, sizeof(*job) + size);

	if (!job)
		return NULL;
	job->job.run = resolve_run;
	job->job.free = resolve_free;
	job->op.done = resolve_done;
	job->port = port;
	memcpy(job->name, name, size);
	return job;
}

bool resolve_start(struct resolve *resolve, struct pool *pool, const char *name, uint16_t port)
{
	struct resolve_job *job = job_new(name, port);

	BUG_ON(op_running(&resolve->op));
	resolve->count = 0;
	resolve->is_permanent = false;
	resolve->failure[0] = '\0';
	if (job && pool_submit(pool, &job->job, &job->op)) {
		job->waiter = resolve;
		op_begin(&resolve->op, resolve_cancel, job);
		return true;
	}
	snprintf(resolve->failure, sizeof(resolve->failure), "%s",
		 job ? "too many names are being looked up" : "out of memory");
	free(job);
	return false;
}
