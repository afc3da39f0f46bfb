#include "control/cli/lines.h"

#include "consensus/base/prng.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT 1000

/* Feed `size` bytes in steps, and put what comes out one after the other into `ret_out`. */
struct result {
	uint8_t out[1 << 16];
	size_t out_bytes;
	size_t sizes[4096];
	uint64_t count;
	bool cut;
	enum qr_error error;
};

static struct result result;

static enum qr_error drain(struct ctl_lines *lines)
{
	struct qr_span record;
	enum qr_error error;

	while ((error = ctl_lines_next(lines, &record)) == QR_OK) {
		memcpy(result.out + result.out_bytes, record.data, record.size_bytes);
		result.out_bytes += record.size_bytes;
		result.sizes[result.count++] = record.size_bytes;
	}
	return error;
}

static void split(const void *input, size_t size, size_t step, uint8_t delimiter, bool keep)
{
	struct ctl_lines lines;
	size_t at = 0;

	memset(&result, 0, sizeof(result));
	ctl_lines_init(&lines, LIMIT, delimiter, keep);
	result.error = QR_AGAIN;
	while (at < size && result.error == QR_AGAIN) {
		size_t room;
		uint8_t *into = ctl_lines_room(&lines, &room);
		size_t bytes = size - at < step ? size - at : step;

		bytes = bytes < room ? bytes : room;
		memcpy(into, (const uint8_t *)input + at, bytes);
		ctl_lines_fill(&lines, bytes);
		at += bytes;
		result.error = drain(&lines);
	}
	if (result.error == QR_AGAIN) {
		ctl_lines_finish(&lines);
		result.error = drain(&lines);
	}
	assert_true(lines.count == result.count);
	result.cut = lines.cut;
	ctl_lines_fini(&lines);
}

static void lines_come_without_their_newline(void **state)
{
	(void)state;
	split("one\ntwo\n", 8, 1, '\n', false);
	assert_int_equal(result.error, QR_AGAIN);
	assert_true(result.count == 2);
	assert_memory_equal(result.out, "onetwo", 6);
	assert_false(result.cut);
}

static void empty_lines_are_records(void **state)
{
	(void)state;
	split("\n\na\n\n", 5, 100, '\n', false);
	assert_true(result.count == 4);
	assert_int_equal(result.sizes[0], 0);
	assert_int_equal(result.sizes[2], 1);
	assert_int_equal(result.sizes[3], 0);
	assert_false(result.cut);
}

static void nothing_is_no_record(void **state)
{
	(void)state;
	split("", 0, 1, '\n', false);
	assert_true(result.count == 0);
	assert_false(result.cut);
}

static void a_missing_last_newline_is_told(void **state)
{
	(void)state;
	split("one\ntw", 6, 2, '\n', false);
	assert_true(result.count == 2);
	assert_int_equal(result.sizes[1], 2);
	assert_true(result.cut);
}

static void nul_and_return_are_bytes_like_others(void **state)
{
	(void)state;
	split("a\0b\r\n\0\n", 7, 3, '\n', false);
	assert_true(result.count == 2);
	assert_int_equal(result.sizes[0], 4);
	assert_memory_equal(result.out, "a\0b\r\0", 5);
}

static void the_delimiter_can_be_nul(void **state)
{
	(void)state;
	split("a\nb\0c\0", 6, 1, '\0', false);
	assert_true(result.count == 2);
	assert_memory_equal(result.out, "a\nbc", 4);
}

static void a_record_of_the_limit_passes_and_one_byte_more_does_not(void **state)
{
	uint8_t input[LIMIT + 8];

	(void)state;
	memset(input, 'x', sizeof(input));
	input[0] = '\n';
	input[LIMIT + 1] = '\n';
	split(input, LIMIT + 2, 7, '\n', false);
	assert_int_equal(result.error, QR_AGAIN);
	assert_true(result.count == 2);
	assert_int_equal(result.sizes[1], LIMIT);

	input[LIMIT + 1] = 'x';
	input[LIMIT + 2] = '\n';
	split(input, LIMIT + 3, 7, '\n', false);
	assert_int_equal(result.error, QR_TOO_LARGE);
	assert_true(result.count == 1); /* so the bad one is on line 2 */
}

static void a_huge_line_without_an_end_is_refused_in_bounded_memory(void **state)
{
	size_t size = 4 << 20;
	uint8_t *input = calloc(size, 1);

	(void)state;
	assert_non_null(input);
	split(input, size, size, '\n', false);
	assert_int_equal(result.error, QR_TOO_LARGE);
	assert_true(result.count == 0);
	free(input);
}

static void a_refused_record_stays_refused(void **state)
{
	struct ctl_lines lines;
	struct qr_span record;
	size_t room;

	(void)state;
	ctl_lines_init(&lines, 2, '\n', false);
	memcpy(ctl_lines_room(&lines, &room), "abcd\nx\n", 7);
	ctl_lines_fill(&lines, 7);
	assert_int_equal(ctl_lines_next(&lines, &record), QR_TOO_LARGE);
	assert_int_equal(ctl_lines_next(&lines, &record), QR_TOO_LARGE);
	assert_true(lines.count == 0);
	ctl_lines_fini(&lines);
}

static void kept_delimiters_give_back_the_very_input(void **state)
{
	static uint8_t input[20000];
	struct qr_prng prng;

	(void)state;
	qr_prng_init(&prng, 11);
	for (unsigned round = 0; round < 200; round++) {
		size_t size = qr_prng_below(&prng, sizeof(input));

		for (size_t i = 0; i < size; i++) {
			input[i] =
				qr_prng_below(&prng, 20) == 0 ? '\n' : (uint8_t)qr_prng_next(&prng);
		}
		split(input, size, 1 + qr_prng_below(&prng, 5000), '\n', true);
		assert_int_equal(result.error, QR_AGAIN);
		assert_int_equal(result.out_bytes, size);
		assert_memory_equal(result.out, input, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_without_their_newline),
		cmocka_unit_test(empty_lines_are_records),
		cmocka_unit_test(nothing_is_no_record),
		cmocka_unit_test(a_missing_last_newline_is_told),
		cmocka_unit_test(nul_and_return_are_bytes_like_others),
		cmocka_unit_test(the_delimiter_can_be_nul),
		cmocka_unit_test(a_record_of_the_limit_passes_and_one_byte_more_does_not),
		cmocka_unit_test(a_huge_line_without_an_end_is_refused_in_bounded_memory),
		cmocka_unit_test(a_refused_record_stays_refused),
		cmocka_unit_test(kept_delimiters_give_back_the_very_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
