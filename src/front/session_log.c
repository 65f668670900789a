#include "front/session_log.h"

#include "front/metrics.h"
#include "front/session_tls.h"

#include <string.h>

static void log_address(const char *key, const struct smtp_address *address)
{
	struct buf text = { 0 };

	if (smtp_address_write(&text, address))
		log_span(key, buf_span(&text));
	buf_fini(&text);
}

void session_shell_log_refusal(struct session_shell *sh, const struct smtp_reply *reply, const char *stage,
			       struct span line, const char *detail)
{
	sh->errors++;
	sh->last_reason = reply->reason;
	metrics_count_refusal(sh->server->metrics, stage, reply);
	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	log_begin(LOG_LEVEL_INFO, sh->id, "refused");
	log_addr("client", &sh->client);
	log_str("stage", stage);
	log_u64("code", reply->code);
	log_str("status", reply->status);
	log_str("reason", reply->reason);
	if (line.len)
		log_span("line", line);
	if (sh->envelope)
		log_address("sender", &sh->envelope->sender);
	if (sh->envelope && strcmp(stage, "rcpt") == 0 && line.len == 0)
		log_address("recipient", &sh->envelope->candidate);
	log_str("reply", reply->text);
	if (detail && *detail)
		log_str("detail", detail);
	log_end();
}

void session_log_begin(const struct session_shell *sh, const struct addr *peer)
{
	sh->listener->metrics->sessions++;
	log_trace(LOG_TRACE_NET, sh->id, "connect");
	log_addr("client", &sh->client);
	if (sh->is_proxied)
		log_addr("proxy", peer);
	log_end();
}

void session_log_disconnect(const struct session_shell *sh, const char *reason, int error)
{
	struct metrics *metrics = sh->server->metrics;

	metrics_count_session_end(metrics, reason, conn_bytes_in(sh->conn), conn_bytes_out(sh->conn));
	metrics->handshake_failures += sh->is_handshaking;
	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	log_begin(LOG_LEVEL_INFO, sh->id, "disconnect");
	log_addr("client", &sh->client);
	log_str("listener", sh->listener->config->listen);
	log_str("reason", reason);
	log_str("stage", smtp_session_stage(sh->smtp));
	if (error)
		log_str("error", strerror(error));
	log_u64("messages", sh->accepted);
	log_u64("errors", sh->errors);
	log_u64("bytes_in", conn_bytes_in(sh->conn));
	log_u64("bytes_out", conn_bytes_out(sh->conn));
	log_u64("seconds", (loop_now_ms(sh->server->loop) - sh->begun_ms) / 1000);
	session_tls_log(sh);
	if (*conn_tls_failure(sh->conn))
		log_str("tls_failure", conn_tls_failure(sh->conn));
	log_end();
}
