/*
 * What a proxy between client and us told about the client, as its session sees it.
 */
#ifndef FRONT_SESSION_PROXY_H
#define FRONT_SESSION_PROXY_H

#include "front/session_shell.h"
#include "proto/proxy.h"

/* Before the session begins. What the proxy says of itself (LOCAL) changes nothing. */
void session_proxy_note(struct session_shell *sh, const struct proxy_facts *proxy);

#endif
