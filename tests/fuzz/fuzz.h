/*
 * A fuzz target is one function that is given any bytes and ends the process
 * when a law is broken. Linked with libFuzzer it searches; linked with
 * replay_main.c it replays the corpus under `make check`.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "base/bug.h"

#include <stddef.h>
#include <stdint.h>

/* A law; what it says must hold whatever the input. */
#define LAW(condition) BUG_ON(!(condition))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
