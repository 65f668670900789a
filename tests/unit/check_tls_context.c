/*
 * TLS contexts: what a client gets by default and with each setting, which
 * certificate it is shown, and which sessions it may resume; by handshakes with
 * a client of OpenSSL, in memory.
 */
#include "tls_fixture.h"

#include "net/tls_ticket.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <time.h>

static struct tls_client client;

static void setup(void)
{
	tls_setup();
	tls_client_init(&client);
}

static void teardown(void)
{
	tls_client_fini(&client);
	tls_teardown();
}

/* Connect once, and forget the session. */
static bool connect_anew(struct tls_context *context)
{
	SSL_SESSION_free(client.session);
	client.session = NULL;
	return tls_client_connect(&client, context);
}

/* ---- defaults ---- */

START_TEST(modern_clients_get_tls_1_3_with_x25519)
{
	struct tls_options options = tls_usual();
	struct tls_context *context = tls_good(&options);
	struct tls_facts facts;

	ck_assert(connect_anew(context));
	facts = tls_client_facts(&client);
	ck_assert_str_eq(facts.version, "TLSv1.3");
	ck_assert_str_eq(facts.suite, "TLS_AES_256_GCM_SHA384");
	ck_assert_str_eq(facts.group, "x25519");
	ck_assert(!facts.is_resumed && !facts.has_client_cert);
	ck_assert_str_eq(facts.server_name, "");
	ck_assert_str_eq(facts.client_subject, "");
	ck_assert_str_eq(facts.client_fingerprint, "");
	tls_context_put(&context);
}
END_TEST

static const struct {
	int version;
	bool is_compat, is_taken;
} versions[] = {
	{ TLS1_VERSION, false, false },  { TLS1_1_VERSION, false, false }, { TLS1_2_VERSION, false, true },
	{ TLS1_3_VERSION, false, true }, { TLS1_VERSION, true, true },     { TLS1_1_VERSION, true, true },
	{ TLS1_2_VERSION, true, true },  { TLS1_3_VERSION, true, true },
};

START_TEST(versions_are_1_2_and_1_3_and_older_with_compat_only)
{
	struct tls_options options = tls_usual();
	struct tls_context *context;

	options.compat = versions[_i].is_compat;
	context = tls_good(&options);
	SSL_CTX_set_security_level(client.ssl_ctx, 0);
	tls_client_begin(&client, context);
	SSL_set_min_proto_version(client.client, versions[_i].version);
	SSL_set_max_proto_version(client.client, versions[_i].version);
	ck_assert_int_eq(tls_client_handshake(&client), versions[_i].is_taken);
	if (versions[_i].is_taken)
		ck_assert_int_eq(SSL_version(client.server), versions[_i].version);
	tls_context_put(&context);
}
END_TEST

START_TEST(a_client_without_aes_in_hardware_gets_chacha)
{
	struct tls_options options = tls_usual();
	struct tls_context *context = tls_good(&options);

	tls_client_begin(&client, context);
	SSL_set_ciphersuites(client.client, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384");
	ck_assert(tls_client_handshake(&client));
	ck_assert_str_eq(tls_client_facts(&client).suite, "TLS_CHACHA20_POLY1305_SHA256");
	tls_context_put(&context);
}
END_TEST

/* What `-tls1_2 -sigalgs RSA+SHA1` is good for, and what it was good for in old clients. */
START_TEST(sha_1_signatures_are_for_compat_only)
{
	struct tls_options options = tls_usual();

	SSL_CTX_set_security_level(client.ssl_ctx, 0);
	SSL_CTX_set_max_proto_version(client.ssl_ctx, TLS1_2_VERSION);
	ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(client.ssl_ctx, "ECDSA+SHA1"), 1);
	for (int is_compat = 0; is_compat < 2; is_compat++) {
		struct tls_context *context;

		options.compat = is_compat;
		context = tls_good(&options);
		ck_assert_int_eq(connect_anew(context), is_compat);
		tls_context_put(&context);
	}
}
END_TEST

START_TEST(renegotiation_is_refused_but_with_compat)
{
	struct tls_options options = tls_usual();

	SSL_CTX_set_max_proto_version(client.ssl_ctx, TLS1_2_VERSION);
	for (int is_compat = 0; is_compat < 2; is_compat++) {
		struct tls_context *context;
		bool is_done;
		char byte;

		options.compat = is_compat;
		context = tls_good(&options);
		ck_assert(connect_anew(context));
		ck_assert_int_eq(SSL_renegotiate(client.client), 1);
		for (int i = 0; i < 10; i++) {
			SSL_do_handshake(client.client);
			SSL_read(client.server, &byte, 1);
		}
		is_done = SSL_num_renegotiations(client.client) > 0 &&
			  SSL_is_init_finished(client.client) && SSL_is_init_finished(client.server);
		ck_assert_int_eq(is_done, is_compat);
		ERR_clear_error();
		tls_context_put(&context);
	}
}
END_TEST

START_TEST(neither_compression_nor_early_data_is_offered)
{
	struct tls_options options = tls_usual();
	struct tls_context *context = tls_good(&options);
	SSL *ssl = tls_context_new_ssl(context);

	ck_assert(SSL_get_options(ssl) & SSL_OP_NO_COMPRESSION);
	ck_assert(SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION);
	ck_assert(SSL_get_mode(ssl) & SSL_MODE_RELEASE_BUFFERS);
	ck_assert_uint_eq(SSL_get_max_early_data(ssl), 0);
	SSL_free(ssl);
	ck_assert(connect_anew(context));
	ck_assert_uint_eq(SSL_SESSION_get_max_early_data(client.session), 0);
	tls_context_put(&context);
}
END_TEST

/* ---- settings that are wrong ---- */

static void spoil_no_certificate(struct tls_options *o)
{
	o->pair_count = 0;
}

static void spoil_priority(struct tls_options *o)
{
	o->priority = "NORMAL:+NONSENSE";
}

static void spoil_dh_missing(struct tls_options *o)
{
	o->dh_params = tls_path("missing.pem");
}

static void spoil_dh_other(struct tls_options *o)
{
	o->dh_params = tls_path("cert.pem");
}

static void spoil_ca_missing(struct tls_options *o)
{
	o->client_verify = TLS_CLIENT_VERIFY_ASK;
	o->client_ca = tls_path("missing.pem");
}

static void spoil_ca_other(struct tls_options *o)
{
	o->client_verify = TLS_CLIENT_VERIFY_REQUIRE;
	o->client_ca = tls_path("key.pem");
}

static void spoil_ca_none(struct tls_options *o)
{
	o->client_verify = TLS_CLIENT_VERIFY_REQUIRE;
}

static void spoil_directory(struct tls_options *o)
{
	o->pair_dir = tls_path("missing");
}

static void spoil_weak_key(struct tls_options *o)
{
	static struct tls_pair pair;

	tls_write_pair("weak.pem", "weak.pem",
		       &(struct tls_spec){ .common_name = "w", .key = TLS_KEY_RSA1024 });
	pair.certfile = tls_path("weak.pem");
	o->pairs = &pair;
}

static const struct {
	void (*spoil)(struct tls_options *o);
	const char *begin, *contains;
} spoilt[] = {
	{ spoil_no_certificate, "tls_certfile: ", "there is no certificate" },
	{ spoil_priority, "tls_priority: ", "NONSENSE" },
	{ spoil_dh_missing, "tls_dh_params: /", "/missing.pem: No such file or directory" },
	{ spoil_dh_other, "tls_dh_params: /", "/cert.pem: there are no PEM parameters in it" },
	{ spoil_ca_missing, "tls_client_ca: /", "/missing.pem: No such file or directory" },
	{ spoil_ca_other, "tls_client_ca: /", "/key.pem: there is no PEM certificate in it" },
	{ spoil_ca_none, "tls_client_verify: ", "there is no tls_client_ca" },
	{ spoil_directory, "tls_certificate_dir: /", "/missing: No such file or directory" },
	{ spoil_weak_key, "tls_certfile: /", "/weak.pem: the certificate cannot be used (ee key too small)" },
};

START_TEST(what_is_wrong_makes_no_context_and_names_the_setting)
{
	struct tls_options options = tls_usual();
	struct err err = { .text = "" };

	spoilt[_i].spoil(&options);
	ck_assert_ptr_null(tls_context_new(&options, &err));
	ck_assert_msg(strncmp(err.text, spoilt[_i].begin, strlen(spoilt[_i].begin)) == 0 &&
			      strstr(err.text, spoilt[_i].contains),
		      "%s", err.text);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(compat_takes_a_weak_key)
{
	struct tls_options options = tls_usual();
	struct tls_context *context;

	spoil_weak_key(&options);
	options.compat = true;
	context = tls_good(&options);
	tls_context_put(&context);
	options.priority = "NORMAL:-VERS-TLS1.3";
	context = tls_good(&options);
	tls_context_put(&context);
}
END_TEST

START_TEST(a_weak_key_for_another_name_is_told_at_once_too)
{
	struct tls_options options = tls_usual();
	struct tls_pair pairs[2] = { options.pairs[0], { NULL, NULL, "tls_certificates" } };
	struct err err = { .text = "" };

	tls_write_pair("weak.pem", "weak.pem",
		       &(struct tls_spec){ .common_name = "weak.example.org", .key = TLS_KEY_RSA1024 });
	pairs[1].certfile = tls_path("weak.pem");
	options.pairs = pairs;
	options.pair_count = 2;
	ck_assert_ptr_null(tls_context_new(&options, &err));
	ck_assert_msg(strncmp(err.text, "tls_certificates: /", 19) == 0, "%s", err.text);
	ck_assert_ptr_nonnull(strstr(err.text, "ee key too small"));
}
END_TEST

/* ---- Diffie-Hellman ---- */

enum dh_kind { DH_PKCS3, DH_X942, DH_X942_1024, DH_EVEN, DH_EC };

static EVP_PKEY *make_dh(const char *type, int rfc5114)
{
	EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *dh = NULL;

	ck_assert_ptr_nonnull(maker);
	ck_assert_int_eq(EVP_PKEY_paramgen_init(maker), 1);
	if (rfc5114)
		ck_assert_int_eq(EVP_PKEY_CTX_set_dh_rfc5114(maker, rfc5114), 1);
	else
		ck_assert_int_eq(EVP_PKEY_CTX_set_dh_nid(maker, NID_modp_2048), 1);
	ck_assert_int_eq(EVP_PKEY_paramgen(maker, &dh), 1);
	EVP_PKEY_CTX_free(maker);
	return dh;
}

/* p - 1 is even, so that this is no group for anybody. */
static EVP_PKEY *make_even_dh(void)
{
	EVP_PKEY *good = make_dh("DH", 0), *dh = NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	BIGNUM *p = NULL, *g = BN_new();
	OSSL_PARAM *params;

	ck_assert_int_eq(EVP_PKEY_get_bn_param(good, OSSL_PKEY_PARAM_FFC_P, &p), 1);
	ck_assert(BN_sub_word(p, 1) == 1 && BN_set_word(g, 2) == 1);
	ck_assert(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_P, p) == 1 &&
		  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_G, g) == 1);
	params = OSSL_PARAM_BLD_to_param(builder);
	ck_assert_int_eq(EVP_PKEY_fromdata_init(maker), 1);
	ck_assert_int_eq(EVP_PKEY_fromdata(maker, &dh, EVP_PKEY_KEY_PARAMETERS, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(maker);
	BN_free(p);
	BN_free(g);
	EVP_PKEY_free(good);
	return dh;
}

/* Parameters of known groups, which need no search for primes. */
static EVP_PKEY *make_parameters(enum dh_kind kind)
{
	switch (kind) {
	case DH_PKCS3:
		return make_dh("DH", 0);
	case DH_X942:
		return make_dh("DHX", 3);
	case DH_X942_1024:
		return make_dh("DHX", 1);
	case DH_EVEN:
		return make_even_dh();
	case DH_EC:
		break;
	}
	EVP_PKEY_up_ref(tls_key(TLS_KEY_EC));
	return tls_key(TLS_KEY_EC);
}

static void write_parameters(const char *name, EVP_PKEY *key)
{
	BIO *out = BIO_new_file(tls_path(name), "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(PEM_write_bio_Parameters(out, key), 1);
	BIO_free(out);
}

static struct tls_options with_rsa(void)
{
	tls_write_pair("cert.pem", "key.pem",
		       &(struct tls_spec){ .common_name = "default", .key = TLS_KEY_RSA });
	return tls_usual();
}

/* The prime that a server of these options sends; NULL: no handshake. The caller's to free. */
static BIGNUM *prime_of(const struct tls_options *options)
{
	struct tls_context *context = tls_good(options);
	EVP_PKEY *key = NULL;
	BIGNUM *p = NULL;

	SSL_CTX_set_security_level(client.ssl_ctx, 0);
	SSL_CTX_set_max_proto_version(client.ssl_ctx, TLS1_2_VERSION);
	ck_assert_int_eq(SSL_CTX_set_cipher_list(client.ssl_ctx, "DHE-RSA-AES128-GCM-SHA256"), 1);
	if (connect_anew(context)) {
		ck_assert_int_eq((int)SSL_get_peer_tmp_key(client.client, &key), 1);
		ck_assert_int_eq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_P, &p), 1);
		ck_assert_str_eq(tls_client_facts(&client).group, "");
		EVP_PKEY_free(key);
	}
	tls_context_put(&context);
	return p;
}

static const struct {
	enum dh_kind kind;
	bool is_compat;
	const char *error; /* NULL: none */
} parameters[] = {
	{ DH_PKCS3, false, NULL },
	{ DH_X942, false, NULL },
	{ DH_X942_1024, true, NULL },
	{ DH_X942_1024, false, "dh.pem: the parameters cannot be used (dh key too small)" },
	{ DH_EVEN, true, "dh.pem: the parameters are not sound (" },
	{ DH_EC, true, "dh.pem: these are no Diffie-Hellman parameters" },
};

START_TEST(parameters_are_taken_in_both_forms_and_held_to_the_level)
{
	struct tls_options options = with_rsa();
	EVP_PKEY *wanted = make_parameters(parameters[_i].kind);
	BIGNUM *p = NULL, *sent;
	struct err err = { .text = "" };

	write_parameters("dh.pem", wanted);
	options.dh_params = tls_path("dh.pem");
	options.compat = parameters[_i].is_compat;
	if (parameters[_i].error) {
		ck_assert_ptr_null(tls_context_new(&options, &err));
		ck_assert_msg(strncmp(err.text, "tls_dh_params: /", 16) == 0 &&
				      strstr(err.text, parameters[_i].error), "%s", err.text);
	} else {
		sent = prime_of(&options);
		ck_assert_ptr_nonnull(sent);
		ck_assert_int_eq(EVP_PKEY_get_bn_param(wanted, OSSL_PKEY_PARAM_FFC_P, &p), 1);
		ck_assert_int_eq(BN_cmp(p, sent), 0);
		BN_free(p);
		BN_free(sent);
	}
	EVP_PKEY_free(wanted);
}
END_TEST

START_TEST(without_parameters_a_group_of_rfc_7919_is_used)
{
	/* RFC 7919 A.1: the first bits that are not those of RFC 3526 are of e, not of pi. */
	static const unsigned char ffdhe2048[] = { 0xad, 0xf8, 0x54, 0x58, 0xa2, 0xbb, 0x4a, 0x9a };
	struct tls_options options = with_rsa();
	unsigned char bytes[256];
	BIGNUM *sent;

	options.priority = "NORMAL:+DHE-RSA";
	sent = prime_of(&options);
	ck_assert_ptr_nonnull(sent);
	ck_assert_int_eq(BN_bn2bin(sent, bytes), sizeof(bytes));
	ck_assert_int_eq(memcmp(bytes + 8, ffdhe2048, sizeof(ffdhe2048)), 0);
	BN_free(sent);
	options.priority = "NORMAL:+DHE-RSA:-GROUP-ALL:+GROUP-SECP256R1";
	ck_assert_ptr_null(prime_of(&options));
}
END_TEST

/* ---- which certificate ---- */

static void write_sites(void)
{
	tls_write_pair("rsa.pem", "rsa.key",
		       &(struct tls_spec){ .common_name = "rsa", .names = "DNS:mx.example.org",
					   .key = TLS_KEY_RSA });
	tls_write_pair("site.pem", "site.key",
		       &(struct tls_spec){ .common_name = "site",
					   .names = "DNS:site.example.net,DNS:*.wild.example" });
	tls_write_pair("exact.pem", "exact.key",
		       &(struct tls_spec){ .common_name = "exact", .names = "DNS:exact.wild.example",
					   .key = TLS_KEY_EC2 });
	tls_write_pair("old.pem", "old.key", &(struct tls_spec){ .common_name = "old.example.com" });
}

/* The default is ECDSA with RSA beside it; then the others. */
static struct tls_options with_sites(void)
{
	static char files[5][2][512];
	static struct tls_pair pairs[5];
	static const char *const names[] = { "cert.pem", "key.pem",   "rsa.pem",   "rsa.key", "site.pem",
					     "site.key", "exact.pem", "exact.key", "old.pem", "old.key" };
	struct tls_options options = tls_usual();

	write_sites();
	for (size_t i = 0; i < 10; i++)
		snprintf(files[i / 2][i % 2], sizeof(files[0][0]), "%s", tls_path(names[i]));
	for (size_t i = 0; i < 5; i++)
		pairs[i] = (struct tls_pair){ files[i][0], files[i][1], NULL };
	options.pairs = pairs;
	options.pair_count = 5;
	return options;
}

static const struct {
	const char *asked, *shown; /* asked NULL: no SNI */
} sites[] = {
	{ NULL, "default" },
	{ "mx.example.org", "default" },
	{ "unknown.example.org", "default" },
	{ "site.example.net", "site" },
	{ "SITE.Example.NET", "site" },
	{ "site.example.net.", "site" },
	{ "a.wild.example", "site" },
	{ "exact.wild.example", "exact" },
	{ "a.b.wild.example", "default" },
	{ "wild.example", "default" },
	{ "old.example.com", "old.example.com" },
	{ "rsa", "default" },
};

START_TEST(the_name_that_is_asked_for_chooses_the_certificate)
{
	struct tls_options options = with_sites();
	struct tls_context *context = tls_good(&options);

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		tls_client_begin(&client, context);
		SSL_set_max_proto_version(client.client, version);
		if (sites[_i].asked)
			SSL_set_tlsext_host_name(client.client, sites[_i].asked);
		ck_assert(tls_client_handshake(&client));
		ck_assert_str_eq(tls_client_saw(&client), sites[_i].shown);
		ck_assert(span_ieq(span_str(tls_client_facts(&client).server_name),
				   span_str(sites[_i].asked ? sites[_i].asked : "")));
	}
	tls_context_put(&context);
}
END_TEST

START_TEST(a_wildcard_cannot_be_asked_for)
{
	struct tls_options options = with_sites();
	struct tls_context *context = tls_good(&options);

	tls_client_begin(&client, context);
	SSL_set_tlsext_host_name(client.client, "*.wild.example");
	ck_assert(tls_client_handshake(&client));
	ck_assert_str_eq(tls_client_saw(&client), "default");
	ck_assert_str_eq(tls_client_facts(&client).server_name, "?.wild.example");
	tls_context_put(&context);
}
END_TEST

START_TEST(a_name_of_the_longest_kind_is_looked_up_in_bounds)
{
	struct tls_options options = with_sites();
	struct tls_context *context = tls_good(&options);
	char name[256];

	memset(name, 'a', 255);
	name[255] = '\0';
	tls_client_begin(&client, context);
	SSL_set_tlsext_host_name(client.client, name);
	ck_assert(tls_client_handshake(&client));
	ck_assert_str_eq(tls_client_saw(&client), "default");
	ck_assert_str_eq(tls_client_facts(&client).server_name, name);
	tls_context_put(&context);
}
END_TEST

static const struct {
	const char *asked, *sigalgs, *shown; /* shown NULL: no handshake */
} key_types[] = {
	{ NULL, "ECDSA+SHA256:RSA-PSS+SHA256", "default" },
	{ NULL, "RSA-PSS+SHA256", "rsa" },
	{ "mx.example.org", "RSA-PSS+SHA256", "rsa" },
	{ "mx.example.org", "ECDSA+SHA256", "default" },
	{ "site.example.net", "ECDSA+SHA256", "site" },
	{ "site.example.net", "RSA-PSS+SHA256", NULL },
};

START_TEST(rsa_and_ecdsa_stand_side_by_side)
{
	struct tls_options options = with_sites();
	struct tls_context *context = tls_good(&options);

	tls_client_begin(&client, context);
	ck_assert_int_eq(SSL_set1_sigalgs_list(client.client, key_types[_i].sigalgs), 1);
	if (key_types[_i].asked)
		SSL_set_tlsext_host_name(client.client, key_types[_i].asked);
	ck_assert_int_eq(tls_client_handshake(&client), key_types[_i].shown != NULL);
	if (key_types[_i].shown)
		ck_assert_str_eq(tls_client_saw(&client), key_types[_i].shown);
	tls_context_put(&context);
}
END_TEST

START_TEST(of_two_certificates_with_one_name_the_first_counts)
{
	struct tls_options options = with_sites();
	struct tls_context *context;

	tls_write_pair("old.pem", "old.key",
		       &(struct tls_spec){ .common_name = "second",
					   .names = "DNS:site.example.net,DNS:mx.example.org" });
	context = tls_good(&options);
	tls_client_begin(&client, context);
	SSL_set_tlsext_host_name(client.client, "site.example.net");
	ck_assert(tls_client_handshake(&client));
	ck_assert_str_eq(tls_client_saw(&client), "site");
	ck_assert(connect_anew(context));
	ck_assert_str_eq(tls_client_saw(&client), "default");
	tls_context_put(&context);
}
END_TEST

START_TEST(a_directory_of_pairs_is_as_good_as_a_list)
{
	struct tls_options options = { .tickets = 1, .session_scope = "a:25" };
	struct tls_context *context;
	struct err err;

	ck_assert_int_eq(mkdir(tls_path("sites"), 0700), 0);
	tls_write_pair("sites/a.crt", "sites/a.key", &(struct tls_spec){ .common_name = "a.example.org" });
	tls_write_pair("sites/b.pem", "sites/b.pem", &(struct tls_spec){ .common_name = "b.example.org" });
	options.pair_dir = tls_path("sites");
	context = tls_good(&options);
	tls_client_begin(&client, context);
	SSL_set_tlsext_host_name(client.client, "b.example.org");
	ck_assert(tls_client_handshake(&client));
	ck_assert_str_eq(tls_client_saw(&client), "b.example.org");
	ck_assert(connect_anew(context));
	ck_assert_str_eq(tls_client_saw(&client), "a.example.org");
	tls_context_put(&context);
	ck_assert_int_eq(unlink(tls_path("sites/a.key")), 0);
	ck_assert_ptr_null(tls_context_new(&options, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "tls_certificate_dir: "));
}
END_TEST

/* ---- ALPN ---- */

static const struct {
	const char *offered, *chosen; /* chosen NULL: refused */
} protocols[] = {
	{ "\4smtp", "smtp" },
	{ "\2h2\4smtp", "smtp" },
	{ "\2h2\10http/1.1", NULL },
	{ "\5smtps", NULL },
};

START_TEST(clients_that_offer_other_protocols_only_are_refused)
{
	struct tls_options options = tls_usual();
	struct tls_context *context = tls_good(&options);
	const struct span offered = span_str(protocols[_i].offered);
	const unsigned char *chosen;
	unsigned len;

	tls_client_begin(&client, context);
	ck_assert_int_eq(SSL_set_alpn_protos(client.client, (const unsigned char *)offered.ptr,
					     (unsigned)offered.len),
			 0);
	ck_assert_int_eq(tls_client_handshake(&client), protocols[_i].chosen != NULL);
	SSL_get0_alpn_selected(client.client, &chosen, &len);
	if (protocols[_i].chosen)
		ASSERT_SPAN_EQ(span_of(chosen, len), span_str(protocols[_i].chosen));
	else
		ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()),
				 SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
	ERR_clear_error();
	tls_context_put(&context);
}
END_TEST

/* ---- sessions and tickets ---- */

static void set_version(int version)
{
	SSL_CTX_set_min_proto_version(client.ssl_ctx, version);
	SSL_CTX_set_max_proto_version(client.ssl_ctx, version);
}

/* Both kinds of tickets there are. */
static const int ticket_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static bool resumes(struct tls_context *context)
{
	ck_assert(tls_client_connect(&client, context));
	ck_assert_int_eq(SSL_session_reused(client.client), tls_client_facts(&client).is_resumed);
	return tls_client_facts(&client).is_resumed;
}

START_TEST(a_session_resumes_where_it_began_with_one_ticket_at_a_time)
{
	struct tls_options options = tls_usual();
	struct tls_context *context = tls_good(&options);

	set_version(ticket_versions[_i]);
	tls_client_begin(&client, context);
	SSL_set_tlsext_host_name(client.client, "mx.example.org");
	ck_assert(tls_client_handshake(&client));
	ck_assert_uint_eq(client.tickets, 1);
	ck_assert(!tls_client_facts(&client).is_resumed);
	tls_client_begin(&client, context);
	SSL_set_tlsext_host_name(client.client, "mx.example.org");
	SSL_set_session(client.client, client.session);
	ck_assert(tls_client_handshake(&client));
	ck_assert(tls_client_facts(&client).is_resumed);
	ck_assert_str_eq(tls_client_facts(&client).server_name, "mx.example.org");
	ck_assert_uint_le(client.tickets, 1);
	tls_context_put(&context);
}
END_TEST

START_TEST(without_tickets_nothing_resumes)
{
	struct tls_options options = tls_usual();
	struct tls_context *context;

	options.tickets = 0;
	context = tls_good(&options);
	set_version(ticket_versions[_i]);
	ck_assert(connect_anew(context));
	if (ticket_versions[_i] == TLS1_3_VERSION)
		ck_assert_uint_eq(client.tickets, 0);
	else if (client.session)
		ck_assert(!SSL_SESSION_has_ticket(client.session));
	ck_assert(!resumes(context));
	tls_context_put(&context);
}
END_TEST

START_TEST(a_priority_string_may_forbid_tickets)
{
	struct tls_options options = tls_usual();
	struct tls_context *context;

	options.priority = "NORMAL:%NO_TICKETS";
	context = tls_good(&options);
	set_version(ticket_versions[_i]);
	ck_assert(connect_anew(context));
	ck_assert(!client.session || !SSL_SESSION_has_ticket(client.session));
	ck_assert(!resumes(context));
	tls_context_put(&context);
}
END_TEST

START_TEST(a_ticket_of_one_listener_is_nothing_to_another)
{
	struct tls_options options = tls_usual();
	struct tls_context *here = tls_good(&options), *there;

	options.session_scope = "a:465";
	there = tls_good(&options);
	set_version(ticket_versions[_i]);
	ck_assert(connect_anew(here));
	ck_assert(!resumes(there));
	/* And not by handing keys over either. */
	tls_context_put(&there);
	there = tls_good(&options);
	tls_context_inherit(there, here);
	ck_assert(connect_anew(here));
	ck_assert(!resumes(there));
	tls_context_put(&here);
	tls_context_put(&there);
}
END_TEST

START_TEST(a_reload_keeps_tickets_that_are_inherited)
{
	struct tls_options options = tls_usual();
	struct tls_context *before = tls_good(&options), *after = tls_good(&options);
	struct tls_context *stranger = tls_good(&options);

	set_version(ticket_versions[_i]);
	tls_context_inherit(after, before);
	ck_assert(connect_anew(before));
	tls_context_put(&before);
	ck_assert(resumes(after));
	ck_assert(connect_anew(after));
	ck_assert(!resumes(stranger));
	tls_context_put(&after);
	tls_context_put(&stranger);
}
END_TEST

START_TEST(ticket_keys_are_replaced_and_the_last_one_is_good_a_while)
{
	struct tls_options options = tls_usual();
	struct tls_context *context = tls_good(&options);
	const int64_t period_s = TLS_TICKET_ROTATE_MS / 1000;
	SSL_SESSION *first;

	set_version(ticket_versions[_i]);
	ck_assert(connect_anew(context));
	first = client.session;
	SSL_SESSION_up_ref(first);
	/* In its second period it opens, and is replaced by one of the new key. */
	tls_clock_ahead_s += period_s + 1;
	ck_assert(resumes(context));
	ck_assert_uint_eq(client.tickets, 1);
	/* In the third the new one opens, and the first does not. */
	tls_clock_ahead_s += period_s;
	ck_assert(resumes(context));
	SSL_SESSION_free(client.session);
	client.session = first;
	ck_assert(!resumes(context));
	/* After a long silence nothing of before is good. */
	ck_assert(connect_anew(context));
	tls_clock_ahead_s += 2 * period_s + 1;
	ck_assert(!resumes(context));
	tls_context_put(&context);
}
END_TEST

/* ---- certificates of clients ---- */

enum shown { SHOWN_NONE, SHOWN_GOOD, SHOWN_EXPIRED, SHOWN_STRANGE };

static const struct {
	enum tls_client_verify verify;
	enum shown shown;
	bool is_taken, has_client;
} clients[] = {
	{ TLS_CLIENT_VERIFY_OFF, SHOWN_GOOD, true, false },
	{ TLS_CLIENT_VERIFY_ASK, SHOWN_NONE, true, false },
	{ TLS_CLIENT_VERIFY_ASK, SHOWN_GOOD, true, true },
	{ TLS_CLIENT_VERIFY_ASK, SHOWN_EXPIRED, true, false },
	{ TLS_CLIENT_VERIFY_ASK, SHOWN_STRANGE, true, false },
	{ TLS_CLIENT_VERIFY_REQUIRE, SHOWN_NONE, false, false },
	{ TLS_CLIENT_VERIFY_REQUIRE, SHOWN_GOOD, true, true },
	{ TLS_CLIENT_VERIFY_REQUIRE, SHOWN_EXPIRED, false, false },
	{ TLS_CLIENT_VERIFY_REQUIRE, SHOWN_STRANGE, false, false },
};

/* "ca.pem", and what a client shows. The caller's to free; NULL: nothing. */
static X509 *make_client(enum shown shown)
{
	X509 *authority = tls_test_certificate(
		&(struct tls_spec){ .common_name = "CA", .key = TLS_KEY_EC2, .is_authority = true });
	struct tls_spec spec = {
		.common_name = "anna\n\x1b[1m",
		.issuer = authority,
		.issuer_key = TLS_KEY_EC2,
	};
	X509 *x = NULL;

	tls_write_certificate("ca.pem", authority);
	if (shown == SHOWN_EXPIRED) {
		spec.not_before_s = -2 * DAY_S;
		spec.not_after_s = -DAY_S;
	}
	if (shown == SHOWN_STRANGE)
		spec.issuer = NULL;
	if (shown != SHOWN_NONE)
		x = tls_test_certificate(&spec);
	X509_free(authority);
	return x;
}

static void show(X509 *x)
{
	if (!x)
		return;
	ck_assert_int_eq(SSL_CTX_use_certificate(client.ssl_ctx, x), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(client.ssl_ctx, tls_key(TLS_KEY_EC)), 1);
}

static struct tls_context *context_with_ca(enum tls_client_verify verify)
{
	struct tls_options options = tls_usual();

	options.client_verify = verify;
	options.client_ca = tls_path("ca.pem");
	return tls_good(&options);
}

START_TEST(clients_are_known_by_good_certificates_only)
{
	X509 *x = make_client(clients[_i].shown);
	struct tls_context *context = context_with_ca(clients[_i].verify);
	struct tls_facts facts;

	show(x);
	for (size_t i = 0; i < 2; i++) {
		set_version(ticket_versions[i]);
		ck_assert_int_eq(connect_anew(context), clients[_i].is_taken);
		if (!clients[_i].is_taken)
			continue;
		facts = tls_client_facts(&client);
		ck_assert_int_eq(facts.has_client_cert, clients[_i].has_client);
		ck_assert_str_eq(facts.client_subject, clients[_i].has_client ? "CN=anna\\0A\\1B[1m" : "");
		ck_assert_uint_eq(strlen(facts.client_fingerprint), clients[_i].has_client ? 64 : 0);
		ck_assert_uint_eq(strspn(facts.client_fingerprint, "0123456789abcdef"),
				  strlen(facts.client_fingerprint));
		/* A session tells the same when it comes back. */
		ck_assert_int_eq(resumes(context), true);
		ck_assert_int_eq(tls_client_facts(&client).has_client_cert, clients[_i].has_client);
	}
	X509_free(x);
	tls_context_put(&context);
}
END_TEST

START_TEST(a_client_that_is_no_longer_trusted_does_not_come_back_by_a_ticket)
{
	X509 *x = make_client(SHOWN_GOOD);
	struct tls_context *before = context_with_ca(TLS_CLIENT_VERIFY_ASK), *after;

	set_version(ticket_versions[_i]);
	show(x);
	ck_assert(connect_anew(before));
	ck_assert(tls_client_facts(&client).has_client_cert);
	/* Another authority of the same name. */
	tls_write_pair("ca.pem", NULL,
		       &(struct tls_spec){ .common_name = "CA", .key = TLS_KEY_RSA, .is_authority = true });
	after = context_with_ca(TLS_CLIENT_VERIFY_ASK);
	tls_context_inherit(after, before);
	ck_assert(!resumes(after));
	ck_assert(!tls_client_facts(&client).has_client_cert);
	X509_free(x);
	tls_context_put(&before);
	tls_context_put(&after);
}
END_TEST

START_TEST(a_long_subject_is_cut)
{
	char name[65];
	X509 *x;
	struct tls_context *context;

	memset(name, '\x01', 64);
	name[64] = '\0';
	X509_free(make_client(SHOWN_NONE));
	x = tls_test_certificate(&(struct tls_spec){ .common_name = name, .is_authority = true });
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "O", MBSTRING_UTF8,
							    (const unsigned char *)name, -1, -1, 0), 1);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	ck_assert_int_gt(X509_sign(x, tls_key(TLS_KEY_EC), EVP_sha256()), 0);
	tls_write_certificate("ca.pem", x);
	context = context_with_ca(TLS_CLIENT_VERIFY_REQUIRE);
	show(x);
	ck_assert(connect_anew(context));
	ck_assert_uint_eq(strlen(tls_client_facts(&client).client_subject), 255);
	X509_free(x);
	tls_context_put(&context);
}
END_TEST

/* ---- life and files ---- */

START_TEST(a_session_keeps_what_it_began_with)
{
	struct tls_options options = with_sites();
	struct tls_context *context = tls_good(&options);

	tls_client_begin(&client, context);
	SSL_set_tlsext_host_name(client.client, "site.example.net");
	tls_context_put(&context);
	ck_assert_ptr_null(context);
	ck_assert(tls_client_handshake(&client));
	ck_assert_str_eq(tls_client_saw(&client), "site");
	ck_assert_uint_eq(client.tickets, 1);
}
END_TEST

START_TEST(references_are_counted)
{
	struct tls_options options = tls_usual();
	struct tls_context *context = tls_good(&options), *other = tls_context_get(context);

	tls_context_put(&context);
	ck_assert(connect_anew(other));
	tls_context_put(&other);
	tls_context_put(&other);
}
END_TEST

static const char *const watched[] = { "cert.pem", "key.pem", "ca.pem", "dh.pem", "sites/a.pem" };

START_TEST(a_change_of_any_file_makes_a_context_stale)
{
	struct tls_options options = tls_usual();
	struct tls_context *context;
	EVP_PKEY *dh = make_parameters(DH_PKCS3);
	uint64_t before;

	X509_free(make_client(SHOWN_NONE));
	write_parameters("dh.pem", dh);
	EVP_PKEY_free(dh);
	ck_assert_int_eq(mkdir(tls_path("sites"), 0700), 0);
	tls_write_pair("sites/a.pem", "sites/a.pem", &(struct tls_spec){ .common_name = "a" });
	options.client_ca = tls_path("ca.pem");
	options.client_verify = TLS_CLIENT_VERIFY_ASK;
	options.dh_params = tls_path("dh.pem");
	options.pair_dir = tls_path("sites");
	context = tls_good(&options);
	before = tls_options_state(&options);
	ck_assert(!tls_context_is_stale(context));
	/* The same bytes in another file, as a program that renews them puts it there. */
	tls_write_text("new", "");
	tls_append("new", watched[_i]);
	ck_assert(!tls_context_is_stale(context));
	ck_assert_int_eq(rename(tls_path("new"), tls_path(watched[_i])), 0);
	ck_assert(tls_context_is_stale(context));
	ck_assert(tls_options_state(&options) != before);
	before = tls_options_state(&options);
	ck_assert_int_eq(unlink(tls_path(watched[_i])), 0);
	ck_assert(tls_context_is_stale(context));
	ck_assert(tls_options_state(&options) != before);
	tls_context_put(&context);
}
END_TEST

START_TEST(a_new_file_in_the_directory_makes_a_context_stale)
{
	struct tls_options options = tls_usual();
	struct tls_context *context;

	ck_assert_int_eq(mkdir(tls_path("sites"), 0700), 0);
	tls_write_pair("sites/a.pem", "sites/a.pem", &(struct tls_spec){ .common_name = "a" });
	options.pair_dir = tls_path("sites");
	context = tls_good(&options);
	tls_write_pair("sites/b.pem", "sites/b.pem", &(struct tls_spec){ .common_name = "b" });
	ck_assert(tls_context_is_stale(context));
	tls_context_put(&context);
}
END_TEST

START_TEST(the_certificate_that_expires_first_counts)
{
	struct tls_options options = with_sites();
	struct tls_context *context;
	uint64_t now = (uint64_t)time(NULL);

	tls_write_pair("exact.pem", "exact.key",
		       &(struct tls_spec){ .common_name = "exact", .not_after_s = 30 * DAY_S,
					   .key = TLS_KEY_EC2 });
	context = tls_good(&options);
	ck_assert_uint_ge(tls_context_not_after(context), now + 30 * DAY_S - 60);
	ck_assert_uint_le(tls_context_not_after(context), now + 30 * DAY_S + 60);
	ck_assert_uint_eq(tls_log_count(" tls_certificate "), 5);
	ck_assert_uint_eq(tls_log_count(" trouble "), 0);
	tls_clock_ahead_s = 17 * DAY_S;
	tls_context_log_trouble(context);
	ck_assert_uint_eq(tls_log_count("the TLS certificate expires soon"), 1);
	tls_context_put(&context);
	options.is_quiet = true;
	context = tls_good(&options);
	ck_assert_uint_eq(tls_log_count(" tls_certificate "), 5);
	tls_context_put(&context);
}
END_TEST

/* ---- words for errors ---- */

START_TEST(errors_have_words_and_leave_nothing_behind)
{
	char text[160];

	ERR_clear_error();
	ck_assert_str_eq(tls_error_text(text, sizeof(text)), "OpenSSL does not say why");
	ERR_raise(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER);
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
	ck_assert_str_eq(tls_error_text(text, sizeof(text)), "no shared cipher");
	ck_assert_uint_eq(ERR_peek_error(), 0);
	ERR_raise(ERR_LIB_SYS, ENOENT);
	ck_assert_str_eq(tls_error_text(text, sizeof(text)), "No such file or directory");
	ERR_raise(ERR_LIB_SSL, 4000);
	ck_assert_int_eq(strncmp(tls_error_text(text, sizeof(text)), "OpenSSL's error ", 16), 0);
	ck_assert_str_eq(tls_error_text(text, 4), "Ope");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tls_context");
	TCase *tcase = tcase_create("tls_context");

	tls_key(TLS_KEY_RSA);
	tls_key(TLS_KEY_RSA1024);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, modern_clients_get_tls_1_3_with_x25519);
	ADD_ROWS(tcase, versions_are_1_2_and_1_3_and_older_with_compat_only, versions);
	tcase_add_test(tcase, a_client_without_aes_in_hardware_gets_chacha);
	tcase_add_test(tcase, sha_1_signatures_are_for_compat_only);
	tcase_add_test(tcase, renegotiation_is_refused_but_with_compat);
	tcase_add_test(tcase, neither_compression_nor_early_data_is_offered);
	ADD_ROWS(tcase, what_is_wrong_makes_no_context_and_names_the_setting, spoilt);
	tcase_add_test(tcase, compat_takes_a_weak_key);
	tcase_add_test(tcase, a_weak_key_for_another_name_is_told_at_once_too);
	ADD_ROWS(tcase, parameters_are_taken_in_both_forms_and_held_to_the_level, parameters);
	tcase_add_test(tcase, without_parameters_a_group_of_rfc_7919_is_used);
	ADD_ROWS(tcase, the_name_that_is_asked_for_chooses_the_certificate, sites);
	tcase_add_test(tcase, a_wildcard_cannot_be_asked_for);
	tcase_add_test(tcase, a_name_of_the_longest_kind_is_looked_up_in_bounds);
	ADD_ROWS(tcase, rsa_and_ecdsa_stand_side_by_side, key_types);
	tcase_add_test(tcase, of_two_certificates_with_one_name_the_first_counts);
	tcase_add_test(tcase, a_directory_of_pairs_is_as_good_as_a_list);
	ADD_ROWS(tcase, clients_that_offer_other_protocols_only_are_refused, protocols);
	ADD_ROWS(tcase, a_session_resumes_where_it_began_with_one_ticket_at_a_time, ticket_versions);
	ADD_ROWS(tcase, without_tickets_nothing_resumes, ticket_versions);
	ADD_ROWS(tcase, a_priority_string_may_forbid_tickets, ticket_versions);
	ADD_ROWS(tcase, a_ticket_of_one_listener_is_nothing_to_another, ticket_versions);
	ADD_ROWS(tcase, a_reload_keeps_tickets_that_are_inherited, ticket_versions);
	ADD_ROWS(tcase, ticket_keys_are_replaced_and_the_last_one_is_good_a_while, ticket_versions);
	ADD_ROWS(tcase, clients_are_known_by_good_certificates_only, clients);
	ADD_ROWS(tcase, a_client_that_is_no_longer_trusted_does_not_come_back_by_a_ticket, ticket_versions);
	tcase_add_test(tcase, a_long_subject_is_cut);
	tcase_add_test(tcase, a_session_keeps_what_it_began_with);
	tcase_add_test(tcase, references_are_counted);
	ADD_ROWS(tcase, a_change_of_any_file_makes_a_context_stale, watched);
	tcase_add_test(tcase, a_new_file_in_the_directory_makes_a_context_stale);
	tcase_add_test(tcase, the_certificate_that_expires_first_counts);
	tcase_add_test(tcase, errors_have_words_and_leave_nothing_behind);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
