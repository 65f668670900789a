/*
 * The part of the configuration that is about next hops: see conf/config.h.
 */
#ifndef CONF_CONFIG_RELAY_H
#define CONF_CONFIG_RELAY_H

#include "conf/config_list.h"

/* In the order of enum relay_tls. */
enum config_relay_tls {
	CONFIG_RELAY_TLS_NEVER,
	CONFIG_RELAY_TLS_MAY,
	CONFIG_RELAY_TLS_ENCRYPT,
	CONFIG_RELAY_TLS_VERIFY,
	CONFIG_RELAY_TLS_IMMEDIATE,
};

/* Keys of lmtp and smtp. */
struct relay_config {
	struct text_list hosts;   /* each good for endpoint_parse() */
	const char *helo;         /* NULL: the hostname */
	uint32_t max_connections;
	uint32_t max_messages;    /* of one connection; 0: unlimited */
	uint32_t idle_time_s;
	uint32_t wait_timeout_s;
	uint32_t connect_timeout_s;
	uint32_t greeting_timeout_s;
	uint32_t command_timeout_s;
	uint32_t data_timeout_s;
	uint32_t block_timeout_s;
	uint32_t final_timeout_s;
	enum config_relay_tls tls;
	const char *tls_name;     /* NULL: that of the host */
	const char *tls_cafile;   /* NULL: the system's */
	const char *tls_certfile; /* NULL: none */
	const char *tls_keyfile;  /* NULL: in tls_certfile */
	const char *user;         /* NULL: no AUTH */
	const char *password_file;
	bool auth_without_tls;
	bool xclient, xforward;
	bool stream;
	struct text_list offers;  /* of "BINARYMIME", "DSN", "REQUIRETLS" */
	const char *fallback;     /* the name of another backend; NULL: none. Of qmail-queue and sendmail, too */
};

#endif
