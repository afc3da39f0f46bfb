/* Steering by itself: when a route asks again, and whom. */
#include "dataplane/client/internal.h"
#include "tests/unit/unit.h"

#include <string.h>

#define MS ((qr_ns)1000000)
#define NOW (1000 * MS)
#define RETRY_US 200u

static struct dp_client client;
static struct dp_route route;

static int set_up(void **state)
{
	(void)state;
	memset(&client, 0, sizeof(client));
	client.config = dp_client_config_default();
	qr_prng_init(&client.prng, 1);
	for (qr_node node = 1; node <= 3; node++)
		client.nodes[node].cores = 1;
	dp_route_init(&client, &route, 5, 0xe, 2);
	return 0;
}

/** What the target that is busy asks for, so often in a row. @return how long it is left alone. */
static qr_ns busy(unsigned times)
{
	for (unsigned t = 0; t < times; t++)
		dp_route_later(&client, &route, QR_BUSY, RETRY_US, NOW);
	return route.hold_until - NOW;
}

static void a_busy_node_is_asked_again_when_it_says(void **state)
{
	(void)state;
	assert_int_equal(busy(1), RETRY_US * 1000);
	assert_int_equal(route.target, 2);
	assert_int_equal(route.trouble, QR_BUSY);
	assert_int_equal(route.timer_at, 0);
}

/* A node that can do nothing (no quorum) is otherwise kept busy with saying so, every 200 us. */
static void a_node_that_stays_busy_is_asked_less_and_less_often(void **state)
{
	qr_ns hold_ns = busy(1);

	(void)state;
	for (unsigned doubled = 0; doubled < 7; doubled++) {
		qr_ns next_ns = busy(1);

		assert_int_equal(next_ns, 2 * hold_ns);
		hold_ns = next_ns;
	}
	/* Not for ever: 25.6 ms at most. */
	assert_int_equal(busy(1), hold_ns);
	assert_int_equal(busy(1000), hold_ns);
}

static void what_a_busy_node_asks_for_is_bounded(void **state)
{
	(void)state;
	dp_route_later(&client, &route, QR_BUSY, UINT32_MAX, NOW);
	assert_int_equal(route.hold_until - NOW, 1000 * MS);
	for (unsigned times = 0; times < 100; times++)
		dp_route_later(&client, &route, QR_BUSY, UINT32_MAX, NOW);
	assert_int_equal(route.hold_until - NOW, 1000 * MS);
}

static void progress_forgets_how_busy_it_was(void **state)
{
	(void)state;
	(void)busy(5);
	dp_route_progress(&client, &route);
	assert_int_equal(busy(1), RETRY_US * 1000);
}

static void another_node_is_not_held_to_what_the_first_one_said(void **state)
{
	(void)state;
	(void)busy(5);
	assert_true(dp_route_not_leader(&client, &route, 2, 3, NOW));
	assert_int_equal(route.target, 3);
	assert_int_equal(busy(1), RETRY_US * 1000);
}

/* A leader that was away answers late; whoever is asked next is not waited for as long. */
static void another_node_has_a_round_trip_of_its_own(void **state)
{
	qr_ns first_ns = route.rto;

	(void)state;
	dp_route_sample(&client, &route, 6000 * MS);
	assert_int_equal(route.rto, client.config.retransmit_max_ns);
	assert_true(dp_route_not_leader(&client, &route, 2, 3, NOW));
	assert_int_equal(route.rto, first_ns);
	/* What is better than knowing nothing is kept. */
	for (unsigned times = 0; times < 10; times++)
		dp_route_sample(&client, &route, client.config.retransmit_min_ns);
	dp_route_timeout(&client, &route, NOW);
	dp_route_timeout(&client, &route, NOW);
	assert_int_equal(route.target, 1);
	assert_true(route.rto < first_ns);
}

static void without_a_time_it_backs_off(void **state)
{
	qr_ns backoff_ns = client.config.backoff_min_ns;

	(void)state;
	dp_route_later(&client, &route, QR_NO_SPACE, 0, NOW);
	assert_true(route.hold_until - NOW >= backoff_ns / 2);
	assert_true(route.hold_until - NOW <= backoff_ns);
	assert_int_equal(route.backoff, 2 * backoff_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_busy_node_is_asked_again_when_it_says, set_up),
		cmocka_unit_test_setup(a_node_that_stays_busy_is_asked_less_and_less_often, set_up),
		cmocka_unit_test_setup(what_a_busy_node_asks_for_is_bounded, set_up),
		cmocka_unit_test_setup(progress_forgets_how_busy_it_was, set_up),
		cmocka_unit_test_setup(another_node_is_not_held_to_what_the_first_one_said, set_up),
		cmocka_unit_test_setup(another_node_has_a_round_trip_of_its_own, set_up),
		cmocka_unit_test_setup(without_a_time_it_backs_off, set_up),
	};

	return cmocka_run_group_tests_name("client/route", tests, NULL, NULL);
}
