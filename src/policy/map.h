/*
 * A table of names, from a file or from the configuration: lines of a key, or of
 * a key, a colon and what it leads to. Keys and values are addresses, local parts
 * alone, or "@" and a domain; they are compared in small letters (ASCII), with
 * domains as A-labels. Once made it never changes. Pure but for map_load(),
 * which reads the file.
 */
#ifndef POLICY_MAP_H
#define POLICY_MAP_H

#include "base/err.h"
#include "base/span.h"
#include "base/bug.h"

struct map;

enum {
	MAP_KEY_MAX = 320,                 /* octets of a key or a value */
	MAP_FILE_MAX = 64 * 1024 * 1024,   /* octets of a file */
	MAP_ENTRIES_MAX = 1000000,
};

/* What lines may look like. */
enum map_form {
	MAP_RECIPIENTS, /* "key" or "key: value" */
	MAP_SENDERS,    /* "user: value, value ..."; a value may also be "*" */
};

/*
 * Read a file: a line each, blank ones and what follows "#" at the begin of a line or behind a blank being left
 * out. NULL: err tells file and line.
 */
struct map *map_load(const char *path, enum map_form form, struct err *err);

/* One that is filled by map_add(), then sealed. NULL: out of memory. */
struct map *map_new(enum map_form form);

/* One line. False: err tells what is wrong with it, without a place. */
MUST_CHECK bool map_add(struct map *map, struct span line, struct err *err);

/* No more lines; from here on it can be searched. False: err tells which key stands there twice. */
MUST_CHECK bool map_seal(struct map *map, struct err *err);

void map_free(struct map **map);

size_t map_count(const struct map *map);

/* Is the key there? *values is what it leads to, separated by single blanks; empty: nothing. */
bool map_find(const struct map *map, struct span key, struct span *values);

/* The next of such values; empty: there is none. */
struct span map_next_value(struct span *values);

/*
 * The form in which keys and values are kept; `text` has MAP_KEY_MAX bytes. NULL: it went well; otherwise what is
 * wrong, worded to follow `"name" `.
 */
const char *map_normalize(struct span name, char *text, size_t *len);

#endif
