#include "front/session_proxy.h"

#include "front/session_auth.h"
#include "front/session_steps_private.h"
#include "policy/client_rule.h"

#include <stdlib.h>

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

bool session_proxy_may_xclient(const struct setup_listener *listener, const struct addr *peer)
{
	const struct network_list *from = &listener->config->session.xclient_from;

	for (size_t i = 0; i < from->count; i++)
		if (addr_in_prefix(peer, &from->networks[i]))
			return true;
	return false;
}

/* As whom the proxy's client has authenticated; nobody else is anybody any more. False: out of memory. */
static bool note_login(struct session_shell *sh, const char *login)
{
	session_auth_offer(sh);
	if (*login)
		sh->user = strdup(login);
	return !*login || sh->user;
}

bool session_proxy_xclient(struct session_shell *sh, const struct smtp_xclient *x, struct step_verdict *v)
{
	const struct addr client = x->has_client ? x->client : sh->client;
	enum smtp_reply_name refusal = server_session_moved(sh->server, &sh->client, sh->is_settled, &client);

	if (refusal != SMTP_REPLY_OK) {
		session_step_refuse(sh, v, smtp_reply(refusal), "xclient", NULL);
		return false;
	}
	sh->client = client;
	sh->is_proxied = true;
	sh->is_settled = sh->is_extended = false;
	free(sh->helo_name);
	sh->helo_name = NULL;
	session_shell_take_rule(sh, client_rule_find(sh->setup->config, &sh->client, NULL));
	if (note_login(sh, x->login))
		return true;
	session_step_refuse(sh, v, smtp_reply(SMTP_REPLY_NO_MEMORY_CLOSE), "xclient", NULL);
	return false;
}
