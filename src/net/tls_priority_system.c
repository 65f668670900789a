#include "net/tls_priority_system.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *tls_priority_system_file(void)
{
	const char *file = secure_getenv("GNUTLS_SYSTEM_PRIORITY_FILE");

	return file && *file ? file : "/etc/gnutls/config";
}

static bool is_section(struct span line, bool *is_priorities)
{
	if (line.len < 2 || line.ptr[0] != '[' || line.ptr[line.len - 1] != ']')
		return false;
	*is_priorities = span_ieq(span_trim(span_of(line.ptr + 1, line.len - 2)), span_str("priorities"));
	return true;
}

/* The value where the line is `name = value`. */
static bool read_pair(struct span line, struct span name, struct span *value)
{
	size_t equals = span_find(line, '=');

	if (equals == line.len || !span_eq(span_trim(span_head(line, equals)), name))
		return false;
	*value = span_trim(span_from(line, equals + 1));
	return true;
}

/* A line without its end and the blanks around it; empty where it is a comment. */
static struct span clean_line(const char *line)
{
	struct span s = span_str(line);

	while (s.len && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
		s.len--;
	s = span_trim(s);
	return s.len && (s.ptr[0] == '#' || s.ptr[0] == ';') ? span_head(s, 0) : s;
}

static enum tls_system_result find_name(FILE *file, struct span name, struct buf *value, struct err *err)
{
	enum tls_system_result result = TLS_SYSTEM_MISSING;
	bool is_priorities = false;
	char *line = NULL;
	size_t size = 0;

	rewind(file);
	while (result == TLS_SYSTEM_MISSING && getline(&line, &size, file) >= 0) {
		struct span text = clean_line(line), found;

		if (is_section(text, &is_priorities) || !is_priorities || !read_pair(text, name, &found))
			continue;
		result = TLS_SYSTEM_FOUND;
		if (!buf_add_span(value, found) || !buf_add(value, "", 1)) {
			err_set(err, "out of memory");
			result = TLS_SYSTEM_ERROR;
		}
	}
	/* A directory opens, and fails here. */
	if (ferror(file)) {
		err_set_errno(err, "%s", tls_priority_system_file());
		result = TLS_SYSTEM_ERROR;
	}
	free(line);
	return result;
}

enum tls_system_result tls_priority_system_find(struct span names, struct buf *value, struct err *err)
{
	FILE *file = fopen(tls_priority_system_file(), "re");
	enum tls_system_result result = TLS_SYSTEM_MISSING;

	if (!file) {
		if (errno == ENOENT || errno == ENOTDIR)
			return TLS_SYSTEM_MISSING;
		err_set_errno(err, "%s", tls_priority_system_file());
		return TLS_SYSTEM_ERROR;
	}
	while (result == TLS_SYSTEM_MISSING && names.len) {
		size_t comma = span_find(names, ',');

		result = find_name(file, span_trim(span_head(names, comma)), value, err);
		names = span_from(names, comma + 1);
	}
	fclose(file);
	return result;
}
