#include "tests/soak/claims.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static char path[96];
static struct soak_claims_writer writer;

static int setup(void **state)
{
	const struct soak_claims_header header = {SOAK_ACKED, 42, 3};

	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/soak-claims-XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/acked-42-3", directory);
	return soak_claims_create(&writer, path, &header) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(writer.fd);
	(void)unlink(path);
	return rmdir(directory);
}

static void add(uint64_t token, uint64_t sequence, uint64_t offset, uint64_t count)
{
	const struct soak_claim claim = {token, sequence, offset, count};

	assert_true(soak_claims_add(&writer, &claim));
}

static void what_was_written_is_read(void **state)
{
	struct soak_claims claims = {0};

	(void)state;
	add(1, 0, 100, 5);
	add(2, 7, 105, 1);
	assert_true(soak_claims_flush(&writer));
	assert_int_equal(writer.records, 6);
	assert_true(soak_claims_load(&claims, path));
	assert_int_equal(claims.header.source, SOAK_ACKED);
	assert_int_equal(claims.header.load, 42);
	assert_int_equal(claims.header.partition, 3);
	assert_int_equal(claims.count, 2);
	assert_int_equal(claims.claims[1].token, 2);
	assert_int_equal(claims.claims[1].sequence, 7);
	assert_int_equal(claims.claims[1].offset, 105);
	assert_int_equal(claims.claims[1].count, 1);
	soak_claims_free(&claims);
}

static void what_continues_is_one_claim(void **state)
{
	struct soak_claims claims = {0};

	(void)state;
	add(1, 0, 100, 5);
	add(1, 5, 105, 2);
	add(1, 7, 108, 1); /* continues in sequence only */
	add(1, 9, 109, 1); /* in offset only */
	add(2, 10, 110, 1);
	assert_true(soak_claims_flush(&writer));
	assert_int_equal(writer.records, 10);
	assert_true(soak_claims_load(&claims, path));
	assert_int_equal(claims.count, 4);
	assert_int_equal(claims.claims[0].count, 7);
	soak_claims_free(&claims);
}

static void more_than_the_buffer_holds_is_kept(void **state)
{
	const uint64_t many = 3 * SOAK_CLAIMS_BUFFERED + 1;
	struct soak_claims claims = {0};

	(void)state;
	for (uint64_t i = 0; i < many; i++)
		add(1, i, 2 * i, 1);
	assert_int_equal(writer.records,
			 3 * SOAK_CLAIMS_BUFFERED); /* the rest is not in the file */
	assert_true(soak_claims_flush(&writer));
	assert_int_equal(writer.records, many);
	assert_true(soak_claims_load(&claims, path));
	assert_int_equal(claims.count, many);
	assert_int_equal(claims.claims[many - 1].offset, 2 * (many - 1));
	soak_claims_free(&claims);
}

static void a_torn_end_is_not_read(void **state)
{
	struct soak_claims claims = {0};

	(void)state;
	add(1, 0, 0, 1);
	add(2, 0, 1, 1);
	assert_true(soak_claims_flush(&writer));
	assert_int_equal(truncate(path, 32 + 32 + 31), 0);
	assert_true(soak_claims_load(&claims, path));
	assert_int_equal(claims.count, 1);
	soak_claims_free(&claims);
}

static void a_torn_header_is_told(void **state)
{
	struct soak_claims claims = {0};

	(void)state;
	assert_int_equal(truncate(path, 31), 0);
	assert_false(soak_claims_load(&claims, path));
	assert_int_equal(errno, ENODATA);
}

static void another_file_is_refused(void **state)
{
	struct soak_claims claims = {0};

	(void)state;
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate(path, 64), 0); /* zeros */
	assert_false(soak_claims_load(&claims, path));
	assert_int_equal(errno, EBADMSG);
}

static void an_existing_file_is_never_written_over(void **state)
{
	const struct soak_claims_header header = {SOAK_SEEN, 0, 0};
	struct soak_claims_writer other;

	(void)state;
	assert_false(soak_claims_create(&other, path, &header));
	assert_int_equal(errno, EEXIST);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		STORY(what_was_written_is_read),
		STORY(what_continues_is_one_claim),
		STORY(more_than_the_buffer_holds_is_kept),
		STORY(a_torn_end_is_not_read),
		STORY(a_torn_header_is_told),
		STORY(another_file_is_refused),
		STORY(an_existing_file_is_never_written_over),
	};

	return cmocka_run_group_tests_name("soak/claims", tests, NULL, NULL);
}
