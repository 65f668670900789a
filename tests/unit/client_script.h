/*
 * Scripts: dialogues of the client machine with a next hop, as text files in the
 * format that tests/vectors-client/README tells. Loaded all at once, with macros
 * put in; a mistake in one ends the program with a line.
 */
#ifndef TESTS_CLIENT_SCRIPT_H
#define TESTS_CLIENT_SCRIPT_H

#include "base/arena.h"
#include "proto/client.h"

/* One line of a script: its letter, and what stands behind the colon. */
struct client_line {
	char letter;
	unsigned line;
	struct span text;  /* as it is written */
	struct span bytes; /* without escapes; S and R: what the hop says, with line ends, "*n" done */
};

struct client_script {
	const char *file;
	unsigned line;
	const char *name;
	struct smtp_client_options options;
	bool starts_in_tls;
	struct client_line *lines; /* owned */
	size_t count;
	size_t input_len; /* octets of all that the hop says */
};

enum { CLIENT_SCRIPT_FILES_MAX = 32 };

struct client_script_set {
	struct arena arena;            /* owns all texts */
	struct client_script *scripts; /* owned */
	size_t count;
	size_t files[CLIENT_SCRIPT_FILES_MAX + 1]; /* where each file's scripts begin; the end of the last */
	size_t file_count;
};

/* Load every *.smtp of tests/vectors-client, in the order of names, by automake's srcdir. */
void client_script_load(struct client_script_set *set);
void client_script_fini(struct client_script_set *set);

#endif
