/*
 * What each client (an address prefix) does at present: how many sessions it
 * has, and how many it began lately. An entry without sessions is kept for as
 * long as it counts for the rate, and no more than CLIENT_TABLE_IDLE_MAX of
 * those are kept, the oldest being dropped first: so the table is bounded.
 */
#ifndef POLICY_CLIENT_TABLE_H
#define POLICY_CLIENT_TABLE_H

#include "base/addr.h"
#include "base/bug.h"

enum { CLIENT_TABLE_IDLE_MAX = 65536, CLIENT_TABLE_MINUTE_MS = 60 * 1000 };

struct client_table;

struct client_limits {
	uint32_t sessions;            /* at one time */
	uint32_t sessions_per_minute; /* 0: unlimited */
	uint32_t half_open;           /* sessions that have not come to a HELO, or are shaking hands; 0: unlimited */
};

enum client_verdict {
	CLIENT_MAY_ENTER,
	CLIENT_HAS_TOO_MANY,  /* sessions at one time */
	CLIENT_CAME_TOO_OFTEN,
	CLIENT_HAS_TOO_MANY_HALF_OPEN,
	CLIENT_NO_MEMORY,
};

/* NULL: out of memory. */
struct client_table *client_table_new(void);
void client_table_free(struct client_table **table);

/*
 * Count one more session, half-open at first, if the limits allow. The rate is that of a sliding
 * minute, reckoned from two fixed ones; refused attempts do not count.
 */
MUST_CHECK enum client_verdict client_table_enter(struct client_table *table, const struct addr_prefix *client,
						  const struct client_limits *limits, uint64_t now_ms);

/* A session of this client is half-open no more, or (false: there are too many) becomes so again. */
void client_table_settle(struct client_table *table, const struct addr_prefix *client);
MUST_CHECK bool client_table_unsettle(struct client_table *table, const struct addr_prefix *client,
				      const struct client_limits *limits);

/* One session less; it must have entered, and be settled. */
void client_table_leave(struct client_table *table, const struct addr_prefix *client, uint64_t now_ms);

/* Sessions of a client, and entries in all. */
uint32_t client_table_count(const struct client_table *table, const struct addr_prefix *client);
size_t client_table_entries(const struct client_table *table);

#endif
