/*
 * Blocks on demand: a log space is mostly zeros, and the simulator runs through many of them. Owns
 * every block; a block that nobody wrote is the one block of zeros.
 */
#include "tests/sim/media.h"

#include "consensus/base/assert.h"
#include "tests/sim/memory.h"

#include <string.h>

#define ALL_SECTORS 0xffu

static const uint8_t zeros[QR_BLOCK_BYTES];

static uint8_t *copy_of(const uint8_t *bytes)
{
	return memcpy(sim_must(malloc(QR_BLOCK_BYTES)), bytes, QR_BLOCK_BYTES);
}

void sim_media_init(struct sim_media *media, uint32_t group_count, uint32_t segment_blocks)
{
	QR_ASSERT(group_count <= SIM_GROUPS_MAX);
	*media = (struct sim_media){.segment_blocks = segment_blocks, .group_count = group_count};
}

static void forget(struct sim_images *images, uint32_t at)
{
	sim_free(images->images[at].before);
	sim_free(images->images[at].after);
	images->images[at] = images->images[--images->count];
}

static void forget_all(struct sim_images *images)
{
	while (images->count > 0)
		forget(images, images->count - 1);
}

static void free_segment(const struct sim_media *media, struct sim_segment *segment)
{
	for (uint32_t b = 0; b < media->segment_blocks; b++)
		sim_free(segment->blocks[b]);
	sim_free(segment->blocks);
	segment->blocks = NULL;
}

static void forget_segment(struct sim_images *images, qr_group group, uint32_t segment)
{
	for (uint32_t i = images->count; i > 0; i--) {
		const struct sim_place *place = &images->images[i - 1].place;

		if (place->group == group && place->segment == segment)
			forget(images, i - 1);
	}
}

void sim_media_drop_segment(struct sim_media *media, qr_group number)
{
	struct sim_media_group *group = &media->groups[number];

	QR_ASSERT(group->segment_first < group->segment_count);
	free_segment(media, &group->segments[group->segment_first]);
	forget_segment(&media->cached, number, group->segment_first);
	forget_segment(&media->damage, number, group->segment_first);
	group->segment_first++;
}

void sim_media_fini(struct sim_media *media)
{
	for (uint32_t g = 1; g <= media->group_count; g++) {
		struct sim_media_group *group = &media->groups[g];

		for (uint32_t s = group->segment_first; s < group->segment_count; s++)
			free_segment(media, &group->segments[s]);
		sim_free(group->segments);
		for (uint32_t s = 0; s < STORE_SLOTS; s++)
			sim_free(group->slots[s]);
		for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
			for (uint32_t b = 0; b < SIM_SNAPSHOT_BLOCKS_MAX; b++)
				sim_free(group->snapshots[n][b]);
		}
	}
	forget_all(&media->cached);
	forget_all(&media->damage);
	sim_free(media->cached.images);
	sim_free(media->damage.images);
}

bool sim_media_has_segment(const struct sim_media *media, qr_group group, uint64_t segment)
{
	return segment >= media->groups[group].segment_first &&
	       segment < media->groups[group].segment_count;
}

void sim_media_add_segment(struct sim_media *media, qr_group number, uint64_t segment)
{
	struct sim_media_group *group = &media->groups[number];

	if (group->segment_first == group->segment_count)
		group->segment_first = group->segment_count = (uint32_t)segment;
	QR_ASSERT(segment == group->segment_count);
	while (group->segment_count >= group->segment_room) {
		group->segment_room = group->segment_room == 0 ? 8 : 2 * group->segment_room;
		group->segments =
			sim_resize(group->segments, group->segment_room * sizeof(*group->segments));
	}
	group->segments[group->segment_count++].blocks =
		sim_take(media->segment_blocks * sizeof(uint8_t *));
}

static uint8_t **holder_of(const struct sim_media *media, struct sim_place place)
{
	const struct sim_media_group *group = &media->groups[place.group];

	if (place.segment == SIM_SLOTS_SEGMENT) {
		QR_ASSERT(place.block < STORE_SLOTS);
		return (uint8_t **)&group->slots[place.block];
	}
	if (!sim_place_is_log(&place)) {
		QR_ASSERT(place.block < SIM_SNAPSHOT_BLOCKS_MAX);
		return (uint8_t **)&group
			->snapshots[place.segment - SIM_SNAPSHOT_SEGMENT][place.block];
	}
	QR_ASSERT(sim_media_has_segment(media, place.group, place.segment));
	QR_ASSERT(place.block < media->segment_blocks);
	return &group->segments[place.segment].blocks[place.block];
}

const uint8_t *sim_media_at(const struct sim_media *media, struct sim_place place)
{
	const uint8_t *bytes = *holder_of(media, place);

	return bytes == NULL ? zeros : bytes;
}

const uint8_t *sim_media_block(const struct sim_media *media, qr_group group, qr_block block)
{
	struct sim_place place = sim_media_place(media, group, block);

	if (!sim_media_has_segment(media, group, place.segment))
		return NULL;
	return sim_media_at(media, place);
}

bool sim_media_is_zero(const uint8_t *bytes)
{
	return bytes == zeros || memcmp(bytes, zeros, QR_BLOCK_BYTES) == 0;
}

static bool is_same(const struct sim_place *a, const struct sim_place *b)
{
	return a->group == b->group && a->segment == b->segment && a->block == b->block;
}

static struct sim_image *find(const struct sim_images *images, const struct sim_place *place)
{
	for (uint32_t i = 0; i < images->count; i++) {
		if (is_same(&images->images[i].place, place))
			return &images->images[i];
	}
	return NULL;
}

static struct sim_image *remember(struct sim_images *images, struct sim_place place,
				  const uint8_t *before, const uint8_t *after)
{
	if (images->count == images->room) {
		images->room = images->room == 0 ? 16 : 2 * images->room;
		images->images = sim_resize(images->images, images->room * sizeof(*images->images));
	}
	images->images[images->count++] =
		(struct sim_image){.place = place,
				   .before = copy_of(before),
				   .after = after == NULL ? NULL : copy_of(after)};
	return &images->images[images->count - 1];
}

static void forget_at(struct sim_images *images, const struct sim_place *place)
{
	struct sim_image *image = images->count == 0 ? NULL : find(images, place);

	if (image != NULL)
		forget(images, (uint32_t)(image - images->images));
}

static void put(struct sim_media *media, struct sim_place place, const uint8_t *bytes,
		unsigned sectors)
{
	uint8_t **holder = holder_of(media, place);

	if (sectors == ALL_SECTORS && bytes[0] == 0 && memcmp(bytes, zeros, QR_BLOCK_BYTES) == 0) {
		sim_free(*holder);
		*holder = NULL;
		return;
	}
	if (*holder == NULL)
		*holder = sim_take(QR_BLOCK_BYTES);
	if (sectors == ALL_SECTORS) {
		memcpy(*holder, bytes, QR_BLOCK_BYTES);
		return;
	}
	for (unsigned s = 0; s < QR_BLOCK_BYTES / SIM_SECTOR_BYTES; s++) {
		if ((sectors >> s & 1) != 0) {
			memcpy(*holder + (size_t)s * SIM_SECTOR_BYTES,
			       bytes + (size_t)s * SIM_SECTOR_BYTES, SIM_SECTOR_BYTES);
		}
	}
}

/** What was written in part, or came back, may be what was promised. */
static void forget_if_whole(struct sim_media *media, const struct sim_place *place)
{
	struct sim_image *image = media->damage.count == 0 ? NULL : find(&media->damage, place);

	if (image != NULL &&
	    memcmp(sim_media_at(media, *place), image->before, QR_BLOCK_BYTES) == 0)
		forget(&media->damage, (uint32_t)(image - media->damage.images));
}

void sim_media_write(struct sim_media *media, struct sim_place place, const uint8_t *bytes,
		     unsigned sectors, bool stable)
{
	if (!stable && find(&media->cached, &place) == NULL)
		(void)remember(&media->cached, place, sim_media_at(media, place), NULL);
	if (stable)
		forget_at(&media->cached, &place);
	if (sectors == ALL_SECTORS)
		forget_at(&media->damage, &place);
	put(media, place, bytes, sectors);
	forget_if_whole(media, &place);
}

bool sim_media_is_stable(const struct sim_media *media, struct sim_place place)
{
	return find(&media->cached, &place) == NULL;
}

void sim_media_sync(struct sim_media *media, struct sim_place place)
{
	for (uint32_t i = media->cached.count; i > 0; i--) {
		const struct sim_place *cached = &media->cached.images[i - 1].place;

		if (cached->group == place.group && cached->segment == place.segment)
			forget(&media->cached, i - 1);
	}
}

void sim_media_cut_power(struct sim_media *media, struct qr_prng *prng)
{
	for (uint32_t i = 0; i < media->cached.count; i++) {
		const struct sim_image *image = &media->cached.images[i];
		unsigned back = (unsigned)qr_prng_next(prng) & ALL_SECTORS;

		if (qr_prng_below(prng, 2) == 0)
			back = ALL_SECTORS;
		put(media, image->place, image->before, back);
		forget_if_whole(media, &image->place);
	}
	forget_all(&media->cached);
}

void sim_media_damage(struct sim_media *media, struct sim_place place, const uint8_t *bytes)
{
	if (find(&media->damage, &place) != NULL)
		return;
	remember(&media->damage, place, sim_media_at(media, place), bytes)->life = media->life;
	put(media, place, bytes, ALL_SECTORS);
}

void sim_media_lose(struct sim_media *media, struct sim_place place, const uint8_t *bytes)
{
	forget_at(&media->cached, &place);
	forget_at(&media->damage, &place);
	/* Zeros over a cut suffix were lost, too, and its entries come again: they are there. */
	if (memcmp(sim_media_at(media, place), bytes, QR_BLOCK_BYTES) == 0)
		return;
	/* `before` is what was promised, `after` what is there. */
	remember(&media->damage, place, bytes, sim_media_at(media, place))->life = media->life;
}

uint32_t sim_media_damage_count(const struct sim_media *media)
{
	return media->damage.count;
}

/** Nobody wrote there since, unless it was what was promised: a repair may be torn. */
static bool is_between(const struct sim_media *media, const struct sim_image *image)
{
	const uint8_t *bytes = sim_media_at(media, image->place);

	for (size_t at = 0; at < QR_BLOCK_BYTES; at += SIM_SECTOR_BYTES) {
		if (memcmp(bytes + at, image->after + at, SIM_SECTOR_BYTES) != 0 &&
		    memcmp(bytes + at, image->before + at, SIM_SECTOR_BYTES) != 0)
			return false;
	}
	return true;
}

void sim_media_mend_at(struct sim_media *media, uint32_t number)
{
	const struct sim_image *image = &media->damage.images[number];

	if (is_between(media, image))
		put(media, image->place, image->before, ALL_SECTORS);
	forget(&media->damage, number);
}

void sim_media_mend(struct sim_media *media)
{
	while (media->damage.count > 0)
		sim_media_mend_at(media, media->damage.count - 1);
}

const uint8_t *sim_media_promised(const struct sim_media *media, struct sim_place place)
{
	const struct sim_image *image =
		media->damage.count == 0 ? NULL : find(&media->damage, &place);

	return image == NULL ? sim_media_at(media, place) : image->before;
}
