/*
 * What the tests of conf share: the parts of a good file, reading a text that
 * must be good, and writing files.
 */
#ifndef TESTS_CONFIG_TEXT_H
#define TESTS_CONFIG_TEXT_H

#include "conf/config.h"
#include "temp_dir.h"
#include "unit.h"

/* Three lines that every good file needs; what a test adds begins on line 4. */
#define BASE                                                                                       \
	"hostname = \"mx.example.org\"; domains = ( \"example.org\" ); postmaster = \"anna@example.org\";\n" \
	"backends = { inbox = { type = \"maildir\"; path = \"/mail/%d/%n\"; }; };\n"                \
	"listeners = ( { listen = \"[::]:25\"; } );\n"
#define FIRST                                                                                                \
	"hostname = \"mx.example.org\"; domains = ( \"example.org\" ); postmaster = \"anna@example.org\";\n"
#define INBOX "backends = { inbox = { type = \"maildir\"; path = \"/mail/%d/%n\"; }; };\n"
#define PORT25 "listeners = ( { listen = \"[::]:25\"; } );\n"

static inline struct config *read_good_with(const char *text, const struct environment *environment)
{
	struct err err = { .text = "" };
	struct config *config = config_load_text("t", span_str(text), environment, &err);

	ck_assert_msg(config != NULL, "%s", err.text);
	return config;
}

static inline struct config *read_good(const char *text)
{
	return read_good_with(text, NULL);
}

static inline void write_file(const struct temp_dir *dir, const char *name, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	out = fopen(path, "wb");
	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
}

#endif
