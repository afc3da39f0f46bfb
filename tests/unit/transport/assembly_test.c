/* Stories of one receiver. An entry is 2500 bytes in block 7 unless said otherwise. */
#include "dataplane/transport/assembly.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define TERM 3
#define ENTRY_BYTES 2500u

static struct dp_assembly *assembly;
static void *memory;

static int set_up(void **state)
{
	struct qr_arena arena;

	(void)state;
	qr_arena_init(&arena, NULL, 0);
	if (dp_assembly_create(&arena) != NULL)
		return -1;
	memory = aligned_alloc(64, (arena.used_bytes + 63) / 64 * 64);
	if (memory == NULL)
		return -1;
	qr_arena_init(&arena, memory, arena.used_bytes);
	assembly = dp_assembly_create(&arena);
	dp_assembly_reset(assembly, TERM, 10);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static struct wire_fragment fragment(qr_index index, uint32_t from, uint32_t until)
{
	return (struct wire_fragment){
		.term = TERM,
		.index = index,
		.entry_term = 2,
		.prev_term = 1,
		.block = 7,
		.entry_bytes = ENTRY_BYTES,
		.offset = from,
		.bulk = {NULL, until - from},
	};
}

static enum qr_error add(qr_index index, uint32_t from, uint32_t until)
{
	struct wire_fragment one = fragment(index, from, until);

	return dp_assembly_add(assembly, &one);
}

static struct wire_ack report(void)
{
	struct wire_ack ack = {.missing_count = 99};

	dp_assembly_report(assembly, &ack);
	return ack;
}

static void assert_missing(struct wire_ack ack, uint32_t i, struct wire_missing expected)
{
	assert_true(i < ack.missing_count);
	assert_int_equal(ack.missing[i].index, expected.index);
	assert_int_equal(ack.missing[i].from, expected.from);
	assert_int_equal(ack.missing[i].until, expected.until);
}

static void before_the_first_reset_nothing_is_taken(void **state)
{
	struct qr_arena arena;
	static _Alignas(64) uint8_t room[1 << 17];
	struct dp_assembly *fresh;
	struct dp_assembled entry;
	struct wire_fragment one = fragment(1, 0, 100);

	(void)state;
	qr_arena_init(&arena, room, sizeof(room));
	fresh = dp_assembly_create(&arena);
	assert_int_equal(dp_assembly_add(fresh, &one), QR_STALE);
	one.term = 0;
	assert_int_equal(dp_assembly_add(fresh, &one), QR_MALFORMED);
	assert_int_equal(dp_assembly_head(fresh, &entry), QR_AGAIN);
	assert_false(dp_assembly_has_hole(fresh));
}

static void fragments_in_order_make_an_entry(void **state)
{
	struct dp_assembled entry;

	(void)state;
	assert_int_equal(add(10, 0, 1000), QR_OK);
	assert_int_equal(add(10, 1000, 2000), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_AGAIN);
	assert_int_equal(report().received_bytes, 2000);
	assert_false(dp_assembly_has_hole(assembly));
	assert_int_equal(report().missing_count, 0); /* the end is on its way, not missing */
	assert_int_equal(add(10, 2000, 2500), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_OK);
	assert_int_equal(entry.index, 10);
	assert_int_equal(entry.entry_term, 2);
	assert_int_equal(entry.prev_term, 1);
	assert_int_equal(entry.block, 7);
	assert_int_equal(entry.entry_bytes, ENTRY_BYTES);
	dp_assembly_pop(assembly);
	assert_int_equal(report().received, 10);
	assert_int_equal(report().received_bytes, 0);
	assert_int_equal(dp_assembly_next(assembly), 11);
	assert_int_equal(dp_assembly_term(assembly), TERM);
	assert_int_equal(add(10, 0, 1000), QR_STALE);
}

static void fragments_in_any_order_make_an_entry(void **state)
{
	struct dp_assembled entry;

	(void)state;
	assert_int_equal(add(10, 2000, 2500), QR_OK);
	assert_int_equal(add(10, 1000, 2000), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_AGAIN);
	assert_int_equal(add(10, 0, 1000), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_OK);
}

static void entries_become_whole_in_any_order_and_leave_in_theirs(void **state)
{
	struct dp_assembled entry;

	(void)state;
	assert_int_equal(add(12, 0, 2500), QR_OK);
	assert_int_equal(add(11, 0, 2500), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_AGAIN);
	assert_int_equal(add(10, 0, 2500), QR_OK);
	for (qr_index index = 10; index <= 12; index++) {
		assert_int_equal(dp_assembly_head(assembly, &entry), QR_OK);
		assert_int_equal(entry.index, index);
		dp_assembly_pop(assembly);
	}
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_AGAIN);
}

static void duplicates_are_stale_and_overlaps_are_not(void **state)
{
	(void)state;
	assert_int_equal(add(10, 0, 1000), QR_OK);
	assert_int_equal(add(10, 0, 1000), QR_STALE);
	assert_int_equal(add(10, 200, 700), QR_STALE);
	assert_int_equal(add(10, 500, 1100), QR_OK);
	assert_int_equal(report().received_bytes, 1100);
	assert_int_equal(add(10, 1500, 2000), QR_OK);
	assert_int_equal(add(10, 1500, 2000), QR_STALE);
	assert_int_equal(add(10, 1600, 1700), QR_STALE);
	assert_int_equal(add(10, 1400, 1700), QR_OK);
	assert_int_equal(add(10, 1700, 2100), QR_OK);
	assert_missing(report(), 0, (struct wire_missing){10, 1100, 1400});
	assert_int_equal(add(10, 1050, 2200), QR_OK);
	assert_int_equal(report().received_bytes, 2200);
	assert_int_equal(report().missing_count, 0);
}

static void islands_merge_as_they_meet(void **state)
{
	(void)state;
	assert_int_equal(add(10, 100, 200), QR_OK);
	assert_int_equal(add(10, 300, 400), QR_OK);
	assert_int_equal(add(10, 500, 600), QR_OK);
	assert_int_equal(report().missing_count, 3);
	assert_int_equal(add(10, 200, 300), QR_OK); /* touches both sides */
	assert_int_equal(report().missing_count, 2);
	assert_int_equal(add(10, 50, 700), QR_OK); /* swallows all */
	assert_int_equal(report().missing_count, 1);
	assert_missing(report(), 0, (struct wire_missing){10, 0, 50});
	assert_int_equal(add(10, 800, 900), QR_OK);
	assert_int_equal(add(10, 0, 60), QR_OK);
	assert_int_equal(report().received_bytes, 700);
	assert_missing(report(), 0, (struct wire_missing){10, 700, 800});
}

static void full_islands_give_up_the_last_but_never_the_prefix(void **state)
{
	struct dp_assembled entry;
	uint32_t from = 10;

	(void)state;
	for (unsigned i = 0; i < DP_ASSEMBLY_ISLANDS; i++, from += 20)
		assert_int_equal(add(10, from, from + 10), QR_OK);
	assert_int_equal(report().missing_count, DP_ASSEMBLY_ISLANDS);
	assert_int_equal(add(10, from, from + 10), QR_BUSY); /* behind them all */
	assert_int_equal(add(10, 10, 21), QR_OK);	     /* one that grows needs no room */
	assert_int_equal(add(10, from, from + 10), QR_BUSY);
	assert_int_equal(add(10, 23, 25), QR_OK); /* nearer than others: the last one goes */
	assert_int_equal(report().missing_count, DP_ASSEMBLY_ISLANDS);
	assert_int_equal(add(10, from - 20, from - 10), QR_BUSY);
	assert_int_equal(add(10, 0, 10), QR_OK);
	assert_int_equal(report().received_bytes, 21);
	assert_int_equal(add(10, from - 20, from - 10), QR_OK);
	assert_int_equal(add(10, 20, 2500), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_OK);
	assert_int_equal(report().missing_count, 0);
}

static void holes_are_those_with_something_behind_them(void **state)
{
	struct wire_ack ack;

	(void)state;
	assert_int_equal(add(10, 0, 1000), QR_OK);
	assert_int_equal(add(13, 500, 900), QR_OK);
	assert_true(dp_assembly_has_hole(assembly));
	ack = report();
	assert_int_equal(ack.received, 9);
	assert_int_equal(ack.received_bytes, 1000);
	assert_int_equal(ack.missing_count, 4);
	assert_missing(ack, 0, (struct wire_missing){10, 1000, 0});
	assert_missing(ack, 1, (struct wire_missing){11, 0, 0});
	assert_missing(ack, 2, (struct wire_missing){12, 0, 0});
	assert_missing(ack, 3, (struct wire_missing){13, 0, 500});
}

static void a_whole_entry_behind_a_hole_is_not_missing(void **state)
{
	(void)state;
	assert_int_equal(add(11, 0, 2500), QR_OK);
	assert_true(dp_assembly_has_hole(assembly));
	assert_int_equal(report().missing_count, 1);
	assert_missing(report(), 0, (struct wire_missing){10, 0, 0});
	assert_int_equal(add(10, 0, 2500), QR_OK);
	assert_false(dp_assembly_has_hole(assembly));
	assert_int_equal(report().missing_count, 0);
}

static void a_report_is_cut_at_its_bound(void **state)
{
	(void)state;
	assert_int_equal(add(10 + 2 * WIRE_MISSING_MAX, 0, 100), QR_OK);
	assert_int_equal(report().missing_count, WIRE_MISSING_MAX);
	assert_missing(report(), WIRE_MISSING_MAX - 1,
		       (struct wire_missing){10 + WIRE_MISSING_MAX - 1, 0, 0});
}

static void an_entry_not_yet_judged_is_not_received(void **state)
{
	struct dp_assembled entry;

	(void)state;
	assert_int_equal(add(10, 0, 2500), QR_OK);
	assert_int_equal(report().received, 9);
	assert_int_equal(report().received_bytes, 2499);
	dp_assembly_spoil(assembly);
	assert_int_equal(report().received_bytes, 0);
	assert_int_equal(report().missing_count, 0);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_AGAIN);
	assert_int_equal(add(10, 0, 2500), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_OK);
}

static void a_spoiled_entry_is_missing_when_others_are_behind(void **state)
{
	(void)state;
	assert_int_equal(add(10, 0, 2500), QR_OK);
	assert_int_equal(add(11, 0, 100), QR_OK);
	dp_assembly_spoil(assembly);
	assert_true(dp_assembly_has_hole(assembly));
	assert_missing(report(), 0, (struct wire_missing){10, 0, 0});
}

static void what_is_too_far_ahead_is_refused(void **state)
{
	struct dp_assembled entry;

	(void)state;
	assert_int_equal(add(10 + DP_ASSEMBLY_ENTRIES, 0, 100), QR_BUSY);
	assert_int_equal(add(UINT64_MAX, 0, 100), QR_BUSY);
	assert_int_equal(add(10 + DP_ASSEMBLY_ENTRIES - 1, 0, 100), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_AGAIN);
}

static void the_ring_turns(void **state)
{
	struct dp_assembled entry;

	(void)state;
	for (qr_index index = 10; index < 10 + 3 * DP_ASSEMBLY_ENTRIES; index++) {
		assert_int_equal(add(index + DP_ASSEMBLY_ENTRIES - 1, 0, 100), QR_OK);
		assert_true(add(index, 100, 2500) == QR_OK);
		assert_true(add(index, 0, 100) ==
			    (index < 10 + DP_ASSEMBLY_ENTRIES - 1 ? QR_OK : QR_STALE));
		assert_int_equal(dp_assembly_head(assembly, &entry), QR_OK);
		assert_int_equal(entry.index, index);
		dp_assembly_pop(assembly);
	}
}

static void another_terms_fragments_are_stale(void **state)
{
	struct wire_fragment one = fragment(10, 0, 100);

	(void)state;
	one.term = TERM - 1;
	assert_int_equal(dp_assembly_add(assembly, &one), QR_STALE);
	one.term = TERM + 1;
	assert_int_equal(dp_assembly_add(assembly, &one), QR_STALE);
}

static void a_reset_forgets_everything(void **state)
{
	struct dp_assembled entry;
	struct wire_fragment one = fragment(10, 0, 2500);

	(void)state;
	assert_int_equal(add(10, 0, 2500), QR_OK);
	assert_int_equal(add(12, 100, 200), QR_OK);
	dp_assembly_reset(assembly, TERM + 1, 10);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_AGAIN);
	assert_int_equal(report().missing_count, 0);
	assert_int_equal(report().received_bytes, 0);
	/* The next leader may have another entry there. */
	one.term = TERM + 1;
	one.block = 90;
	assert_int_equal(dp_assembly_add(assembly, &one), QR_OK);
	assert_int_equal(dp_assembly_head(assembly, &entry), QR_OK);
	assert_int_equal(entry.block, 90);
}

static void impossible_fragments_are_malformed(void **state)
{
	struct wire_fragment good = fragment(10, 100, 200);
	struct wire_fragment bad[11];

	(void)state;
	for (unsigned i = 0; i < 11; i++)
		bad[i] = good;
	bad[0].entry_bytes = DP_ASSEMBLY_ENTRY_BYTES_MIN - 1;
	bad[1].entry_bytes = DP_ASSEMBLY_ENTRY_BYTES_MAX + 1;
	bad[2].entry_bytes = UINT32_MAX;
	bad[3].bulk.size_bytes = 0;
	bad[4].bulk.size_bytes = ENTRY_BYTES - 100 + 1;
	bad[5].offset = ENTRY_BYTES;
	bad[6].offset = UINT32_MAX - 50;
	bad[7].bulk.size_bytes = SIZE_MAX - 50;
	bad[8].entry_term = 0;
	bad[9].entry_term = TERM + 1;
	bad[10].prev_term = good.entry_term + 1;
	for (unsigned i = 0; i < 11; i++)
		assert_int_equal(dp_assembly_add(assembly, &bad[i]), QR_MALFORMED);
	assert_int_equal(report().missing_count, 0);
	good.entry_bytes = DP_ASSEMBLY_ENTRY_BYTES_MAX;
	good.bulk.size_bytes = DP_ASSEMBLY_ENTRY_BYTES_MAX - 100;
	assert_int_equal(dp_assembly_add(assembly, &good), QR_OK);
}

static void contradictions_are_malformed(void **state)
{
	struct wire_fragment bad[4];

	(void)state;
	assert_int_equal(add(10, 0, 100), QR_OK);
	for (unsigned i = 0; i < 4; i++)
		bad[i] = fragment(10, 100, 200);
	bad[0].block++;
	bad[1].entry_bytes++;
	bad[2].entry_term++;
	bad[3].prev_term--;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(dp_assembly_add(assembly, &bad[i]), QR_MALFORMED);
	assert_int_equal(report().received_bytes, 100);
}

#define STORY(story) cmocka_unit_test_setup_teardown(story, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(before_the_first_reset_nothing_is_taken),
		STORY(fragments_in_order_make_an_entry),
		STORY(fragments_in_any_order_make_an_entry),
		STORY(entries_become_whole_in_any_order_and_leave_in_theirs),
		STORY(duplicates_are_stale_and_overlaps_are_not),
		STORY(islands_merge_as_they_meet),
		STORY(full_islands_give_up_the_last_but_never_the_prefix),
		STORY(holes_are_those_with_something_behind_them),
		STORY(a_whole_entry_behind_a_hole_is_not_missing),
		STORY(a_report_is_cut_at_its_bound),
		STORY(an_entry_not_yet_judged_is_not_received),
		STORY(a_spoiled_entry_is_missing_when_others_are_behind),
		STORY(what_is_too_far_ahead_is_refused),
		STORY(the_ring_turns),
		STORY(another_terms_fragments_are_stale),
		STORY(a_reset_forgets_everything),
		STORY(impossible_fragments_are_malformed),
		STORY(contradictions_are_malformed),
	};

	return cmocka_run_group_tests_name("transport/assembly", tests, NULL, NULL);
}
