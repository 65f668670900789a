/*
 * Laws of conf: a text gives a configuration or one line of error that begins
 * with its name; never anything printed, never an end of the process. What is
 * taken keeps the ranges, and its dump, with comments or without, is taken too
 * and dumps the same.
 */
#include "conf/config.h"
#include "conf/dump.h"
#include "fuzz.h"

#include <stdlib.h>

static void hold_session(const struct session_config *s)
{
	LAW(s->max_message_size >= 1024 && s->max_header_size >= 1024);
	LAW(s->max_hops && s->max_command_line >= 512 && s->max_command_line <= 65536);
	LAW(s->max_recipients && s->max_messages && s->max_errors && s->timeout_s && s->session_timeout_s);
	LAW(!s->smtpgreeting || s->smtpgreeting[0]);
	LAW(s->greeting_delay_s <= 60);
	LAW(s->bare_newline == CONFIG_BARE_NEWLINE_AUTO || s->bare_newline == CONFIG_BARE_NEWLINE_REJECT);
}

static void hold_client(const struct client_config *client)
{
	const struct network_list *addresses = &client->addresses;

	LAW(addresses->networks && addresses->count);
	for (size_t i = 0; i < addresses->count; i++) {
		const struct addr_prefix *prefix = &addresses->networks[i];

		LAW(prefix->family == ADDR_IPV4 ? prefix->bits <= 32 : prefix->bits <= 128);
		LAW(prefix->bits || client->bare_newline != CONFIG_BARE_NEWLINE_LENIENT);
	}
}

static void hold_config(const struct config *config)
{
	LAW(config->references == 1 && config->hostname && config->hostname[0]);
	LAW(config->listener_count && config->backend_count && config->route_count);
	LAW(config->max_sessions && config->max_sessions_per_client && config->disk_threads &&
	    config->listen_backlog);
	LAW(config->log_level < LOG_LEVELS && config->log_format <= LOG_FORMAT_JSON);
	LAW(config->syslog_facility <= 23 && config->syslog_tag[0] && config->slow_step_s);
	LAW(config->client_prefix_ipv4 >= 8 && config->client_prefix_ipv4 <= 32);
	LAW(config->client_prefix_ipv6 >= 16 && config->client_prefix_ipv6 <= 128);
	hold_session(&config->session);
	for (size_t i = 0; i < config->listener_count; i++) {
		hold_session(&config->listeners[i].session);
		LAW(config->listeners[i].listen && config->listeners[i].addr.family != ADDR_NONE);
	}
	for (size_t i = 0; i < config->backend_count; i++)
		LAW((config->backends[i].type == BACKEND_MAILDIR) == (config->backends[i].path != NULL));
	for (size_t i = 0; i < config->route_count; i++)
		LAW(config->routes[i].backend >= config->backends &&
		    config->routes[i].backend < config->backends + config->backend_count);
	for (size_t i = 0; i < config->client_count; i++)
		hold_client(&config->clients[i]);
	for (size_t i = 0; i < config->warning_count; i++)
		LAW(strncmp(config->warnings[i], "fuzz", 4) == 0 && !strchr(config->warnings[i], '\n'));
}

/* The caller frees .ptr. */
static struct span dump(const struct config *config, bool with_places)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	LAW(out);
	LAW(config_dump(config, with_places, out));
	LAW(fclose(out) == 0);
	return span_of(text, len);
}

static void hold_dump(const struct config *config, bool with_places)
{
	struct span plain = dump(config, false), text = dump(config, with_places), again;
	struct config *copy;
	struct err err;

	copy = config_load_text("fuzz", text, NULL, &err);
	LAW(copy);
	again = dump(copy, false);
	LAW(span_eq(plain, again));
	config_put(&copy);
	free((void *)(uintptr_t)plain.ptr);
	free((void *)(uintptr_t)text.ptr);
	free((void *)(uintptr_t)again.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { .text = "" };
	struct config *config = config_load_text("fuzz", span_of(data, size), NULL, &err);

	if (!config) {
		LAW(strncmp(err.text, "fuzz:", 5) == 0 && !strchr(err.text, '\n'));
		return 0;
	}
	hold_config(config);
	hold_dump(config, false);
	hold_dump(config, true);
	config_put(&config);
	return 0;
}
