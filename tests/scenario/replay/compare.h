/*
 * What a file says of etcd's nodes against what ours are.
 */
#ifndef QR_TESTS_REPLAY_COMPARE_H
#define QR_TESTS_REPLAY_COMPARE_H

#include "tests/scenario/replay/known.h"
#include "tests/scenario/replay/tally.h"
#include "tests/scenario/replay/world.h"

struct compare {
	struct tally *tally; /* NULL: the outcomes are counted and not judged */
	const struct script_directive *directive;
	const struct known *known;
	const struct world *world; /* NULL: no node was started */
	qr_nodes settled; /* of these everything that is known counts, not only what is stated */
};

/** The number of outcomes. */
uint64_t compare_all(const struct compare *compare);

#endif
