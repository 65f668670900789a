/* net/tls_priority: priority strings of GnuTLS, and what OpenSSL makes of them. */
#include "net/tls_priority.h"
#include "net/tls_priority_words.h"
#include "unit.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

static struct tls_priority parse(const char *text)
{
	struct tls_priority priority;
	struct err err;

	ck_assert_msg(tls_priority_parse(&priority, text, &err), "%s: %s", text, err.text);
	return priority;
}

/* Names joined by blanks, as rows have them. */
static void join(struct tls_priority_list list, struct buf *out)
{
	for (size_t i = 0; i < list.count; i++)
		ck_assert((i == 0 || buf_add(out, " ", 1)) && buf_add_str(out, list.names[i]));
}

#define ASSERT_NAMES(list, expected)              \
	do {                                      \
		struct buf names_ = { 0 };        \
		join((list), &names_);            \
		ASSERT_BUF_EQ(&names_, expected); \
		buf_fini(&names_);                \
	} while (0)

static bool has_name(const struct tls_priority_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->names[i], name) == 0)
			return true;
	return false;
}

enum { V10 = 1, V11 = 2, V12 = 4, V13 = 8 };

/* ---- versions ---- */

static const struct {
	const char *text;
	unsigned versions;
} versions[] = {
	{ "NORMAL", V12 | V13 },
	{ "PERFORMANCE", V12 | V13 },
	{ "PFS", V12 | V13 },
	{ "SECURE128", V12 | V13 },
	{ "SECURE192", V12 | V13 },
	{ "SECURE256", V12 | V13 },
	{ "LEGACY", V10 | V11 | V12 | V13 },
	{ "SUITEB128", V12 },
	{ "SUITEB192", V12 },
	{ "normal", V12 | V13 },
	{ "NORMAL:+VERS-TLS1.0", V10 | V12 | V13 },
	{ "NORMAL:+VERS-ALL", V10 | V11 | V12 | V13 },
	{ "NORMAL:+VERS-TLS-ALL", V10 | V11 | V12 | V13 },
	{ "NORMAL:-VERS-ALL:+VERS-TLS1.2", V12 },
	{ "NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3", V13 },
	{ "NORMAL:!VERS-TLS1.3", V12 },
	{ "NORMAL:-vers-tls1.3", V12 },
	{ "NORMAL: -VERS-TLS1.3", V12 },
	{ "LEGACY:-VERS-TLS1.1:-VERS-TLS1.2", V10 | V13 },
	{ "SUITEB128:+VERS-TLS1.3", V12 | V13 },
	{ "NORMAL:-VERS-SSL3.0:-VERS-DTLS-ALL:-VERS-DTLS1.2", V12 | V13 },
	/* A keyword further on leaves versions alone. */
	{ "NORMAL:LEGACY", V12 | V13 },
	{ "SUITEB128:+NORMAL", V12 },
	/* A version goes with what it cannot do without. */
	{ "NORMAL:-GROUP-ALL", V12 },
	{ "NORMAL:-AEAD", V12 },
	{ "LEGACY:-SIGN-ALL", V10 | V11 },
	{ "LEGACY:-SHA1", V12 | V13 },
	{ "LEGACY:-AES-256-CBC:-AES-128-CBC", V12 | V13 },
	{ "LEGACY:-AES-256-CBC:-AES-128-CBC:+CAMELLIA-128-CBC", V10 | V11 | V12 | V13 },
	{ "NORMAL:-KX-ALL", V13 },
	{ "OPENSSL:HIGH", V12 | V13 },
};

START_TEST(words_choose_versions)
{
	struct tls_priority priority = parse(versions[_i].text);

	ck_assert_msg(priority.versions == versions[_i].versions, "%s: %x is not %x", versions[_i].text,
		      priority.versions, versions[_i].versions);
	ck_assert_int_eq(priority.suites13.count > 0, (priority.versions & V13) != 0);
}
END_TEST

/* ---- suites ---- */

#define NONE_12 "NONE:+VERS-TLS1.2:+SIGN-ALL:+GROUP-ALL"

static const struct {
	const char *text, *suites, *suites13;
} suites[] = {
	{ NONE_12 ":+ECDHE-RSA:+AES-128-GCM:+AEAD", "ECDHE-RSA-AES128-GCM-SHA256", "" },
	/* By key exchange, then cipher, then MAC, each in the order of the words. */
	{ NONE_12 ":+RSA:+ECDHE-RSA:+AES-128-GCM:+AES-256-CBC:+SHA256:+SHA1:+AEAD",
	  "AES128-GCM-SHA256 AES256-SHA256 AES256-SHA ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-SHA", "" },
	{ NONE_12 ":+ECDHE-RSA:+RSA:+AES-256-CBC:+AES-128-GCM:+AEAD:+SHA1",
	  "ECDHE-RSA-AES256-SHA ECDHE-RSA-AES128-GCM-SHA256 AES256-SHA AES128-GCM-SHA256", "" },
	{ NONE_12 ":+ECDHE-ECDSA:+CAMELLIA-256-CBC:+CAMELLIA-128-CBC:+SHA256:+SHA384",
	  "ECDHE-ECDSA-CAMELLIA256-SHA384 ECDHE-ECDSA-CAMELLIA128-SHA256", "" },
	{ NONE_12 ":+RSA:+AES-256-CCM-8:+AES-128-CCM-8:+AEAD", "AES256-CCM8 AES128-CCM8", "" },
	{ NONE_12 ":+DHE-DSS:+AES-256-GCM:+AEAD", "DHE-DSS-AES256-GCM-SHA384", "" },
	{ NONE_12 ":+ANON-DH:+ANON-ECDH:+AES-128-CBC:+SHA1", "ADH-AES128-SHA AECDH-AES128-SHA", "" },
	{ NONE_12 ":+VERS-TLS1.3:+AES-128-CCM-8:+AES-256-GCM:+AEAD", "",
	  "TLS_AES_128_CCM_8_SHA256 TLS_AES_256_GCM_SHA384" },
	{ "NORMAL:-VERS-ALL:+VERS-TLS1.3:-AES-256-GCM:+AES-256-GCM", "",
	  "TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256 TLS_AES_128_CCM_SHA256 TLS_AES_256_GCM_SHA384" },
	{ "SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384", "" },
	{ "SUITEB128", "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256", "" },
	/* ECDHE needs a curve, and FFDHE is none. */
	{ NONE_12 ":-GROUP-ALL:+GROUP-FFDHE2048:+ECDHE-RSA:+DHE-RSA:+AES-128-GCM:+AEAD",
	  "DHE-RSA-AES128-GCM-SHA256", "" },
	/* Adding twice changes nothing. */
	{ NONE_12 ":+RSA:+RSA:+AES-128-GCM:+AES-256-GCM:+AES-128-GCM:+AEAD:+AEAD",
	  "AES128-GCM-SHA256 AES256-GCM-SHA384", "" },
};

START_TEST(suites_come_in_the_order_of_the_words)
{
	struct tls_priority priority = parse(suites[_i].text);

	ASSERT_NAMES(priority.suites, suites[_i].suites);
	ASSERT_NAMES(priority.suites13, suites[_i].suites13);
}
END_TEST

START_TEST(pfs_is_normal_without_rsa_key_exchange)
{
	struct tls_priority pfs = parse("PFS"), normal = parse("NORMAL:-RSA");
	struct buf names = { 0 };

	join(normal.suites, &names);
	ck_assert(buf_add(&names, "", 1));
	ASSERT_NAMES(pfs.suites, buf_span(&names).ptr);
	ck_assert(!has_name(&pfs.suites, "AES256-GCM-SHA384"));
	ck_assert(has_name(&pfs.suites, "DHE-RSA-AES256-GCM-SHA384"));
	buf_fini(&names);
}
END_TEST

/* ---- groups and signatures ---- */

#define RSA_ONLY "NONE:+VERS-TLS1.2:+RSA:+AES-128-GCM:+AEAD"

START_TEST(groups_begin_with_x25519_and_p256)
{
	ASSERT_NAMES(parse("NORMAL").groups,
		     "X25519 P-256 P-384 P-521 X448 ffdhe2048 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192");
}
END_TEST

START_TEST(curve_is_another_name_of_group)
{
	static const char text[] =
		"NORMAL:-CURVE-ALL:+CURVE-SECP384R1:+GROUP-SECP256R1:-GROUP-SECP384R1:+CURVE-X448";

	ASSERT_NAMES(parse(text).groups, "P-256 X448");
}
END_TEST

START_TEST(signature_words_of_both_versions_are_one)
{
	static const char base[] = RSA_ONLY ":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-RSA-SHA256";

	ASSERT_NAMES(parse(base).sigalgs, "ECDSA+SHA256 RSA+SHA256");
	ASSERT_NAMES(parse(RSA_ONLY ":+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-EDDSA-ED25519:+SIGN-EDDSA-ED448").sigalgs,
		     "rsa_pss_rsae_sha384 ed25519 ed448");
	ASSERT_NAMES(parse("SUITEB128:-SIGN-ECDSA-SECP256R1-SHA256").sigalgs, "ECDSA+SHA384");
}
END_TEST

START_TEST(secure_keywords_leave_sha1_and_small_groups_out)
{
	static const char *const names[] = { "SECURE192", "SECURE256" };

	for (int i = 0; i < ROWS(names); i++) {
		struct tls_priority priority = parse(names[i]);

		ASSERT_NAMES(priority.groups, "P-384 P-521 ffdhe8192");
		ck_assert(!has_name(&priority.sigalgs, "RSA+SHA256") && has_name(&priority.sigalgs, "RSA+SHA384"));
		ck_assert(!has_name(&priority.suites, "ECDHE-RSA-AES256-SHA"));
		/* They are lists, and no security level that would refuse a key of RSA-2048. */
		ck_assert_int_eq(priority.level_max, -1);
		ck_assert_int_eq(priority.auth_level, -1);
	}
}
END_TEST

/* ---- security level ---- */

static const struct {
	const char *text;
	int level_max;
} levels[] = {
	{ "NORMAL", -1 },
	{ "PERFORMANCE", -1 },
	{ "SUITEB192", -1 },
	{ "NORMAL:+SHA256:+CAMELLIA-256-CBC", -1 },
	{ "NORMAL:+VERS-TLS1.1", 0 },
	{ "NORMAL:+VERS-TLS1.0", 0 },
	{ "LEGACY", 0 },
	{ "LEGACY:-VERS-TLS1.0:-VERS-TLS1.1", 0 },
	{ "LEGACY:-VERS-TLS1.0:-VERS-TLS1.1:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1", -1 },
	{ "NORMAL:+SIGN-RSA-SHA1", 0 },
	{ "NORMAL:+SIGN-RSA-SHA1:-SIGN-RSA-SHA1", -1 },
	{ "NORMAL:+SIGN-RSA-SHA224", 2 },
	{ "NORMAL:+GROUP-SECP224R1", 2 },
	{ "NORMAL:+GROUP-SECP192R1", 1 },
	{ "NORMAL:+ANON-DH", 0 },
	{ "NORMAL:+ANON-ECDH", 0 },
	{ "NORMAL:+ANON-ECDH:-SHA1", -1 },
	{ "NORMAL:+DHE-DSS:+SIGN-DSA-SHA256", -1 },
	{ "NORMAL:%COMPAT", -1 },
	{ "OPENSSL:DEFAULT", -1 },
};

START_TEST(security_level_falls_only_where_a_word_needs_it)
{
	ck_assert_int_eq(parse(levels[_i].text).level_max, levels[_i].level_max);
}
END_TEST

/* ---- options ---- */

static const struct {
	const char *text;
	uint64_t on, off;
	int auth_level;
	bool has_no_tickets;
} options[] = {
	{ "NORMAL", 0, 0, -1, false },
	{ "NORMAL:%SERVER_PRECEDENCE", SSL_OP_CIPHER_SERVER_PREFERENCE, 0, -1, false },
	{ "NORMAL:%server_precedence", SSL_OP_CIPHER_SERVER_PREFERENCE, 0, -1, false },
	{ "NORMAL:%NO_ETM", SSL_OP_NO_ENCRYPT_THEN_MAC, 0, -1, false },
	{ "NORMAL:%NO_SESSION_HASH", SSL_OP_NO_EXTENDED_MASTER_SECRET, 0, -1, false },
	{ "NORMAL:%NO_TICKETS", SSL_OP_NO_TICKET, 0, -1, true },
	{ "NORMAL:%NO_TICKETS_TLS12", SSL_OP_NO_TICKET, 0, -1, false },
	{ "NORMAL:%NO_TICKETS_TLS12:NORMAL", SSL_OP_NO_TICKET, 0, -1, false },
	/* The last keyword tells, as in GnuTLS. */
	{ "PFS", SSL_OP_NO_TICKET, 0, -1, false },
	{ "NORMAL:+PFS", SSL_OP_NO_TICKET, 0, -1, false },
	{ "PFS:+NORMAL", 0, 0, -1, false },
	{ "NORMAL:%DISABLE_TLS13_COMPAT_MODE", 0, SSL_OP_ENABLE_MIDDLEBOX_COMPAT, -1, false },
	{ "NORMAL:%UNSAFE_RENEGOTIATION", SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION, 0, -1, false },
	{ "NORMAL:%COMPAT",
	  SSL_OP_ALL | SSL_OP_TLS_ROLLBACK_BUG | SSL_OP_NO_ENCRYPT_THEN_MAC | SSL_OP_NO_EXTENDED_MASTER_SECRET, 0,
	  -1, false },
	{ "NORMAL:%PROFILE_VERY_WEAK", 0, 0, 0, false },
	{ "NORMAL:%PROFILE_LOW", 0, 0, 1, false },
	{ "NORMAL:%PROFILE_LEGACY", 0, 0, 2, false },
	{ "NORMAL:%PROFILE_MEDIUM", 0, 0, 2, false },
	{ "NORMAL:%PROFILE_HIGH", 0, 0, 3, false },
	{ "NORMAL:%PROFILE_ULTRA", 0, 0, 4, false },
	{ "NORMAL:%PROFILE_FUTURE", 0, 0, 5, false },
	{ "NORMAL:%PROFILE_SUITEB128:%PROFILE_SUITEB192", 0, 0, 4, false },
	{ "NORMAL:%SAFE_RENEGOTIATION:%PARTIAL_RENEGOTIATION:%FALLBACK_SCSV:%LATEST_RECORD_VERSION:"
	  "%SSL3_RECORD_VERSION:%DUMBFW:%VERIFY_DISABLE_CRL_CHECKS:%VERIFY_ALLOW_X509_V1_CA_CRT:"
	  "%DISABLE_WILDCARDS:%STATELESS_COMPRESSION:%ALLOW_SMALL_RECORDS", 0, 0, -1, false },
};

START_TEST(options_have_a_meaning_or_none)
{
	struct tls_priority priority = parse(options[_i].text);

	ck_assert_uint_eq(priority.options_on, options[_i].on);
	ck_assert_uint_eq(priority.options_off, options[_i].off);
	ck_assert_int_eq(priority.auth_level, options[_i].auth_level);
	ck_assert_int_eq(priority.has_no_tickets, options[_i].has_no_tickets);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
	const char *text, *error;
} errors[] = {
	{ "", "the priority string is empty" },
	{ "  ", "the priority string is empty" },
	{ "NORMAL:+FOO", "\"+FOO\" at character 8: unknown word" },
	{ "NORMAL:-FOO", "\"-FOO\" at character 8: unknown word" },
	{ "NORMAL:%FOO", "\"%FOO\" at character 8: unknown option" },
	{ "NORMAL:+VERS-TLS1.4", "\"+VERS-TLS1.4\" at character 8: unknown word" },
	{ "NORMAL: -RSA: +FOO", "\"+FOO\" at character 15: unknown word" },
	{ "FOO", "\"FOO\" at character 1: a priority string begins with a keyword, such as NORMAL" },
	{ "+VERS-TLS1.2",
	  "\"+VERS-TLS1.2\" at character 1: a priority string begins with a keyword, such as NORMAL" },
	{ "NORMAL:", "\"\" at character 8: a word is missing" },
	{ "NORMAL::+RSA", "\"\" at character 8: a word is missing" },
	{ "NORMAL:+", "\"+\" at character 8: unknown word" },
	{ "NORMAL:RSA", "\"RSA\" at character 8: a sign, \"+\" or \"-\", is missing" },
	{ "NORMAL:-SECURE256", "\"-SECURE256\" at character 8: this keyword cannot stand here" },
	{ "NORMAL:NONE", "\"NONE\" at character 8: this keyword cannot stand here" },
	{ "NORMAL:@SYSTEM", "\"@SYSTEM\" at character 8: this keyword cannot stand here" },
	{ "@", "\"@\" at character 1: the system's GnuTLS configuration has no such name" },
	{ "@MISSING", "\"@MISSING\" at character 1: the system's GnuTLS configuration has no such name" },
	{ "NORMAL:+VERS-SSL3.0", "\"+VERS-SSL3.0\" at character 8: OpenSSL is built without it" },
	{ "NORMAL:+VERS-DTLS1.2", "\"+VERS-DTLS1.2\" at character 8: mail does not come over DTLS" },
	{ "NORMAL:+3DES-CBC", "\"+3DES-CBC\" at character 8: OpenSSL is built without it" },
	{ "NORMAL:+NULL", "\"+NULL\" at character 8: it would leave mail unencrypted" },
	{ "NORMAL:+CAMELLIA-128-GCM", "\"+CAMELLIA-128-GCM\" at character 8: OpenSSL does not have it" },
	{ "NORMAL:+PSK", "\"+PSK\" at character 8: it needs keys or passwords that this server does not have" },
	{ "NORMAL:+SHA512", "\"+SHA512\" at character 8: no cipher suite of OpenSSL uses it" },
	{ "NORMAL:+GROUP-GC256B", "\"+GROUP-GC256B\" at character 8: OpenSSL has no GOST algorithms" },
	{ "NORMAL:+SIGN-RSA-MD5", "\"+SIGN-RSA-MD5\" at character 8: OpenSSL does not have it" },
	{ "NORMAL:+COMP-DEFLATE", "\"+COMP-DEFLATE\" at character 8: OpenSSL does not have it" },
	{ "NORMAL:+CTYPE-RAWPK", "\"+CTYPE-RAWPK\" at character 8: OpenSSL does not have it" },
	{ "NORMAL:%FORCE_ETM", "\"%FORCE_ETM\" at character 8: OpenSSL cannot demand it; take the CBC ciphers away "
			       "instead" },
	{ "NORMAL:%NO_EXTENSIONS", "\"%NO_EXTENSIONS\" at character 8: OpenSSL cannot do without extensions" },
	{ "NONE", "\"NONE\" leaves nothing that could be negotiated: no protocol version (VERS-)" },
	{ "NORMAL:-VERS-ALL", "\"NORMAL:-VERS-ALL\" leaves nothing that could be negotiated: no protocol version "
			      "(VERS-)" },
	{ "NORMAL:-CIPHER-ALL", "\"NORMAL:-CIPHER-ALL\" leaves nothing that could be negotiated: no cipher" },
	{ "NORMAL:-MAC-ALL", "\"NORMAL:-MAC-ALL\" leaves nothing that could be negotiated: no MAC" },
	{ "NORMAL:-SIGN-ALL", "\"NORMAL:-SIGN-ALL\" leaves nothing that could be negotiated: no signature algorithm "
			      "(SIGN-)" },
	{ "SUITEB128:-KX-ALL", "\"SUITEB128:-KX-ALL\" leaves nothing that could be negotiated: no key exchange" },
	{ "SUITEB128:-AEAD:+SHA1", "\"SUITEB128:-AEAD:+SHA1\" leaves nothing that could be negotiated: no cipher "
				   "suite for its protocol versions" },
	{ "OPENSSL:", "\"OPENSSL:\" at character 1: a cipher string of OpenSSL must follow" },
	{ "NORMAL:+a\x01\xff\n", "\"+a???\" at character 8: unknown word" },
};

START_TEST(error_names_the_word_and_its_place)
{
	struct tls_priority priority;
	struct err err = { .text = "" };

	setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/nonexistent/config", 1);
	ck_assert(!tls_priority_parse(&priority, errors[_i].text, &err));
	ck_assert_str_eq(err.text, errors[_i].error);
}
END_TEST

static const char *const removable[] = {
	"NORMAL:-VERS-SSL3.0", "NORMAL:-ARCFOUR-128", "NORMAL:-3DES-CBC", "NORMAL:!MD5", "NORMAL:-PSK",
	"NORMAL:-SRP", "NORMAL:-SIGN-RSA-MD5", "NORMAL:-GROUP-GC512A", "NORMAL:-COMP-DEFLATE", "NORMAL:-COMP-NULL",
	"NORMAL:+COMP-NULL", "NORMAL:-CTYPE-OPENPGP", "NORMAL:-CTYPE-ALL:+CTYPE-X509", "NORMAL:-VERS-DTLS1.0",
};

START_TEST(what_openssl_lacks_may_be_taken_away)
{
	struct tls_priority normal = parse("NORMAL"), priority = parse(removable[_i]);

	ck_assert_mem_eq(&normal, &priority, sizeof(normal));
}
END_TEST

START_TEST(openssl_string_that_is_too_long_is_refused)
{
	char text[TLS_PRIORITY_CIPHERS_MAX + 16] = "OPENSSL:";
	struct tls_priority priority;
	struct err err;

	memset(text + 8, 'A', TLS_PRIORITY_CIPHERS_MAX - 1);
	ck_assert(tls_priority_parse(&priority, text, &err));
	ck_assert_uint_eq(strlen(priority.ciphers), TLS_PRIORITY_CIPHERS_MAX - 1);
	text[8 + TLS_PRIORITY_CIPHERS_MAX - 1] = 'A';
	ck_assert(!tls_priority_parse(&priority, text, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "at character 9: this cipher string is too long"));
}
END_TEST

/* ---- @NAME ---- */

static void write_system_file(const char *text)
{
	char path[] = "/tmp/check_tls_priority.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	setenv("GNUTLS_SYSTEM_PRIORITY_FILE", path, 1);
}

static void remove_system_file(void)
{
	unlink(getenv("GNUTLS_SYSTEM_PRIORITY_FILE"));
}

static const char system_file[] =
	"# comment\n"
	"SYSTEM = NONE\n"
	"[global]\n"
	"FUTURE = NONE\n"
	"[Priorities]\n"
	"; FUTURE = NONE\n"
	"FUTURE = SECURE256:-VERS-TLS1.2\r\n"
	" OLD=LEGACY : -VERS-TLS1.0 \n"
	"BAD=NORMAL:+FOO\n"
	"LOOP=@LOOP\n"
	"EMPTY=\n"
	"[other]\n"
	"LATE=NORMAL\n";

static const struct {
	const char *text;
	unsigned versions; /* 0: refused */
	const char *error; /* how it ends */
} system_names[] = {
	{ "@FUTURE", V13, NULL },
	{ "@MISSING,FUTURE", V13, NULL },
	{ "@OLD,FUTURE", V11 | V12 | V13, NULL },
	{ "@OLD:-VERS-TLS1.1", V12 | V13, NULL },
	{ "@SYSTEM", V12 | V13, NULL },
	{ "@MISSING,SYSTEM", V12 | V13, NULL },
	{ "@FUTURE:+FOO", 0, "\"+FOO\" at character 9: unknown word" },
	{ "@BAD", 0, ": \"+FOO\" at character 8: unknown word" },
	{ "@LOOP", 0, ": \"@LOOP\" at character 1: a priority string begins with a keyword, such as NORMAL" },
	{ "@EMPTY", 0, ": \"\" at character 1: a priority string begins with a keyword, such as NORMAL" },
	{ "@LATE", 0, "\"@LATE\" at character 1: the system's GnuTLS configuration has no such name" },
	{ "@future", 0, "\"@future\" at character 1: the system's GnuTLS configuration has no such name" },
};

START_TEST(names_are_looked_up_in_the_systems_file)
{
	struct tls_priority priority;
	struct err err = { .text = "" };
	bool is_ok;

	write_system_file(system_file);
	is_ok = tls_priority_parse(&priority, system_names[_i].text, &err);
	remove_system_file();
	ck_assert_msg(is_ok == (system_names[_i].versions != 0), "%s: %s", system_names[_i].text, err.text);
	if (is_ok) {
		ck_assert_uint_eq(priority.versions, system_names[_i].versions);
		ck_assert_int_eq(priority.is_system_default, strstr(system_names[_i].text, "SYSTEM") != NULL);
	} else {
		size_t len = strlen(err.text), end = strlen(system_names[_i].error);

		ck_assert_msg(len >= end && strcmp(err.text + len - end, system_names[_i].error) == 0, "%s",
			      err.text);
	}
}
END_TEST

START_TEST(systems_file_that_cannot_be_read_is_an_error)
{
	struct tls_priority priority;
	struct err err = { .text = "" };

	setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/", 1);
	ck_assert(!tls_priority_parse(&priority, "@SYSTEM", &err));
	ck_assert_str_eq(err.text, "/: Is a directory");
}
END_TEST

/* ---- OpenSSL ---- */

static SSL_CTX *apply(const char *text)
{
	struct tls_priority priority = parse(text);
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
	struct err err;

	ck_assert_ptr_nonnull(ssl_ctx);
	SSL_CTX_set_security_level(ssl_ctx, 2);
	ck_assert_msg(tls_priority_apply(&priority, ssl_ctx, &err), "%s: %s", text, err.text);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	return ssl_ctx;
}

START_TEST(gap_in_versions_becomes_an_option)
{
	SSL_CTX *ssl_ctx = apply("LEGACY:-VERS-TLS1.1:-VERS-TLS1.2");
	uint64_t gaps = SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;

	ck_assert_int_eq(SSL_CTX_get_min_proto_version(ssl_ctx), TLS1_VERSION);
	ck_assert_int_eq(SSL_CTX_get_max_proto_version(ssl_ctx), TLS1_3_VERSION);
	ck_assert_uint_eq(SSL_CTX_get_options(ssl_ctx) & (gaps | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_3), gaps);
	SSL_CTX_free(ssl_ctx);
}
END_TEST

START_TEST(versions_that_were_off_come_on)
{
	struct tls_priority priority = parse("NORMAL");
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
	struct err err;

	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
	ck_assert(tls_priority_apply(&priority, ssl_ctx, &err));
	ck_assert_uint_eq(SSL_CTX_get_options(ssl_ctx) & (SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3), 0);
	SSL_CTX_free(ssl_ctx);
}
END_TEST

START_TEST(level_is_lowered_where_needed_and_never_raised)
{
	static const struct {
		const char *text;
		int before, after;
	} rows[] = {
		{ "NORMAL", 2, 2 },		     { "NORMAL", 0, 0 }, { "NORMAL", 3, 3 }, { "LEGACY", 2, 0 },
		{ "NORMAL:+GROUP-SECP192R1", 2, 1 }, { "NORMAL:+GROUP-SECP192R1", 0, 0 },
		{ "NORMAL:+GROUP-SECP224R1", 1, 1 }, { "NORMAL:+GROUP-SECP224R1", 3, 2 },
		{ "OPENSSL:HIGH:@SECLEVEL=1", 2, 1 },
	};

	for (int i = 0; i < ROWS(rows); i++) {
		struct tls_priority priority = parse(rows[i].text);
		SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
		struct err err;

		SSL_CTX_set_security_level(ssl_ctx, rows[i].before);
		ck_assert(tls_priority_apply(&priority, ssl_ctx, &err));
		ck_assert_int_eq(SSL_CTX_get_security_level(ssl_ctx), rows[i].after);
		SSL_CTX_free(ssl_ctx);
	}
}
END_TEST

START_TEST(every_suite_of_the_table_is_one_of_openssl)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());

	for (int kx = TLS_KX_ECDHE_ECDSA; kx <= TLS_KX_ANON_DH; kx++)
		for (int cipher = 1; cipher <= TLS_CIPHER_CAMELLIA_128_CBC; cipher++)
			for (int mac = 1; mac <= TLS_MAC_SHA384; mac++) {
				const struct tls_suite *suite =
					tls_suite_find((uint8_t)kx, (uint8_t)cipher, (uint8_t)mac);

				ck_assert_msg(!suite || SSL_CTX_set_cipher_list(ssl_ctx, suite->openssl) == 1, "%s",
					      suite ? suite->openssl : "");
			}
	SSL_CTX_free(ssl_ctx);
}
END_TEST

START_TEST(suites_reach_openssl_in_order)
{
	SSL_CTX *ssl_ctx = apply(NONE_12 ":+VERS-TLS1.3:+RSA:+ECDHE-RSA:+AES-128-GCM:+AES-256-GCM:+AEAD");
	STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ssl_ctx);
	static const char *const expected[] = {
		"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",	"AES128-GCM-SHA256",
		"AES256-GCM-SHA384",	  "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
	};

	ck_assert_int_eq(sk_SSL_CIPHER_num(list), ROWS(expected));
	for (int i = 0; i < ROWS(expected); i++)
		ck_assert_str_eq(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(list, i)), expected[i]);
	SSL_CTX_free(ssl_ctx);
}
END_TEST

START_TEST(no_tickets_means_none_in_tls_1_3_too)
{
	SSL_CTX *ssl_ctx = apply("NORMAL:%NO_TICKETS");

	ck_assert_uint_eq(SSL_CTX_get_num_tickets(ssl_ctx), 0);
	SSL_CTX_free(ssl_ctx);
}
END_TEST

START_TEST(profile_is_for_client_certificates_only)
{
	SSL_CTX *ssl_ctx = apply("NORMAL:%PROFILE_FUTURE");

	ck_assert_int_eq(X509_VERIFY_PARAM_get_auth_level(SSL_CTX_get0_param(ssl_ctx)), 5);
	ck_assert_int_eq(SSL_CTX_get_security_level(ssl_ctx), 2);
	SSL_CTX_free(ssl_ctx);
}
END_TEST

START_TEST(cipher_string_that_openssl_refuses_fails)
{
	struct tls_priority priority = parse("OPENSSL:NO-SUCH-CIPHER");
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
	struct err err;

	ck_assert(!tls_priority_apply(&priority, ssl_ctx, &err));
	ck_assert_str_eq(err.text, "OpenSSL refuses the cipher string behind \"OPENSSL:\": no cipher match");
	ck_assert_uint_eq(ERR_peek_error(), 0);
	SSL_CTX_free(ssl_ctx);
}
END_TEST

/* ---- explain ---- */

static const struct {
	const char *text, *explanation;
} explanations[] = {
	{ "SUITEB192:%SERVER_PRECEDENCE:%PROFILE_HIGH",
	  "protocol TLSv1.2\n"
	  "suite ECDHE-ECDSA-AES256-GCM-SHA384\n"
	  "group P-384\n"
	  "signature ECDSA+SHA384\n"
	  "option server-preference\n"
	  "option client-certificate-level=3\n" },
	{ "NONE:+VERS-TLS1.3:+VERS-TLS1.0:+AES-128-GCM:+AES-128-CBC:+AEAD:+SHA1:+RSA:+GROUP-X25519:+GROUP-FFDHE2048"
	  ":+SIGN-EDDSA-ED25519:%NO_TICKETS:%DISABLE_TLS13_COMPAT_MODE",
	  "protocol TLSv1.3\n"
	  "protocol TLSv1\n"
	  "suite TLS_AES_128_GCM_SHA256\n"
	  "suite AES128-SHA\n"
	  "group X25519\n"
	  "group ffdhe2048\n"
	  "signature ed25519\n"
	  "option no-tickets-tls12\n"
	  "option no-middlebox-compat\n"
	  "option no-tickets-tls13\n"
	  "security-level 0\n" },
	{ "OPENSSL:AES128-SHA:@SECLEVEL=0", "protocol TLSv1.3\nprotocol TLSv1.2\nsuite TLS_AES_256_GCM_SHA384\n" },
	{ "@SYSTEM", "note @SYSTEM is not set on this system and means NORMAL\nprotocol TLSv1.3\n" },
};

START_TEST(explanation_is_what_openssl_would_offer)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct tls_priority priority;
	struct err err;

	setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/nonexistent/config", 1);
	priority = parse(explanations[_i].text);
	ck_assert_msg(tls_priority_explain(&priority, out, &err), "%s", err.text);
	fclose(out);
	ck_assert_msg(span_istarts(span_of(text, size), span_str(explanations[_i].explanation)), "%s", text);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	free(text);
}
END_TEST

START_TEST(explanation_that_cannot_be_written_fails)
{
	struct tls_priority priority = parse("NORMAL");
	FILE *out = fopen("/dev/full", "w");
	struct err err;

	ck_assert_ptr_nonnull(out);
	ck_assert(!tls_priority_explain(&priority, out, &err));
	ck_assert_str_eq(err.text, "cannot write: No space left on device");
	fclose(out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tls_priority");
	TCase *tcase = tcase_create("parse"), *openssl = tcase_create("openssl");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, words_choose_versions, versions);
	ADD_ROWS(tcase, suites_come_in_the_order_of_the_words, suites);
	tcase_add_test(tcase, pfs_is_normal_without_rsa_key_exchange);
	tcase_add_test(tcase, groups_begin_with_x25519_and_p256);
	tcase_add_test(tcase, curve_is_another_name_of_group);
	tcase_add_test(tcase, signature_words_of_both_versions_are_one);
	tcase_add_test(tcase, secure_keywords_leave_sha1_and_small_groups_out);
	ADD_ROWS(tcase, security_level_falls_only_where_a_word_needs_it, levels);
	ADD_ROWS(tcase, options_have_a_meaning_or_none, options);
	ADD_ROWS(tcase, error_names_the_word_and_its_place, errors);
	ADD_ROWS(tcase, what_openssl_lacks_may_be_taken_away, removable);
	tcase_add_test(tcase, openssl_string_that_is_too_long_is_refused);
	ADD_ROWS(tcase, names_are_looked_up_in_the_systems_file, system_names);
	tcase_add_test(tcase, systems_file_that_cannot_be_read_is_an_error);

	suite_add_tcase(suite, openssl);
	tcase_add_test(openssl, gap_in_versions_becomes_an_option);
	tcase_add_test(openssl, versions_that_were_off_come_on);
	tcase_add_test(openssl, level_is_lowered_where_needed_and_never_raised);
	tcase_add_test(openssl, every_suite_of_the_table_is_one_of_openssl);
	tcase_add_test(openssl, suites_reach_openssl_in_order);
	tcase_add_test(openssl, no_tickets_means_none_in_tls_1_3_too);
	tcase_add_test(openssl, profile_is_for_client_certificates_only);
	tcase_add_test(openssl, cipher_string_that_openssl_refuses_fails);
	ADD_ROWS(openssl, explanation_is_what_openssl_would_offer, explanations);
	tcase_add_test(openssl, explanation_that_cannot_be_written_fails);
	return unit_main(suite);
}
