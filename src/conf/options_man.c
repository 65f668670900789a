/*
 * Run while the manual is built, and by tests/tools/check-options.sh; never
 * installed. It shows what the option table holds.
 *   options_man --manual TEMPLATE   the template with the options in place of its line @OPTIONS@
 *   options_man --list              scope, key and default of each option
 *   options_man --dump FILE         the configuration that a file gives
 */
#include "conf/config.h"
#include "conf/dump.h"
#include "conf/manual.h"

#include <stdio.h>
#include <stdlib.h>

static bool print_manual(const char *template)
{
	FILE *in = fopen(template, "r");
	char line[1024];
	bool has_options = false, ok = in != NULL;

	while (ok && fgets(line, sizeof(line), in)) {
		if (strcmp(line, "@OPTIONS@\n") == 0)
			has_options = ok = manual_print_options(stdout);
		else
			ok = fputs(line, stdout) >= 0;
	}
	ok = ok && !ferror(in) && has_options;
	if (in)
		fclose(in);
	if (!ok)
		fprintf(stderr, "options_man: %s: cannot be read, or has no line @OPTIONS@\n", template);
	return ok;
}

static bool print_dump(const char *file)
{
	struct err err;
	struct config *config = config_load(file, NULL, &err);
	bool ok = config && config_dump(config, false, stdout);

	if (!config)
		fprintf(stderr, "%s\n", err.text);
	config_put(&config);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		ok = manual_list_options(stdout);
	} else if (argc == 3 && strcmp(argv[1], "--manual") == 0) {
		ok = print_manual(argv[2]);
	} else if (argc == 3 && strcmp(argv[1], "--dump") == 0) {
		ok = print_dump(argv[2]);
	} else {
		fputs("usage: options_man --manual TEMPLATE | --list | --dump FILE\n", stderr);
		return EXIT_FAILURE;
	}
	return ok && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
