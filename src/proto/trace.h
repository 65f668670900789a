/*
 * The trace fields that we put before a message (RFC 5321 4.4). Pure: time is
 * an argument. Lines end in LF. Nothing a peer said is written as it came: the
 * HELO name goes through trace_write_safe_name().
 */
#ifndef PROTO_TRACE_H
#define PROTO_TRACE_H

#include "base/addr.h"
#include "base/buf.h"
#include "proto/address.h"

/* What decides on the name of the protocol. */
enum trace_protocol_flag {
	TRACE_EXTENDED = 1, /* EHLO; without it the others mean nothing */
	TRACE_TLS = 2,
	TRACE_AUTH = 4,
	TRACE_SMTPUTF8 = 8,
};

/* "SMTP", "ESMTPSA" (RFC 3848), "UTF8SMTP" (RFC 6531 4.3), ...; bits of enum trace_protocol_flag. */
const char *trace_protocol(unsigned flags);

struct trace_facts {
	struct span helo_name;   /* as the client gave it; may be empty */
	struct addr client;      /* ADDR_NONE: not told */
	const char *hostname;    /* ours */
	const char *protocol;    /* see trace_protocol() */
	const char *message_id;  /* ours: <session-id>-<n> */
	const char *tls_version; /* "TLSv1.3"; NULL: plain text */
	const char *tls_suite;   /* "TLS_AES_256_GCM_SHA384" */
	const struct smtp_address *recipient; /* for "for <...>"; NULL when there are several */
	uint64_t time_s;         /* seconds since 1970-01-01 00:00 UTC */
};

/*
 * Received: from HELO ([192.0.2.1])
 *	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)
 *	by HOST with ESMTP id ID
 *	for <a@b>; Sun, 22 Nov 2026 10:20:52 +0000
 * The client of an unknown address, TLS where there is none, and the recipient of several
 * are left out; a line that would be longer than 78 octets is folded once more; a HELO name
 * is cut at 255.
 */
MUST_CHECK bool trace_write_received(struct buf *out, const struct trace_facts *facts);

/*
 * Date (RFC 5322 3.6.1) and Message-ID (3.6.4), each if it is wanted: what RFC 6409 8 lets a submission server add.
 * The id is that of Received, the time and our hostname.
 */
MUST_CHECK bool trace_write_submission(struct buf *out, const struct trace_facts *facts, bool wants_date,
				       bool wants_message_id);

/* Return-Path: <sender> and Delivered-To: recipient, a line each. */
MUST_CHECK bool trace_write_return_path(struct buf *out, const struct smtp_address *sender);
MUST_CHECK bool trace_write_delivered_to(struct buf *out, const struct smtp_address *recipient);

/* RFC 5322 3.3 date-time in UTC ("+0000"). */
MUST_CHECK bool trace_write_date(struct buf *out, uint64_t time_s);

/* Append a name as one word: what is neither letter, digit nor one of "-._:[]" becomes "?". Empty: "unknown". */
MUST_CHECK bool trace_write_safe_name(struct buf *out, struct span name);

#endif
