/*
 * Laws of conf: a text gives a configuration or one line of error that begins
 * with its name; never anything printed, never an end of the process. What is
 * taken keeps the ranges, and its dump is taken too and dumps the same.
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
}

static void hold_config(const struct config *config)
{
	LAW(config->references == 1 && config->hostname && config->hostname[0]);
	LAW(config->listener_count && config->backend_count && config->route_count);
	LAW(config->max_sessions && config->max_sessions_per_client && config->disk_threads &&
	    config->listen_backlog);
	LAW(config->log_level < LOG_LEVELS);
	hold_session(&config->session);
	for (size_t i = 0; i < config->listener_count; i++) {
		hold_session(&config->listeners[i].session);
		LAW(config->listeners[i].listen && config->listeners[i].addr.family != ADDR_NONE);
		LAW(config->listeners[i].session.max_message_size <= config->spool_memory);
	}
	for (size_t i = 0; i < config->backend_count; i++)
		LAW((config->backends[i].type == BACKEND_MAILDIR) == (config->backends[i].path != NULL));
	for (size_t i = 0; i < config->route_count; i++)
		LAW(config->routes[i].backend >= config->backends &&
		    config->routes[i].backend < config->backends + config->backend_count);
	for (size_t i = 0; i < config->warning_count; i++)
		LAW(strncmp(config->warnings[i], "fuzz", 4) == 0 && !strchr(config->warnings[i], '\n'));
}

/* The caller frees it. */
static char *dump(const struct config *config, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	LAW(out);
	LAW(config_dump(config, false, out));
	LAW(fclose(out) == 0);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { "" };
	struct config *config = config_load_text("fuzz", span_of(data, size), NULL, &err);
	size_t first_len, second_len;
	char *first, *second;

	if (!config) {
		LAW(strncmp(err.text, "fuzz:", 5) == 0 && !strchr(err.text, '\n'));
		return 0;
	}
	hold_config(config);
	first = dump(config, &first_len);
	config_put(&config);
	config = config_load_text("fuzz", span_of(first, first_len), NULL, &err);
	LAW(config);
	second = dump(config, &second_len);
	LAW(span_eq(span_of(first, first_len), span_of(second, second_len)));
	config_put(&config);
	free(first);
	free(second);
	return 0;
}
