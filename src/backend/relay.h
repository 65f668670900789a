/*
 * The backends "lmtp" and "smtp": each message is handed to a next hop while the
 * client waits, recipient by recipient, and is accepted when the hop has accepted
 * it. Nothing is queued here.
 *
 * A transaction has a connection to a hop from its first recipient on. Connections
 * are kept and used again; several hosts take turns, and one that cannot be reached
 * rests for a while. Content goes out with CRLF and dot-stuffing of our own. A hop
 * that says anything odd is closed, and whoever waits for it gets 451.
 */
#ifndef BACKEND_RELAY_H
#define BACKEND_RELAY_H

#include "backend/backend.h"
#include "base/endpoint.h"
#include "proto/offer.h"

enum relay_tls {
	RELAY_TLS_NEVER,
	RELAY_TLS_MAY,       /* STARTTLS where it is offered, with whatever certificate */
	RELAY_TLS_ENCRYPT,   /* STARTTLS always, with whatever certificate */
	RELAY_TLS_VERIFY,    /* STARTTLS always, and the certificate must be good */
	RELAY_TLS_IMMEDIATE, /* TLS from the first byte, and the certificate must be good */
};

/* Texts are copied. Times are in ms. */
struct relay_options {
	const char *name;
	bool is_lmtp;
	const struct endpoint *hosts; /* at least one; copied */
	size_t host_count;
	const char *helo;             /* our name for EHLO */
	unsigned max_connections;
	unsigned max_messages;        /* of one connection; 0: unlimited */
	uint64_t idle_ms;             /* a kept connection is closed after this */
	uint64_t wait_ms;             /* for a connection, all hosts together */
	uint64_t connect_ms;          /* one connection, TLS from the first byte included */
	uint64_t greeting_ms;         /* from there until the first message can go */
	uint64_t command_ms;          /* MAIL, RCPT, RSET */
	uint64_t data_ms;             /* the go-ahead for the content */
	uint64_t block_ms;            /* no content could be sent */
	uint64_t final_ms;            /* the reply to the end of data */
	enum relay_tls tls;
	const char *tls_cafile;       /* NULL: the system's */
	const char *tls_name;         /* for which the certificate must be; NULL: that of the host */
	const char *tls_certfile;     /* ours; NULL: none */
	const char *tls_keyfile;      /* NULL: in tls_certfile */
	const char *tls_priority;     /* NULL: "NORMAL" */
	const char *user;             /* NULL: no AUTH */
	const char *password_file;    /* NULL: none; its first line becomes `password` */
	const char *password;         /* filled in by the relay */
	bool auth_without_tls;
	bool sends_xclient, sends_xforward;
	bool streams;
	uint32_t offers;              /* known of the hosts before they were asked: bits of enum smtp_offer_bit */
	struct list *all;             /* where it links itself in, for backend_relay_abandon() */
	struct loop *loop;
	struct pool *disk;            /* for files of the spool */
	struct pool *resolver;        /* for names of hosts */
};

/* NULL: err tells why, in most cases with the option in front; files are read here. */
struct backend *backend_relay_new(const struct relay_options *options, struct err *err);

/* Could it be made? Files are read, and nothing is kept; loop, pools and `all` are not looked at. False: err tells why. */
bool backend_relay_try(const struct relay_options *options, struct err *err);

/*
 * Are the files that it was made from (certificates, key, password) as they were then? The options are those that
 * it was made with.
 */
bool backend_relay_is_current(const struct backend *backend, const struct relay_options *options);

struct relay_counts {
	unsigned in_use, idle; /* connections; those that are being made count as in use */
	unsigned waiting;      /* messages that wait for one */
	unsigned hosts, down;  /* hosts in all, and those to which the last connection failed */
};

/* False: it is no backend of these types. */
bool backend_relay_count(const struct backend *backend, struct relay_counts *counts);

/* The loop ends, and so do pools and spools: what all these relays have under way is given up. */
void backend_relay_abandon(struct list *all);

#endif
