/*
 * A connection, accepted or made by us (net/dial.h): bytes in and out, and how it
 * ends. It knows no SMTP. Output is written directly, once per call; the kernel is asked about
 * writability only when it would block. Reading stops by itself while the owner
 * leaves input unused, and costs no system call until more bytes arrive.
 *
 * The owner embeds nothing; it gets callbacks and never one after conn_close()
 * or conn_linger() was called. Callbacks come from the loop only, never from
 * inside a function of this header.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/addr.h"
#include "base/buf.h"
#include "net/loop.h"

#include <openssl/ssl.h>

struct conn;

struct conn_ops {
	/*
	 * Bytes to use; returns how many were used. What is left is kept and offered
	 * again, in front of new bytes, after conn_resume(). They are lent until this
	 * returns and may lie in loop_scratch(). is_eof: the peer sends no more; it is
	 * told once, without bytes, when all that came before has been used.
	 */
	size_t (*input)(void *owner, struct span in, bool is_eof);
	/* Output that did not fit can go on now; also after an error, which conn_send() will tell. */
	void (*writable)(void *owner);
	/*
	 * Reset, also while input is kept (in TLS it is told when input is wanted again), or an error
	 * while reading: nothing can be sent any more. `error` is an errno; 0: TLS failed,
	 * and conn_tls_failure() tells how.
	 */
	void (*lost)(void *owner, int error);
	/* The handshake that conn_start_tls() or conn_start_tls_client() began has ended well. */
	void (*secured)(void *owner);
};

/*
 * Takes over fd (non-blocking). NULL: out of memory, and fd is closed. Reading starts in the next turn.
 * `peer` is ADDR_NONE where it is a unix socket.
 */
struct conn *conn_new(struct loop *loop, int fd, const struct addr *peer, const struct conn_ops *ops,
		      void *owner);

const struct addr *conn_peer(const struct conn *c);
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);

/* Most bytes read at once: small while commands are expected, up to LOOP_SCRATCH_SIZE in a body. */
void conn_set_read_max(struct conn *c, size_t bytes);

/* Whether input is overwritten as soon as it was used, because there may be secrets in it. */
void conn_set_wiping(struct conn *c, bool wipes);

/*
 * Send what fits; *sent tells how much. When that is less than all, writable()
 * will be called. False: the peer is gone (*error is an errno); close it.
 */
MUST_CHECK bool conn_send(struct conn *c, struct span out, size_t *sent, int *error);

/* Is there output that conn_send() took and the kernel did not yet? writable() tells when it has gone. */
bool conn_has_output(const struct conn *c);

/* Is there input that the owner left unused? */
bool conn_has_input(const struct conn *c);

/* Has more arrived that was not read yet? */
bool conn_has_unread(const struct conn *c);

/* Offer kept input again in the next turn, and read on. */
void conn_resume(struct conn *c);

/*
 * Begin a TLS handshake as the server; ssl is now the connection's, whatever the
 * outcome. No input may be kept: what came before belongs to nobody. Ends in secured() or lost().
 * False: out of memory; close it.
 */
MUST_CHECK bool conn_start_tls(struct conn *c, SSL *ssl);

/*
 * The same as the client, with an SSL of net/tls_client.h. The caller looks before with conn_has_input() and
 * conn_has_unread(): what a server says behind its 220 to STARTTLS is no answer to anything (CVE-2011-0411).
 */
MUST_CHECK bool conn_start_tls_client(struct conn *c, SSL *ssl);

/*
 * Tell the peer that nothing more will be sent, and read on: for those who wait themselves until it closes, in plain
 * text alone. All output must have been sent. False: there is nobody to tell any more; close it.
 */
MUST_CHECK bool conn_end_output(struct conn *c);

/* The session's SSL, or NULL on plain text. */
const SSL *conn_ssl(const struct conn *c);

/* Why TLS failed; "" when it did not. Good until the connection is closed. */
const char *conn_tls_failure(const struct conn *c);

/* Close at once; the object is freed at the end of the turn. Sets *c to NULL. */
void conn_close(struct conn **c);

/*
 * Close so that the last reply arrives: shut down sending, read and discard up to
 * 64 KiB or for 2 s, then close (RFC 1122 4.2.2.13 tells why). Sets *c to NULL.
 */
void conn_linger(struct conn **c);

#endif
