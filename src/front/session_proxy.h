/*
 * What a proxy between client and us told about the client, as its session sees it.
 */
#ifndef FRONT_SESSION_PROXY_H
#define FRONT_SESSION_PROXY_H

#include "front/session_steps.h"
#include "proto/proxy.h"

/* Before the session begins. What the proxy says of itself (LOCAL) changes nothing. */
void session_proxy_note(struct session_shell *sh, const struct proxy_facts *proxy);

/* May this peer say XCLIENT? */
bool session_proxy_may_xclient(const struct setup_listener *listener, const struct addr *peer);

/* Decide XCLIENT: from here on the session is that client's. False: it is refused, and the verdict made. */
MUST_CHECK bool session_proxy_xclient(struct session_shell *sh, const struct smtp_xclient *x, struct step_verdict *v);

#endif
