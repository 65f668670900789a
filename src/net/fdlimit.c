#include "net/fdlimit.h"

#include <stdio.h>
#include <sys/resource.h>

/* The kernel's own bound, which holds for root too; `otherwise` where it is not told. */
static uint64_t kernel_limit(uint64_t otherwise)
{
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");
	unsigned long long value;

	if (!file)
		return otherwise;
	if (fscanf(file, "%llu", &value) == 1)
		otherwise = value;
	fclose(file);
	return otherwise;
}

static void raise_hard(struct rlimit limit, uint64_t wanted)
{
	uint64_t most = kernel_limit(wanted);

	if (wanted > most)
		wanted = most;
	if (wanted <= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max = wanted;
	/* Needs CAP_SYS_RESOURCE; without it the soft limit goes up to the hard one. */
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t fdlimit_raise(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	/* RLIM_INFINITY is the largest number, so that comparing is right for it too. */
	if (limit.rlim_cur >= wanted)
		return limit.rlim_cur;
	if (limit.rlim_max < wanted)
		raise_hard(limit, wanted);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur >= wanted)
		return limit.rlim_cur;
	uint64_t before = limit.rlim_cur;

	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}
