/*
 * What the files of the session's steps share, and nobody else includes.
 */
#ifndef FRONT_SESSION_STEPS_PRIVATE_H
#define FRONT_SESSION_STEPS_PRIVATE_H

#include "front/session_steps.h"
#include "idn/idn.h"

/* Make it the verdict, and log it. */
void session_step_refuse(struct session_shell *sh, struct step_verdict *v, const struct smtp_reply *reply,
			 const char *stage, const char *detail);

/* Make a refusal of policies the verdict, and log it; a reply that is the policies' own is copied. */
void session_step_take_policy_verdict(struct session_shell *sh, const struct policy_verdict *from,
				      struct step_verdict *v, const char *stage);

/* Decide CONNECT (session_connect.c); the name of the host did not come in time. */
void session_step_connect(struct session_shell *sh, struct step_verdict *v);
void session_step_expire_connect(struct session_shell *sh);

/* What is known of the session; the recipient is for the caller to add. */
struct policy_facts session_step_facts(const struct session_shell *sh);

/* NULL: converted. Otherwise why not; `invalid` is for a domain that can be the name of nothing. */
const struct smtp_reply *session_step_convert_domain(struct idn_domain *ascii, const struct smtp_address *address,
						     enum smtp_reply_name invalid);

/* Decide RCPT (session_rcpt.c), DATA and MESSAGE (session_message.c). */
void session_step_data(struct session_shell *sh, struct step_verdict *v);
void session_step_rcpt(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v);
void session_step_message(struct session_shell *sh, const struct smtp_event *event, struct step_verdict *v);

/* Give the content up, with this reply at the end of data; the rest is read on to there, and thrown away. */
void session_step_lose_content(struct envelope *e, enum smtp_reply_name reply, const char *reason);

/* The delivery has come to this verdict, or has been waited for long enough: for the metrics. */
void session_step_count_delivery(const struct session_shell *sh, const struct smtp_reply *verdict);

/* Go on with what waited for the disk. */
void session_step_content_rests(struct session_shell *sh);

#endif
