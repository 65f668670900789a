/*
 * The directory for messages that do not stay in memory, and the files in it.
 * They have no names, so that nothing is left behind however the process ends,
 * and nobody else can open them. What blocks is done by jobs of the disk pool.
 * Files are counted by references on the loop; a job that writes has one.
 */
#ifndef SPOOL_DISK_H
#define SPOOL_DISK_H

#include "base/err.h"
#include "net/pool.h"
#include "spool/spool.h"

/* Shared with the workers, to whom it is immutable; the counts are the loop's own. */
struct spool_disk {
	struct pool *pool; /* borrowed */
	char *dir;         /* owned */
	uint64_t reserve_octets; /* free space that is left alone */
	unsigned files;          /* open, or about to be */
	unsigned max_files;      /* as many as there are descriptors for; at first no limit */
};

/* Can files be made there? False: err tells why not. */
MUST_CHECK bool spool_disk_try(const char *dir, struct err *err);

/* Tries so. NULL: err tells why not. */
struct spool_disk *spool_disk_new(const char *dir, uint64_t reserve_octets, struct pool *pool,
				  struct err *err);

/* When no spool and no job is left. */
void spool_disk_free(struct spool_disk **disk);

/* On a worker: would `octets` more leave the reserve alone? False: reason tells. */
MUST_CHECK bool spool_disk_has_room(const struct spool_disk *disk, int fd, uint64_t octets,
				    char reason[SPOOL_REASON_SIZE]);

/*
 * On a worker: a file without a name for a copy of `octets`, which must find room beside the reserve. -1: reason
 * tells. The descriptor is the caller's.
 */
MUST_CHECK int spool_disk_open(const struct spool_disk *disk, uint64_t octets, char reason[SPOOL_REASON_SIZE]);

struct spool_file {
	struct pool_job closing;
	struct spool_disk *disk;
	unsigned references;
	/* The worker's while it writes. */
	int fd;            /* -1: not opened yet, or closed already */
	uint64_t octets;   /* written */
	uint64_t look_at;  /* octets at which free space is looked at again */
};

/* May there be one more? */
bool spool_disk_has_file(const struct spool_disk *disk);

/* With one reference; nothing is opened yet. NULL: out of memory. */
struct spool_file *spool_file_new(struct spool_disk *disk);

/* The last one closes it, on a worker; so the pool must still be there, unless it was closed before. */
void spool_file_put(struct spool_file **file);

/* On a worker: write behind what was written. False: reason tells. Stops early where *is_abandoned. */
MUST_CHECK bool spool_file_write(struct spool_file *file, const struct spool_chunk *chunks,
				 const _Atomic bool *is_abandoned, char reason[SPOOL_REASON_SIZE]);

/* On a worker. */
void spool_file_close(struct spool_file *file);

#endif
