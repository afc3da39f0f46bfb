/*
 * The media of one node: what a power cut leaves. Two layers: blocks that are on stable media, and
 * for some of them what they held before a write that the device has only in its cache. A sync
 * forgets the latter, a power cut may bring any sector of them back.
 *
 * Damage that was planted is remembered with the bytes it replaced, so that it can be taken back
 * (the controller was mended) and so that it is known whether anything is still wrong.
 */
#ifndef QR_TEST_SIM_MEDIA_H
#define QR_TEST_SIM_MEDIA_H

#include "consensus/base/prng.h"
#include "storage/engine/log.h"
#include "storage/format/snapshot.h"

#define SIM_GROUPS_MAX 4
#define SIM_SECTOR_BYTES 512
#define SIM_SLOTS_SEGMENT UINT32_MAX /* the place of a group's slots among its segments */
/* and of its first snapshot file */
#define SIM_SNAPSHOT_SEGMENT (SIM_SLOTS_SEGMENT - STORE_SNAPSHOTS)
#define SIM_SNAPSHOT_BLOCKS_MAX 256

struct sim_place {
	qr_group group;
	uint32_t segment; /* or one of the above */
	uint32_t block;	  /* in it */
};

struct sim_segment {
	uint8_t **blocks; /* NULL: zeros */
};

struct sim_image {
	struct sim_place place;
	uint8_t *before; /* a block: what the device may fall back to, or what damage replaced */
	uint8_t *after;	 /* damage: what it left, to see whether that is still there */
	uint32_t life;	 /* of the node, in which it was planted */
};

struct sim_images {
	uint32_t count;
	uint32_t room;
	struct sim_image *images;
};

struct sim_media_group {
	uint32_t segment_first; /* segments first..count-1 exist */
	uint32_t segment_count;
	uint32_t segment_room;
	struct sim_segment *segments;
	uint8_t *slots[STORE_SLOTS];
	uint32_t snapshot_blocks[STORE_SNAPSHOTS]; /* how long the files are */
	uint8_t *snapshots[STORE_SNAPSHOTS][SIM_SNAPSHOT_BLOCKS_MAX];
};

struct sim_media {
	uint32_t segment_blocks;
	uint32_t group_count;
	uint32_t life;					   /* counts the node's starts */
	struct sim_media_group groups[SIM_GROUPS_MAX + 1]; /* by number, from 1 */
	struct sim_images cached; /* written, not yet synced: `before` may come back */
	struct sim_images damage;
};

void sim_media_init(struct sim_media *media, uint32_t group_count, uint32_t segment_blocks);
void sim_media_fini(struct sim_media *media);

void sim_media_add_segment(struct sim_media *media, qr_group number, uint64_t segment);
/** The first one goes, with everything that is known of it. */
void sim_media_drop_segment(struct sim_media *media, qr_group number);
bool sim_media_has_segment(const struct sim_media *media, qr_group group, uint64_t segment);
/** Where a block of a group's log space lies. */
static inline struct sim_place sim_media_place(const struct sim_media *media, qr_group group,
					       qr_block block)
{
	return (struct sim_place){.group = group,
				  .segment = (uint32_t)(block / media->segment_blocks),
				  .block = (uint32_t)(block % media->segment_blocks)};
}
/** Whether a place is one of the log itself. */
static inline bool sim_place_is_log(const struct sim_place *place)
{
	return place->segment < SIM_SNAPSHOT_SEGMENT;
}
/** A block as a read sees it; never NULL. The place exists. */
const uint8_t *sim_media_at(const struct sim_media *media, struct sim_place place);
/** A block of a group's log space; NULL beyond what exists. */
const uint8_t *sim_media_block(const struct sim_media *media, qr_group group, qr_block block);
/** Whether a block holds zeros. @param bytes  as one of the above returned it. */
bool sim_media_is_zero(const uint8_t *bytes);
/**
 * Replace a block.
 * @param bytes  its sectors with a bit in `sectors` are taken.
 * @param stable  false: the device has it in its cache only.
 */
void sim_media_write(struct sim_media *media, struct sim_place place, const uint8_t *bytes,
		     unsigned sectors, bool stable);
/** A power cut leaves the place as it is. */
bool sim_media_is_stable(const struct sim_media *media, struct sim_place place);
/** What was written to the segment, or snapshot file, of a place before is stable from here on. */
void sim_media_sync(struct sim_media *media, struct sim_place place);
/** The device loses its cache: each sector of it old or new. */
void sim_media_cut_power(struct sim_media *media, struct qr_prng *prng);

/** Replace a block behind everybody's back; nothing happens to one that is damaged already. */
void sim_media_damage(struct sim_media *media, struct sim_place place, const uint8_t *bytes);
/** A write that never reached the place: it holds what it held. */
void sim_media_lose(struct sim_media *media, struct sim_place place, const uint8_t *bytes);
/** Damage that nobody has overwritten since. */
uint32_t sim_media_damage_count(const struct sim_media *media);
void sim_media_mend(struct sim_media *media);
/** One piece of damage, by its number. */
void sim_media_mend_at(struct sim_media *media, uint32_t number);
/** The block as the device promised it: what damage replaced, if it is damaged. */
const uint8_t *sim_media_promised(const struct sim_media *media, struct sim_place place);

#endif
