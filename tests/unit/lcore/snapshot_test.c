/* The sequence lock: a reader gets a value that was written as a whole, or none. */
#include "tests/unit/unit.h"

#include "dataplane/lcore/snapshot.h"

#include <pthread.h>

#define WRITES 200000u

static struct dp_snapshot snapshot;
static uint32_t done;

/** Every field is the same number, so that a torn copy shows. */
static struct dp_group_view value_of(uint64_t number)
{
	struct dp_group_view value;

	memset(&value, 0, sizeof(value));
	value.status.term = value.status.last = value.status.durable = number;
	value.status.elections = number;
	value.scrub.pass = value.scrub.lost = number;
	return value;
}

static bool is_whole(const struct dp_group_view *value)
{
	return value->status.term == value->status.last &&
	       value->status.last == value->status.durable &&
	       value->status.durable == value->status.elections &&
	       value->status.elections == value->scrub.pass &&
	       value->scrub.pass == value->scrub.lost;
}

static void what_was_never_written_is_not_read(void **state)
{
	struct dp_snapshot empty = {0};
	struct dp_group_view value;

	(void)state;
	assert_false(dp_snapshot_read(&empty, &value));
}

static void the_last_value_is_read(void **state)
{
	struct dp_snapshot own = {0};
	struct dp_group_view first = value_of(1);
	struct dp_group_view second = value_of(2);
	struct dp_group_view value;

	(void)state;
	dp_snapshot_write(&own, &first);
	dp_snapshot_write(&own, &second);
	assert_true(dp_snapshot_read(&own, &value));
	assert_memory_equal(&value, &second, sizeof(value));
}

static void *write_many(void *context)
{
	(void)context;
	for (uint64_t i = 1; i <= WRITES; i++) {
		struct dp_group_view value = value_of(i);

		dp_snapshot_write(&snapshot, &value);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void a_reader_beside_a_writer_sees_whole_values_that_grow(void **state)
{
	pthread_t writer;
	uint64_t last = 0;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_many, NULL), 0);
	while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) == 0) {
		struct dp_group_view value;

		if (!dp_snapshot_read(&snapshot, &value))
			continue;
		assert_true(is_whole(&value));
		assert_true(value.status.term >= last);
		last = value.status.term;
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_never_written_is_not_read),
		cmocka_unit_test(the_last_value_is_read),
		cmocka_unit_test(a_reader_beside_a_writer_sees_whole_values_that_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
