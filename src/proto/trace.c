#include "proto/trace.h"

enum { LINE_WISHED = 78 }; /* RFC 5322 2.1.1 */

struct civil_date {
	uint64_t year;
	unsigned month; /* 0 to 11 */
	unsigned day;   /* 1 to 31 */
};

/*
 * The Gregorian calendar repeats every 400 years. Years are counted from March
 * on, so that the leap day is the last of its year and cycle.
 */
static struct civil_date date_from_days(uint64_t days_since_1970)
{
	static const uint16_t month_begins[] = { 0,   31,  61,  92,  122, 153,
						 184, 214, 245, 275, 306, 337 };
	uint64_t days = days_since_1970 + 719468; /* since 0000-03-01 */
	uint64_t eras = days / 146097;
	unsigned rest = (unsigned)(days % 146097);
	unsigned centuries = rest / 36524 < 4 ? rest / 36524 : 3;

	rest -= centuries * 36524;
	unsigned fours = rest / 1461;

	rest -= fours * 1461;
	unsigned years = rest / 365 < 4 ? rest / 365 : 3;
	unsigned month = 11;

	rest -= years * 365;
	while (month_begins[month] > rest)
		month--;
	return (struct civil_date){
		.year = eras * 400 + centuries * 100 + fours * 4 + years + (month >= 10),
		.month = (month + 2) % 12,
		.day = rest - month_begins[month] + 1,
	};
}

static bool undo(struct buf *out, size_t len)
{
	out->end = out->start + len;
	return false;
}

/* Three letters of a table of such names. */
static bool put_name(struct buf *out, const char *names, unsigned index)
{
	return buf_add(out, names + index * 3, 3);
}

static bool put_two_digits(struct buf *out, uint64_t value)
{
	return buf_add(out, (char[]){ (char)('0' + value / 10), (char)('0' + value % 10) }, 2);
}

bool trace_write_date(struct buf *out, uint64_t time_s)
{
	static const char weekdays[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t days = time_s / 86400, second = time_s % 86400;
	struct civil_date date = date_from_days(days);
	size_t before = buf_len(out);

	/* 1970-01-01 was a Thursday. */
	return (put_name(out, weekdays, (unsigned)((days + 4) % 7)) && buf_add(out, ", ", 2) &&
		put_two_digits(out, date.day) && buf_add(out, " ", 1) && put_name(out, months, date.month) &&
		buf_add(out, " ", 1) && buf_add_u64(out, date.year) && buf_add(out, " ", 1) &&
		put_two_digits(out, second / 3600) && buf_add(out, ":", 1) &&
		put_two_digits(out, second / 60 % 60) && buf_add(out, ":", 1) && put_two_digits(out, second % 60) &&
		buf_add_str(out, " +0000")) ||
	       undo(out, before);
}

static bool is_safe(char c)
{
	return ascii_is_alnum(c) || (c && strchr("-._:[]", c));
}

bool trace_write_safe_name(struct buf *out, struct span name)
{
	if (name.len == 0)
		name = SPAN_LITERAL("unknown");
	if (!buf_reserve(out, name.len))
		return false;
	for (size_t i = 0; i < name.len; i++)
		out->data[out->end + i] = is_safe(name.ptr[i]) ? name.ptr[i] : '?';
	buf_added(out, name.len);
	return true;
}

/* Octets of the line being written at the end of `out`, whose header field began at `start`. */
static size_t line_octets(const struct buf *out, size_t start)
{
	struct span field = span_from(buf_span(out), start);
	size_t n = 0;

	while (n < field.len && field.ptr[field.len - 1 - n] != '\n')
		n++;
	return n;
}

/* A blank, or a fold where `more` further octets would make the line longer than one wishes. */
static bool put_blank(struct buf *out, size_t start, size_t more)
{
	return buf_add_str(out, line_octets(out, start) + 1 + more > LINE_WISHED ? "\n\t" : " ");
}

/* RFC 5321 4.4: the client's address as a literal; a scope means nothing to others. */
static bool put_client(struct buf *out, size_t start, const struct addr *client)
{
	const char *open = client->family == ADDR_IPV6 ? "([IPv6:" : "([";
	struct addr bare = *client;
	char ip[ADDR_TEXT_SIZE];

	if (client->family == ADDR_NONE)
		return true;
	bare.scope_id = 0;
	addr_format_ip(&bare, ip);
	return put_blank(out, start, strlen(open) + strlen(ip) + 2) && buf_add_str(out, open) &&
	       buf_add_str(out, ip) && buf_add(out, "])", 2);
}

/* RFC 5321 4.4: comments may stand before each clause; it is at this place that others look for this one. */
static bool put_tls(struct buf *out, const char *version, const char *suite)
{
	return !version || (buf_add_str(out, "\n\t(using ") && trace_write_safe_name(out, span_str(version)) &&
			    buf_add_str(out, " with cipher ") && trace_write_safe_name(out, span_str(suite)) &&
			    buf_add(out, ")", 1));
}

const char *trace_protocol(unsigned flags)
{
	static const char *const names[] = {
		[0] = "ESMTP",
		[TRACE_TLS] = "ESMTPS",
		[TRACE_AUTH] = "ESMTPA",
		[TRACE_TLS | TRACE_AUTH] = "ESMTPSA",
		[TRACE_SMTPUTF8] = "UTF8SMTP",
		[TRACE_SMTPUTF8 | TRACE_TLS] = "UTF8SMTPS",
		[TRACE_SMTPUTF8 | TRACE_AUTH] = "UTF8SMTPA",
		[TRACE_SMTPUTF8 | TRACE_TLS | TRACE_AUTH] = "UTF8SMTPSA",
	};

	return flags & TRACE_EXTENDED ? names[flags & (TRACE_TLS | TRACE_AUTH | TRACE_SMTPUTF8)] : "SMTP";
}

static bool put_recipient(struct buf *out, const struct smtp_address *recipient)
{
	return !recipient ||
	       (buf_add_str(out, "\n\tfor <") && smtp_address_write(out, recipient) && buf_add(out, ">", 1));
}

bool trace_write_received(struct buf *out, const struct trace_facts *facts)
{
	static const size_t date_octets = sizeof("Sun, 22 Nov 2026 10:20:52 +0000") - 1;
	/* No domain is longer (RFC 5321 4.5.3.1.2), and no line may be over 998. */
	struct span helo_name = span_head(facts->helo_name, SMTP_DOMAIN_MAX);
	size_t start = buf_len(out);

	return (buf_add_str(out, "Received: from ") && trace_write_safe_name(out, helo_name) &&
		put_client(out, start, &facts->client) &&
		put_tls(out, facts->tls_version, facts->tls_suite) && buf_add_str(out, "\n\tby ") &&
		buf_add_str(out, facts->hostname) && buf_add_str(out, " with ") &&
		buf_add_str(out, facts->protocol) && buf_add_str(out, " id ") &&
		buf_add_str(out, facts->message_id) && put_recipient(out, facts->recipient) &&
		buf_add(out, ";", 1) && put_blank(out, start, date_octets) &&
		trace_write_date(out, facts->time_s) && buf_add(out, "\n", 1)) ||
	       undo(out, start);
}

static bool put_date_field(struct buf *out, const struct trace_facts *facts)
{
	return buf_add_str(out, "Date: ") && trace_write_date(out, facts->time_s) && buf_add(out, "\n", 1);
}

static bool put_message_id_field(struct buf *out, const struct trace_facts *facts)
{
	return buf_add_str(out, "Message-ID: <") && buf_add_str(out, facts->message_id) && buf_add(out, ".", 1) &&
	       buf_add_u64(out, facts->time_s) && buf_add(out, "@", 1) && buf_add_str(out, facts->hostname) &&
	       buf_add_str(out, ">\n");
}

bool trace_write_submission(struct buf *out, const struct trace_facts *facts, bool wants_date,
			    bool wants_message_id)
{
	size_t before = buf_len(out);

	return ((!wants_date || put_date_field(out, facts)) &&
		(!wants_message_id || put_message_id_field(out, facts))) ||
	       undo(out, before);
}

bool trace_write_return_path(struct buf *out, const struct smtp_address *sender)
{
	size_t before = buf_len(out);

	return (buf_add_str(out, "Return-Path: <") && smtp_address_write(out, sender) &&
		buf_add(out, ">\n", 2)) ||
	       undo(out, before);
}

bool trace_write_delivered_to(struct buf *out, const struct smtp_address *recipient)
{
	size_t before = buf_len(out);

	return (buf_add_str(out, "Delivered-To: ") && smtp_address_write(out, recipient) &&
		buf_add(out, "\n", 1)) ||
	       undo(out, before);
}
