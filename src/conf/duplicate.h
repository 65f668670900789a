/*
 * Which key of a text is the one that was given before? libconfig tells the
 * line only, and on a line there may be many.
 */
#ifndef CONF_DUPLICATE_H
#define CONF_DUPLICATE_H

#include "base/bug.h"
#include "base/span.h"

/*
 * The first key on this line of the text, which strict_check() has passed, that stands in its group
 * before. The name points into the text. False: there is none among the first hundred.
 */
MUST_CHECK bool duplicate_find(struct span text, int line, struct span *name);

#endif
