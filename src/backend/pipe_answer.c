/* What the end of a program means for the client. */
#include "backend/pipe_private.h"
#include "base/bug.h"

#include <stdio.h>
#include <sysexits.h>

const struct smtp_reply pipe_reply_nul = { 554, "5.6.0", "The message holds a NUL.", "nul_in_message" };
const struct smtp_reply pipe_reply_busy = {
	451, "4.3.2", "Too many messages are being handed over; try again later.", "backend_busy"
};
const struct smtp_reply pipe_reply_sender = {
	553, "5.1.7", "A sender may not begin with a hyphen here.", "leading_hyphen"
};
const struct smtp_reply pipe_reply_recipient = {
	553, "5.1.3", "A recipient may not begin with a hyphen here.", "leading_hyphen"
};

/* How much of what a program says is in the log. */
enum { SHOWN_MAX = 80 };

/* Exit codes from first to last; the first row that fits counts. */
struct meaning {
	int first, last;
	struct smtp_reply reply;
};

/* qmail-queue(8): 11 to 40 are permanent, all others temporary. */
static const struct meaning qmail_queue_meanings[] = {
	{ 31, 31, { 554, "5.3.0", "Message refused.", "qmail_queue" } },
	{ 11, 40, { 554, "5.3.0", "Message rejected by qmail-queue.", "qmail_queue" } },
	{ 53, 53, { 451, "4.3.0", "Write error (queue full?).", "qmail_queue" } },
	{ 1, 255, { 451, "4.3.0", "Temporary qmail-queue failure.", "qmail_queue" } },
};

/* sysexits.h: what will not get better by itself. */
static const struct meaning sendmail_meanings[] = {
	{ EX_DATAERR, EX_DATAERR, { 554, "5.6.0", "The mailer does not take the message.", "sendmail" } },
	{ EX_NOUSER, EX_NOUSER, { 550, "5.1.1", "The mailer knows no such user.", "sendmail" } },
	{ EX_NOHOST, EX_NOHOST, { 550, "5.1.2", "The mailer knows no such host.", "sendmail" } },
	{ EX_UNAVAILABLE, EX_UNAVAILABLE, { 554, "5.3.0", "The mailer refused the message.", "sendmail" } },
	{ EX_NOPERM, EX_NOPERM, { 550, "5.7.1", "The mailer does not permit that.", "sendmail" } },
	{ 1, 255, { 451, "4.3.0", "The mailer failed; try again later.", "sendmail" } },
};

/* The last row is for whatever has no code. */
static const struct smtp_reply *reply_for(enum backend_pipe_kind kind, int code)
{
	bool is_sendmail = kind == BACKEND_PIPE_SENDMAIL;
	const struct meaning *row = is_sendmail ? sendmail_meanings : qmail_queue_meanings;

	while (row->last < 255 && (code < row->first || code > row->last))
		row++;
	return &row->reply;
}

bool pipe_replies_keep(struct pipe_program *p, const struct backend_pipe_options *o)
{
	for (size_t i = 0; i < o->reply_count; i++) {
		const struct backend_pipe_reply *own = &o->replies[i];
		struct smtp_reply *reply = arena_alloc(&p->arena, sizeof(*reply));

		BUG_ON(own->exit_code == 0 || own->exit_code >= PIPE_EXIT_CODES);
		if (!reply)
			return false;
		if (p->replies[own->exit_code])
			continue;
		*reply = *reply_for(o->kind, (int)own->exit_code);
		reply->text = arena_dup(&p->arena, own->text);
		if (own->status.len)
			reply->status = arena_dup(&p->arena, own->status);
		if (!reply->text || !reply->status)
			return false;
		p->replies[own->exit_code] = reply;
	}
	return true;
}

/* The text of the configuration may be gone before the answer is: it is copied. */
static void say(struct backend_answer *answer, const struct pipe_program *p, int exit_code)
{
	const struct smtp_reply *own = p->replies[exit_code], *usual = reply_for(p->kind, exit_code);

	if (own)
		backend_answer_pass_on(answer, own, own->reason);
	else
		answer->reply = *usual;
}

static struct span first_line(struct span text)
{
	text = span_head(text, span_find(text, '\n'));
	return span_trim(span_head(text, span_find(text, '\r')));
}

void pipe_answer(struct backend_answer *answer, const struct pipe_program *program,
		 const struct child_run *run, bool was_read, struct span said)
{
	bool has_exited = run->end == CHILD_EXITED;
	struct span line = span_head(first_line(said), SHOWN_MAX);
	const char *what = run->failure;

	backend_answer_yes(answer);
	if (has_exited && run->status == 0 && was_read)
		return;
	/* Without a code of its own: killed, not started, or a 0 that cannot be true. */
	say(answer, program, has_exited ? run->status : 0);
	answer->is_down = run->end == CHILD_NOT_STARTED;
	if (has_exited && run->status == 0)
		what = "exit code 0, but it has not read all that it was given";
	snprintf(answer->detail, sizeof(answer->detail), "%.70s%s%.*s", what, line.len ? ": " : "",
		 line.len < SHOWN_MAX ? (int)line.len : SHOWN_MAX, line.len ? line.ptr : "");
}
