#include "consensus/base/arena.h"
#include "consensus/base/assert.h"

#include "tests/unit/unit.h"

#include <string.h>

static _Alignas(64) uint8_t memory[4096];
static jmp_buf escape;

static void take_three(struct qr_arena *arena)
{
	(void)qr_arena_take(arena, 3, 1);
	(void)qr_arena_take(arena, 8, 8);
	(void)qr_arena_take(arena, 100, 64);
}

static void escape_hook(const char *expression, const char *file, int line)
{
	(void)expression;
	(void)file;
	(void)line;
	longjmp(escape, 1);
}

static void measuring_agrees_with_taking(void **state)
{
	struct qr_arena measure;
	struct qr_arena arena;

	(void)state;
	qr_arena_init(&measure, NULL, 0);
	take_three(&measure);
	assert_int_equal(measure.used_bytes, 164);
	qr_arena_init(&arena, memory, measure.used_bytes);
	take_three(&arena);
	assert_int_equal(arena.used_bytes, measure.used_bytes);
}

static void memory_is_zeroed_aligned_and_disjoint(void **state)
{
	struct qr_arena arena;
	uint8_t *a;
	uint8_t *b;

	(void)state;
	memset(memory, 0xaa, sizeof(memory));
	qr_arena_init(&arena, memory, sizeof(memory));
	a = qr_arena_take(&arena, 5, 1);
	b = qr_arena_take(&arena, 64, 64);
	assert_true(b >= a + 5);
	assert_int_equal((uintptr_t)b % 64, 0);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(b[i], 0);
	assert_int_equal(b[64], 0xaa);
}

static void measuring_hands_out_nothing(void **state)
{
	struct qr_arena arena;

	(void)state;
	qr_arena_init(&arena, NULL, 0);
	assert_null(qr_arena_take(&arena, 1 << 20, 4096));
	assert_int_equal(arena.used_bytes, 1 << 20);
}

static void too_much_is_refused(void **state)
{
	struct qr_arena arena;

	(void)state;
	qr_arena_init(&arena, memory, 100);
	(void)qr_arena_take(&arena, 100, 1);
	qr_assert_set_hook(escape_hook);
	if (setjmp(escape) == 0) {
		(void)qr_arena_take(&arena, 1, 1);
		fail();
	}
}

static void a_sealed_arena_gives_no_more(void **state)
{
	struct qr_arena arena;

	(void)state;
	qr_arena_init(&arena, memory, 100);
	qr_arena_seal(&arena);
	qr_assert_set_hook(escape_hook);
	if (setjmp(escape) == 0) {
		(void)qr_arena_take(&arena, 1, 1);
		fail();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measuring_agrees_with_taking),
		cmocka_unit_test(memory_is_zeroed_aligned_and_disjoint),
		cmocka_unit_test(measuring_hands_out_nothing),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_sealed_arena_gives_no_more),
	};

	return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
