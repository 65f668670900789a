#include "front/setup_auth.h"

#include "auth/certificate.h"
#include "auth/file.h"
#include "front/server.h"

static struct auth_source *new_file(struct server *server, const struct auth_config *a, struct err *err)
{
	struct auth_file_options o = {
		.path = a->path, .mechanisms = a->mechanisms.texts, .loop = server->loop, .pool = server->hashing
	};

	memcpy(o.key, server->auth_key, sizeof(o.key));
	return auth_file_new(&o, err);
}

static struct auth_source *new_source(struct server *server, const struct auth_config *a, struct err *err)
{
	struct auth_source *source = NULL;

	switch (a->type) {
	case AUTH_TYPE_FILE:
		return new_file(server, a, err);
	case AUTH_TYPE_CERTIFICATE:
		source = auth_certificate_new(a->mechanisms.texts);
		break;
	}
	if (!source)
		err_set(err, "out of memory");
	return source;
}

bool setup_auth_build(struct auth_chain *chain, struct server *server, const struct config *config, struct err *err)
{
	for (size_t i = 0; i < config->auth_count; i++) {
		struct auth_source *source = new_source(server, &config->auth[i], err);

		if (!source)
			return false;
		if (!auth_chain_add(chain, source))
			return err_set(err, "out of memory");
	}
	return true;
}

struct auth_guard_limits setup_auth_limits(const struct config *config)
{
	return (struct auth_guard_limits){
		.session_failures = config->auth_max_failures,
		.client_guesses = config->auth_client_guesses,
		.client_users = config->auth_client_users,
		.user_guesses = config->auth_user_guesses,
		.delay_s = config->auth_failure_delay_s,
		.refusal_s = config->auth_refusal_s,
	};
}
