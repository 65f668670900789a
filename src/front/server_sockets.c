#include "front/server_sockets.h"

#include "conf/place.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

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

		if (!socket->next && !socket->handed_name && same_addr(&socket->obeys->config->addr, &config->addr))
			return socket;
	}
	return NULL;
}

/* With a socket of its own, or the handed one `fd`, unless that is -1. NULL: err tells why. */
static struct server_socket *new_socket(struct server *s, const struct config *config, struct setup_listener *l, int fd,
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
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	*socket = (struct server_socket){ .server = s, .next = l, .is_v6_only = o.is_v6_only };
	socket->listener = fd < 0 ? listener_new(s->loop, &o, accept, socket, err) :
				    listener_new_from(s->loop, fd, accept, socket, err);
	if (socket->listener)
		return socket;
	free(socket);
	return NULL;
}

static void close_socket(struct server_socket *socket)
{
	listener_free(&socket->listener);
	free(socket);
}

void server_sockets_close(struct list *sockets)
{
	struct list *link;

	while ((link = list_shift(sockets)))
		close_socket(socket_at(link));
}

static void tell_needs_restart(struct server *s, const struct listener_config *config, const char *why)
{
	s->sockets_due++;
	log_begin(LOG_LEVEL_WARNING, NULL, "needs_restart");
	log_str("listener", config->listen);
	log_str("text", why);
	log_end();
}

static void keep_socket(struct server_socket *socket, const struct config *config, struct setup_listener *l)
{
	socket->next = l;
	if (socket->is_v6_only != is_v6_only(config, &l->config->addr))
		tell_needs_restart(socket->server, l->config, "whether IPv4 clients are served there, too");
}

/* Is the socket in use already? Then it goes on with this listener. */
static bool keep_handed(struct server *s, const char *name, struct setup_listener *l)
{
	bool is_any = false;

	for (struct list *link = s->sockets.next; link != &s->sockets; link = link->next) {
		struct server_socket *socket = socket_at(link);

		if (!socket->handed_name || strcmp(socket->handed_name, name) != 0)
			continue;
		socket->next = l;
		is_any = true;
	}
	return is_any;
}

/* All sockets that were handed over by the name which the listener has. */
static bool take_handed(struct server *s, struct setup_listener *l, listener_accept_fn accept, struct list *fresh,
			struct err *err)
{
	const char *name = l->config->socket_name;
	bool is_any = false;

	if (keep_handed(s, name, l))
		return true;
	for (size_t i = 0; i < s->handed.count; i++) {
		struct server_socket *socket = NULL;
		struct err why;
		int fd;

		if (strcmp(handed_name(&s->handed, i), name) != 0)
			continue;
		fd = handed_dup(&s->handed, i, err);
		if (fd < 0)
			return false;
		socket = new_socket(s, s->start_config, l, fd, accept, &why);
		if (!socket) {
			err_set(err, "the socket \"%s\" that was handed over: %.200s", name, why.text);
			return config_place_tell(err, l->config->place, "listen");
		}
		socket->handed_name = handed_name(&s->handed, i);
		list_append(fresh, &socket->link);
		is_any = true;
	}
	if (!is_any) {
		err_set(err, "no socket was handed over by the name \"%s\"", name);
		config_place_tell(err, l->config->place, "listen");
	}
	return is_any;
}

/* Find a socket, or open one. */
static bool open_one(struct server *s, const struct config *config, struct setup_listener *l,
		     listener_accept_fn accept, struct list *fresh, struct err *err)
{
	struct server_socket *socket = find_socket(s, l->config);

	if (socket) {
		keep_socket(socket, config, l);
		return true;
	}
	socket = new_socket(s, config, l, -1, accept, err);
	if (!socket)
		return config_place_tell(err, l->config->place, "listen");
	list_append(fresh, &socket->link);
	return true;
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
	s->sockets_due = 0;
	for (size_t i = 0; i < setup->config->listener_count; i++) {
		struct setup_listener *l = &setup->listeners[i];

		if (l->config->socket_name ? take_handed(s, l, accept, fresh, err) :
					     open_one(s, setup->config, l, accept, fresh, err))
			continue;
		if (may_be_short && err->error == EACCES) {
			tell_needs_restart(s, l->config, err->text);
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
		if (socket->obeys)
			continue;
		list_remove(&socket->link);
		close_socket(socket);
	}
}

void server_sockets_tell_unused(const struct server *s)
{
	for (size_t i = 0; i < s->handed.count; i++) {
		const char *name = handed_name(&s->handed, i);
		bool is_used = false;

		for (size_t j = 0; j < s->setup->config->listener_count; j++) {
			const char *wanted = s->setup->config->listeners[j].socket_name;

			is_used |= wanted && strcmp(wanted, name) == 0;
		}
		if (!is_used)
			log_text(LOG_LEVEL_WARNING, "trouble",
				 "a socket was handed over by the name \"%s\", and no listener wants it", name);
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
