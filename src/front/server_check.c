#include "front/server_check.h"

#include "auth/checkpassword.h"
#include "auth/users.h"
#include "conf/place.h"
#include "front/route.h"
#include "front/setup.h"
#include "front/setup_auth.h"
#include "front/setup_pipe.h"
#include "front/setup_relay.h"
#include "idn/idn.h"
#include "spool/disk.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

bool server_check_spool(const struct config *config, struct err *err)
{
	return spool_disk_try(config->spool_dir, err) || config_place_tell_top(err, config);
}

bool server_check_users(const struct config *config, struct err *err)
{
	static const unsigned char key[USERS_KEY_SIZE];

	for (size_t i = 0; i < config->auth_count; i++) {
		const struct auth_config *a = &config->auth[i];
		struct users *users;

		if (a->type != AUTH_TYPE_FILE)
			continue;
		users = users_read(a->path, key, err);
		if (!users)
			return setup_auth_blame_file(a, err);
		users_put(&users);
	}
	return true;
}

static void warn_at(void (*warn)(const char *text), struct config_place place, const char *what, struct err *why)
{
	config_place_tell(why, place, what);
	warn(why->text);
}

bool server_check_relays(const struct config *config, struct err *err)
{
	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *b = &config->backends[i];

		if ((b->type == BACKEND_LMTP || b->type == BACKEND_SMTP) && !setup_relay_try(config, b, err))
			return false;
	}
	return true;
}

/* False: told. Of what others have to do nothing is known here. */
static bool check_backend(const struct config *config, const struct backend_config *b,
			  void (*warn)(const char *text))
{
	const struct backend_maildir_options options = setup_maildir_options(config, b);
	char what[160];
	struct err err;

	if (b->type == BACKEND_MAILDIR ? backend_maildir_inspect(&options, NULL, &err) :
					 setup_pipe_inspect(b, &err))
		return true;
	snprintf(what, sizeof(what), "all mail for the backend \"%.100s\" will be put off", b->name);
	warn_at(warn, b->place, what, &err);
	return false;
}

/* The backend that mail for postmaster goes to, from who knows whom; NULL: there is none. */
static const struct backend_config *find_postmaster(const struct config *config, struct smtp_address *postmaster)
{
	struct route_facts facts = { .listener = config->listeners[0].listen };
	const struct route_config *route;
	struct idn_domain domain;

	if (!config->postmaster ||
	    !smtp_address_parse(postmaster, SMTP_CHARSET_ASCII, span_str(config->postmaster)) ||
	    idn_domain_to_ascii(&domain, smtp_address_domain(postmaster)) != IDN_OK)
		return NULL;
	facts.sender_domain = SPAN_LITERAL("");
	facts.recipient_local = smtp_address_local(postmaster);
	facts.recipient_domain = idn_domain_span(&domain);
	route = route_find(config, &facts);
	return route ? route->backend : NULL;
}

/* RFC 5321 4.5.1 */
static void check_postmaster(const struct config *config, const struct backend_config *b,
			     const struct smtp_address *postmaster, void (*warn)(const char *text))
{
	const struct backend_maildir_options options = setup_maildir_options(config, b);
	struct err err;

	if (b->type == BACKEND_MAILDIR && !backend_maildir_inspect(&options, postmaster, &err))
		warn_at(warn, config_place_of_top(config, "postmaster"), "mail for postmaster will be put off", &err);
}

static const char *const pam_directories[] = { "/etc/pam.d", "/usr/lib/pam.d" };

/* PAM asks the service "other" where a service has no file, and that says no to everybody. */
static bool has_pam_service(const struct auth_config *a, struct err *err)
{
	const char *const *directories = a->pam_directory ? &a->pam_directory : pam_directories;
	size_t count = a->pam_directory ? 1 : sizeof(pam_directories) / sizeof(*pam_directories);
	char path[PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", directories[i], a->service);
		if (access(path, F_OK) == 0)
			return true;
	}
	snprintf(path, sizeof(path), "%s/%s", directories[0], a->service);
	return err_set_errno(err, "%.300s", path);
}

/* Is what others have to answer by there? */
static bool inspect_source(const struct auth_config *a, struct err *err)
{
	switch (a->type) {
	case AUTH_TYPE_CHECKPASSWORD:
		return auth_checkpassword_inspect(a->command.texts[0], err);
	case AUTH_TYPE_DOVECOT:
		return access(a->path, F_OK) == 0 || err_set_errno(err, "%.300s", a->path);
	case AUTH_TYPE_PAM:
		return has_pam_service(a, err);
	case AUTH_TYPE_FILE:
	case AUTH_TYPE_CERTIFICATE:
		return true;
	}
	BUG_ON(true);
}

void server_check_programs(const struct config *config, void (*warn)(const char *text))
{
	for (size_t i = 0; i < config->auth_count; i++) {
		const struct auth_config *a = &config->auth[i];
		struct err err;

		if (!inspect_source(a, &err))
			warn_at(warn, a->place, a->type == AUTH_TYPE_PAM ? "logins will be refused" :
									    "logins will be put off", &err);
	}
}

void server_check_mailboxes(const struct config *config, void (*warn)(const char *text))
{
	struct smtp_address postmaster;
	const struct backend_config *of_postmaster = find_postmaster(config, &postmaster);

	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *b = &config->backends[i];

		if (check_backend(config, b, warn) && b == of_postmaster)
			check_postmaster(config, b, &postmaster, warn);
	}
}
