/*
 * The vocabulary of tls_priority: every word that GnuTLS knows, what it stands
 * for here, the lists behind the keywords, and the cipher suites of OpenSSL by
 * key exchange, cipher and MAC. Constant tables and look-ups; used by
 * tls_priority*.c only.
 */
#ifndef NET_TLS_PRIORITY_WORDS_H
#define NET_TLS_PRIORITY_WORDS_H

#include "base/bug.h"
#include "base/span.h"

enum tls_word_kind {
	TLS_WORD_VERSION,
	TLS_WORD_CIPHER,
	TLS_WORD_KX,
	TLS_WORD_MAC,
	TLS_WORD_GROUP,
	TLS_WORD_SIGN,
	TLS_WORD_NO_EFFECT, /* what is always so: X.509 certificates, no compression */
	TLS_WORD_KIND_COUNT
};

/* Numbers of words, each kind from 1 on. */
enum {
	TLS_ID_NONE = 0,   /* known, and without counterpart: it can be taken away, and not added */
	TLS_ID_ALL = 0xff, /* all of its kind that NORMAL has */
	TLS_IDS_MAX = 40,  /* more than any kind has */
};

enum tls_cipher {
	TLS_CIPHER_AES_256_GCM = 1,
	TLS_CIPHER_CHACHA20_POLY1305,
	TLS_CIPHER_AES_256_CCM,
	TLS_CIPHER_AES_256_CBC,
	TLS_CIPHER_AES_128_GCM,
	TLS_CIPHER_AES_128_CCM,
	TLS_CIPHER_AES_128_CBC,
	TLS_CIPHER_AES_256_CCM_8,
	TLS_CIPHER_AES_128_CCM_8,
	TLS_CIPHER_CAMELLIA_256_CBC,
	TLS_CIPHER_CAMELLIA_128_CBC,
};

enum tls_kx {
	TLS_KX_ANY, /* of suites of TLS 1.3, which do not tell */
	TLS_KX_ECDHE_ECDSA,
	TLS_KX_ECDHE_RSA,
	TLS_KX_RSA,
	TLS_KX_DHE_RSA,
	TLS_KX_DHE_DSS,
	TLS_KX_ANON_ECDH,
	TLS_KX_ANON_DH,
};

enum tls_mac {
	TLS_MAC_SHA1 = 1,
	TLS_MAC_AEAD,
	TLS_MAC_SHA256,
	TLS_MAC_SHA384,
};

/* A group or a signature algorithm. */
struct tls_algorithm {
	const char *openssl;
	uint16_t code;	   /* on the wire */
	uint8_t level_max; /* OpenSSL's security levels above this refuse it */
	bool is_ec;	   /* a group that ECDHE can take */
};

struct tls_suite {
	const char *openssl;
	uint8_t kx, cipher, mac;
};

struct tls_word {
	const char *name;
	uint8_t kind; /* enum tls_word_kind */
	uint8_t id;
	const char *why; /* no counterpart */
};

/* What a keyword stands for; lists end with 0. */
struct tls_keyword {
	const char *name;
	const uint8_t *lists[TLS_WORD_SIGN + 1]; /* by kind; versions are used only where it stands first */
	bool has_no_tickets12;			 /* a ticket key outlives what it protects in TLS 1.2 */
};

struct tls_option {
	const char *name;
	uint64_t on, off; /* SSL_OP_* */
	enum { TLS_OPTION_SIMPLE, TLS_OPTION_NO_TICKETS, TLS_OPTION_AUTH_LEVEL } kind;
	int auth_level;
	const char *why; /* no counterpart */
};

/* All compare without regard to case; NULL: not known. */
const struct tls_word *tls_word_find(struct span name);
const struct tls_keyword *tls_keyword_find(struct span name);
const struct tls_option *tls_option_find(struct span name);

/* The list of all of a kind. */
const uint8_t *tls_word_all(enum tls_word_kind kind);

/* NULL: there is no such suite. */
const struct tls_suite *tls_suite_find(uint8_t kx, uint8_t cipher, uint8_t mac);

const struct tls_algorithm *tls_group(uint8_t id);
const struct tls_algorithm *tls_sigalg(uint8_t id);

/* By the code on the wire; NULL: not one of ours. */
const char *tls_group_name(unsigned code);
const char *tls_sigalg_name(unsigned code);

#endif
