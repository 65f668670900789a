#include "front/session_tls.h"

#include "front/metrics.h"
#include "front/session_trace.h"
#include "net/tls.h"

bool session_tls_is_immediate(const struct setup_listener *listener)
{
	return listener->config->session.tls_immediate;
}

bool session_tls_start(struct session_shell *sh)
{
	SSL *ssl = sh->listener->tls ? tls_context_new_ssl(sh->listener->tls) : NULL;

	if (!ssl || !conn_start_tls(sh->conn, ssl))
		return false;
	sh->is_handshaking = true;
	sh->handshake_since_ms = loop_now_ms(sh->server->loop);
	return true;
}

void session_tls_note_secured(const struct session_shell *sh)
{
	const SSL *ssl = conn_ssl(sh->conn);

	/* TLS may also run between the client and a proxy. */
	if (ssl)
		metrics_count_handshake(sh->server->metrics, SSL_get_version(ssl), SSL_session_reused(ssl) == 1);
	session_trace_secured(sh);
}

void session_tls_log(const struct session_shell *sh)
{
	struct tls_facts facts;

	if (!sh->is_tls)
		return;
	if (!conn_ssl(sh->conn)) {
		log_str("tls", sh->proxied_tls_version);
		log_str("suite", sh->proxied_tls_cipher);
		log_str("tls_ends", "proxy");
		return;
	}
	tls_facts_read(&facts, conn_ssl(sh->conn));
	log_str("tls", facts.version);
	log_str("suite", facts.suite);
	log_str("group", facts.group);
	log_str("resumed", facts.is_resumed ? "yes" : "no");
	if (*facts.server_name)
		log_str("sni", facts.server_name);
	if (facts.has_client_cert) {
		log_str("client_subject", facts.client_subject);
		log_str("client_fingerprint", facts.client_fingerprint);
	}
}

void session_tls_trace(const struct session_shell *sh, struct trace_facts *facts)
{
	const SSL *ssl = sh->is_tls ? conn_ssl(sh->conn) : NULL;

	if (!ssl && *sh->proxied_tls_version) {
		facts->tls_version = sh->proxied_tls_version;
		facts->tls_suite = *sh->proxied_tls_cipher ? sh->proxied_tls_cipher : "unknown";
	}
	if (!ssl)
		return;
	facts->tls_version = SSL_get_version(ssl);
	facts->tls_suite = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl));
}
