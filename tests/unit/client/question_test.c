#include "tests/unit/client/fake.h"
#include "tests/unit/unit.h"

#define SECOND ((qr_ns)1000000000)

static struct fake *fake;
static unsigned answers;
static struct dp_answer answered;

static void on_answer(void *context, const struct dp_answer *answer)
{
	assert_ptr_equal(context, &answers);
	answers++;
	answered = *answer;
}

static struct dp_question question(void)
{
	return (struct dp_question){
		.group = FAKE_GROUP,
		.replicas = 0xe,
		.timeout_ns = SECOND,
		.on_answer = on_answer,
		.context = &answers,
	};
}

static int start(void **state)
{
	(void)state;
	fake = fake_create(1, 1452);
	answers = 0;
	return 0;
}

static int finish(void **state)
{
	(void)state;
	fake_destroy(fake);
	return 0;
}

static void a_description_teaches_the_nodes(void **state)
{
	struct dp_question ask = question();

	(void)state;
	assert_int_equal(dp_client_ask_describe(fake->client, &ask), QR_OK);
	fake_run(fake, SECOND / 100);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.error, QR_OK);
	assert_int_equal(answered.type, WIRE_DESCRIPTION);
	assert_string_equal(answered.description.partitions[0].name, "log");
	assert_int_equal(dp_client_node(fake->client, 2)->port, 7010);
}

static void a_description_is_asked_of_the_next_when_one_is_silent(void **state)
{
	struct dp_question ask = question();

	(void)state;
	fake->node_down[1] = true;
	assert_int_equal(dp_client_ask_describe(fake->client, &ask), QR_OK);
	fake_run(fake, SECOND / 2);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.error, QR_OK);
}

static void the_tail_is_asked_of_the_leader(void **state)
{
	struct dp_question ask = question();

	(void)state;
	fake_put(fake, "x", 1);
	fake->leader = 3;
	fake->hint = 3;
	assert_int_equal(dp_client_ask_tail(fake->client, &ask), QR_OK);
	fake_run(fake, SECOND / 100);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.error, QR_OK);
	assert_int_equal(answered.from, 3);
	assert_true(answered.tail.end == 1);
}

static void without_a_leader_the_tail_has_no_quorum(void **state)
{
	struct dp_question ask = question();

	(void)state;
	fake->leader = 0;
	fake->hint = 0;
	assert_int_equal(dp_client_ask_tail(fake->client, &ask), QR_OK);
	fake_run(fake, 2 * SECOND);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.error, QR_NO_QUORUM);
}

static void the_status_is_asked_of_one_core(void **state)
{
	struct dp_question ask = question();

	(void)state;
	ask.node = 2;
	ask.core = 1;
	assert_int_equal(dp_client_ask_status(fake->client, &ask), QR_OK);
	fake_run(fake, SECOND / 100);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.error, QR_OK);
	assert_int_equal(answered.status.node, 2);
	assert_int_equal(fake->received[2], 1);
}

static void silence_has_an_end(void **state)
{
	struct dp_question ask = question();

	(void)state;
	fake->loss_percent = 100;
	ask.node = 2;
	assert_int_equal(dp_client_ask_status(fake->client, &ask), QR_OK);
	assert_int_equal(dp_client_ask_tail(fake->client, &ask), QR_OK);
	ask.node = 0;
	assert_int_equal(dp_client_ask_describe(fake->client, &ask), QR_OK);
	fake_run(fake, 2 * SECOND);
	assert_int_equal(answers, 3);
	assert_int_equal(answered.error, QR_TIMED_OUT);
}

static void so_many_questions_and_no_more(void **state)
{
	struct dp_question ask = question();

	(void)state;
	for (unsigned i = 0; i < DP_CLIENT_REQUESTS_MAX; i++)
		assert_int_equal(dp_client_ask_tail(fake->client, &ask), QR_OK);
	assert_int_equal(dp_client_ask_tail(fake->client, &ask), QR_AGAIN);
	fake_run(fake, SECOND / 10);
	assert_int_equal(answers, DP_CLIENT_REQUESTS_MAX);
	assert_int_equal(dp_client_ask_tail(fake->client, &ask), QR_OK);
}

static void an_idle_client_sleeps(void **state)
{
	(void)state;
	assert_true(dp_client_next_deadline(fake->client) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_description_teaches_the_nodes, start, finish),
		cmocka_unit_test_setup_teardown(
			a_description_is_asked_of_the_next_when_one_is_silent, start, finish),
		cmocka_unit_test_setup_teardown(the_tail_is_asked_of_the_leader, start, finish),
		cmocka_unit_test_setup_teardown(without_a_leader_the_tail_has_no_quorum, start,
						finish),
		cmocka_unit_test_setup_teardown(the_status_is_asked_of_one_core, start, finish),
		cmocka_unit_test_setup_teardown(silence_has_an_end, start, finish),
		cmocka_unit_test_setup_teardown(so_many_questions_and_no_more, start, finish),
		cmocka_unit_test_setup_teardown(an_idle_client_sleeps, start, finish),
	};

	return cmocka_run_group_tests_name("client/question", tests, NULL, NULL);
}
