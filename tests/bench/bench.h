/*
 * What the programs in this folder share: a clock, connections on loopback (and
 * nowhere else), counting the server's replies, and figures that are sorted at the end.
 * Errors that make a measurement worthless end the program.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t bench_now_us(void);

/* The number behind an option, within its range. */
uint64_t bench_u64(const char *option, const char *text, uint64_t least, uint64_t most);
unsigned bench_u32(const char *option, const char *text, unsigned least, unsigned most);

/* Raise the limit of descriptors as far as it goes, and die if that is not `wanted`. */
void bench_want_descriptors(uint64_t wanted);

/*
 * Begin a connection from 127.0.0.<source> to 127.0.0.1:port, non-blocking, with a receive buffer
 * of so many bytes (0: as the system has it). -1: errno tells; it is a matter of the load, not of ours.
 */
int bench_connect(unsigned port, unsigned source, int receive_buffer);

/* ---- replies, byte by byte ---- */

struct bench_reply {
	unsigned column, code;
	bool goes_on; /* "250-" */
};

/* Feed one byte; the code when it ends a reply, 0 otherwise. */
unsigned bench_reply_feed(struct bench_reply *r, char byte);

/* ---- figures ---- */

struct bench_samples {
	uint32_t *us; /* owned */
	size_t count, size;
};

void bench_sample(struct bench_samples *s, uint64_t us);

/* `"name":{"count":..,"p50":..,"p90":..,"p99":..,"max":..}`; sorts. */
void bench_print_samples(const char *name, struct bench_samples *s);

/* Proportional set size of a process in KiB (smaps_rollup), and the CPU seconds that it has used. */
uint64_t bench_pss_kib(unsigned pid);
double bench_cpu_s(unsigned pid);

#endif
