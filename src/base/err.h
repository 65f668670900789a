/*
 * The world's fault, told in words: a function that can fail for reasons
 * outside the program returns false (must be checked) and fills a struct err
 * that the caller owns. The text is one line, without the program's name.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

struct err {
	char text[512];
	bool is_config; /* what the administrator wrote is at fault; err_set() says no */
	int error;      /* errno, from err_set_errno(); 0 from err_set() */
};

/* Fill *err; returns false, so that `return err_set(...)` reads well. err may be NULL. */
bool err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and the text of errno appended. */
bool err_set_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
