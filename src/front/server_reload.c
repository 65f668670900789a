/*
 * Another configuration for a server that runs: what becomes of it, and what of
 * it is told.
 */
#include "conf/diff.h"
#include "front/checker.h"
#include "front/metrics.h"
#include "front/metrics_http.h"
#include "front/privileges.h"
#include "front/server.h"
#include "front/server_sockets.h"

#include <unistd.h>

/* Changes of which a reload tells: a rule put before many others changes all of those. */
enum { TOLD_CHANGES_MAX = 100 };

/* What the differences come to. */
struct reload {
	unsigned changed, needs_restart;
};

static void log_change(const struct config_change *change, enum log_level level, const char *event)
{
	log_begin(level, NULL, event);
	log_str("key", change->path);
	log_str("before", change->before);
	log_str("after", change->after);
	log_end();
}

static void tell_changed(void *owner, const struct config_change *change)
{
	struct reload *reload = owner;

	if (!change->is_reloadable)
		return;
	if (reload->changed++ < TOLD_CHANGES_MAX)
		log_change(change, LOG_LEVEL_NOTICE, "changed");
}

/* Against the start, because what was not taken by an earlier reload still is not. */
static void tell_needs_restart(void *owner, const struct config_change *change)
{
	struct reload *reload = owner;

	if (change->is_reloadable)
		return;
	reload->needs_restart++;
	log_change(change, LOG_LEVEL_WARNING, "needs_restart");
}

static void tell_rest(const struct reload *reload)
{
	if (reload->changed > TOLD_CHANGES_MAX)
		log_text(LOG_LEVEL_NOTICE, "changed", "and %u more", reload->changed - TOLD_CHANGES_MAX);
}

static void log_lint(const struct config *config)
{
	for (size_t i = 0; i < config->warning_count; i++)
		log_text(LOG_LEVEL_WARNING, "config", "%s", config->warnings[i]);
}

static void log_reload(const struct server *s, const struct reload *reload)
{
	log_begin(LOG_LEVEL_NOTICE, NULL, "reload");
	log_u64("setup", s->setup->number);
	log_u64("changed", reload->changed);
	log_u64("needs_restart", reload->needs_restart);
	log_end();
}

bool server_open_log(const struct config *config, struct err *err)
{
	log_set_level(config->log_level);
	log_set_format(config->log_format);
	return log_open_syslog(config->syslog ? "/dev/log" : NULL, config->syslog_facility, config->syslog_tag, err);
}

bool server_reload(struct server *s, struct config *config, struct err *err)
{
	struct config *before = config_get((struct config *)s->setup->config);
	struct reload reload = { 0 };
	struct err trouble;
	bool is_told;

	if (s->is_stopping) {
		config_put(&before);
		return err_set(err, "the server is about to stop");
	}
	if (!server_adopt(s, config, true, err)) {
		config_put(&before);
		return false;
	}
	reload.needs_restart = s->sockets_due;
	/* What is told about it must not be lost between the old level and the new one. */
	if (config->log_level > before->log_level)
		log_set_level(config->log_level);
	is_told = config_diff(before, config, tell_changed, &reload) &&
		  config_diff(s->start_config, config, tell_needs_restart, &reload);
	config_put(&before);
	tell_rest(&reload);
	if (!is_told)
		log_text(LOG_LEVEL_WARNING, "trouble", "out of memory: what has changed is not told in full");
	/* What was given up does not come back. */
	if (privileges_bar_setid() && config_runs_set_id(config, s->checker->is_apart)) {
		reload.needs_restart++;
		log_text(LOG_LEVEL_WARNING, "needs_restart",
			 "a backend or a source of users runs a program that changes its user (set_id), which no_new_privs keeps from it");
	}
	log_lint(config);
	server_sockets_start(s);
	metrics_http_start(s);
	log_reload(s, &reload);
	if (!server_open_log(config, &trouble))
		log_text(LOG_LEVEL_WARNING, "trouble", "%s", trouble.text);
	return true;
}

void server_reload_ended(struct server *s, bool is_ok)
{
	metrics_count_reload(s->metrics, is_ok);
}
