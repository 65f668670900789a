/*
 * What an administrator asks a running server for by signal: all sessions in the
 * log, and tracing. There may be more sessions than the log takes at once, so
 * that a few are told in each turn of the loop.
 */
#include "front/server.h"
#include "front/session_shell.h"
#include "spool/disk.h"

enum {
	REPORTS_PER_TURN = 64,
	REPORT_PAUSE_MS = 100,
};

/* Whom or what the session waits for. */
static const char *waits_for(const struct session_shell *sh)
{
	if (sh->parting)
		return "last_words";
	if (sh->is_handshaking)
		return "handshake";
	if (sh->is_committing)
		return "delivery";
	if (sh->is_greeting_late)
		return "greeting_delay";
	if (sh->is_deciding)
		return smtp_event_name(smtp_session_waiting(sh->smtp));
	return sh->is_blocked ? "peer_to_read" : "peer";
}

static void report_session(const struct session_shell *sh, uint64_t now_ms)
{
	log_begin(LOG_LEVEL_NOTICE, sh->id, "session");
	log_addr("client", &sh->client);
	log_str("listener", sh->listener->config->listen);
	log_str("state", smtp_session_stage(sh->smtp));
	log_str("waits_for", waits_for(sh));
	log_u64("seconds", (now_ms - sh->begun_ms) / 1000);
	log_u64("idle", (now_ms - sh->active_ms) / 1000);
	log_u64("messages", sh->accepted);
	log_u64("bytes_in", conn_bytes_in(sh->conn));
	log_u64("bytes_out", conn_bytes_out(sh->conn));
	log_u64("setup", sh->setup->number);
	log_end();
}

static void report_some(struct server *s);

static void go_on(struct loop_timer *timer)
{
	report_some(LIST_OWNER(timer, struct server, report));
}

static void report_some(struct server *s)
{
	unsigned told = 0;

	for (struct list *link = s->sessions.next; link != &s->sessions; link = link->next) {
		struct session_shell *sh = LIST_OWNER(link, struct session_shell, link);

		if (sh->report_round == s->report_round)
			continue;
		if (told++ == REPORTS_PER_TURN) {
			loop_timer_start(s->loop, &s->report, REPORT_PAUSE_MS, go_on);
			return;
		}
		sh->report_round = s->report_round;
		report_session(sh, loop_now_ms(s->loop));
	}
	s->is_reporting = false;
	log_begin(LOG_LEVEL_NOTICE, NULL, "sessions");
	log_u64("count", s->session_count);
	log_u64("most", s->max_sessions);
	log_u64("setup", s->setup->number);
	log_u64("disk_jobs", pool_pending(s->disk));
	log_u64("hashing_jobs", pool_pending(s->hashing));
	log_u64("hashing_lost", pool_lost(s->hashing));
	log_u64("spool_memory", s->spool_budget.used_bytes);
	log_u64("spool_files", s->spool_budget.disk->files);
	log_end();
}

void server_report(struct server *s)
{
	if (s->is_reporting)
		return;
	s->is_reporting = true;
	s->report_round++;
	report_some(s);
}

void server_apply_trace(struct server *s)
{
	log_set_trace(s->traces_all ? LOG_TRACE_ALL : s->setup->config->trace);
}

void server_switch_trace(struct server *s)
{
	s->traces_all = !s->traces_all;
	server_apply_trace(s);
	log_begin(LOG_LEVEL_NOTICE, NULL, "trace");
	log_str("what", s->traces_all ? "all" : "configured");
	log_end();
}
