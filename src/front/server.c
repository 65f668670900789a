#include "front/server.h"

#include "backend/maildir_job.h"
#include "backend/relay.h"
#include "conf/place.h"
#include "front/metrics.h"
#include "front/metrics_http.h"
#include "front/proxy_gate.h"
#include "front/server_sockets.h"
#include "front/server_tls.h"
#include "front/setup_auth.h"
#include "front/session_shell.h"
#include "front/setup_pipe.h"
#include "front/setup_relay.h"
#include "net/fdlimit.h"
#include "net/throttle.h"
#include "policy/client_rule.h"
#include "policy/rates.h"
#include "proto/proxy.h"
#include "spool/disk.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Names that are looked up at the same time, and that wait for it. */
	RESOLVER_THREADS = 4,
	RESOLVER_QUEUE_MAX = 256,
	/* Jobs waiting for the disk; beyond it new ones are answered with 451. */
	DISK_QUEUE_MAX = 4096,
	/* Passwords waiting to be hashed; beyond it clients are told 454. */
	HASHING_QUEUE_MAX = 64,
	/* What is read of all sessions to be thrown away, and answered to be refused. */
	IDLE_WORK_BYTES_PER_S = 16 * 1024 * 1024,
	/* Descriptors of the process itself. */
	FDS_RESERVED = 64,
	/* Where descriptors are short: which part of those for sessions is for their messages in files. */
	SPOOL_FILES_SHARE = 8,
	/* How long replies that were sent may be on their way when the process ends. */
	STOP_LINGER_MS = 500,
};

static struct addr_prefix client_of(const struct server *s, const struct addr *peer)
{
	const struct config *config = s->start_config;

	return addr_prefix_of(peer, config->client_prefix_ipv4, config->client_prefix_ipv6);
}

/* ---- accepting ---- */

static void log_turned_away(const struct server *s, const struct addr *peer, const struct smtp_reply *reply)
{
	metrics_count_refusal(s->metrics, "connect", reply);
	log_begin(LOG_LEVEL_INFO, NULL, "refused");
	log_addr("client", peer);
	log_str("stage", "connect");
	log_u64("code", reply->code);
	log_str("status", reply->status);
	log_str("reason", reply->reason);
	log_str("reply", reply->text);
	log_end();
}

/*
 * Say no on a fresh connection, but nothing where TLS would have to come first. It has
 * no buffers yet: what does not fit into the socket is not worth waiting for.
 */
static void turn_away(const struct server *s, const struct setup_listener *l, int fd, const struct addr *peer,
		      enum smtp_reply_name name)
{
	struct buf text = { 0 };

	log_turned_away(s, peer, smtp_reply(name));
	if (!l->config->session.tls_immediate && smtp_reply_write(&text, smtp_reply(name)) &&
	    send(fd, buf_span(&text).ptr, buf_len(&text), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		shutdown(fd, SHUT_WR);
	buf_fini(&text);
	close(fd);
}

/* A rule for clients may have limits of its own; the names in rules are not known yet. */
static struct client_limits limits_of(const struct server *s, const struct addr *peer)
{
	const struct config *config = s->setup->config;
	const struct client_config *rule = client_rule_find(config, peer, NULL);
	struct client_limits limits = {
		.sessions = config->max_sessions_per_client,
		.sessions_per_minute = config->max_sessions_per_minute,
		.half_open = config->max_half_open_per_client,
	};

	if (rule && rule->has_max_sessions)
		limits.sessions = rule->max_sessions;
	if (rule && rule->has_max_sessions_per_minute)
		limits.sessions_per_minute = rule->max_sessions_per_minute;
	return limits;
}

/* Count a session of this client. SMTP_REPLY_OK, or why it may have none. */
static enum smtp_reply_name enter(struct server *s, const struct addr *peer)
{
	struct addr_prefix client = client_of(s, peer);
	const struct client_limits limits = limits_of(s, peer);

	switch (client_table_enter(s->clients, &client, &limits, loop_now_ms(s->loop))) {
	case CLIENT_MAY_ENTER:
		return SMTP_REPLY_OK;
	case CLIENT_HAS_TOO_MANY:
		return SMTP_REPLY_TOO_MANY_SESSIONS_PER_CLIENT;
	case CLIENT_CAME_TOO_OFTEN:
		return SMTP_REPLY_TOO_MANY_SESSIONS_PER_MINUTE;
	case CLIENT_HAS_TOO_MANY_HALF_OPEN:
		return SMTP_REPLY_TOO_MANY_HALF_OPEN;
	case CLIENT_NO_MEMORY:
		break;
	}
	return SMTP_REPLY_NO_MEMORY_CLOSE;
}

/* SMTP_REPLY_OK, or why the connection is turned away. */
static enum smtp_reply_name admit(struct server *s, const struct addr *peer)
{
	enum smtp_reply_name refusal = s->session_count >= s->max_sessions ? SMTP_REPLY_TOO_MANY_SESSIONS : enter(s, peer);

	s->session_count += refusal == SMTP_REPLY_OK;
	return refusal;
}

void server_admit(struct server *s, struct setup *setup, const struct setup_listener *listener, int fd,
		  const struct addr *peer, const struct proxy_facts *proxy)
{
	const struct addr *client = proxy && !proxy->is_local ? &proxy->client : peer;
	enum smtp_reply_name refusal = admit(s, client);

	if (refusal != SMTP_REPLY_OK) {
		turn_away(s, listener, fd, client, refusal);
		return;
	}
	if (session_shell_start(s, setup, listener, fd, peer, proxy))
		return;
	log_text(LOG_LEVEL_WARNING, "trouble", "out of memory: a connection was closed at once");
	server_session_gone(s, client, false);
}

void server_unreserve(struct server *s)
{
	s->session_count--;
}

/* The proxy's own address says nothing of who comes, so that only max_sessions holds before the header is read. */
static void await_header(struct server *s, const struct setup_listener *listener, int fd, const struct addr *peer)
{
	if (s->session_count >= s->max_sessions) {
		turn_away(s, listener, fd, peer, SMTP_REPLY_TOO_MANY_SESSIONS);
		return;
	}
	s->session_count++;
	proxy_gate_start(s, listener, fd, peer);
}

static void take_connection(void *owner, int fd, const struct addr *peer)
{
	struct server_socket *socket = owner;
	struct server *s = socket->server;

	if (proxy_gate_is_for(socket->obeys, peer))
		await_header(s, socket->obeys, fd, peer);
	else
		server_admit(s, s->setup, socket->obeys, fd, peer, NULL);
}

static void finish_stop(struct server *s);

void server_session_settled(struct server *s, const struct addr *client)
{
	struct addr_prefix prefix = client_of(s, client);

	client_table_settle(s->clients, &prefix);
}

bool server_session_unsettled(struct server *s, const struct addr *client)
{
	struct addr_prefix prefix = client_of(s, client);
	const struct client_limits limits = limits_of(s, client);

	return client_table_unsettle(s->clients, &prefix, &limits);
}

static void leave(struct server *s, const struct addr *client, bool is_settled)
{
	struct addr_prefix prefix = client_of(s, client);

	if (!is_settled)
		client_table_settle(s->clients, &prefix);
	client_table_leave(s->clients, &prefix, loop_now_ms(s->loop));
}

enum smtp_reply_name server_session_moved(struct server *s, const struct addr *from, bool is_settled,
					  const struct addr *to)
{
	enum smtp_reply_name refusal = enter(s, to);

	if (refusal == SMTP_REPLY_OK)
		leave(s, from, is_settled);
	return refusal;
}

void server_session_gone(struct server *s, const struct addr *client, bool is_settled)
{
	leave(s, client, is_settled);
	s->session_count--;
	if (s->is_stopping && s->session_count == 0)
		finish_stop(s);
}

/* ---- building ---- */

static bool build_spool(struct server *s, struct err *err)
{
	const struct config *config = s->start_config;

	s->spool_budget = (struct spool_budget){
		.max_bytes = config->spool_memory,
		.threshold_octets = config->spool_threshold,
		.disk = spool_disk_new(config->spool_dir, config->spool_reserve, s->disk, err),
	};
	if (!s->spool_budget.disk)
		return config_place_tell_top(err, config);
	s->spool_budget.disk->max_files = s->max_spool_files;
	return true;
}

static uint32_t from_one_to(uint64_t value, uint32_t most)
{
	return value == 0 ? 1 : value < most ? (uint32_t)value : most;
}

/*
 * Set what may be open at the same time against the limit of descriptors, and say
 * so where it does not reach: a connection and a spool file for each session, and
 * what the deliveries need. Then they share what there is; sessions get the most
 * of it, because few have a message that does not fit into memory.
 */
static void fit_descriptors(struct server *s, const struct config *config)
{
	const uint32_t threads = s->start_config->disk_threads;
	uint64_t reserved = FDS_RESERVED + config->listener_count + setup_relay_descriptors(config) +
			    setup_pipe_descriptors(config) + setup_auth_descriptors(config) +
			    (config->metrics_listen.text ? METRICS_HTTP_FDS : 0);
	uint64_t wanted = reserved + (uint64_t)threads * MAILDIR_DELIVERY_FDS +
			  (uint64_t)config->max_sessions * 2;
	uint64_t got = fdlimit_raise(wanted), left = got > reserved ? got - reserved : 0, for_threads;

	s->max_sessions = config->max_sessions;
	s->max_spool_files = config->max_sessions;
	s->disk_threads = threads;
	if (got >= wanted)
		return;
	s->disk_threads = from_one_to(left / 2 / MAILDIR_DELIVERY_FDS, threads);
	for_threads = (uint64_t)s->disk_threads * MAILDIR_DELIVERY_FDS;
	left = left > for_threads ? left - for_threads : 0;
	s->max_spool_files = from_one_to(left / SPOOL_FILES_SHARE, config->max_sessions);
	left = left > s->max_spool_files ? left - s->max_spool_files : 0;
	s->max_sessions = from_one_to(left, config->max_sessions);
	log_text(LOG_LEVEL_WARNING, "trouble",
		 "the limit of open descriptors is %llu where %llu are wanted: at most %u of max_sessions = %u "
		 "sessions, %u messages in files and %u of disk_threads = %u threads",
		 (unsigned long long)got, (unsigned long long)wanted, (unsigned)s->max_sessions,
		 (unsigned)config->max_sessions, (unsigned)s->max_spool_files, (unsigned)s->disk_threads,
		 (unsigned)threads);
}

/* What another configuration changes beside the setup. */
static void apply_limits(struct server *s, const struct config *config)
{
	const struct auth_guard_limits limits = setup_auth_limits(config);

	auth_guard_set_limits(s->auth_guard, &limits);
	s->spool_budget.max_bytes = config->spool_memory;
	s->spool_budget.threshold_octets = config->spool_threshold;
	s->spool_budget.disk->max_files = s->max_spool_files;
}

bool server_adopt(struct server *s, struct config *config, bool may_be_short, struct err *err)
{
	struct setup *setup = setup_new(s, config, s->setup, err);
	struct metrics_http *fresh_http;
	struct list fresh;

	if (!setup)
		return false;
	if (!metrics_http_prepare(s, config, may_be_short, &fresh_http, err)) {
		setup_put(&setup);
		return false;
	}
	if (!server_sockets_prepare(s, setup, may_be_short, take_connection, &fresh, err)) {
		server_sockets_close(&fresh);
		metrics_http_free(&fresh_http);
		setup_put(&setup);
		return false;
	}
	server_sockets_commit(s, &fresh);
	metrics_http_commit(s, config, &fresh_http);
	if (s->setup)
		fit_descriptors(s, config);
	setup_put(&s->setup);
	s->setup = setup;
	apply_limits(s, config);
	server_apply_trace(s);
	return true;
}

/* One core is left to those who do not guess passwords. */
static unsigned hashing_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores > 2 ? (unsigned)cores - 1 : 1;
}

static bool build_guard(struct server *s, const struct config *config, struct err *err)
{
	const struct auth_guard_limits limits = setup_auth_limits(config);

	s->auth_guard = auth_guard_new(&limits);
	return s->auth_guard || err_set(err, "out of memory");
}

static bool build_parts(struct server *s, struct config *config, struct err *err)
{
	if (!handed_open(&s->handed, err))
		return false;
	s->metrics = metrics_new();
	s->clients = client_table_new();
	s->rates = rates_store_new();
	s->idle_work = throttle_new(s->loop, IDLE_WORK_BYTES_PER_S);
	if (!s->metrics || !s->clients || !s->rates || !s->idle_work)
		return err_set(err, "out of memory");
	if (getrandom(s->auth_key, sizeof(s->auth_key), 0) < 0)
		return err_set_errno(err, "getrandom");
	if (getrandom(&s->next_session, sizeof(s->next_session), 0) < 0)
		return err_set_errno(err, "getrandom");
	s->disk = pool_new(s->loop, "disk", s->disk_threads, DISK_QUEUE_MAX, err);
	s->hashing = pool_new(s->loop, "hashing", hashing_threads(), HASHING_QUEUE_MAX, err);
	s->resolver = pool_new(s->loop, "resolver", RESOLVER_THREADS, RESOLVER_QUEUE_MAX, err);
	if (s->hashing)
		pool_may_lose(s->hashing);
	if (!s->disk || !s->resolver || !s->hashing || !build_guard(s, config, err) || !build_spool(s, err))
		return false;
	return server_adopt(s, config, false, err) && server_tls_open(s, err);
}

struct server *server_new(struct loop *loop, struct config *config, const struct checker *checker, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(err, "out of memory");
		return NULL;
	}
	s->loop = loop;
	s->checker = checker;
	list_init(&s->relays);
	s->start_config = config_get(config);
	list_init(&s->gates);
	list_init(&s->sessions);
	list_init(&s->sockets);
	fit_descriptors(s, config);
	if (!build_parts(s, config, err))
		server_free(&s);
	return s;
}

void server_start(struct server *s)
{
	server_sockets_tell_unused(s);
	server_sockets_start(s);
	metrics_http_start(s);
}

/* ---- stopping ---- */

static void shut_down_all(struct server *s, bool is_patient)
{
	struct list *link, *next;

	for (link = s->sessions.next; link != &s->sessions; link = next) {
		next = link->next;
		session_shell_shut_down(LIST_OWNER(link, struct session_shell, link), is_patient);
	}
}

/* Deliveries that have begun are waited for still: they have a deadline of their own. */
static void end_drain(struct loop_timer *timer)
{
	struct server *s = LIST_OWNER(timer, struct server, stop_timer);

	log_begin(LOG_LEVEL_NOTICE, NULL, "drain_over");
	log_u64("sessions", s->session_count);
	log_end();
	shut_down_all(s, false);
}

static void end_loop(struct loop_timer *timer)
{
	loop_stop(LIST_OWNER(timer, struct server, stop_timer)->loop);
}

/* All sessions are over. Their last replies may still be on the way: see conn_linger(). */
static void finish_stop(struct server *s)
{
	if (loop_has_adopted(s->loop))
		loop_timer_start(s->loop, &s->stop_timer, STOP_LINGER_MS, end_loop);
	else
		loop_stop(s->loop);
}

void server_stop(struct server *s)
{
	if (s->is_stopping) {
		loop_stop(s->loop);
		return;
	}
	s->is_stopping = true;
	server_sockets_close(&s->sockets);
	metrics_http_stop(s);
	proxy_gate_stop(s);
	loop_timer_start(s->loop, &s->stop_timer, 1000ULL * s->setup->config->drain_timeout_s, end_drain);
	if (s->session_count == 0)
		finish_stop(s);
	else
		shut_down_all(s, true);
}

void server_free(struct server **server)
{
	struct server *s = *server;
	struct config *config;

	*server = NULL;
	if (!s)
		return;
	server_sockets_close(&s->sockets);
	metrics_http_free(&s->metrics_http);
	proxy_gate_stop(s);
	while (!list_empty(&s->sessions))
		session_shell_abandon(LIST_OWNER(s->sessions.next, struct session_shell, link));
	throttle_free(&s->idle_work);
	/* What they still have under way uses pools and spools. */
	backend_relay_abandon(&s->relays);
	pool_free(&s->resolver);
	pool_free(&s->disk);
	pool_free(&s->hashing);
	spool_disk_free(&s->spool_budget.disk);
	server_tls_close(s);
	setup_put(&s->setup);
	client_table_free(&s->clients);
	store_free(&s->rates);
	auth_guard_free(&s->auth_guard);
	explicit_bzero(s->auth_key, sizeof(s->auth_key));
	loop_timer_stop(s->loop, &s->stop_timer);
	loop_timer_stop(s->loop, &s->report);
	config = (struct config *)s->start_config;
	config_put(&config);
	handed_close(&s->handed);
	metrics_free(&s->metrics);
	free(s);
}
