#include "net/tls_ticket.h"

#include "base/bug.h"
#include "base/clock.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Results of the callback. */
enum { TICKET_ERROR = -1, TICKET_UNKNOWN = 0, TICKET_OK = 1, TICKET_RENEW = 2 };

struct ticket_key {
	unsigned char name[16];
	unsigned char aes[32];
	unsigned char hmac[32];
	bool is_valid;
};

struct tls_tickets {
	unsigned references;
	uint64_t made_ms; /* the current key */
	struct ticket_key current, previous;
};

struct tls_tickets *tls_tickets_new(void)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));

	if (t)
		t->references = 1;
	return t;
}

struct tls_tickets *tls_tickets_get(struct tls_tickets *t)
{
	t->references++;
	return t;
}

void tls_tickets_put(struct tls_tickets **tickets)
{
	struct tls_tickets *t = *tickets;

	*tickets = NULL;
	if (!t || --t->references)
		return;
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

static bool make_key(struct ticket_key *key)
{
	key->is_valid = RAND_bytes(key->name, sizeof(key->name)) == 1 &&
			RAND_priv_bytes(key->aes, sizeof(key->aes)) == 1 &&
			RAND_priv_bytes(key->hmac, sizeof(key->hmac)) == 1;
	return key->is_valid;
}

/* Keys change when somebody asks for one: a listener without clients needs none. */
static void rotate(struct tls_tickets *t)
{
	uint64_t now = clock_monotonic_ms();
	uint64_t age = now - t->made_ms;

	if (t->current.is_valid && age < TLS_TICKET_ROTATE_MS)
		return;
	t->previous = t->current;
	/* Nobody has asked for so long that the previous one is over, too. */
	if (age >= 2 * (uint64_t)TLS_TICKET_ROTATE_MS)
		OPENSSL_cleanse(&t->previous, sizeof(t->previous));
	t->made_ms = now;
	make_key(&t->current);
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac, sizeof(key->hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int tls_tickets_seal(struct tls_tickets *t, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac)
{
	struct ticket_key *key = &t->current;

	rotate(t);
	if (!key->is_valid || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
		return TICKET_ERROR;
	memcpy(name, key->name, sizeof(key->name));
	if (EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->aes, iv, NULL) != 1 || !set_mac(mac, key))
		return TICKET_ERROR;
	return TICKET_OK;
}

static struct ticket_key *find_key(struct tls_tickets *t, const unsigned char *name)
{
	struct ticket_key *keys[] = { &t->current, &t->previous };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i]->is_valid && memcmp(name, keys[i]->name, sizeof(keys[i]->name)) == 0)
			return keys[i];
	return NULL;
}

int tls_tickets_open(struct tls_tickets *t, const unsigned char *name, const unsigned char *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct ticket_key *key;

	rotate(t);
	key = find_key(t, name);
	if (!key)
		return TICKET_UNKNOWN;
	if (!set_mac(mac, key) || EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key->aes, iv, NULL) != 1)
		return TICKET_ERROR;
	return key == &t->current ? TICKET_OK : TICKET_RENEW;
}
