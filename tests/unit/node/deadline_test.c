/* When an idle loop must look at a core again. */
#include "tests/fuzz/node_rig.h"
#include "tests/unit/unit.h"

static struct snapshot snapshot;
static struct rig *rig;

static int set_up(void **state)
{
	(void)state;
	if (snapshot.size_bytes == 0)
		snapshot_init(&snapshot, rig_size_bytes());
	snapshot.count = 0;
	rig = rig_create(snapshot_prepare(&snapshot));
	rig_drain(rig);
	return 0;
}

static void read_at_the_end(uint32_t wait_ms)
{
	uint8_t datagram[WIRE_DATAGRAM_MIN];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));
	const struct wire_read read = {.request = 1, .max_bytes = 1000, .wait_ms = wait_ms};

	wire_begin(&writer);
	wire_put_read(&writer, 1, &read);
	rig_send(rig, 0, &writer);
	rig_turn(rig, RIG_TX_MAX);
}

static void a_recovered_core_waits_for_its_timers(void **state)
{
	(void)state;
	assert_true(dp_core_next_deadline(rig->core) > rig->now_ns);
}

static void a_held_read_wakes_the_core_when_its_time_is_over(void **state)
{
	(void)state;
	read_at_the_end(1);
	assert_int_equal(dp_core_next_deadline(rig->core), rig->now_ns + 1000000);
}

/* A turn serves reads last: what it refuses is an answer for the next turn. */
static void an_answer_that_waits_keeps_the_core_awake(void **state)
{
	(void)state;
	read_at_the_end(0);
	assert_int_equal(rig->core->reply_count, 1);
	assert_true(dp_core_next_deadline(rig->core) <= rig->now_ns);
	rig_turn(rig, RIG_TX_MAX);
	assert_int_equal(rig->core->reply_count, 0);
	assert_true(dp_core_next_deadline(rig->core) > rig->now_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_recovered_core_waits_for_its_timers, set_up),
		cmocka_unit_test_setup(a_held_read_wakes_the_core_when_its_time_is_over, set_up),
		cmocka_unit_test_setup(an_answer_that_waits_keeps_the_core_awake, set_up),
	};

	return cmocka_run_group_tests_name("node/deadline", tests, NULL, NULL);
}
