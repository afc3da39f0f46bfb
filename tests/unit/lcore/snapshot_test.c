/* The sequence lock: a reader gets a value that was written as a whole, or none. */
#include "tests/unit/unit.h"

#include "dataplane/lcore/snapshot.h"

#include <pthread.h>

#define WRITES 200000u

static struct dp_snapshot snapshot;
static uint32_t done;

/** Every field is the same number, so that a torn copy shows. */
static struct wire_status_group value_of(uint64_t number)
{
	struct wire_status_group value;

	memset(&value, 0, sizeof(value));
	value.term = value.last = value.durable = value.commit = number;
	value.elections = number;
	return value;
}

static bool is_whole(const struct wire_status_group *value)
{
	return value->term == value->last && value->last == value->durable &&
	       value->durable == value->commit && value->commit == value->elections;
}

static void what_was_never_written_is_not_read(void **state)
{
	struct dp_snapshot empty = {0};
	struct wire_status_group value;

	(void)state;
	assert_false(dp_snapshot_read(&empty, &value));
}

static void the_last_value_is_read(void **state)
{
	struct dp_snapshot own = {0};
	struct wire_status_group first = value_of(1);
	struct wire_status_group second = value_of(2);
	struct wire_status_group value;

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
		struct wire_status_group value = value_of(i);

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
		struct wire_status_group value;

		if (!dp_snapshot_read(&snapshot, &value))
			continue;
		assert_true(is_whole(&value));
		assert_true(value.term >= last);
		last = value.term;
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
