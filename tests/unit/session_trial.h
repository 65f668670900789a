/*
 * One step of the exploration of the protocol machine: a letter is tried in a
 * copy of a state that was reached, and the laws of proto/session.h are held
 * against what the machine does, with the references of session_model.h. A law
 * that is broken ends the test and tells the way that led there.
 *
 * Linked with --wrap for malloc and realloc: what the machine allocates can fail.
 */
#ifndef TESTS_SESSION_TRIAL_H
#define TESTS_SESSION_TRIAL_H

#include "session_alphabet.h"
#include "session_model.h"
#include "session_state.h"

/* A state that was reached, with an example of it. */
struct node {
	struct state_key key;
	struct smtp_session *session; /* owned; its output was taken */
	struct model model;
	struct buf body;              /* the bytes of content of the example */
	size_t told;                  /* content that was told of it */
	uint32_t parent;              /* and the letter that led here: the way is for people */
	uint32_t letter;
	bool has_ended;               /* QUIT or CLOSE was told */
};

struct explorer {
	struct smtp_session_options options;
	struct node *nodes; /* owned */
	size_t count, size;
	uint32_t *slots;    /* owned: hash table of indices, from 1 */
	size_t slot_count;  /* a power of 2 */
	unsigned long transitions;
	bool is_long;
	bool has_chunks;
};

/* One letter, tried in a copy of a node. */
struct trial {
	const struct explorer *e;
	const struct node *from;
	const struct letter *letter;
	struct node to;
	struct buf output;  /* all of it */
	struct buf events;  /* their types, those of content left out */
	size_t told_before; /* content told when it began */
	bool is_bytewise;
	bool lacks_memory;
};

/* Do the letter in a copy of the node, and judge what came of it; t->to is the new state. */
void trial_run(struct trial *t);
/* The same, with the nth allocation failing, if there are so many: returns whether it did. */
bool trial_run_without_memory(struct trial *t, unsigned long nth);
/* From the session that nobody has asked for anything yet. */
void trial_connect(struct trial *t);
void trial_fini(struct trial *t);

/* End the test unless this holds. */
void trial_law(const struct trial *t, bool holds, const char *what);

void node_copy(struct node *to, const struct node *from);
void node_fini(struct node *n);

#endif
