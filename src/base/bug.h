/*
 * Our own mistakes: BUG_ON(condition) ends the process with file and line when
 * the condition holds. It is for what can only be false if the code is wrong,
 * never for what a peer or the world may do.
 */
#ifndef BASE_BUG_H
#define BASE_BUG_H

_Noreturn void bug(const char *file, int line, const char *what);

#define BUG_ON(condition)                                \
	do {                                             \
		if (__builtin_expect(!!(condition), 0))  \
			bug(__FILE__, __LINE__, #condition); \
	} while (0)

/* The caller must look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))

#endif
