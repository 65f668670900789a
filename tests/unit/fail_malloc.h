/*
 * Lets malloc() fail on demand, for tests of what happens when memory runs
 * out. The program must be linked with -Wl,--wrap=malloc. Check itself may
 * allocate in every assertion: keep those out of between.
 */
#ifndef FAIL_MALLOC_H
#define FAIL_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now on fails, once. */
void fail_malloc_at(unsigned long n);

/* Disarm; was there a failure since fail_malloc_at()? */
bool fail_malloc_stop(void);

void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);

#endif
