#include "front/session_trace.h"

#include "front/session_tls.h"

void session_trace_verdict(const struct session_shell *sh, const struct smtp_reply *reply)
{
	if (!log_trace(LOG_TRACE_SMTP, sh->id, "verdict"))
		return;
	log_str("step", smtp_event_name(smtp_session_waiting(sh->smtp)));
	if (reply) {
		log_u64("code", reply->code);
		log_str("status", reply->status);
	} else {
		log_str("code", "default");
	}
	log_end();
}

void session_trace_secured(const struct session_shell *sh)
{
	if (!log_trace(LOG_TRACE_TLS, sh->id, "secured"))
		return;
	session_tls_log(sh);
	log_u64("ms", loop_now_ms(sh->server->loop) - sh->handshake_since_ms);
	log_end();
}

void session_trace_policy(const struct session_shell *sh, const struct smtp_reply *reply)
{
	log_trace(LOG_TRACE_POLICY, sh->id, "policy");
	log_str("stage", "rcpt");
	log_str("says", reply ? reply->reason : "yes");
	log_end();
}

void session_trace_delivery(const struct session_shell *sh)
{
	const struct envelope *e = sh->envelope;

	log_trace(LOG_TRACE_SPOOL, sh->id, "spooled");
	log_u64("octets", e->spool.octets);
	log_str("on_disk", e->spool.file ? "yes" : "no");
	log_end();
	log_trace(LOG_TRACE_BACKEND, sh->id, "deliver");
	log_str("message", e->mail.message_id);
	log_str("backend", envelope_backend(e)->name);
	log_u64("recipients", e->recipient_count);
	log_end();
}

void session_trace_slow(const struct session_shell *sh)
{
	uint64_t took = loop_now_ms(sh->server->loop) - sh->deciding_since_ms;
	uint64_t most = 1000ULL * sh->setup->config->slow_step_s;
	enum smtp_event_type step = smtp_session_waiting(sh->smtp);

	if (step == SMTP_EVENT_CONNECT || most == 0 || took < most)
		return;
	log_begin(LOG_LEVEL_WARNING, sh->id, "slow");
	log_str("step", smtp_event_name(step));
	log_u64("ms", took);
	log_end();
}
