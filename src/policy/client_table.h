/*
 * How many sessions each client (an address prefix) has. An entry exists only
 * while its count is above zero, so that the sessions bound the table.
 */
#ifndef POLICY_CLIENT_TABLE_H
#define POLICY_CLIENT_TABLE_H

#include "base/addr.h"
#include "base/bug.h"

struct client_table;

/* NULL: out of memory. */
struct client_table *client_table_new(void);
void client_table_free(struct client_table **table);

/* Count one more session unless there are `most` already. False: too many, or out of memory. */
MUST_CHECK bool client_table_enter(struct client_table *table, const struct addr_prefix *client, uint32_t most);

/* One session less; it must have entered. */
void client_table_leave(struct client_table *table, const struct addr_prefix *client);

uint32_t client_table_count(const struct client_table *table, const struct addr_prefix *client);

#endif
