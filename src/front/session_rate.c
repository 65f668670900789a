#include "front/session_rate.h"

enum { PERIOD_MS = 60 * 1000 };

void session_rate_start(struct session_shell *sh)
{
	sh->rate_since_ms = loop_now_ms(sh->server->loop);
	sh->rate_bytes = conn_bytes_in(sh->conn);
}

uint64_t session_rate_period_ms(const struct session_shell *sh)
{
	uint64_t timeout_ms = 1000ULL * sh->listener->config->session.timeout_s;

	return timeout_ms < PERIOD_MS ? timeout_ms : PERIOD_MS;
}

bool session_rate_is_too_low(struct session_shell *sh, uint64_t now_ms)
{
	uint64_t least = sh->listener->config->session.min_data_rate, elapsed_ms = now_ms - sh->rate_since_ms;
	uint64_t bytes = conn_bytes_in(sh->conn) - sh->rate_bytes;

	if (!smtp_session_in_body(sh->smtp) || least == 0 || elapsed_ms < session_rate_period_ms(sh))
		return false;
	session_rate_start(sh);
	return bytes < least * elapsed_ms / 1000;
}
