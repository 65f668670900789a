/*
 * What the files of the password file's source share, and nobody else includes.
 */
#ifndef AUTH_FILE_PRIVATE_H
#define AUTH_FILE_PRIVATE_H

#include "auth/auth.h"
#include "auth/file.h"
#include "auth/file_watch.h"

#include <gsasl.h>

/* libgsasl's own; what is in it does not change, so that workers may use it. Counted by the loop's thread. */
struct file_library {
	uint32_t references;
	Gsasl *gsasl;
};

enum { FILE_MECHANISMS_MAX = 8 };

struct file_source {
	struct auth_source source;
	struct file_library *library; /* holds a reference */
	struct file_watch *watch;     /* holds a reference */
	struct pool *pool;
	struct auth_mechanism mechanisms[FILE_MECHANISMS_MAX];
	char name[];
};

/* For exchanges, which may outlive the source by one job. */
struct file_library *file_library_get(struct file_library *library);
void file_library_put(struct file_library **library);

/* SCRAM and CRAM-MD5 (file_exchange.c), as struct auth_source_ops has them. */
struct auth_exchange *file_exchange_new(struct auth_source *source, const char *mechanism,
					const struct auth_channel *channel);
bool file_step_start(struct auth_exchange *exchange, struct auth_step *step, struct span response);
void file_exchange_free(struct auth_exchange *exchange);

/* What libgsasl asks in an exchange; on a worker. */
int file_exchange_answer(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property);

#endif
