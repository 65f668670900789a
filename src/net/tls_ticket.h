/*
 * Keys of session tickets (RFC 5077, RFC 8446 4.6.1): random, never stored, and
 * replaced every TLS_TICKET_ROTATE_MS, so that a key that leaks opens little.
 * The one before the current one still opens tickets, which are then made anew.
 * Counted by references: a reload hands them from one context to the next.
 */
#ifndef NET_TLS_TICKET_H
#define NET_TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdint.h>

enum {
	TLS_TICKET_ROTATE_MS = 4 * 60 * 60 * 1000,
	TLS_TICKET_LIFETIME_S = 2 * 60 * 60,
};

struct tls_tickets;

/* NULL: out of memory. */
struct tls_tickets *tls_tickets_new(void);
struct tls_tickets *tls_tickets_get(struct tls_tickets *tickets);
void tls_tickets_put(struct tls_tickets **tickets);

/* What OpenSSL's callback does; arguments and result are told in SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
int tls_tickets_seal(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac);
int tls_tickets_open(struct tls_tickets *tickets, const unsigned char *name, const unsigned char *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac);

#endif
