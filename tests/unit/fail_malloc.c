#include "fail_malloc.h"

static unsigned long countdown;
static bool has_failed;

void fail_malloc_at(unsigned long n)
{
	countdown = n;
	has_failed = false;
}

bool fail_malloc_stop(void)
{
	countdown = 0;
	return has_failed;
}

void *__wrap_malloc(size_t size)
{
	if (countdown && --countdown == 0) {
		has_failed = true;
		return NULL;
	}
	return __real_malloc(size);
}
