/*
 * Where programs that check passwords are run. A daemon that is about to become
 * another user than root has a process of its own for them, smtpfrontd-auth, which
 * stays root, since most of them read what only root may. It knows the programs of
 * the start and no others. A daemon that stays who it is runs them itself.
 */
#ifndef FRONT_CHECKER_H
#define FRONT_CHECKER_H

#include "base/bug.h"
#include "conf/config.h"
#include "net/loop.h"

struct runner;

struct checker {
	bool is_apart;               /* programs are run by the runner, or not at all */
	struct runner *runner;       /* owned; NULL: they are not apart, or the start knew of none */
	const struct config *config; /* holds a reference: whose programs the runner knows, in their order */
};

/* Would this process start a runner for this configuration? */
bool checker_is_needed(const struct config *config);

/*
 * Before privileges_enter() and before there are threads. False: err tells why; checker_stop() is due all the
 * same.
 */
MUST_CHECK bool checker_start(struct checker *checker, struct loop *loop, struct config *config, struct err *err);

/* When the server is gone, and before the loop is. All zero is legal. */
void checker_stop(struct checker *checker);

/*
 * For a source of type checkpassword, where they are apart: the runner's number of its program. False: the
 * runner does not know it; err tells so.
 */
MUST_CHECK bool checker_find(const struct checker *checker, const struct auth_config *source, unsigned *program,
			     struct err *err);

#endif
