#include "front/proxy_gate.h"

#include "front/session_shell.h"
#include "net/preface.h"
#include "proto/proxy.h"

#include <stdlib.h>
#include <unistd.h>

/* A header is one segment, sent at once. */
enum { HEADER_DEADLINE_MS = 5000 };

struct proxy_gate {
	struct list link; /* in server.gates */
	struct server *server;
	struct setup *setup; /* holds a reference */
	const struct setup_listener *listener;
	int fd; /* owned */
	struct addr peer;
	struct preface preface;
	struct proxy_header header;
	struct loop_garbage garbage;
};

bool proxy_gate_is_for(const struct setup_listener *listener, const struct addr *peer)
{
	const struct network_list *from = &listener->config->session.proxy_from;

	for (size_t i = 0; i < from->count; i++)
		if (addr_in_prefix(peer, &from->networks[i]))
			return true;
	return false;
}

static void free_gate(struct loop_garbage *garbage)
{
	struct proxy_gate *g = LIST_OWNER(garbage, struct proxy_gate, garbage);

	setup_put(&g->setup);
	free(g);
}

/* The descriptor is somebody else's, or closed. */
static void end_gate(struct proxy_gate *g)
{
	preface_cancel(&g->preface);
	list_remove(&g->link);
	loop_reap(g->server->loop, &g->garbage, free_gate);
}

static void log_proxy(const struct addr *peer, const char *reason)
{
	log_begin(LOG_LEVEL_WARNING, NULL, "proxy");
	log_addr("peer", peer);
	log_str("reason", reason);
	log_end();
}

static void refuse(struct proxy_gate *g, const char *reason)
{
	log_proxy(&g->peer, reason);
	close(g->fd);
	server_unreserve(g->server);
	end_gate(g);
}

static enum preface_state take_header(struct preface *p, struct span seen, size_t *used)
{
	struct proxy_gate *g = LIST_OWNER(p, struct proxy_gate, preface);

	switch (proxy_header_next(&g->header, seen, used)) {
	case PROXY_MORE:
		return PREFACE_MORE;
	case PROXY_WHOLE:
		return PREFACE_WHOLE;
	case PROXY_MALFORMED:
		break;
	}
	return PREFACE_WRONG;
}

static void header_done(struct preface *p, enum preface_state state, const char *reason)
{
	struct proxy_gate *g = LIST_OWNER(p, struct proxy_gate, preface);
	struct proxy_facts facts;

	if (state != PREFACE_WHOLE) {
		refuse(g, reason);
		return;
	}
	if (!proxy_header_read(&g->header, &facts)) {
		refuse(g, "malformed");
		return;
	}
	server_unreserve(g->server);
	server_admit(g->server, g->setup, g->listener, g->fd, &g->peer, &facts);
	end_gate(g);
}

void proxy_gate_start(struct server *s, const struct setup_listener *listener, int fd, const struct addr *peer)
{
	struct proxy_gate *g = calloc(1, sizeof(*g));

	if (g) {
		g->server = s;
		g->setup = setup_get(s->setup);
		g->listener = listener;
		g->fd = fd;
		g->peer = *peer;
		g->preface.take = take_header;
		g->preface.done = header_done;
	}
	if (g && preface_start(&g->preface, s->loop, fd, HEADER_DEADLINE_MS)) {
		list_append(&s->gates, &g->link);
		return;
	}
	log_text(LOG_LEVEL_WARNING, "trouble", "out of memory: a connection was closed at once");
	close(fd);
	server_unreserve(s);
	if (g)
		free_gate(&g->garbage);
}

void proxy_gate_stop(struct server *s)
{
	while (!list_empty(&s->gates))
		refuse(LIST_OWNER(s->gates.next, struct proxy_gate, link), "shutdown");
}
