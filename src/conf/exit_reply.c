/* Texts for exit codes of qmail-queue. */
#include "conf/exit_reply.h"

/* With code, status and line end it must fit into a line of a reply (RFC 5321 4.5.3.1.5). */
enum { TEXT_MAX = 480, DETAIL_DIGITS_MAX = 3 };

/* qmail-queue(8): 11 to 40 are permanent, all others temporary. */
static char class_of(unsigned exit_code)
{
	return exit_code >= 11 && exit_code <= 40 ? '5' : '4';
}

/* RFC 3463 2: class, subject and detail. Its length, with a class that no error has as well; 0: it is none. */
static size_t status_length(struct span text)
{
	size_t i = 1;

	if (text.len == 0 || !ascii_is_digit(text.ptr[0]))
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (i == text.len || text.ptr[i++] != '.')
			return 0;
		while (i < text.len && ascii_is_digit(text.ptr[i])) {
			i++;
			digits++;
		}
		if (digits == 0 || digits > DETAIL_DIGITS_MAX)
			return 0;
	}
	return i == text.len || text.ptr[i] == ' ' ? i : 0;
}

static bool is_printable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < ' ' || text.ptr[i] > '~')
			return false;
	return true;
}

static const char *parse_text(struct exit_reply *reply, struct span text)
{
	size_t status = status_length(text);

	if (status && text.ptr[0] != class_of(reply->exit_code))
		return class_of(reply->exit_code) == '5' ?
			"has a status code that does not begin with 5: from 11 to 40 are for good" :
			"has a status code that does not begin with 4: all but 11 to 40 are for now";
	reply->status = span_head(text, status);
	reply->text = span_trim(span_from(text, status));
	if (reply->text.len == 0 || reply->text.len > TEXT_MAX)
		return "must have a text of 1 to 480 characters";
	return is_printable(text) ? NULL : "may hold only printable ASCII";
}

const char *exit_reply_parse(struct exit_reply *reply, struct span written)
{
	size_t colon = span_find(written, ':');
	struct span digits = span_trim(span_head(written, colon));
	uint64_t code;

	if (colon == written.len || !span_to_u64(digits, &code))
		return "is no text for an exit code; write \"31: 5.7.1 We do not want this.\"";
	if (code < 1 || code > EXIT_REPLY_CODE_MAX)
		return "has no exit code from 1 to 255";
	reply->exit_code = (unsigned)code;
	return parse_text(reply, span_trim(span_from(written, colon + 1)));
}

const char *exit_reply_check(struct span written)
{
	struct exit_reply reply;

	return exit_reply_parse(&reply, written);
}
