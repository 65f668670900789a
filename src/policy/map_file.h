/*
 * A map that is a file, read again when the file changes. Changes are looked for
 * every few seconds and read on a worker; a file must be the same at two looks,
 * so that nothing half written is taken. One that is wrong changes nothing: the
 * map that was good stays, and the log says why.
 */
#ifndef POLICY_MAP_FILE_H
#define POLICY_MAP_FILE_H

#include "net/pool.h"
#include "policy/map.h"

struct map_file;

/*
 * Read it now, which blocks. `pool` NULL: it is read this once only. NULL: err tells why. `path` is copied.
 */
struct map_file *map_file_open(const char *path, enum map_form form, struct loop *loop, struct pool *pool,
			       struct err *err);
void map_file_close(struct map_file **file);

/* As it is now; good until the loop's next turn. */
const struct map *map_file_get(const struct map_file *file);

#endif
