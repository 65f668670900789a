/*
 * What comes on a connection before everything else: read from a descriptor
 * exactly as far as a callback wants, so that all behind it is left in the
 * kernel for whoever takes the connection over.
 */
#ifndef NET_PREFACE_H
#define NET_PREFACE_H

#include "base/bug.h"
#include "base/span.h"
#include "net/loop.h"

enum preface_state {
	PREFACE_MORE,
	PREFACE_WHOLE,
	PREFACE_WRONG,
};

/* Embedded in its owner, who has it until done() or preface_cancel(). */
struct preface {
	/* Use bytes of what is there; *used tells how many. Nothing used and PREFACE_MORE is a mistake. */
	enum preface_state (*take)(struct preface *p, struct span seen, size_t *used);
	/* It is over: whole (take() said so), or not: wrong, too late, or the peer is gone. The descriptor is the owner's. */
	void (*done)(struct preface *p, enum preface_state state, const char *reason);
	struct loop *loop;         /* private from here on */
	struct event *event;       /* owned; NULL: not running */
	struct loop_timer timer;
	int fd;
};

/* take and done are set. fd is non-blocking, and borrowed. False: out of memory. */
MUST_CHECK bool preface_start(struct preface *p, struct loop *loop, int fd, uint64_t timeout_ms);
void preface_cancel(struct preface *p);

#endif
