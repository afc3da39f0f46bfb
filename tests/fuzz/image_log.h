/*
 * The logs that image_fuzz begins with: group 1 of a node that has followed a leader for a while
 * and taken snapshots. They are the same in every run, so the snapshots of the kept corpus, which
 * image_corpus wrote, are theirs.
 */
#ifndef QR_TESTS_FUZZ_IMAGE_LOG_H
#define QR_TESTS_FUZZ_IMAGE_LOG_H

#include "tests/fuzz/node_forge.h"

enum image_log {
	IMAGE_LOG_SETTLED, /* the newest snapshot is of all but what begins its last segment */
	IMAGE_LOG_GROWN,   /* there are more entries behind it */
	IMAGE_LOG_LONG,	   /* it has several checkpoints, and sessions have come and gone */
	IMAGE_LOG_TRIMMED, /* its first segments are gone */
	IMAGE_LOGS
};

/** How many snapshots group 1 has: files 0.. */
uint32_t image_log_files(const struct rig *rig);
/** The node, at rest. */
struct rig *image_log_prepare(void *memory, enum image_log log, struct forge *forge);
/**
 * Leader 1 sends an entry, eight bytes of which say what it is (forge_next), and commits the one
 * before it.
 */
void image_log_send(struct forge *forge, const uint8_t bytes[8]);
/** A second passes: a snapshot is taken, if one is due. */
void image_log_wait(struct rig *rig);

#define IMAGE_CHUNK ((const uint8_t[8]){0, 0, 0, 0, 20, 1})
#define IMAGE_CHUNKS ((const uint8_t[8]){0, 7, 0, 0, 255, 1}) /* eight of them: three blocks */
#define IMAGE_NOTHING ((const uint8_t[8]){0, 6})

#endif
