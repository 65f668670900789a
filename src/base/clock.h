/*
 * The two clocks: monotonic milliseconds for every deadline, wall-clock time
 * for what people and headers see.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some fixed point; never goes back. */
uint64_t clock_monotonic_ms(void);

/* Microseconds since 1970-01-01 00:00 UTC. */
uint64_t clock_wall_us(void);

#endif
