/*
 * What a password file keeps of a password:
 *
 *	$y$..., $2b$..., $6$...			a hash of crypt(3)
 *	{SCRAM-SHA-256}ITERATIONS,SALT,STORED,SERVER	keys of RFC 5802 3, in base64
 *	{SCRAM-SHA-1}ITERATIONS,SALT,STORED,SERVER	likewise
 *	{PLAIN}PASSWORD				the password itself
 */
#ifndef AUTH_SECRET_H
#define AUTH_SECRET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Bits, for sets of them. */
enum secret_kind {
	SECRET_CRYPT = 1,
	SECRET_SCRAM_SHA_256 = 2,
	SECRET_SCRAM_SHA_1 = 4,
	SECRET_PLAIN = 8,
	SECRET_ANY = 15,
};

enum {
	SECRET_KEY_MAX = 32,            /* octets of a key of SCRAM */
	SECRET_SALT_MAX = 64,           /* octets of its salt */
	SECRET_ITERATIONS_MIN = 1000,
	SECRET_ITERATIONS_MAX = 10000000,
	SECRET_ITERATIONS_USUAL = 10000,
	SECRET_SALT_USUAL = 16,
};

/* Keys of SCRAM. */
struct secret_keys {
	uint32_t iterations;
	size_t salt_len;
	unsigned char salt[SECRET_SALT_MAX];
	unsigned char stored[SECRET_KEY_MAX]; /* 32 octets, or 20 with SHA-1 */
	unsigned char server[SECRET_KEY_MAX];
};

struct secret {
	enum secret_kind kind;
	const char *text;               /* CRYPT: the hash; PLAIN: the password */
	const struct secret_keys *keys; /* SCRAM */
};

/* Octets of a key of this kind. */
size_t secret_key_len(enum secret_kind kind);

/* Read one; what it points to is in the arena. False: err tells what is wrong, without the secret. */
MUST_CHECK bool secret_parse(struct secret *secret, struct arena *arena, struct span text, struct err *err);

/*
 * Is it of this password, which is prepared? Takes as long as the hash was made to take, whatever the answer:
 * for a worker. A hash that libxcrypt cannot compute is of no password.
 */
bool secret_matches(const struct secret *secret, const char *password);

/* A hash behind ! or *, as passwd(1) locks them, is of no password and no work, which would tell it. */
bool secret_is_locked(const struct secret *secret);

/* The keys of a password. False: the library failed. For a worker, too. */
MUST_CHECK bool secret_derive(struct secret_keys *keys, enum secret_kind kind, const char *password);

/*
 * 32 octets made from a text with a key of 32 (HMAC-SHA-256), which tell nobody who has not the key anything. Should
 * the library fail they are zero.
 */
void secret_mix(unsigned char out[SECRET_KEY_MAX], const unsigned char key[SECRET_KEY_MAX], struct span text);

/*
 * Append a new one, with salt of its own, as a line has it. `setting` is for CRYPT: a prefix of libxcrypt, "$y$". `work`
 * is the cost of that kind of hash, or the iterations of SCRAM; 0: as much as is usual.
 */
MUST_CHECK bool secret_make(struct buf *out, enum secret_kind kind, const char *setting, uint32_t work,
			    const char *password, struct err *err);

#endif
