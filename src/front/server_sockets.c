#include "front/server_sockets.h"

#include <errno.h>
#include <stdlib.h>

static struct server_socket *socket_at(struct list *link)
{
	return LIST_OWNER(link, struct server_socket, link);
}

/* [::]:25 takes IPv4 too, unless a listener of its own has that port. */
static bool is_v6_only(const struct config *config, const struct addr *addr)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct addr *other = &config->listeners[i].addr;

		if (other->family == ADDR_IPV4 && other->port == addr->port && addr->port)
			return true;
	}
	return false;
}

static bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope_id == b->scope_id &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* Of the sockets that are there, one for this listener that no other has taken yet; NULL: none. */
static struct server_socket *find_socket(struct server *s, const struct listener_config *config)
{
	for (struct list *link = s->sockets.next; link != &s->sockets; link = link->next) {
		struct server_socket *socket = socket_at(link);

		if (!socket->next && same_addr(&socket->obeys->config->addr, &config->addr))
			return socket;
	}
	return NULL;
}

/* Bind and listen. NULL: err tells why. */
static struct server_socket *open_socket(struct server *s, const struct config *config, struct setup_listener *l,
					 listener_accept_fn accept, struct err *err)
{
	struct listener_options o = {
		.addr = l->config->addr,
		.is_v6_only = is_v6_only(config, &l->config->addr),
		.reuse_port = l->config->reuse_port,
		.backlog = (int)config->listen_backlog,
	};
	struct server_socket *socket = calloc(1, sizeof(*socket));

	if (!socket) {
		err_set(err, "out of memory");
		return NULL;
	}
	*socket = (struct server_socket){ .server = s, .next = l, .is_v6_only = o.is_v6_only };
	socket->listener = listener_new(s->loop, &o, accept, socket, err);
	if (socket->listener)
		return socket;
	free(socket);
	return NULL;
}

static void close_socket(struct server_socket *socket)
{
	list_remove(&socket->link);
	listener_free(&socket->listener);
	free(socket);
}

void server_sockets_close(struct list *sockets)
{
	while (!list_empty(sockets))
		close_socket(socket_at(sockets->next));
}

static void log_needs_restart(const struct listener_config *config, const char *why)
{
	log_begin(LOG_LEVEL_WARNING, NULL, "needs_restart");
	log_str("listener", config->listen);
	log_str("text", why);
	log_end();
}

static void keep_socket(struct server_socket *socket, const struct config *config, struct setup_listener *l)
{
	socket->next = l;
	if (socket->is_v6_only != is_v6_only(config, &l->config->addr))
		log_needs_restart(l->config, "whether IPv4 clients are served there, too");
}

static void forget_plan(struct server *s)
{
	for (struct list *link = s->sockets.next; link != &s->sockets; link = link->next)
		socket_at(link)->next = NULL;
}

bool server_sockets_prepare(struct server *s, struct setup *setup, bool may_be_short, listener_accept_fn accept,
			    struct list *fresh, struct err *err)
{
	list_init(fresh);
	for (size_t i = 0; i < setup->config->listener_count; i++) {
		struct setup_listener *l = &setup->listeners[i];
		struct server_socket *socket = find_socket(s, l->config);

		if (socket) {
			keep_socket(socket, setup->config, l);
			continue;
		}
		socket = open_socket(s, setup->config, l, accept, err);
		if (socket) {
			list_append(fresh, &socket->link);
		} else if (may_be_short && err->error == EACCES) {
			log_needs_restart(l->config, err->text);
		} else {
			forget_plan(s);
			return false;
		}
	}
	return true;
}

void server_sockets_commit(struct server *s, struct list *fresh)
{
	struct list *link, *next;

	while ((link = list_shift(fresh)))
		list_append(&s->sockets, link);
	for (link = s->sockets.next; link != &s->sockets; link = next) {
		struct server_socket *socket = socket_at(link);

		next = link->next;
		socket->obeys = socket->next;
		socket->next = NULL;
		if (!socket->obeys)
			close_socket(socket);
	}
}

void server_sockets_start(struct server *s)
{
	char text[ADDR_TEXT_SIZE];

	for (struct list *link = s->sockets.next; link != &s->sockets; link = link->next) {
		struct server_socket *socket = socket_at(link);

		if (socket->is_started)
			continue;
		log_begin(LOG_LEVEL_NOTICE, NULL, "listening");
		log_str("addr", addr_format(listener_addr(socket->listener), text));
		log_str("listener", socket->obeys->config->listen);
		log_end();
		listener_start(socket->listener);
		socket->is_started = true;
	}
}
