/*
 * Who the process is. Started as root it becomes the configured user before it
 * opens anything but what needs root, keeping just what binding ports takes; when
 * the sockets are there it gives that up, too. All of it is verified, and any
 * failure is an error: it never goes on with more than it was to have.
 *
 * All threads must be alike, so this comes before there are any.
 */
#ifndef FRONT_PRIVILEGES_H
#define FRONT_PRIVILEGES_H

#include "base/bug.h"
#include "conf/config.h"

struct privileges {
	bool is_user_changed; /* it was root, and has become config->user */
};

/* Are user and group there, if they are given? False: err tells why. */
MUST_CHECK bool privileges_check(const struct config *config, struct err *err);

/* Is this process root, and to become somebody else? Before privileges_enter(). */
bool privileges_will_change(const struct config *config);

/*
 * Become config->user, if there is one, with config->group or the user's own and no other groups. Where the process is
 * not root it must be that user already. False: err tells why, and the process must end.
 */
MUST_CHECK bool privileges_enter(struct privileges *p, const struct config *config, struct err *err);

/*
 * The sockets are open. Who was root before keeps no capability; who has been given some (as by systemd) keeps them to
 * itself, and its children get none. From now on no program may gain privileges by being executed, unless one
 * that must is configured (config_runs_set_id()). False: as above.
 */
MUST_CHECK bool privileges_finish(const struct privileges *p, const struct config *config, struct err *err);

/* Can programs that are set-user-ID or set-group-ID not work any more? */
bool privileges_bar_setid(void);

#endif
