/*
 * The option table as the manual shows it: mdoc sections with an entry for
 * each key, made when the program is built.
 */
#ifndef CONF_MANUAL_H
#define CONF_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

/* A .Ss for each scope, with a tagged list of its keys. False: writing failed. */
bool manual_print_options(FILE *out);

/* For tests: a line `scope key default` for each row, "-" where there is no default. */
bool manual_list_options(FILE *out);

#endif
