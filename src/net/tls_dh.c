#include "net/tls_dh.h"

#include "net/tls_file.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

static const char setting[] = "tls_dh_params";

/* Takes the parameters, whatever the outcome. */
static bool use(SSL_CTX *ssl_ctx, EVP_PKEY *dh)
{
	if (SSL_CTX_set0_tmp_dh_pkey(ssl_ctx, dh) == 1)
		return true;
	EVP_PKEY_free(dh);
	return false;
}

/* ---- from a file ---- */

static EVP_PKEY *make_dh(OSSL_PARAM *params)
{
	EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	EVP_PKEY *dh = NULL;

	if (maker && EVP_PKEY_fromdata_init(maker) == 1 &&
	    EVP_PKEY_fromdata(maker, &dh, EVP_PKEY_KEY_PARAMETERS, params) != 1)
		dh = NULL;
	EVP_PKEY_CTX_free(maker);
	return dh;
}

/*
 * The same p and g without what X9.42 adds: TLS sends nothing else, and OpenSSL's
 * handshake pads the secrets of plain "DH" only (RFC 8446 7.4.1).
 */
static EVP_PKEY *plain_dh(const EVP_PKEY *x942)
{
	BIGNUM *p = NULL, *g = NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *dh = NULL;

	if (builder && EVP_PKEY_get_bn_param(x942, OSSL_PKEY_PARAM_FFC_P, &p) == 1 &&
	    EVP_PKEY_get_bn_param(x942, OSSL_PKEY_PARAM_FFC_G, &g) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_P, p) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_G, g) == 1)
		params = OSSL_PARAM_BLD_to_param(builder);
	if (params)
		dh = make_dh(params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	BN_free(p);
	BN_free(g);
	return dh;
}

/* Cheap checks only: a proof of primality would hold up the loop for a second. */
static bool is_sound(EVP_PKEY *dh)
{
	EVP_PKEY_CTX *checker = EVP_PKEY_CTX_new_from_pkey(NULL, dh, NULL);
	bool is_ok = checker && EVP_PKEY_param_check_quick(checker) == 1;

	EVP_PKEY_CTX_free(checker);
	return is_ok;
}

/* Takes what was read. */
static bool use_read(SSL_CTX *ssl_ctx, EVP_PKEY *read, const char *path, struct err *err)
{
	if (EVP_PKEY_is_a(read, "DHX")) {
		EVP_PKEY *dh = plain_dh(read);

		EVP_PKEY_free(read);
		read = dh;
	}
	if (read && !EVP_PKEY_is_a(read, "DH")) {
		EVP_PKEY_free(read);
		return err_set(err, "%s: %s: these are no Diffie-Hellman parameters", setting, path);
	}
	if (!read || !is_sound(read)) {
		EVP_PKEY_free(read);
		return tls_file_refuse(err, setting, path, "the parameters are not sound");
	}
	return use(ssl_ctx, read) || tls_file_refuse(err, setting, path, "the parameters cannot be used");
}

static bool use_file(SSL_CTX *ssl_ctx, const char *path, struct err *err)
{
	struct tls_file file;
	EVP_PKEY *read = NULL;
	BIO *bio;

	if (!tls_file_read(&file, setting, path, err))
		return false;
	ERR_clear_error();
	bio = tls_file_bio(&file);
	if (bio)
		read = PEM_read_bio_Parameters(bio, NULL);
	BIO_free(bio);
	tls_file_fini(&file);
	if (!read)
		return tls_file_refuse(err, setting, path, "there are no PEM parameters in it");
	return use_read(ssl_ctx, read, path, err);
}

/* ---- RFC 7919 ---- */

static const char *choose_group(const struct tls_priority_list *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		if (strncmp(groups->names[i], "ffdhe", 5) == 0)
			return groups->names[i];
	return groups->count ? NULL : "ffdhe2048";
}

bool tls_dh_apply(SSL_CTX *ssl_ctx, const char *path, const struct tls_priority_list *groups, struct err *err)
{
	const char *name = choose_group(groups);
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end() };
	EVP_PKEY *dh;

	if (path)
		return use_file(ssl_ctx, path, err);
	if (!name)
		return true;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)name, 0);
	dh = make_dh(params);
	if (!dh)
		return tls_file_refuse(err, setting, name, "OpenSSL cannot make the group");
	return use(ssl_ctx, dh) || tls_file_refuse(err, setting, name, "OpenSSL refuses the group");
}
