/*
 * What the tests of src/net share: a loop, waiting in it, a clock that can be
 * moved, and the other end of a connection. Callbacks of a test call net_stop(),
 * so that NET_UNTIL() looks at its condition again; it waits as the daemon does,
 * and a wake-up that is missing ends in the deadline.
 */
#ifndef NET_FIXTURE_H
#define NET_FIXTURE_H

#include "base/buf.h"
#include "net/loop.h"

#include <check.h>
#include <event2/event_struct.h>

extern struct loop *net_loop;
extern uint64_t net_clock_ahead_ms;  /* added to the real clock */
extern uint64_t net_clock_frozen_ms; /* when not 0: what the clock says */
extern unsigned net_clock_reads;
extern unsigned net_turn_count;

void net_setup(void);
void net_teardown(void);

void net_stop(void);
void net_run(const char *awaited);

/* Run a few turns that do not wait. */
void net_turns(unsigned count);

/* With the clock frozen: let it jump, and run until the tick came that sees it. */
void net_pass(uint64_t ms);

/* Run turns until the condition holds; the deadline fails the test and names it. */
#define NET_UNTIL(condition)             \
	do {                             \
		while (!(condition))     \
			net_run(#condition); \
	} while (0)

/* The other end of a connection. It reads whatever comes once net_peer_read() was called. */
struct net_peer {
	int fd; /* owned; -1: closed */
	struct event event;
	struct buf got;
	bool is_reading;
	bool is_eof;
	int error; /* an errno, or 0 */
};

/* A TCP connection on the loopback; returns the accepted, non-blocking socket. */
int net_peer_connect(struct net_peer *peer);
void net_peer_read(struct net_peer *peer);
void net_peer_write(struct net_peer *peer, const char *text);
void net_peer_close(struct net_peer *peer);
void net_peer_reset(struct net_peer *peer);

/* Send the log into a file in memory; net_log_text() is what came so far. */
void net_log_open(void);
const char *net_log_text(void);
unsigned net_log_count(const char *needle);

#endif
