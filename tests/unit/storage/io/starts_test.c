#include "tests/unit/storage/io/files.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WALL_S 1800000000u
#define EPOCH_2020_S 1577836800u
#define COPY_AT 512
#define SINCE_2020 (WALL_S - EPOCH_2020_S)

static char path[PATH_MAX];
static struct store_directory directory;
static struct store_problem problem;

static int set_up(void **state)
{
	(void)state;
	files_make(path);
	return store_directory_open(path, 77, 1, false, &directory, &problem) == QR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	store_directory_close(&directory);
	files_remove(path);
	return 0;
}

static uint32_t begin(uint64_t wall_s)
{
	uint32_t incarnation = 0;

	assert_int_equal(store_directory_begin(&directory, wall_s, &incarnation, &problem), QR_OK);
	return incarnation;
}

static void it_grows_from_start_to_start(void **state)
{
	(void)state;
	assert_int_equal(begin(WALL_S), SINCE_2020);
	assert_int_equal(begin(WALL_S), SINCE_2020 + 1);
	assert_int_equal(begin(WALL_S + 100), SINCE_2020 + 100);
}

static void a_clock_that_went_back_does_not_take_it_along(void **state)
{
	(void)state;
	assert_int_equal(begin(WALL_S), SINCE_2020);
	assert_int_equal(begin(WALL_S - 3600), SINCE_2020 + 1);
	assert_int_equal(begin(0), SINCE_2020 + 2);
}

static void a_wiped_directory_is_not_the_past(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 5; n++)
		(void)begin(WALL_S);
	assert_int_equal(unlinkat(directory.fd, "starts", 0), 0);
	assert_int_equal(begin(WALL_S + 60), SINCE_2020 + 60);
}

static void damage(off_t at)
{
	int fd = openat(directory.fd, "starts", O_RDWR | O_CLOEXEC);
	uint8_t byte = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	assert_int_equal(close(fd), 0);
}

static void damage_to_one_copy_loses_nothing(void **state)
{
	(void)state;
	for (off_t at = 0; at < 16; at++) {
		for (off_t copy = 0; copy <= COPY_AT; copy += COPY_AT) {
			(void)begin(WALL_S);
			(void)begin(WALL_S);
			damage(copy + at);
			assert_int_equal(begin(WALL_S), SINCE_2020 + 2);
			assert_int_equal(begin(WALL_S), SINCE_2020 + 3);
			assert_int_equal(unlinkat(directory.fd, "starts", 0), 0);
		}
	}
}

static void two_damaged_copies_are_replaced(void **state)
{
	(void)state;
	for (off_t at = 0; at < 16; at++) {
		(void)begin(WALL_S);
		damage(at);
		damage(COPY_AT + 15 - at);
		assert_int_equal(begin(WALL_S), SINCE_2020);
		assert_int_equal(begin(WALL_S), SINCE_2020 + 1);
		assert_int_equal(unlinkat(directory.fd, "starts", 0), 0);
	}
}

/* As builds before the second copy left it. */
static void one_copy_is_enough(void **state)
{
	int fd;

	(void)state;
	(void)begin(WALL_S);
	(void)begin(WALL_S);
	fd = openat(directory.fd, "starts", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 16), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(begin(0), SINCE_2020 + 2);
}

static void a_torn_file_and_a_clock_before_2020_still_give_one(void **state)
{
	int fd = openat(directory.fd, "starts", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "NRS1", 4, 0), 4);
	assert_int_equal(close(fd), 0);
	assert_int_equal(begin(0), 1);
	assert_int_equal(begin(0), 2);
}

/* In 2156, or by a clock that is broken. Believed, it would use up all numbers at once. */
static void a_clock_beyond_the_last_number_is_not_believed(void **state)
{
	(void)state;
	assert_int_equal(begin(WALL_S), SINCE_2020);
	assert_int_equal(begin((uint64_t)EPOCH_2020_S + UINT32_MAX + 1), SINCE_2020 + 1);
	assert_int_equal(begin(UINT64_MAX), SINCE_2020 + 2);
}

/* A number that comes twice mutes the node: its counters begin again, and peers have seen them. */
static void the_last_number_is_not_given_twice(void **state)
{
	uint32_t incarnation = 7;

	(void)state;
	assert_int_equal(begin((uint64_t)EPOCH_2020_S + UINT32_MAX), UINT32_MAX);
	for (unsigned n = 0; n < 2; n++) {
		problem.text[0] = '\0';
		assert_int_equal(store_directory_begin(&directory, WALL_S, &incarnation, &problem),
				 QR_TOO_LARGE);
		assert_int_equal(incarnation, 7);
		assert_non_null(strstr(problem.text, "stop all nodes"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_grows_from_start_to_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_clock_that_went_back_does_not_take_it_along,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wiped_directory_is_not_the_past, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(damage_to_one_copy_loses_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(two_damaged_copies_are_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_copy_is_enough, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_file_and_a_clock_before_2020_still_give_one,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_clock_beyond_the_last_number_is_not_believed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_number_is_not_given_twice, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("storage/io/starts", tests, NULL, NULL);
}
