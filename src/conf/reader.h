/*
 * From libconfig's tree to struct config, by the rows of the option table: each
 * value is checked for type and range, what is not given gets its default.
 */
#ifndef CONF_READER_H
#define CONF_READER_H

#include "conf/config.h"
#include "conf/source.h"

/*
 * Parse the text and fill the configuration, whose arena owns all that is kept.
 * Variables of the environment, which may be NULL, win over keys at top level.
 */
bool reader_read(struct config *config, const struct source *source, const struct environment *environment,
		 struct err *err);

#endif
