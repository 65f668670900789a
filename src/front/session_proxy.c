#include "front/session_proxy.h"

/* Words of a TLS library; anything else is not passed on to the log and to Received. */
static void keep_word(char *word, size_t size, struct span text)
{
	size_t n = 0;

	for (; n < text.len && n + 1 < size && text.ptr[n] > ' ' && text.ptr[n] <= '~' && !strchr("()<>\"\\", text.ptr[n]); n++)
		word[n] = text.ptr[n];
	word[n] = '\0';
}

void session_proxy_note(struct session_shell *sh, const struct proxy_facts *proxy)
{
	if (proxy->is_local)
		return;
	sh->is_proxied = true;
	sh->client = proxy->client;
	if (!proxy->has_tls || sh->listener->config->session.tls_immediate)
		return;
	sh->is_tls = true;
	keep_word(sh->proxied_tls_version, sizeof(sh->proxied_tls_version), proxy->tls_version);
	keep_word(sh->proxied_tls_cipher, sizeof(sh->proxied_tls_cipher), proxy->tls_cipher);
}
