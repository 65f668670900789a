#include "auth/secret.h"

#include "base/base64.h"

#include <crypt.h>
#include <gsasl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const struct scheme {
	struct span prefix;
	enum secret_kind kind;
} schemes[] = {
	{ SPAN_LITERAL("{SCRAM-SHA-256}"), SECRET_SCRAM_SHA_256 },
	{ SPAN_LITERAL("{SCRAM-SHA-1}"), SECRET_SCRAM_SHA_1 },
	{ SPAN_LITERAL("{PLAIN}"), SECRET_PLAIN },
	{ SPAN_LITERAL("{CRYPT}"), SECRET_CRYPT },
};

size_t secret_key_len(enum secret_kind kind)
{
	return kind == SECRET_SCRAM_SHA_1 ? GSASL_HASH_SHA1_SIZE : GSASL_HASH_SHA256_SIZE;
}

/* ---- reading ---- */

/* Up to the next comma, which is taken off *rest with it. */
static struct span take_field(struct span *rest)
{
	size_t n = span_find(*rest, ',');
	struct span field = span_head(*rest, n);

	*rest = span_from(*rest, n + 1);
	return field;
}

/* False: no base64, or not of that many octets. */
static bool take_octets(struct span field, unsigned char *out, size_t least, size_t most, size_t *len)
{
	unsigned char decoded[SECRET_SALT_MAX];
	bool is_good = base64_decoded_max(field.len) <= sizeof(decoded) && base64_decode(field, decoded, len) &&
		       *len >= least && *len <= most;

	if (is_good)
		memcpy(out, decoded, *len);
	explicit_bzero(decoded, sizeof(decoded));
	return is_good;
}

static bool parse_keys(struct secret_keys *keys, enum secret_kind kind, struct span text, struct err *err)
{
	uint64_t iterations;
	size_t len, wanted = secret_key_len(kind);

	if (!span_to_u64(take_field(&text), &iterations) || iterations < 1 || iterations > SECRET_ITERATIONS_MAX)
		return err_set(err, "the iterations are no number up to %d", SECRET_ITERATIONS_MAX);
	keys->iterations = (uint32_t)iterations;
	if (!take_octets(take_field(&text), keys->salt, 1, SECRET_SALT_MAX, &keys->salt_len))
		return err_set(err, "the salt is not base64 of 1 to %d octets", SECRET_SALT_MAX);
	if (!take_octets(take_field(&text), keys->stored, wanted, wanted, &len))
		return err_set(err, "the stored key is not base64 of %zu octets", wanted);
	if (!take_octets(take_field(&text), keys->server, wanted, wanted, &len))
		return err_set(err, "the server key is not base64 of %zu octets", wanted);
	return text.len == 0 || err_set(err, "something stands behind the server key");
}

/* One that is locked, as passwd(1) does it, is of no password; what is no hash at all is a mistake. */
static bool check_hash(const char *hash, struct err *err)
{
	if (*hash == '!' || *hash == '*')
		return true;
	/* Those of DES have no mark by which they could be told from a password. */
	if (*hash != '$' || crypt_checksalt(hash) == CRYPT_SALT_INVALID || strlen(hash) >= CRYPT_OUTPUT_SIZE)
		return err_set(err, "this is no hash that crypt(3) knows");
	return crypt_checksalt(hash) != CRYPT_SALT_METHOD_DISABLED ||
	       err_set(err, "the method of this hash is not supported by crypt(3) here");
}

bool secret_parse(struct secret *secret, struct arena *arena, struct span text, struct err *err)
{
	struct secret_keys *keys;

	*secret = (struct secret){ .kind = SECRET_CRYPT };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (!span_istarts(text, schemes[i].prefix))
			continue;
		secret->kind = schemes[i].kind;
		text = span_from(text, schemes[i].prefix.len);
		break;
	}
	if (text.len == 0)
		return err_set(err, "the secret is missing");
	if (text.ptr[0] == '{')
		return err_set(err, "this scheme is not known; there are {SCRAM-SHA-256}, {SCRAM-SHA-1}, {PLAIN} and "
				    "hashes of crypt(3)");
	if (secret->kind == SECRET_CRYPT || secret->kind == SECRET_PLAIN) {
		secret->text = arena_dup(arena, text);
		if (!secret->text)
			return err_set(err, "out of memory");
		return secret->kind == SECRET_PLAIN || check_hash(secret->text, err);
	}
	secret->keys = keys = arena_alloc(arena, sizeof(*keys));
	return keys ? parse_keys(keys, secret->kind, text, err) : err_set(err, "out of memory");
}

bool secret_is_locked(const struct secret *secret)
{
	return secret->kind == SECRET_CRYPT && (secret->text[0] == '!' || secret->text[0] == '*');
}

/* ---- checking: the same work whatever the answer ---- */

static bool is_same(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;
	unsigned char differences = 0;

	for (size_t i = 0; i < len; i++)
		differences |= x[i] ^ y[i];
	return differences == 0;
}

static bool is_same_text(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strlen(b) == len && is_same(a, b, len);
}

static bool matches_hash(const char *hash, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *computed;
	bool is_good;

	if (!data)
		return false;
	computed = crypt_r(password, hash, data);
	is_good = computed && computed[0] != '*' && is_same_text(computed, hash);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return is_good;
}

bool secret_derive(struct secret_keys *keys, enum secret_kind kind, const char *password)
{
	char salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE];
	Gsasl_hash hash = kind == SECRET_SCRAM_SHA_1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256;
	int rc = gsasl_scram_secrets_from_password(hash, password, keys->iterations, (const char *)keys->salt,
						   keys->salt_len, salted, client, (char *)keys->server,
						   (char *)keys->stored);

	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return rc == GSASL_OK;
}

static bool matches_keys(const struct secret *secret, const char *password)
{
	struct secret_keys keys = *secret->keys;
	bool is_good = secret_derive(&keys, secret->kind, password) &&
		       is_same(keys.stored, secret->keys->stored, secret_key_len(secret->kind));

	explicit_bzero(&keys, sizeof(keys));
	return is_good;
}

bool secret_matches(const struct secret *secret, const char *password)
{
	switch (secret->kind) {
	case SECRET_CRYPT:
		return matches_hash(secret->text, password);
	case SECRET_PLAIN:
		return is_same_text(secret->text, password);
	default:
		return matches_keys(secret, password);
	}
}

/* With one iteration, the key as password and the text as salt PBKDF2 is an HMAC with that key. */
void secret_mix(unsigned char out[SECRET_KEY_MAX], const unsigned char key[SECRET_KEY_MAX], struct span text)
{
	char password[2 * SECRET_KEY_MAX + 1], salted[GSASL_HASH_MAX_SIZE], unused[3][GSASL_HASH_MAX_SIZE];

	password[base64_encode(span_of(key, SECRET_KEY_MAX), password)] = '\0';
	if (gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password, 1, text.ptr, text.len, salted, unused[0],
					      unused[1], unused[2]) == GSASL_OK)
		memcpy(out, salted, SECRET_KEY_MAX);
	else
		memset(out, 0, SECRET_KEY_MAX);
	explicit_bzero(password, sizeof(password));
	explicit_bzero(salted, sizeof(salted));
}

/* ---- making ---- */

/* What libxcrypt takes by itself is a good choice for yescrypt only. */
static unsigned long cost_of(const char *prefix)
{
	if (strcmp(prefix, "$2b$") == 0)
		return 12;
	return strcmp(prefix, "$6$") == 0 ? 200000 : 0;
}

static bool make_hash(struct buf *out, const char *prefix, uint32_t cost, const char *password, struct err *err)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash = NULL;
	bool is_good = data && crypt_gensalt_rn(prefix, cost ? cost : cost_of(prefix), NULL, 0, setting, sizeof(setting));

	if (is_good)
		hash = crypt_r(password, setting, data);
	is_good = hash && hash[0] != '*';
	if (is_good)
		is_good = buf_add_str(out, hash);
	else
		err_set_errno(err, "crypt(3)");
	if (data)
		explicit_bzero(data, sizeof(*data));
	free(data);
	return is_good;
}

static bool add_octets(struct buf *out, const void *bytes, size_t len)
{
	char text[128];

	return buf_add(out, ",", 1) && buf_add(out, text, base64_encode(span_of(bytes, len), text));
}

static bool make_keys(struct buf *out, enum secret_kind kind, uint32_t iterations, const char *password, struct err *err)
{
	struct secret_keys keys = { .iterations = iterations, .salt_len = SECRET_SALT_USUAL };
	size_t len = secret_key_len(kind);
	bool is_good;

	if (getrandom(keys.salt, keys.salt_len, 0) != (ssize_t)keys.salt_len)
		return err_set_errno(err, "getrandom");
	if (!secret_derive(&keys, kind, password))
		return err_set(err, "the keys could not be derived");
	is_good = buf_add_str(out, kind == SECRET_SCRAM_SHA_1 ? "{SCRAM-SHA-1}" : "{SCRAM-SHA-256}") &&
		  buf_add_u64(out, keys.iterations) && add_octets(out, keys.salt, keys.salt_len) &&
		  add_octets(out, keys.stored, len) && add_octets(out, keys.server, len);
	explicit_bzero(&keys, sizeof(keys));
	return is_good || err_set(err, "out of memory");
}

bool secret_make(struct buf *out, enum secret_kind kind, const char *setting, uint32_t work,
		 const char *password, struct err *err)
{
	switch (kind) {
	case SECRET_CRYPT:
		return make_hash(out, setting, work, password, err);
	case SECRET_PLAIN:
		return (buf_add_str(out, "{PLAIN}") && buf_add_str(out, password)) || err_set(err, "out of memory");
	default:
		return make_keys(out, kind, work ? work : SECRET_ITERATIONS_USUAL, password, err);
	}
}
