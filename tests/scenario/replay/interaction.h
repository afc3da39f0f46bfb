/*
 * The directives of etcd's interaction tests (package rafttest), carried out on our nodes and
 * compared by outcome.
 */
#ifndef QR_TESTS_REPLAY_INTERACTION_H
#define QR_TESTS_REPLAY_INTERACTION_H

#include "tests/scenario/replay/tally.h"

struct interaction;

/** One for each file: its nodes live from directive to directive. */
struct interaction *interaction_create(struct tally *tally);
void interaction_destroy(struct interaction *interaction);

/** Whether there is a command of that name. */
bool interaction_knows(const char *command);
/** Carry out the directive and judge every outcome that its expected output states. */
void interaction_run(struct interaction *interaction, const struct script_directive *directive);

#endif
