#include "backend/maildir_path.h"

struct path_writer {
	char *path;       /* MAILDIR_PATH_SIZE bytes */
	size_t len;
	size_t component; /* bytes in the component that is being written */
};

static bool path_put(struct path_writer *w, char c)
{
	w->component = c == '/' ? 0 : w->component + 1;
	if (w->component > NAME_MAX || w->len + 1 >= MAILDIR_PATH_SIZE)
		return false;
	w->path[w->len++] = c;
	return true;
}

/*
 * A value from an address. One that begins with a dot is never a mailbox: it
 * could be "." or "..", and in a Maildir++ such names are folders.
 */
static bool path_put_value(struct path_writer *w, struct span value)
{
	if (value.len == 0 || value.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c == '/' || c < ' ' || c == 0x7f || !path_put(w, ascii_lower((char)c)))
			return false;
	}
	return true;
}

static bool path_put_directive(struct path_writer *w, char directive, const struct smtp_address *recipient)
{
	struct span local = smtp_address_local(recipient);
	struct span domain = smtp_address_domain(recipient);

	switch (directive) {
	case 'd':
		return path_put_value(w, domain);
	case 'n':
		return path_put_value(w, local);
	case 'u':
		return path_put_value(w, local) && path_put(w, '@') && path_put_value(w, domain);
	default:
		BUG_ON(directive != '%');
		return path_put(w, '%');
	}
}

bool maildir_path_expand(char *path, const char *pattern, const struct smtp_address *recipient)
{
	struct path_writer w = { .path = path };

	for (const char *p = pattern; *p; p++) {
		if (*p != '%') {
			if (!path_put(&w, *p))
				return false;
		} else if (!path_put_directive(&w, *++p, recipient)) {
			return false;
		}
	}
	path[w.len] = '\0';
	return true;
}

static bool directives_are_known(const char *pattern, struct err *err)
{
	for (const char *p = pattern; *p; p++) {
		if (*p != '%')
			continue;
		p++;
		if (*p == '\0')
			return err_set(err, "\"%s\" ends in a lone %%; a percent sign is %%%%", pattern);
		if (!strchr("dnu%", *p))
			return err_set(err, "\"%s\": unknown %%%c; there are %%d, %%n, %%u, %%%%", pattern,
				       *p);
	}
	return true;
}

bool maildir_path_check_pattern(const char *pattern, struct err *err)
{
	/* The shortest address there can be: what does not fit it fits nobody. */
	struct smtp_address shortest = { .local_len = 1, .domain_len = 1, .text = "aa" };
	char path[MAILDIR_PATH_SIZE];

	if (pattern[0] != '/')
		return err_set(err, "\"%s\" does not begin with /", pattern);
	if (!directives_are_known(pattern, err))
		return false;
	if (!maildir_path_expand(path, pattern, &shortest))
		return err_set(err, "\"%.64s...\" is too long", pattern);
	return true;
}
