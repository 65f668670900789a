/*
 * A priority put into force on an SSL_CTX. Everything is set, so that nothing
 * of openssl.cnf shines through; only the security level and options that no
 * word speaks of stay as they are.
 */
#include "base/buf.h"
#include "net/tls_priority.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static const struct {
	int number;
	uint64_t off;
} versions[TLS_VERSION_COUNT] = {
	[TLS_VERSION_1_0] = { TLS1_VERSION, SSL_OP_NO_TLSv1 },
	[TLS_VERSION_1_1] = { TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	[TLS_VERSION_1_2] = { TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	[TLS_VERSION_1_3] = { TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

/* "what": OpenSSL's reason, the last it gave. */
static bool refused(struct err *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	err_set(err, "OpenSSL refuses the %s: %s", what, reason ? reason : "it does not say why");
	ERR_clear_error();
	return false;
}

static bool apply_versions(const struct tls_priority *priority, SSL_CTX *ssl_ctx)
{
	int low = 0, high = 0;

	for (int i = 0; i < TLS_VERSION_COUNT; i++) {
		if (!(priority->versions & (1u << i))) {
			SSL_CTX_set_options(ssl_ctx, versions[i].off);
			continue;
		}
		SSL_CTX_clear_options(ssl_ctx, versions[i].off);
		low = low ? low : versions[i].number;
		high = versions[i].number;
	}
	return SSL_CTX_set_min_proto_version(ssl_ctx, low) == 1 &&
	       SSL_CTX_set_max_proto_version(ssl_ctx, high) == 1;
}

/* The names joined by colons, for a function of OpenSSL. */
static bool apply_list(const struct tls_priority_list *list, SSL_CTX *ssl_ctx,
		       int (*set)(SSL_CTX *, const char *), const char *what, struct err *err)
{
	struct buf joined = { 0 };
	bool is_ok = true;

	for (size_t i = 0; i < list->count && is_ok; i++)
		is_ok = (i == 0 || buf_add(&joined, ":", 1)) && buf_add_str(&joined, list->names[i]);
	is_ok = is_ok && buf_add(&joined, "", 1);
	if (!is_ok)
		err_set(err, "out of memory");
	else if (set(ssl_ctx, buf_span(&joined).ptr) != 1)
		is_ok = refused(err, what);
	buf_fini(&joined);
	return is_ok;
}

/* These two are macros in OpenSSL. */
static int set_groups(SSL_CTX *ssl_ctx, const char *names)
{
	return (int)SSL_CTX_set1_groups_list(ssl_ctx, names);
}

static int set_sigalgs(SSL_CTX *ssl_ctx, const char *names)
{
	return (int)SSL_CTX_set1_sigalgs_list(ssl_ctx, names);
}

/* An empty list is set only of suites of TLS 1.3: OpenSSL has no other empty lists, and none is needed. */
static bool apply_lists(const struct tls_priority *priority, SSL_CTX *ssl_ctx, struct err *err)
{
	if (priority->ciphers[0] && SSL_CTX_set_cipher_list(ssl_ctx, priority->ciphers) != 1)
		return refused(err, "cipher string behind \"OPENSSL:\"");
	if (priority->suites.count &&
	    !apply_list(&priority->suites, ssl_ctx, SSL_CTX_set_cipher_list, "cipher suites", err))
		return false;
	if (!apply_list(&priority->suites13, ssl_ctx, SSL_CTX_set_ciphersuites, "cipher suites of TLS 1.3", err))
		return false;
	if (priority->groups.count && !apply_list(&priority->groups, ssl_ctx, set_groups, "groups", err))
		return false;
	return !priority->sigalgs.count ||
	       apply_list(&priority->sigalgs, ssl_ctx, set_sigalgs, "signature algorithms", err);
}

bool tls_priority_apply(const struct tls_priority *priority, SSL_CTX *ssl_ctx, struct err *err)
{
	ERR_clear_error();
	/* First, because OPENSSL:...@SECLEVEL=n may set it as well. */
	if (priority->level_max >= 0 && SSL_CTX_get_security_level(ssl_ctx) > priority->level_max)
		SSL_CTX_set_security_level(ssl_ctx, priority->level_max);
	if (!apply_versions(priority, ssl_ctx))
		return refused(err, "protocol versions");
	if (!apply_lists(priority, ssl_ctx, err))
		return false;
	SSL_CTX_set_options(ssl_ctx, priority->options_on);
	SSL_CTX_clear_options(ssl_ctx, priority->options_off);
	if (priority->has_no_tickets && SSL_CTX_set_num_tickets(ssl_ctx, 0) != 1)
		return refused(err, "option %NO_TICKETS");
	if (priority->auth_level >= 0)
		X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(ssl_ctx), priority->auth_level);
	return true;
}
