/*
 * Plays a script (client_script.h) to the client machine and holds what comes
 * of it against what the script says. How the hop's bytes are cut and how the output
 * is sent is the player's choice; nothing that it chooses may change anything.
 */
#ifndef TESTS_CLIENT_PLAY_H
#define TESTS_CLIENT_PLAY_H

#include "client_script.h"

struct client_play {
	size_t cut;         /* one cut, behind so many of the hop's bytes; 0: none */
	bool is_by_byte;    /* the hop's bytes come one by one */
	bool sends_by_byte; /* the output is sent byte by byte */
	bool trims;         /* smtp_client_trim() at each occasion */
	bool lacks_memory;  /* CLOSE (no_memory) may come at any time, and is the end */
};

/* NULL: all as expected; otherwise words that name the script and its line. */
const char *client_play(const struct client_script *s, const struct client_play *play, char *words,
			size_t size);

/* An event in words, as scripts have it, into the arena. */
const char *client_event_words(struct arena *a, const struct smtp_client_event *event);

/* Called around each call of the machine when set. Set before anything runs. */
extern void (*client_play_on_enter)(void);
extern void (*client_play_on_leave)(void);

#endif
