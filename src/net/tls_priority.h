/*
 * The priority language of GnuTLS, translated to OpenSSL. Parsing is pure
 * but for one file: @NAME looks into the system's GnuTLS configuration. A word
 * that is unknown, or asks for what OpenSSL does not have, is an error that
 * names the word and its place. A struct tls_priority is a plain value: it owns
 * nothing, and its names point to constants. Which words there are, and where
 * we differ from GnuTLS, is told in smtpfrontd.conf(5), TLS PRIORITY STRINGS.
 */
#ifndef NET_TLS_PRIORITY_H
#define NET_TLS_PRIORITY_H

#include "base/bug.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ssl_ctx_st;

enum tls_version {
	TLS_VERSION_1_0,
	TLS_VERSION_1_1,
	TLS_VERSION_1_2,
	TLS_VERSION_1_3,
	TLS_VERSION_COUNT
};

enum {
	TLS_PRIORITY_NAMES_MAX = 128,
	TLS_PRIORITY_CIPHERS_MAX = 1024, /* bytes of OPENSSL:<cipher string> */
};

/* Names as OpenSSL has them, the first one preferred. */
struct tls_priority_list {
	const char *names[TLS_PRIORITY_NAMES_MAX];
	size_t count;
};

struct tls_priority {
	unsigned versions; /* a bit 1 << enum tls_version for each that is on */
	struct tls_priority_list suites;   /* of TLS 1.2 and below */
	struct tls_priority_list suites13; /* of TLS 1.3 */
	struct tls_priority_list groups;
	struct tls_priority_list sigalgs;
	char ciphers[TLS_PRIORITY_CIPHERS_MAX]; /* OPENSSL:<this>, in place of suites; empty otherwise */
	uint64_t options_on, options_off;	/* SSL_OP_* */
	int level_max;	  /* a word needs OpenSSL's security level to be no higher; -1: none does */
	int auth_level;	  /* the level of client certificates (%PROFILE_*); -1: as OpenSSL has it */
	bool has_no_tickets;	  /* in TLS 1.3 neither */
	bool is_system_default; /* @SYSTEM was read as NORMAL: the system has no policy */
};

/* Read a priority string. On failure *priority is undefined and *err names what was wrong and where. */
MUST_CHECK bool tls_priority_parse(struct tls_priority *priority, const char *text, struct err *err);

/*
 * Put it into force: versions, suites, groups, signature algorithms, options.
 * The security level is lowered where the string asks for what needs it, and
 * never raised. On failure the context is not to be used.
 */
MUST_CHECK bool tls_priority_apply(const struct tls_priority *priority, struct ssl_ctx_st *ssl_ctx,
				   struct err *err);

/* Print what results, a line each, as OpenSSL itself tells it from a context made this way. */
MUST_CHECK bool tls_priority_explain(const struct tls_priority *priority, FILE *out, struct err *err);

#endif
