/*
 * The tables behind net/tls_priority_words.h. What GnuTLS 3.7 knows and OpenSSL
 * 3.0 has not stands here too, with the reason, so that it can be told from a
 * slip of the pen.
 */
#include "net/tls_priority_words.h"

#include <openssl/ssl.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum tls_group_id {
	GROUP_X25519 = 1,
	GROUP_SECP256R1,
	GROUP_SECP384R1,
	GROUP_SECP521R1,
	GROUP_X448,
	GROUP_FFDHE2048,
	GROUP_FFDHE3072,
	GROUP_FFDHE4096,
	GROUP_FFDHE6144,
	GROUP_FFDHE8192,
	GROUP_SECP192R1,
	GROUP_SECP224R1,
};

static const struct tls_algorithm groups[] = {
	[GROUP_X25519] = { "X25519", 29, 5, true },
	[GROUP_SECP256R1] = { "P-256", 23, 5, true },
	[GROUP_SECP384R1] = { "P-384", 24, 5, true },
	[GROUP_SECP521R1] = { "P-521", 25, 5, true },
	[GROUP_X448] = { "X448", 30, 5, true },
	[GROUP_FFDHE2048] = { "ffdhe2048", 256, 5, false },
	[GROUP_FFDHE3072] = { "ffdhe3072", 257, 5, false },
	[GROUP_FFDHE4096] = { "ffdhe4096", 258, 5, false },
	[GROUP_FFDHE6144] = { "ffdhe6144", 259, 5, false },
	[GROUP_FFDHE8192] = { "ffdhe8192", 260, 5, false },
	[GROUP_SECP192R1] = { "P-192", 19, 1, true }, /* 96 bits */
	[GROUP_SECP224R1] = { "P-224", 21, 2, true }, /* 112 bits */
};

enum tls_sign_id {
	SIGN_RSA_SHA256 = 1,
	SIGN_RSA_PSS_SHA256,
	SIGN_RSA_PSS_RSAE_SHA256,
	SIGN_ECDSA_SHA256,
	SIGN_ED25519,
	SIGN_RSA_SHA384,
	SIGN_RSA_PSS_SHA384,
	SIGN_RSA_PSS_RSAE_SHA384,
	SIGN_ECDSA_SHA384,
	SIGN_ED448,
	SIGN_RSA_SHA512,
	SIGN_RSA_PSS_SHA512,
	SIGN_RSA_PSS_RSAE_SHA512,
	SIGN_ECDSA_SHA512,
	SIGN_RSA_SHA1,
	SIGN_ECDSA_SHA1,
	SIGN_RSA_SHA224,
	SIGN_ECDSA_SHA224,
	SIGN_DSA_SHA1,
	SIGN_DSA_SHA224,
	SIGN_DSA_SHA256,
	SIGN_DSA_SHA384,
	SIGN_DSA_SHA512,
};

/* OpenSSL gives SHA-1 63 bits, which only level 0 takes, and SHA-224 112. */
static const struct tls_algorithm sigalgs[] = {
	[SIGN_RSA_SHA256] = { "RSA+SHA256", 0x0401, 5, false },
	[SIGN_RSA_PSS_SHA256] = { "rsa_pss_pss_sha256", 0x0809, 5, false },
	[SIGN_RSA_PSS_RSAE_SHA256] = { "rsa_pss_rsae_sha256", 0x0804, 5, false },
	[SIGN_ECDSA_SHA256] = { "ECDSA+SHA256", 0x0403, 5, false },
	[SIGN_ED25519] = { "ed25519", 0x0807, 5, false },
	[SIGN_RSA_SHA384] = { "RSA+SHA384", 0x0501, 5, false },
	[SIGN_RSA_PSS_SHA384] = { "rsa_pss_pss_sha384", 0x080a, 5, false },
	[SIGN_RSA_PSS_RSAE_SHA384] = { "rsa_pss_rsae_sha384", 0x0805, 5, false },
	[SIGN_ECDSA_SHA384] = { "ECDSA+SHA384", 0x0503, 5, false },
	[SIGN_ED448] = { "ed448", 0x0808, 5, false },
	[SIGN_RSA_SHA512] = { "RSA+SHA512", 0x0601, 5, false },
	[SIGN_RSA_PSS_SHA512] = { "rsa_pss_pss_sha512", 0x080b, 5, false },
	[SIGN_RSA_PSS_RSAE_SHA512] = { "rsa_pss_rsae_sha512", 0x0806, 5, false },
	[SIGN_ECDSA_SHA512] = { "ECDSA+SHA512", 0x0603, 5, false },
	[SIGN_RSA_SHA1] = { "RSA+SHA1", 0x0201, 0, false },
	[SIGN_ECDSA_SHA1] = { "ECDSA+SHA1", 0x0203, 0, false },
	[SIGN_RSA_SHA224] = { "RSA+SHA224", 0x0301, 2, false },
	[SIGN_ECDSA_SHA224] = { "ECDSA+SHA224", 0x0303, 2, false },
	[SIGN_DSA_SHA1] = { "DSA+SHA1", 0x0202, 0, false },
	[SIGN_DSA_SHA224] = { "DSA+SHA224", 0x0302, 2, false },
	[SIGN_DSA_SHA256] = { "DSA+SHA256", 0x0402, 5, false },
	[SIGN_DSA_SHA384] = { "DSA+SHA384", 0x0502, 5, false },
	[SIGN_DSA_SHA512] = { "DSA+SHA512", 0x0602, 5, false },
};

_Static_assert(ROWS(groups) <= TLS_IDS_MAX && ROWS(sigalgs) <= TLS_IDS_MAX, "a list holds all of a kind");

/* ---- lists ---- */

/* Versions are 1 + enum tls_version, so that 0 can end the list. */
static const uint8_t versions_normal[] = { 4, 3, 0 };
static const uint8_t versions_all[] = { 4, 3, 2, 1, 0 };
static const uint8_t versions_suiteb[] = { 3, 0 };
static const uint8_t none[] = { 0 };

static const uint8_t ciphers_normal[] = {
	TLS_CIPHER_AES_256_GCM, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_AES_256_CCM, TLS_CIPHER_AES_256_CBC,
	TLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_128_CCM,	      TLS_CIPHER_AES_128_CBC, 0,
};
static const uint8_t ciphers_performance[] = {
	TLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_256_GCM, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_AES_128_CCM,
	TLS_CIPHER_AES_256_CCM, TLS_CIPHER_AES_128_CBC, TLS_CIPHER_AES_256_CBC,	      0,
};
static const uint8_t ciphers_secure128[] = {
	TLS_CIPHER_AES_256_GCM, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_AES_256_CBC, TLS_CIPHER_AES_256_CCM,
	TLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_128_CBC,	      TLS_CIPHER_AES_128_CCM, 0,
};
static const uint8_t ciphers_secure192[] = {
	TLS_CIPHER_AES_256_GCM, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_AES_256_CBC, TLS_CIPHER_AES_256_CCM, 0,
};
static const uint8_t ciphers_suiteb128[] = { TLS_CIPHER_AES_256_GCM, TLS_CIPHER_AES_128_GCM, 0 };
static const uint8_t ciphers_suiteb192[] = { TLS_CIPHER_AES_256_GCM, 0 };

static const uint8_t kx_normal[] = { TLS_KX_ECDHE_ECDSA, TLS_KX_ECDHE_RSA, TLS_KX_RSA, TLS_KX_DHE_RSA, 0 };
static const uint8_t kx_performance[] = {
	TLS_KX_RSA, TLS_KX_ECDHE_ECDSA, TLS_KX_ECDHE_RSA, TLS_KX_DHE_RSA, 0,
};
static const uint8_t kx_pfs[] = { TLS_KX_ECDHE_ECDSA, TLS_KX_ECDHE_RSA, TLS_KX_DHE_RSA, 0 };
static const uint8_t kx_suiteb[] = { TLS_KX_ECDHE_ECDSA, 0 };

static const uint8_t macs_normal[] = { TLS_MAC_SHA1, TLS_MAC_AEAD, 0 };
static const uint8_t macs_aead[] = { TLS_MAC_AEAD, 0 };

static const uint8_t groups_normal[] = {
	GROUP_X25519,	 GROUP_SECP256R1, GROUP_SECP384R1, GROUP_SECP521R1, GROUP_X448,	     GROUP_FFDHE2048,
	GROUP_FFDHE3072, GROUP_FFDHE4096, GROUP_FFDHE6144, GROUP_FFDHE8192, 0,
};
static const uint8_t groups_secure192[] = { GROUP_SECP384R1, GROUP_SECP521R1, GROUP_FFDHE8192, 0 };
static const uint8_t groups_suiteb128[] = { GROUP_SECP256R1, GROUP_SECP384R1, 0 };
static const uint8_t groups_suiteb192[] = { GROUP_SECP384R1, 0 };

#define SIGNS_256 \
	SIGN_RSA_SHA256, SIGN_RSA_PSS_SHA256, SIGN_RSA_PSS_RSAE_SHA256, SIGN_ECDSA_SHA256, SIGN_ED25519
#define SIGNS_384_512 \
	SIGN_RSA_SHA384, SIGN_RSA_PSS_SHA384, SIGN_RSA_PSS_RSAE_SHA384, SIGN_ECDSA_SHA384, SIGN_ED448, \
	SIGN_RSA_SHA512, SIGN_RSA_PSS_SHA512, SIGN_RSA_PSS_RSAE_SHA512, SIGN_ECDSA_SHA512

/* GnuTLS has SHA-1 in NORMAL; in OpenSSL it would cost the security level. */
static const uint8_t signs_normal[] = { SIGNS_256, SIGNS_384_512, 0 };
static const uint8_t signs_legacy[] = { SIGNS_256, SIGNS_384_512, SIGN_RSA_SHA1, SIGN_ECDSA_SHA1, 0 };
static const uint8_t signs_secure192[] = { SIGNS_384_512, 0 };
static const uint8_t signs_suiteb128[] = { SIGN_ECDSA_SHA256, SIGN_ECDSA_SHA384, 0 };
static const uint8_t signs_suiteb192[] = { SIGN_ECDSA_SHA384, 0 };

static const struct tls_keyword keywords[] = {
	{ "NORMAL",
	  { versions_normal, ciphers_normal, kx_normal, macs_normal, groups_normal, signs_normal }, false },
	{ "PERFORMANCE",
	  { versions_normal, ciphers_performance, kx_performance, macs_normal, groups_normal, signs_normal },
	  false },
	{ "PFS", { versions_normal, ciphers_normal, kx_pfs, macs_normal, groups_normal, signs_normal }, true },
	{ "LEGACY",
	  { versions_all, ciphers_normal, kx_normal, macs_normal, groups_normal, signs_legacy }, false },
	{ "SECURE128",
	  { versions_normal, ciphers_secure128, kx_normal, macs_normal, groups_normal, signs_normal }, false },
	{ "SECURE192",
	  { versions_normal, ciphers_secure192, kx_normal, macs_aead, groups_secure192, signs_secure192 }, false },
	{ "SECURE256",
	  { versions_normal, ciphers_secure192, kx_normal, macs_aead, groups_secure192, signs_secure192 }, false },
	{ "SUITEB128",
	  { versions_suiteb, ciphers_suiteb128, kx_suiteb, macs_aead, groups_suiteb128, signs_suiteb128 }, false },
	{ "SUITEB192",
	  { versions_suiteb, ciphers_suiteb192, kx_suiteb, macs_aead, groups_suiteb192, signs_suiteb192 }, false },
	{ "NONE", { none, none, none, none, none, none }, false },
};

/* ---- words ---- */

static const char not_built[] = "OpenSSL is built without it";
static const char not_tls[] = "no cipher suite of OpenSSL uses it";
static const char not_openssl[] = "OpenSSL does not have it";
static const char no_dtls[] = "mail does not come over DTLS";
static const char no_secrets[] = "it needs keys or passwords that this server does not have";
static const char no_encryption[] = "it would leave mail unencrypted";
static const char no_gost[] = "OpenSSL has no GOST algorithms";

#define VERSION(name, id) { "VERS-" name, TLS_WORD_VERSION, id, NULL }
#define NO_VERSION(name, why) { "VERS-" name, TLS_WORD_VERSION, TLS_ID_NONE, why }
#define CIPHER(name, id) { name, TLS_WORD_CIPHER, TLS_CIPHER_##id, NULL }
#define NO_CIPHER(name, why) { name, TLS_WORD_CIPHER, TLS_ID_NONE, why }
#define KX(name, id) { name, TLS_WORD_KX, TLS_KX_##id, NULL }
#define NO_KX(name, why) { name, TLS_WORD_KX, TLS_ID_NONE, why }
#define MAC(name) { #name, TLS_WORD_MAC, TLS_MAC_##name, NULL }
#define NO_MAC(name, why) { name, TLS_WORD_MAC, TLS_ID_NONE, why }
#define GROUP(name) { "GROUP-" #name, TLS_WORD_GROUP, GROUP_##name, NULL }
#define CURVE(name) GROUP(name), { "CURVE-" #name, TLS_WORD_GROUP, GROUP_##name, NULL }
#define NO_GROUP(name) \
	{ "GROUP-" name, TLS_WORD_GROUP, TLS_ID_NONE, no_gost }, \
	{ "CURVE-" name, TLS_WORD_GROUP, TLS_ID_NONE, no_gost }
#define SIGN(name, id) { "SIGN-" name, TLS_WORD_SIGN, SIGN_##id, NULL }
#define NO_SIGN(name, why) { "SIGN-" name, TLS_WORD_SIGN, TLS_ID_NONE, why }
#define ALL(name, kind) { name, TLS_WORD_##kind, TLS_ID_ALL, NULL }
#define NO_EFFECT(name) { name, TLS_WORD_NO_EFFECT, TLS_ID_ALL, NULL }
#define REFUSED(name) { name, TLS_WORD_NO_EFFECT, TLS_ID_NONE, not_openssl }

static const struct tls_word words[] = {
	VERSION("TLS1.3", 4),
	VERSION("TLS1.2", 3),
	VERSION("TLS1.1", 2),
	VERSION("TLS1.0", 1),
	ALL("VERS-ALL", VERSION),
	ALL("VERS-TLS-ALL", VERSION),
	NO_VERSION("SSL3.0", not_built),
	NO_VERSION("DTLS-ALL", no_dtls),
	NO_VERSION("DTLS0.9", no_dtls),
	NO_VERSION("DTLS1.0", no_dtls),
	NO_VERSION("DTLS1.2", no_dtls),

	CIPHER("AES-256-GCM", AES_256_GCM),
	CIPHER("AES-128-GCM", AES_128_GCM),
	CIPHER("AES-256-CBC", AES_256_CBC),
	CIPHER("AES-128-CBC", AES_128_CBC),
	CIPHER("AES-256-CCM", AES_256_CCM),
	CIPHER("AES-128-CCM", AES_128_CCM),
	CIPHER("AES-256-CCM-8", AES_256_CCM_8),
	CIPHER("AES-128-CCM-8", AES_128_CCM_8),
	CIPHER("CHACHA20-POLY1305", CHACHA20_POLY1305),
	CIPHER("CAMELLIA-256-CBC", CAMELLIA_256_CBC),
	CIPHER("CAMELLIA-128-CBC", CAMELLIA_128_CBC),
	ALL("CIPHER-ALL", CIPHER),
	NO_CIPHER("3DES-CBC", not_built),
	NO_CIPHER("ARCFOUR-128", not_built),
	NO_CIPHER("DES-CBC", not_built),
	NO_CIPHER("RC2-40", not_built),
	NO_CIPHER("NULL", no_encryption),
	NO_CIPHER("CAMELLIA-128-GCM", not_openssl),
	NO_CIPHER("CAMELLIA-256-GCM", not_openssl),
	NO_CIPHER("CAMELLIA-192-CBC", not_tls),
	NO_CIPHER("AES-192-CBC", not_tls),
	NO_CIPHER("AES-192-GCM", not_tls),
	NO_CIPHER("AES-128-CFB8", not_tls),
	NO_CIPHER("AES-192-CFB8", not_tls),
	NO_CIPHER("AES-256-CFB8", not_tls),
	NO_CIPHER("AES-128-XTS", not_tls),
	NO_CIPHER("AES-256-XTS", not_tls),
	NO_CIPHER("AES-128-SIV", not_tls),
	NO_CIPHER("AES-256-SIV", not_tls),
	NO_CIPHER("CHACHA20-32", not_tls),
	NO_CIPHER("CHACHA20-64", not_tls),
	NO_CIPHER("SALSA20-256", not_openssl),
	NO_CIPHER("ESTREAM-SALSA20-256", not_openssl),
	NO_CIPHER("GOST28147-TC26Z-CFB", no_gost),
	NO_CIPHER("GOST28147-CPA-CFB", no_gost),
	NO_CIPHER("GOST28147-CPB-CFB", no_gost),
	NO_CIPHER("GOST28147-CPC-CFB", no_gost),
	NO_CIPHER("GOST28147-CPD-CFB", no_gost),
	NO_CIPHER("GOST28147-TC26Z-CNT", no_gost),
	NO_CIPHER("MAGMA-CTR-ACPKM", no_gost),
	NO_CIPHER("KUZNYECHIK-CTR-ACPKM", no_gost),

	KX("ECDHE-RSA", ECDHE_RSA),
	KX("ECDHE-ECDSA", ECDHE_ECDSA),
	KX("RSA", RSA),
	KX("DHE-RSA", DHE_RSA),
	KX("DHE-DSS", DHE_DSS),
	KX("ANON-ECDH", ANON_ECDH),
	KX("ANON-DH", ANON_DH),
	ALL("KX-ALL", KX),
	NO_KX("RSA-EXPORT", not_built),
	NO_KX("PSK", no_secrets),
	NO_KX("RSA-PSK", no_secrets),
	NO_KX("DHE-PSK", no_secrets),
	NO_KX("ECDHE-PSK", no_secrets),
	NO_KX("SRP", no_secrets),
	NO_KX("SRP-RSA", no_secrets),
	NO_KX("SRP-DSS", no_secrets),
	NO_KX("VKO-GOST-12", no_gost),

	MAC(SHA1),
	MAC(AEAD),
	MAC(SHA256),
	MAC(SHA384),
	ALL("MAC-ALL", MAC),
	NO_MAC("MD5", not_built),
	NO_MAC("SHA224", not_tls),
	NO_MAC("SHA512", not_tls),
	NO_MAC("UMAC-96", not_openssl),
	NO_MAC("UMAC-128", not_openssl),
	NO_MAC("AES-CMAC-128", not_tls),
	NO_MAC("AES-CMAC-256", not_tls),
	NO_MAC("AES-GMAC-128", not_tls),
	NO_MAC("AES-GMAC-192", not_tls),
	NO_MAC("AES-GMAC-256", not_tls),
	NO_MAC("GOSTR341194", no_gost),
	NO_MAC("STREEBOG-256", no_gost),
	NO_MAC("STREEBOG-512", no_gost),
	NO_MAC("GOST28147-TC26Z-IMIT", no_gost),
	NO_MAC("OMAC-MAGMA", no_gost),
	NO_MAC("OMAC-KUZNYECHIK", no_gost),

	CURVE(X25519),
	CURVE(X448),
	CURVE(SECP192R1),
	CURVE(SECP224R1),
	CURVE(SECP256R1),
	CURVE(SECP384R1),
	CURVE(SECP521R1),
	GROUP(FFDHE2048),
	GROUP(FFDHE3072),
	GROUP(FFDHE4096),
	GROUP(FFDHE6144),
	GROUP(FFDHE8192),
	ALL("GROUP-ALL", GROUP),
	ALL("CURVE-ALL", GROUP),
	NO_GROUP("GC256B"),
	NO_GROUP("GC512A"),

	SIGN("RSA-SHA256", RSA_SHA256),
	SIGN("RSA-SHA384", RSA_SHA384),
	SIGN("RSA-SHA512", RSA_SHA512),
	SIGN("RSA-SHA224", RSA_SHA224),
	SIGN("RSA-SHA1", RSA_SHA1),
	SIGN("RSA-PSS-SHA256", RSA_PSS_SHA256),
	SIGN("RSA-PSS-SHA384", RSA_PSS_SHA384),
	SIGN("RSA-PSS-SHA512", RSA_PSS_SHA512),
	SIGN("RSA-PSS-RSAE-SHA256", RSA_PSS_RSAE_SHA256),
	SIGN("RSA-PSS-RSAE-SHA384", RSA_PSS_RSAE_SHA384),
	SIGN("RSA-PSS-RSAE-SHA512", RSA_PSS_RSAE_SHA512),
	SIGN("EDDSA-ED25519", ED25519),
	SIGN("EDDSA-ED448", ED448),
	SIGN("ECDSA-SHA1", ECDSA_SHA1),
	SIGN("ECDSA-SHA224", ECDSA_SHA224),
	/* GnuTLS has them twice, for TLS 1.2 and for TLS 1.3; on the wire and in OpenSSL they are one. */
	SIGN("ECDSA-SHA256", ECDSA_SHA256),
	SIGN("ECDSA-SHA384", ECDSA_SHA384),
	SIGN("ECDSA-SHA512", ECDSA_SHA512),
	SIGN("ECDSA-SECP256R1-SHA256", ECDSA_SHA256),
	SIGN("ECDSA-SECP384R1-SHA384", ECDSA_SHA384),
	SIGN("ECDSA-SECP521R1-SHA512", ECDSA_SHA512),
	SIGN("DSA-SHA1", DSA_SHA1),
	SIGN("DSA-SHA224", DSA_SHA224),
	SIGN("DSA-SHA256", DSA_SHA256),
	SIGN("DSA-SHA384", DSA_SHA384),
	SIGN("DSA-SHA512", DSA_SHA512),
	ALL("SIGN-ALL", SIGN),
	NO_SIGN("RSA-MD5", not_openssl),
	NO_SIGN("RSA-MD2", not_openssl),
	NO_SIGN("RSA-RMD160", not_openssl),
	NO_SIGN("RSA-RAW", not_openssl),
	NO_SIGN("RSA-SHA3-224", not_openssl),
	NO_SIGN("RSA-SHA3-256", not_openssl),
	NO_SIGN("RSA-SHA3-384", not_openssl),
	NO_SIGN("RSA-SHA3-512", not_openssl),
	NO_SIGN("ECDSA-SHA3-224", not_openssl),
	NO_SIGN("ECDSA-SHA3-256", not_openssl),
	NO_SIGN("ECDSA-SHA3-384", not_openssl),
	NO_SIGN("ECDSA-SHA3-512", not_openssl),
	NO_SIGN("DSA-SHA3-224", not_openssl),
	NO_SIGN("DSA-SHA3-256", not_openssl),
	NO_SIGN("DSA-SHA3-384", not_openssl),
	NO_SIGN("DSA-SHA3-512", not_openssl),
	NO_SIGN("GOSTR341001", no_gost),
	NO_SIGN("GOSTR341012-256", no_gost),
	NO_SIGN("GOSTR341012-512", no_gost),

	NO_EFFECT("COMP-NULL"),
	NO_EFFECT("COMP-ALL"),
	NO_EFFECT("CTYPE-X509"),
	NO_EFFECT("CTYPE-X.509"),
	NO_EFFECT("CTYPE-CLI-X509"),
	NO_EFFECT("CTYPE-SRV-X509"),
	NO_EFFECT("CTYPE-ALL"),
	NO_EFFECT("CTYPE-CLI-ALL"),
	NO_EFFECT("CTYPE-SRV-ALL"),
	REFUSED("COMP-DEFLATE"),
	REFUSED("COMP-LZO"),
	REFUSED("CTYPE-OPENPGP"),
	REFUSED("CTYPE-RAWPK"),
	REFUSED("CTYPE-CLI-RAWPK"),
	REFUSED("CTYPE-SRV-RAWPK"),
};

/* ---- options ---- */

#define AUTH_LEVEL(name, level) { "PROFILE_" name, 0, 0, TLS_OPTION_AUTH_LEVEL, level, NULL }
#define SET(name, options) { name, options, 0, TLS_OPTION_SIMPLE, 0, NULL }
#define CLEAR(name, options) { name, 0, options, TLS_OPTION_SIMPLE, 0, NULL }
#define NO_OPTION(name, why) { name, 0, 0, TLS_OPTION_SIMPLE, 0, why }

static const char client_level[] =
	"OpenSSL knows no exception but a lower level, such as %PROFILE_VERY_WEAK";

static const struct tls_option options[] = {
	SET("SERVER_PRECEDENCE", SSL_OP_CIPHER_SERVER_PREFERENCE),
	SET("NO_ETM", SSL_OP_NO_ENCRYPT_THEN_MAC),
	SET("NO_SESSION_HASH", SSL_OP_NO_EXTENDED_MASTER_SECRET),
	SET("NO_TICKETS_TLS12", SSL_OP_NO_TICKET),
	{ "NO_TICKETS", SSL_OP_NO_TICKET, 0, TLS_OPTION_NO_TICKETS, 0, NULL },
	CLEAR("DISABLE_TLS13_COMPAT_MODE", SSL_OP_ENABLE_MIDDLEBOX_COMPAT),
	/* As in GnuTLS it also does without two extensions that old peers get wrong. */
	SET("COMPAT", SSL_OP_ALL | SSL_OP_TLS_ROLLBACK_BUG | SSL_OP_NO_ENCRYPT_THEN_MAC |
			      SSL_OP_NO_EXTENDED_MASTER_SECRET),
	SET("UNSAFE_RENEGOTIATION", SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION),

	/* Bits of security: 80, 112, 128, 192 and 256 are levels 1 to 5; what lies between is rounded up. */
	AUTH_LEVEL("VERY_WEAK", 0),
	AUTH_LEVEL("LOW", 1),
	AUTH_LEVEL("LEGACY", 2),
	AUTH_LEVEL("MEDIUM", 2),
	AUTH_LEVEL("HIGH", 3),
	AUTH_LEVEL("ULTRA", 4),
	AUTH_LEVEL("FUTURE", 5),
	AUTH_LEVEL("SUITEB128", 3),
	AUTH_LEVEL("SUITEB192", 4),

	/* True of this server without more: nothing is renegotiated, no CRL is read, no names are checked. */
	SET("SAFE_RENEGOTIATION", 0),
	SET("PARTIAL_RENEGOTIATION", 0),
	SET("VERIFY_DISABLE_CRL_CHECKS", 0),
	SET("VERIFY_ALLOW_X509_V1_CA_CRT", 0),
	SET("DISABLE_WILDCARDS", 0),
	SET("STATELESS_COMPRESSION", 0),
	SET("ALLOW_SMALL_RECORDS", 0),
	/* For clients. */
	SET("FALLBACK_SCSV", 0),
	SET("LATEST_RECORD_VERSION", 0),
	SET("SSL3_RECORD_VERSION", 0),
	SET("DUMBFW", 0),

	NO_OPTION("DISABLE_SAFE_RENEGOTIATION", "OpenSSL always tells that it renegotiates safely"),
	NO_OPTION("FORCE_ETM", "OpenSSL cannot demand it; take the CBC ciphers away instead"),
	NO_OPTION("FORCE_SESSION_HASH", "OpenSSL cannot demand it"),
	NO_OPTION("NO_EXTENSIONS", "OpenSSL cannot do without extensions"),
	NO_OPTION("VERIFY_ALLOW_SIGN_RSA_MD5", client_level),
	NO_OPTION("VERIFY_ALLOW_SIGN_WITH_SHA1", client_level),
	NO_OPTION("VERIFY_ALLOW_BROKEN", client_level),
};

/* ---- suites ---- */

#define SUITE13(name, cipher) { name, TLS_KX_ANY, TLS_CIPHER_##cipher, TLS_MAC_AEAD }
#define SUITE(name, kx, cipher, mac) { name, TLS_KX_##kx, TLS_CIPHER_##cipher, TLS_MAC_##mac }

/* The suites of a key exchange are named alike. */
#define GCM_SUITES(prefix, kx) \
	SUITE(prefix "AES256-GCM-SHA384", kx, AES_256_GCM, AEAD), \
	SUITE(prefix "AES128-GCM-SHA256", kx, AES_128_GCM, AEAD)
#define CCM_SUITES(prefix, kx) \
	SUITE(prefix "AES256-CCM", kx, AES_256_CCM, AEAD), SUITE(prefix "AES128-CCM", kx, AES_128_CCM, AEAD), \
	SUITE(prefix "AES256-CCM8", kx, AES_256_CCM_8, AEAD), SUITE(prefix "AES128-CCM8", kx, AES_128_CCM_8, AEAD)
#define SHA1_SUITES(prefix, kx) \
	SUITE(prefix "AES256-SHA", kx, AES_256_CBC, SHA1), SUITE(prefix "AES128-SHA", kx, AES_128_CBC, SHA1)
#define SHA256_SUITES(prefix, kx) \
	SUITE(prefix "AES256-SHA256", kx, AES_256_CBC, SHA256), \
	SUITE(prefix "AES128-SHA256", kx, AES_128_CBC, SHA256)
#define CAMELLIA_SUITES(prefix, kx) \
	SUITE(prefix "CAMELLIA256-SHA", kx, CAMELLIA_256_CBC, SHA1), \
	SUITE(prefix "CAMELLIA128-SHA", kx, CAMELLIA_128_CBC, SHA1), \
	SUITE(prefix "CAMELLIA256-SHA256", kx, CAMELLIA_256_CBC, SHA256), \
	SUITE(prefix "CAMELLIA128-SHA256", kx, CAMELLIA_128_CBC, SHA256)
#define ECDHE_SHA2_SUITES(prefix, kx) \
	SUITE(prefix "AES256-SHA384", kx, AES_256_CBC, SHA384), \
	SUITE(prefix "AES128-SHA256", kx, AES_128_CBC, SHA256), \
	SUITE(prefix "CAMELLIA256-SHA384", kx, CAMELLIA_256_CBC, SHA384), \
	SUITE(prefix "CAMELLIA128-SHA256", kx, CAMELLIA_128_CBC, SHA256)
#define DH_SUITES(prefix, kx) \
	GCM_SUITES(prefix, kx), SHA1_SUITES(prefix, kx), SHA256_SUITES(prefix, kx), CAMELLIA_SUITES(prefix, kx)

static const struct tls_suite suites[] = {
	SUITE13("TLS_AES_256_GCM_SHA384", AES_256_GCM),
	SUITE13("TLS_AES_128_GCM_SHA256", AES_128_GCM),
	SUITE13("TLS_CHACHA20_POLY1305_SHA256", CHACHA20_POLY1305),
	SUITE13("TLS_AES_128_CCM_SHA256", AES_128_CCM),
	SUITE13("TLS_AES_128_CCM_8_SHA256", AES_128_CCM_8),

	GCM_SUITES("ECDHE-ECDSA-", ECDHE_ECDSA),
	SUITE("ECDHE-ECDSA-CHACHA20-POLY1305", ECDHE_ECDSA, CHACHA20_POLY1305, AEAD),
	CCM_SUITES("ECDHE-ECDSA-", ECDHE_ECDSA),
	SHA1_SUITES("ECDHE-ECDSA-", ECDHE_ECDSA),
	ECDHE_SHA2_SUITES("ECDHE-ECDSA-", ECDHE_ECDSA),

	GCM_SUITES("ECDHE-RSA-", ECDHE_RSA),
	SUITE("ECDHE-RSA-CHACHA20-POLY1305", ECDHE_RSA, CHACHA20_POLY1305, AEAD),
	SHA1_SUITES("ECDHE-RSA-", ECDHE_RSA),
	ECDHE_SHA2_SUITES("ECDHE-RSA-", ECDHE_RSA),

	DH_SUITES("", RSA),
	CCM_SUITES("", RSA),
	DH_SUITES("DHE-RSA-", DHE_RSA),
	CCM_SUITES("DHE-RSA-", DHE_RSA),
	SUITE("DHE-RSA-CHACHA20-POLY1305", DHE_RSA, CHACHA20_POLY1305, AEAD),
	DH_SUITES("DHE-DSS-", DHE_DSS),
	DH_SUITES("ADH-", ANON_DH),
	SHA1_SUITES("AECDH-", ANON_ECDH),
};

/* ---- look-ups ---- */

const struct tls_word *tls_word_find(struct span name)
{
	for (size_t i = 0; i < ROWS(words); i++)
		if (span_ieq(name, span_str(words[i].name)))
			return &words[i];
	return NULL;
}

const struct tls_keyword *tls_keyword_find(struct span name)
{
	for (size_t i = 0; i < ROWS(keywords); i++)
		if (span_ieq(name, span_str(keywords[i].name)))
			return &keywords[i];
	return NULL;
}

const struct tls_option *tls_option_find(struct span name)
{
	for (size_t i = 0; i < ROWS(options); i++)
		if (span_ieq(name, span_str(options[i].name)))
			return &options[i];
	return NULL;
}

const uint8_t *tls_word_all(enum tls_word_kind kind)
{
	return kind == TLS_WORD_VERSION ? versions_all : keywords[0].lists[kind];
}

const struct tls_suite *tls_suite_find(uint8_t kx, uint8_t cipher, uint8_t mac)
{
	for (size_t i = 0; i < ROWS(suites); i++)
		if (suites[i].kx == kx && suites[i].cipher == cipher && suites[i].mac == mac)
			return &suites[i];
	return NULL;
}

const struct tls_algorithm *tls_group(uint8_t id)
{
	BUG_ON(id == 0 || id >= ROWS(groups));
	return &groups[id];
}

const struct tls_algorithm *tls_sigalg(uint8_t id)
{
	BUG_ON(id == 0 || id >= ROWS(sigalgs));
	return &sigalgs[id];
}

const char *tls_group_name(unsigned code)
{
	for (size_t i = 1; i < ROWS(groups); i++)
		if (groups[i].code == code)
			return groups[i].openssl;
	return NULL;
}

const char *tls_sigalg_name(unsigned code)
{
	for (size_t i = 1; i < ROWS(sigalgs); i++)
		if (sigalgs[i].code == code)
			return sigalgs[i].openssl;
	return NULL;
}
