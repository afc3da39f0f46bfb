/*
 * The plan.
 *
 * A place gets images by how much is pending there: sectors that matter, on all nodes. One node is
 * in the focus of each image, in turn, and its cuts go through what is possible in order: nothing,
 * everything, then all subsets of the sectors when those are few, or else every prefix and all
 * subsets of whole writes when these are few enough; and then at random. What happens to the others
 * meanwhile is drawn.
 *
 * Where nothing is pending there is one image, and none when the plan is thin.
 */
#include "tests/crash/plan.h"

#include "consensus/base/assert.h"

#include <stdlib.h>

#define WEIGHT_MAX 64 /* of one node: more sectors are not more interesting */
#define SUBSET_BITS_MAX 12
#define SHARE_SYSTEMATIC 8 /* with fewer images of a place all are drawn */
#define FOLDER_EVERY 256
#define FOLDER_EVERY_NAMED 2

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t mixed = (a ^ b * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;

	return mixed ^ mixed >> 29;
}

/* ---- shares ---- */

static uint32_t weigh(const struct tape_event *event, const struct media *media)
{
	uint32_t weight = 0;

	if (event->kind == TAPE_APPENDED || event->kind == TAPE_ROUND)
		return 0;
	if (event->kind == TAPE_SAID || event->kind == TAPE_ANSWERED || event->kind == TAPE_START)
		return 1; /* the same disks, with one more promise */
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		uint32_t sectors = media_size(&media[node], &media[node].pending).sectors;

		weight += sectors < WEIGHT_MAX ? sectors : WEIGHT_MAX;
	}
	return weight == 0 ? 1 : weight;
}

void plan_add(struct plan *plan, const struct tape_event *event, const struct media *media)
{
	if ((plan->count & (plan->count + 1)) == 0) {
		plan->weights =
			realloc(plan->weights, 2 * (plan->count + 1) * sizeof(*plan->weights));
		QR_ASSERT(plan->weights != NULL);
	}
	plan->weights[plan->count] = weigh(event, media);
	plan->weight += plan->weights[plan->count++];
}

void plan_fini(struct plan *plan)
{
	free(plan->weights);
	plan->weights = NULL;
}

uint64_t plan_share(const struct plan *plan, uint64_t position, uint64_t before)
{
	uint64_t weight = plan->weights[position];
	unsigned __int128 low = (unsigned __int128)plan->images * before / plan->weight;
	unsigned __int128 high = (unsigned __int128)plan->images * (before + weight) / plan->weight;
	uint64_t share = (uint64_t)(high - low);

	return weight == 1 && share > 1 ? 1 : share;
}

/* ---- one image ---- */

static void draw_cut(struct judge_fate *fate, struct qr_prng *prng, struct media_size size)
{
	switch (qr_prng_below(prng, 8)) {
	case 0:
		fate->mode = MEDIA_PICK_NONE;
		break;
	case 1:
		fate->mode = MEDIA_PICK_ALL;
		break;
	case 2:
	case 3:
		fate->mode = MEDIA_PICK_PREFIX;
		fate->bits = qr_prng_below(prng, size.sectors + 1);
		break;
	default:
		fate->mode = MEDIA_PICK_RANDOM;
		break;
	}
}

static enum judge_course draw_course(struct qr_prng *prng)
{
	uint64_t dice = qr_prng_below(prng, 100);

	if (dice < 64)
		return JUDGE_CUT;
	if (dice < 78)
		return JUDGE_CUT_AGAIN;
	return dice < 90 ? JUDGE_KILL_CUT : JUDGE_KILL_CUT_IN;
}

/** Number `number` of what can be gone through. @return false: the rest is drawn. */
static bool choose_cut(struct judge_fate *fate, uint64_t number, uint64_t share,
		       struct media_size size)
{
	uint64_t subsets = size.sectors <= SUBSET_BITS_MAX ? (uint64_t)1 << size.sectors : 0;
	uint64_t writes = size.effects <= SUBSET_BITS_MAX ? (uint64_t)1 << size.effects : 0;

	if (number < 2) {
		fate->mode = number == 0 ? MEDIA_PICK_NONE : MEDIA_PICK_ALL;
		return true;
	}
	fate->bits = number - 2;
	if (subsets != 0 && subsets <= share) {
		fate->mode = MEDIA_PICK_SECTORS;
		return fate->bits < subsets;
	}
	if (size.sectors <= share / 2) {
		fate->mode = MEDIA_PICK_PREFIX;
		if (fate->bits < size.sectors)
			return true;
		fate->bits -= size.sectors;
	}
	fate->mode = MEDIA_PICK_EFFECTS;
	return writes != 0 && writes <= share / 2 && fate->bits < writes;
}

void plan_fates(const struct plan *plan, const struct plan_image *image, const struct media *media,
		struct judge_fate *ret_fates, qr_node *ret_folder)
{
	struct media_size sizes[TAPE_NODES + 1];
	qr_node pending[TAPE_NODES];
	struct qr_prng prng;
	unsigned count = 0;
	qr_node focus = 0;
	uint64_t each;

	qr_prng_init(&prng, mix(mix(plan->seed, image->position), image->number));
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		sizes[node] = media_size(&media[node], &media[node].pending);
		if (sizes[node].effects > 0)
			pending[count++] = node;
	}
	if (count > 0)
		focus = pending[image->number % count];
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		struct judge_fate *fate = &ret_fates[node];

		*fate = (struct judge_fate){.seed = qr_prng_next(&prng)};
		draw_cut(fate, &prng, sizes[node]);
		if (count > 0 || qr_prng_below(&prng, 32) == 0)
			fate->course = draw_course(&prng);
	}
	each = count == 0 ? 0 : image->share / count;
	if (focus != 0 && each >= SHARE_SYSTEMATIC &&
	    choose_cut(&ret_fates[focus], image->number / count, each, sizes[focus]))
		ret_fates[focus].course = JUDGE_CUT;
	*ret_folder = focus != 0 ? focus : 1 + (qr_node)qr_prng_below(&prng, TAPE_NODES);
	if (qr_prng_below(&prng, sizes[*ret_folder].names ? FOLDER_EVERY_NAMED : FOLDER_EVERY) != 0)
		*ret_folder = 0;
}
