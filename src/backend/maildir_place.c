#include "backend/maildir_place.h"

#include "backend/maildir_path.h"
#include "idn/idn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIR_MODE = 0700 };

/* ---- names, on the loop ---- */

/* "anna" is a mailbox in any domain, "anna@example.org" in that one. */
static bool is_named(const struct smtp_address *a, const char *name)
{
	struct span text = span_str(name);
	size_t at = span_find(text, '@');

	return span_ieq(smtp_address_local(a), span_head(text, at)) &&
	       (at == text.len || span_ieq(smtp_address_domain(a), span_from(text, at + 1)));
}

static bool may_be_made(const struct maildir_rules *rules, const struct smtp_address *mailbox)
{
	for (size_t i = 0; i < rules->made_count; i++)
		if (is_named(mailbox, rules->made_mailboxes[i]))
			return true;
	return false;
}

/*
 * A folder of Maildir++ that cannot lead anywhere else: its levels, between dots, are not empty. What lies in .Trash
 * counts for no quota, so that nobody may fill it from outside.
 */
static bool is_folder_name(struct span name)
{
	if (span_eq(name, SPAN_LITERAL("Trash")))
		return false;
	if (name.len == 0 || name.len >= NAME_MAX || name.ptr[0] == '.' || name.ptr[name.len - 1] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (c == '/' || c < ' ' || c == 0x7f || (c == '.' && name.ptr[i - 1] == '.'))
			return false;
	}
	return true;
}

static bool add_place(struct maildir_places *places, const char *root, const char *path, bool can_make)
{
	places->at[places->count++] = (struct maildir_place){ root, path, can_make };
	return true;
}

/* `root`/.`folder`; what would be too long is no place. */
static bool add_folder(struct maildir_places *places, const char *root, struct span folder,
		       struct arena *arena)
{
	size_t root_len = strlen(root);
	char path[MAILDIR_PATH_SIZE];
	const char *kept;

	if (root_len + 2 + folder.len >= sizeof(path))
		return true;
	memcpy(path, root, root_len);
	memcpy(path + root_len, "/.", 2);
	memcpy(path + root_len + 2, folder.ptr, folder.len);
	kept = arena_dup(arena, span_of(path, root_len + 2 + folder.len));
	return kept && add_place(places, root, kept, false);
}

/* A mailbox, before it a folder in it where one is asked for. An address that makes no path is no place. */
static bool add_mailbox(struct maildir_places *places, const struct maildir_rules *rules,
			const struct smtp_address *mailbox, struct span folder, struct arena *arena)
{
	char path[MAILDIR_PATH_SIZE];
	const char *root;

	if (!maildir_path_expand(path, rules->pattern, mailbox))
		return true;
	root = arena_dup(arena, span_str(path));
	return root && (folder.len == 0 || add_folder(places, root, folder, arena)) &&
	       add_place(places, root, root, may_be_made(rules, mailbox));
}

/* The octets before the first delimiter; all where there is none, or nothing before it. */
static size_t user_len(const struct maildir_rules *rules, struct span local)
{
	for (size_t i = 1; i < local.len; i++)
		if (local.ptr[i] && strchr(rules->delimiters, local.ptr[i]))
			return i;
	return local.len;
}

static bool add_without_detail(struct maildir_places *places, const struct maildir_rules *rules,
			       const struct smtp_address *recipient, struct arena *arena)
{
	struct span local = smtp_address_local(recipient), folder;
	size_t len = user_len(rules, local);
	struct smtp_address user = *recipient;

	if (len == local.len)
		return true;
	user.local_len = (uint16_t)len;
	memmove(user.text + len, user.text + local.len, user.domain_len);
	folder = span_from(local, len + 1);
	if (!rules->has_folders || !is_folder_name(folder))
		folder = SPAN_LITERAL("");
	return add_mailbox(places, rules, &user, folder, arena);
}

static bool add_catch_all(struct maildir_places *places, const struct maildir_rules *rules,
			  const struct smtp_address *recipient, struct arena *arena)
{
	struct span name = span_str(rules->catch_all);
	struct smtp_address mailbox;
	size_t at = span_find(name, '@');

	if (!rules->catch_all)
		return true;
	if (rules->postmaster && smtp_address_is_postmaster(recipient) &&
	    !is_named(recipient, rules->postmaster))
		return true;
	if (at < name.len) {
		if (!smtp_address_parse(&mailbox, SMTP_CHARSET_UTF8, name))
			return true;
	} else {
		mailbox = *recipient;
		mailbox.local_len = (uint16_t)name.len;
		memcpy(mailbox.text, name.ptr, name.len);
		memcpy(mailbox.text + name.len, smtp_address_domain(recipient).ptr, mailbox.domain_len);
	}
	return add_mailbox(places, rules, &mailbox, SPAN_LITERAL(""), arena);
}

/* The recipient with its domain in lower-case A-labels: one mailbox, and one name, however it was written. */
static enum idn_result set_ascii_domain(struct smtp_address *to, const struct smtp_address *recipient)
{
	struct idn_domain ascii;
	enum idn_result result = idn_domain_to_ascii(&ascii, smtp_address_domain(recipient));

	if (result != IDN_OK)
		return result;
	*to = *recipient;
	memcpy(to->text + to->local_len, ascii.text, ascii.len + 1);
	to->domain_len = (uint16_t)ascii.len;
	return IDN_OK;
}

bool maildir_places_name(struct maildir_places *places, const struct maildir_rules *rules,
			 const struct smtp_address *recipient, struct arena *arena)
{
	struct smtp_address ascii;

	places->count = 0;
	switch (set_ascii_domain(&ascii, recipient)) {
	case IDN_OK:
		break;
	case IDN_INVALID:
		return true;
	case IDN_NO_MEMORY:
		return false;
	}
	return add_mailbox(places, rules, &ascii, SPAN_LITERAL(""), arena) &&
	       add_without_detail(places, rules, &ascii, arena) &&
	       add_catch_all(places, rules, &ascii, arena);
}

/* ---- what is there, on a worker ---- */

static void check_failed(struct backend_answer *answer, enum smtp_reply_name reply, const char *what,
			 const char *path)
{
	backend_answer_no(answer, reply, "%s: %s: %s", what, strerror(errno), path);
}

static bool is_unknown(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG);
}

/* Do so for each directory of the path behind the fixed part, or for the one it stands in. */
static bool each_level(const char *path, size_t fixed_len, bool (*step)(const char *), bool is_parent)
{
	size_t len = strlen(path), parent = fixed_len;
	char level[MAILDIR_PATH_SIZE];

	if (len >= sizeof(level))
		return false;
	memcpy(level, path, len + 1);
	while (parent < len) {
		size_t end = parent + span_find(span_of(path + parent, len - parent), '/');
		size_t cut = is_parent ? parent : end;

		level[cut] = '\0';
		if (end > parent && !step(level))
			return false;
		level[cut] = path[cut];
		parent = end + 1;
	}
	return true;
}

/* A symbolic link to nothing tells of a mailbox that is elsewhere, and not there now. */
static bool leads_somewhere(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 || errno != ENOENT || lstat(path, &st) < 0)
		return true;
	errno = ENOENT;
	return !S_ISLNK(st.st_mode);
}

void maildir_check_base(const char *path, size_t fixed_len, struct backend_answer *answer)
{
	char base[MAILDIR_PATH_SIZE];
	struct stat st;

	BUG_ON(fixed_len >= sizeof(base));
	memcpy(base, path, fixed_len);
	base[fixed_len] = '\0';
	backend_answer_yes(answer);
	if (stat(base, &st) < 0)
		check_failed(answer, SMTP_REPLY_MAILBOX_UNREADABLE, "the directory of all mailboxes", base);
}

/* Nothing is there. Only where all around it is in order there is nobody of that name. */
static void check_missing(const char *path, size_t fixed_len, struct backend_answer *answer)
{
	int error = errno;

	maildir_check_base(path, fixed_len, answer);
	if (smtp_reply_is_error(&answer->reply))
		return;
	if (error == ENOENT && !each_level(path, fixed_len, leads_somewhere, false)) {
		check_failed(answer, SMTP_REPLY_MAILBOX_UNREADABLE, "a symbolic link to nothing", path);
		return;
	}
	errno = error;
	check_failed(answer, SMTP_REPLY_UNKNOWN_MAILBOX, "stat", path);
}

void maildir_check(const char *path, size_t fixed_len, struct backend_answer *answer)
{
	struct stat st;

	backend_answer_yes(answer);
	if (is_unknown(path)) {
		check_missing(path, fixed_len, answer);
	} else if (stat(path, &st) < 0) {
		check_failed(answer, SMTP_REPLY_MAILBOX_UNREADABLE, "stat", path);
	} else if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		check_failed(answer, SMTP_REPLY_MAILBOX_UNREADABLE, "stat", path);
	} else if (faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0) {
		check_failed(answer, SMTP_REPLY_MAILBOX_UNREADABLE, "access", path);
	}
}

const struct maildir_place *maildir_places_find(const struct maildir_places *places, size_t fixed_len,
						struct backend_answer *answer)
{
	for (unsigned i = 0; i < places->count; i++) {
		const struct maildir_place *place = &places->at[i];

		maildir_check(place->path, fixed_len, answer);
		if (!smtp_reply_is_error(&answer->reply))
			return place;
		if (!smtp_reply_is_permanent(&answer->reply))
			return NULL;
		if (place->may_be_made) {
			backend_answer_yes(answer);
			return place;
		}
	}
	return NULL;
}

/* ---- making ---- */

size_t maildir_place_fixed_len(const char *pattern)
{
	size_t len = 0, fixed_len = 0;

	for (const char *p = pattern; *p; p++) {
		if (*p == '%' && *++p != '%')
			break;
		len++;
		if (*p == '/' && p[1] && p[1] != '/')
			fixed_len = len;
	}
	return fixed_len;
}

static bool sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result, error;

	if (fd < 0)
		return false;
	do
		result = fsync(fd);
	while (result < 0 && errno == EINTR);
	error = errno;
	close(fd);
	errno = error;
	return result == 0;
}

static bool make_dir(const char *path)
{
	if (mkdir(path, DIR_MODE) < 0)
		return errno == EEXIST;
	return chmod(path, DIR_MODE) == 0; /* whatever the umask is */
}

bool maildir_place_sync(const char *path, size_t fixed_len)
{
	return each_level(path, fixed_len, sync_dir, true);
}

bool maildir_place_make(const char *path, size_t fixed_len)
{
	return each_level(path, fixed_len, make_dir, false);
}
