/*
 * What the two halves of the reader share: reader.c walks groups, and
 * reader_value.c turns single values into fields.
 */
#ifndef CONF_READER_PRIVATE_H
#define CONF_READER_PRIVATE_H

#include "conf/option.h"
#include "conf/reader.h"

#include <libconfig.h>

struct reader {
	struct config *config;       /* being filled */
	const struct source *source; /* for file and line */
	struct err *err;
};

/* Both return false. The second is for where there is nothing to point at. */
bool reader_fail(struct reader *r, const config_setting_t *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool reader_fail_memory(struct reader *r);

struct config_place reader_place(const struct reader *r, const config_setting_t *setting);

/* "a list", "a string", ... */
const char *reader_type_name(const config_setting_t *setting);

/* A list or an array, and nothing else. */
bool reader_is_list(const config_setting_t *setting);

/* Both return false. "KEY: must be WANTED, not ..." and "KEY: "text" WRONG". */
bool reader_fail_type(struct reader *r, const struct option *o, const config_setting_t *s, const char *wanted);
bool reader_fail_value(struct reader *r, const struct option *o, const config_setting_t *s, const char *text,
		       const char *wrong);

/* The string that stands there, as it is; NULL: it is none, or one of several lines; reported. */
const char *reader_string(struct reader *r, const struct option *o, const config_setting_t *s);

/* The same checked as the row's type wants it, into a const char *. */
bool reader_kept_string(struct reader *r, const struct option *o, const config_setting_t *s, void *field);

/* Values that are lists. */
bool reader_domains(struct reader *r, const struct option *o, const config_setting_t *s, void *field);
bool reader_texts(struct reader *r, const struct option *o, const config_setting_t *s, void *field);
bool reader_exit_replies(struct reader *r, const struct option *o, const config_setting_t *s, void *field);
bool reader_networks(struct reader *r, const struct option *o, const config_setting_t *s, void *field);
bool reader_certificates(struct reader *r, const struct option *o, const config_setting_t *s, void *field);

/* Store the value of a key into its field. The types of groups are not for this. */
bool reader_value(struct reader *r, const struct option *o, const config_setting_t *setting, void *field);

/*
 * Fill `base`, the struct of a scope, from a group that is a `what`: its keys must be known, and those
 * required must be there. `places` tells where each stands, by row of the table.
 */
bool reader_group(struct reader *r, const config_setting_t *s, enum option_group group,
		  enum option_scope scope, const char *what, void *base, struct config_place *places);

/* The same with the row's default; fields without one are left alone. */
void reader_default(const struct option *o, void *field);

/* One of auth. */
bool reader_auth(struct reader *r, const config_setting_t *s, size_t i);

#endif
