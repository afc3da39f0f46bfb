/*
 * What a snapshot says that a group was after some entry, against the entries up to there: each of
 * them is known (truth.h), so the state follows from them.
 */
#ifndef QR_TESTS_CRASH_SAVED_H
#define QR_TESTS_CRASH_SAVED_H

#include "dataplane/node/sessions.h"
#include "storage/engine/recover.h"
#include "tests/crash/truth.h"

/** The most bytes that a state has. */
size_t saved_bytes_max(void);

/** Memory to judge with. */
struct saved {
	uint8_t *memory;
	struct dp_sessions *restored; /* as a node makes it of the bytes */
	struct dp_sessions *replayed; /* as the entries make it */
};

void saved_init(struct saved *saved);
void saved_fini(struct saved *saved);

/**
 * @param versions  [1..found->base.index]: the log that ends with the base's entry.
 * @return what is wrong; NULL: the state is what these entries leave.
 */
const char *saved_problem(struct saved *saved, const struct truth *truth, const uint32_t *versions,
			  const struct store_recovered_state *found);

#endif
