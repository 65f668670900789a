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

/* The first `count` characters: octets that begin one, and those that continue it in UTF-8. */
static struct span first_chars(struct span value, unsigned count)
{
	size_t len = 0;

	for (; len < value.len; len++)
		if (((unsigned char)value.ptr[len] & 0xc0) != 0x80 && count-- == 0)
			break;
	return span_head(value, len);
}

/* What stands behind a %; with a number it is "{2n}". Returns its octets; 0: there is no such directive. */
static size_t parse_directive(const char *text, char *directive, unsigned *count)
{
	*count = UINT_MAX;
	*directive = text[0];
	if (text[0] && strchr("dnu%", text[0]))
		return 1;
	if (text[0] != '{' || text[1] < '1' || text[1] > '9')
		return 0;
	if (!text[2] || !strchr("dnu", text[2]) || text[3] != '}')
		return 0;
	*count = (unsigned)(text[1] - '0');
	*directive = text[2];
	return 4;
}

static bool path_put_address(struct path_writer *w, const struct smtp_address *recipient, unsigned count)
{
	struct span local = first_chars(smtp_address_local(recipient), count);
	struct span domain = smtp_address_domain(recipient);

	if (count != UINT_MAX)
		return path_put_value(w, local);
	return path_put_value(w, local) && path_put(w, '@') && path_put_value(w, domain);
}

/* *p is behind the %, and moved behind the directive. */
static bool path_put_directive(struct path_writer *w, const char **p, const struct smtp_address *recipient)
{
	unsigned count;
	char directive;
	size_t len = parse_directive(*p, &directive, &count);

	BUG_ON(len == 0);
	*p += len;
	switch (directive) {
	case 'd':
		return path_put_value(w, first_chars(smtp_address_domain(recipient), count));
	case 'n':
		return path_put_value(w, first_chars(smtp_address_local(recipient), count));
	case 'u':
		return path_put_address(w, recipient, count);
	default:
		return path_put(w, '%');
	}
}

bool maildir_path_expand(char *path, const char *pattern, const struct smtp_address *recipient)
{
	struct path_writer w = { .path = path };
	const char *p = pattern;

	while (*p) {
		if (*p++ != '%') {
			if (!path_put(&w, p[-1]))
				return false;
		} else if (!path_put_directive(&w, &p, recipient)) {
			return false;
		}
	}
	path[w.len] = '\0';
	return true;
}

static bool directives_are_known(const char *pattern, struct err *err)
{
	unsigned count;
	char directive;

	for (const char *p = pattern; *p; p++) {
		size_t len = *p == '%' ? parse_directive(p + 1, &directive, &count) : 0;

		if (*p == '%' && p[1] == '\0')
			return err_set(err, "\"%s\" ends in a lone %%; a percent sign is %%%%", pattern);
		if (*p == '%' && len == 0)
			return err_set(err,
				       "\"%s\": unknown %%%.4s; there are %%d, %%n, %%u, %%{2n}, %%%%",
				       pattern, p + 1);
		p += len;
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
