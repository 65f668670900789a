/*
 * Vectors: conversations with the protocol machine as text files, in the format
 * that tests/vectors/README tells. They are loaded all at once; each can be
 * played in many ways and compared with what it expects.
 */
#ifndef TESTS_VECTOR_H
#define TESTS_VECTOR_H

#include "session_play.h"

struct vector {
	const char *file;
	unsigned line;
	const char *name;
	struct smtp_session_options options;
	struct span input;
	struct play_verdict *verdicts; /* of the events that wait, in order */
	size_t verdict_count;
	struct play_closing closing;
	bool has_closing;
	bool starts_in_tls;
	bool starts_tls;
	size_t tls_offset; /* bytes of input before TLS */
	struct transcript expected;
};

enum { VECTOR_FILES_MAX = 64 };

struct vector_set {
	struct arena arena;      /* owns all but transcripts */
	struct vector *vectors;  /* owned */
	size_t count;
	size_t files[VECTOR_FILES_MAX + 1]; /* where the vectors of each file begin; the end of the last */
	size_t file_count;
};

/* Load every *.smtp of a directory, in the order of names; a mistake in one ends the program with a line. */
void vector_set_load(struct vector_set *set, const char *dir);
void vector_set_fini(struct vector_set *set);

/* Where the vectors are, by automake's srcdir. */
const char *vector_dir(char *path, size_t size);

/* How to play it; the caller may set what the vector leaves open. `arg` is the vector: keep it. */
struct play vector_play(const struct vector *v);

/*
 * Play it, and hold it against the laws and what it expects. NULL: as expected; otherwise words that
 * name the vector.
 */
const char *vector_check(const struct vector *v, const struct play *p, char *words, size_t size);

/* From one two-way cut to the next; false when there are no more. Long inputs are cut at some places only. */
bool vector_next_cut(const struct vector *v, size_t *cut);

#endif
