/*
 * Which part of an effect survives a power cut. The systematic modes count only units that matter,
 * so that small sets in flight are gone through completely; the others are drawn.
 *
 * Drawn tears are of the kinds that devices and file systems produce: nothing, everything, a
 * prefix, a suffix, one sector alone, all but one, and each sector by itself.
 */
#include "tests/crash/media_internal.h"

enum style { STYLE_RANGE, STYLE_ALL_BUT, STYLE_EACH, STYLE_PREFIX, STYLE_BIT };

struct media_pick media_pick_of(enum media_mode mode, uint64_t bits, uint64_t seed)
{
	struct media_pick pick = {.mode = mode, .bits = bits};

	qr_prng_init(&pick.prng, seed);
	return pick;
}

static void choose_range(struct media_pick *pick, uint32_t from, uint32_t until)
{
	pick->style = STYLE_RANGE;
	pick->from = from;
	pick->until = until;
}

static void draw(struct media_pick *pick, uint32_t units)
{
	uint32_t some = (uint32_t)qr_prng_below(&pick->prng, units);

	switch (qr_prng_below(&pick->prng, 8)) {
	case 0:
		choose_range(pick, 0, 0);
		break;
	case 1:
		choose_range(pick, 0, units);
		break;
	case 2:
		choose_range(pick, 0, some + 1);
		break;
	case 3:
		choose_range(pick, some, units);
		break;
	case 4:
		choose_range(pick, some, some + 1);
		break;
	case 5:
		pick->style = STYLE_ALL_BUT;
		pick->from = some;
		break;
	default:
		pick->style = STYLE_EACH;
		pick->from = 1 + (uint32_t)qr_prng_below(&pick->prng, 7); /* eighths that survive */
		break;
	}
}

static bool take_bit(struct media_pick *pick)
{
	bool bit = (pick->bits & 1) != 0;

	pick->bits >>= 1;
	return bit;
}

void media_pick_begin(struct media_pick *pick, uint32_t units, bool matters)
{
	switch (pick->mode) {
	case MEDIA_PICK_NONE:
		choose_range(pick, 0, 0);
		return;
	case MEDIA_PICK_ALL:
		choose_range(pick, 0, units);
		return;
	case MEDIA_PICK_PREFIX:
		pick->style = STYLE_PREFIX;
		break;
	case MEDIA_PICK_EFFECTS:
		if (matters)
			choose_range(pick, 0, take_bit(pick) ? units : 0);
		break;
	case MEDIA_PICK_SECTORS:
		pick->style = STYLE_BIT;
		break;
	case MEDIA_PICK_RANDOM:
	default:
		draw(pick, units);
		return;
	}
	if (!matters)
		draw(pick, units);
}

bool media_pick_unit(struct media_pick *pick, uint32_t unit)
{
	switch ((enum style)pick->style) {
	case STYLE_RANGE:
		return unit >= pick->from && unit < pick->until;
	case STYLE_ALL_BUT:
		return unit != pick->from;
	case STYLE_EACH:
		return qr_prng_below(&pick->prng, 8) < pick->from;
	case STYLE_PREFIX:
		if (pick->bits == 0)
			return false;
		pick->bits--;
		return true;
	case STYLE_BIT:
	default:
		return take_bit(pick);
	}
}
