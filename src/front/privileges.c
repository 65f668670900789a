#include "front/privileges.h"

#include "base/log.h"
#include "conf/place.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAP_WORDS = _LINUX_CAPABILITY_U32S_3 };

/* A set of capabilities; only those below 32 matter to us. */
static uint32_t bit(int capability)
{
	return UINT32_C(1) << capability;
}

static bool get_permitted(uint64_t *permitted, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return err_set_errno(err, "capget");
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return true;
}

/* Permitted and effective; children inherit nothing. */
static bool set_capabilities(uint64_t wanted, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS] = { 0 };
	uint64_t got = 0;

	for (int i = 0; i < CAP_WORDS; i++)
		data[i].permitted = data[i].effective = (uint32_t)(wanted >> 32 * i);
	if (syscall(SYS_capset, &header, data) < 0)
		return err_set_errno(err, "cannot give up capabilities");
	if (!get_permitted(&got, err))
		return false;
	return got == wanted || err_set(err, "capabilities are left that were given up");
}

/* ---- the user ---- */

struct identity {
	uid_t uid;
	gid_t gid;
};

static bool find_group(const char *name, gid_t *gid, struct err *err)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (group)
		*gid = group->gr_gid;
	return group || (errno ? err_set_errno(err, "group: \"%s\"", name) :
				 err_set(err, "group: there is no group \"%s\"", name));
}

static bool find_identity(const struct config *config, struct identity *who, struct err *err)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(config->user);
	if (!user)
		return errno ? err_set_errno(err, "user: \"%s\"", config->user) :
			       err_set(err, "user: there is no user \"%s\"", config->user);
	*who = (struct identity){ user->pw_uid, user->pw_gid };
	if (user->pw_uid == 0)
		return err_set(err, "user: \"%s\" is root, which it is for to get rid of", config->user);
	return !config->group || find_group(config->group, &who->gid, err);
}

static bool is_who(const struct identity *who)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == who->uid && e == who->uid &&
	       s == who->uid && rg == who->gid && eg == who->gid && sg == who->gid;
}

/* No program that is executed later gains anything; a capability that the kernel does not know ends the list. */
static bool clear_bounding_set(struct err *err)
{
	for (int i = 0; i < 64; i++)
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return errno == EINVAL ? true : err_set_errno(err, "cannot empty the bounding set");
	return true;
}

static bool become(const struct identity *who, struct err *err)
{
	/* For the ports, and for the limit of descriptors; until privileges_finish(). */
	const uint64_t kept = bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_RESOURCE);
	uint64_t had = 0;

	if (!get_permitted(&had, err))
		return false;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, "cannot keep capabilities");
	if (setgroups(0, NULL) < 0)
		return err_set_errno(err, "cannot leave all groups");
	if (setresgid(who->gid, who->gid, who->gid) < 0)
		return err_set_errno(err, "group: cannot become %ld", (long)who->gid);
	if (setresuid(who->uid, who->uid, who->uid) < 0)
		return err_set_errno(err, "user: cannot become %ld", (long)who->uid);
	if (!set_capabilities(kept & had, err))
		return false;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_set_errno(err, "cannot stop keeping capabilities");
	if (!is_who(who) || getgroups(0, NULL) != 0)
		return err_set(err, "user, group: the process is somebody else than it was to become");
	return setresuid(0, 0, 0) < 0 || err_set(err, "user: the process could become root again");
}

bool privileges_will_change(const struct config *config)
{
	return config->user && geteuid() == 0;
}

bool privileges_check(const struct config *config, struct err *err)
{
	struct identity who;

	if (!config->user || find_identity(config, &who, err))
		return true;
	config_place_tell_top(err, config);
	err->is_config = true;
	return false;
}

bool privileges_enter(struct privileges *p, const struct config *config, struct err *err)
{
	struct identity who = { 0 };

	*p = (struct privileges){ false };
	if (!config->user)
		return true;
	if (!privileges_check(config, err) || !find_identity(config, &who, err))
		return false;
	if (geteuid() != 0) {
		if (is_who(&who))
			return true;
		err_set(err, "user: only root can become \"%s\"; start it as root or as that user, in its group",
			config->user);
		return config_place_tell_top(err, config);
	}
	if (!config_runs_set_id(config, true) && !clear_bounding_set(err))
		return false;
	p->is_user_changed = become(&who, err);
	return p->is_user_changed;
}

/* ---- what is left ---- */

bool privileges_bar_setid(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool bar_setid(struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, "cannot set no_new_privs");
	return privileges_bar_setid() || err_set(err, "no_new_privs is not set, although the kernel took it");
}

static void log_privileges(uint64_t capabilities)
{
	char text[24];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)capabilities);
	log_begin(geteuid() == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, NULL, "privileges");
	log_u64("uid", geteuid());
	log_u64("gid", getegid());
	log_str("capabilities", text);
	log_str("no_new_privs", privileges_bar_setid() ? "yes" : "no");
	if (geteuid() == 0)
		log_str("text", "the process stays root, because user is not given");
	log_end();
}

bool privileges_finish(const struct privileges *p, const struct config *config, struct err *err)
{
	uint64_t kept = 0;

	if (!config_runs_set_id(config, p->is_user_changed) && !bar_setid(err))
		return false;
	if (p->is_user_changed && !set_capabilities(0, err))
		return false;
	/* Of the others a program that is executed gets ambient ones only. An older kernel has none. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return err_set_errno(err, "cannot give up ambient capabilities");
	if (!get_permitted(&kept, err))
		return false;
	log_privileges(kept);
	return true;
}
