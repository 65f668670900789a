#include "front/setup_auth.h"

#include "auth/certificate.h"
#include "auth/checkpassword.h"
#include "auth/dovecot.h"
#include "auth/file.h"
#include "auth/pam.h"
#include "conf/place.h"
#include "front/checker.h"
#include "front/server.h"
#include "front/setup.h"

bool setup_auth_blame_file(const struct auth_config *a, struct err *err)
{
	config_place_tell(err, config_place_of(OPTION_GROUP_AUTH, a->places, "path", a->place), "path");
	err->is_config = true;
	return false;
}

static struct auth_source *new_file(struct server *server, const struct auth_config *a, struct err *err)
{
	struct auth_file_options o = {
		.path = a->path, .mechanisms = a->mechanisms.texts, .loop = server->loop, .pool = server->hashing,
		.older = server->setup ? &server->setup->auth : NULL,
	};

	struct auth_source *source;

	memcpy(o.key, server->auth_key, sizeof(o.key));
	source = auth_file_new(&o, err);
	if (!source)
		setup_auth_blame_file(a, err);
	return source;
}

static struct auth_source *new_dovecot(struct server *server, const struct auth_config *a, struct err *err)
{
	const struct auth_dovecot_options o = {
		.path = a->path,
		.mechanisms = a->mechanisms.texts,
		.timeout_ms = 1000ULL * a->timeout_s,
		.loop = server->loop,
		.older = server->setup ? &server->setup->auth : NULL,
	};

	return auth_dovecot_new(&o, err);
}

static struct auth_source *new_checkpassword(struct server *server, const struct auth_config *a, struct err *err)
{
	struct auth_checkpassword_options o = {
		.command = a->command.texts,
		.mechanisms = a->mechanisms.texts,
		.timeout_ms = 1000ULL * a->timeout_s,
		.max_children = a->max_children,
		.loop = server->loop,
		.pool = server->disk,
		.runner = server->checker->runner,
	};

	if (server->checker->is_apart && !checker_find(server->checker, a, &o.program, err))
		return NULL;
	return auth_checkpassword_new(&o, err);
}

static struct auth_source *new_pam(struct server *server, const struct auth_config *a, struct err *err)
{
#ifdef WITH_PAM
	const struct auth_pam_options o = {
		.service = a->service,
		.directory = a->pam_directory,
		.mechanisms = a->mechanisms.texts,
		.timeout_ms = 1000ULL * a->timeout_s,
		.loop = server->loop,
		.pool = server->hashing,
	};

	return auth_pam_new(&o, err);
#else
	(void)server;
	err_set(err, "this was built without PAM");
	config_place_tell(err, config_place_of(OPTION_GROUP_AUTH, a->places, "type", a->place), "type");
	err->is_config = true;
	return NULL;
#endif
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
	case AUTH_TYPE_DOVECOT:
		return new_dovecot(server, a, err);
	case AUTH_TYPE_CHECKPASSWORD:
		return new_checkpassword(server, a, err);
	case AUTH_TYPE_PAM:
		return new_pam(server, a, err);
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

uint64_t setup_auth_descriptors(const struct config *config)
{
	uint64_t count = 0;

	for (size_t i = 0; i < config->auth_count; i++) {
		const struct auth_config *a = &config->auth[i];

		if (a->type == AUTH_TYPE_CHECKPASSWORD)
			count += (uint64_t)a->max_children * AUTH_CHECKPASSWORD_FDS;
		count += a->type == AUTH_TYPE_DOVECOT;
	}
	return count;
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
