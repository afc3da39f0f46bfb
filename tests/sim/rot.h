/*
 * Wrong bits in the logs of a story's nodes, within what is settled on all of them.
 */
#ifndef QR_TEST_SIM_ROT_H
#define QR_TEST_SIM_ROT_H

#include "tests/sim/story.h"

/** One past the last block that is settled on every node. */
qr_block rot_settled(const struct story *story);
/** A bit of the block flips, unless it is of a gap: nothing is lost there. */
bool rot_flip(struct story *story, qr_node node, qr_block block);
/** Blocks that are damaged. */
uint32_t rot_count(const struct story *story, qr_node node);
uint32_t rot_count_all(const struct story *story);
/** Of each settled entry one good copy is left, each time another one. */
struct rot_entries {
	uint32_t of[SIM_NODES_MAX + 1]; /* damaged, by node */
} rot_all_but_one(struct story *story);

#endif
