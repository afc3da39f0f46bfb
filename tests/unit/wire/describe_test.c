#include "tests/unit/wire/one.h"
#include "tests/unit/wire/sample.h"

static struct one one;
static struct qr_prng prng;

static void describe_comes_back(void **state)
{
	const struct wire_describe put = {.request = 0x123456789abcdefu, .first = 77};
	struct wire_describe got;

	(void)state;
	wire_put_describe(one_begin(&one), &put);
	assert_int_equal(wire_get_describe(one_end(&one), &got), QR_OK);
	SAME(put, got, request);
	SAME(put, got, first);
}

static void descriptions_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_description put;
		struct wire_description got;

		sample_description(&prng, &put);
		wire_put_description(one_begin(&one), &put);
		assert_int_equal(wire_get_description(one_end(&one), &got), QR_OK);
		SAME(put, got, request);
		SAME(put, got, total);
		SAME(put, got, first);
		SAME(put, got, partition_count);
		SAME(put, got, node_count);
		for (uint32_t j = 0; j < put.partition_count; j++) {
			SAME(put, got, partitions[j].group);
			SAME(put, got, partitions[j].partition);
			SAME(put, got, partitions[j].leader);
			SAME(put, got, partitions[j].replicas);
			SAME(put, got, partitions[j].durability);
			assert_string_equal(put.partitions[j].name, got.partitions[j].name);
		}
		for (uint32_t j = 0; j < put.node_count; j++) {
			SAME(put, got, nodes[j].node);
			SAME(put, got, nodes[j].cores);
			SAME(put, got, nodes[j].port);
			SAME(put, got, nodes[j].ipv4);
		}
	}
}

/** One partition named "log" and one node. */
static struct wire_description small(void)
{
	return (struct wire_description){
		.total = 1,
		.partition_count = 1,
		.partitions = {{.group = 1, .replicas = 0xe, .leader = 2, .name = "log"}},
		.node_count = 1,
		.nodes = {{.node = 1, .cores = 2, .port = 9000, .ipv4 = 0x7f000001}},
	};
}

static void a_name_of_every_length_comes_back(void **state)
{
	(void)state;
	for (size_t length = 1; length <= WIRE_NAME_MAX; length++) {
		struct wire_description put = small();
		struct wire_description got;

		memset(put.partitions[0].name, 'x', length);
		wire_put_description(one_begin(&one), &put);
		assert_int_equal(wire_get_description(one_end(&one), &got), QR_OK);
		assert_int_equal(strlen(got.partitions[0].name), length < 3 ? 3 : length);
	}
}

static void impossible_descriptions_are_malformed(void **state)
{
	/* Body: 20 bytes, a partition of 19 bytes and "log", a node of 8 bytes. */
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{8, 0},	   /* total: fewer than are here */
		{16, 9},   /* too many partitions */
		{16, 2},   /* more than are here */
		{17, 17},  /* too many nodes */
		{17, 2},   /* more than are here */
		{17, 0},   /* fewer: bytes are left */
		{18, 1},   /* reserved */
		{28, 0xf}, /* a replica numbered 0 */
		{36, 64},  /* leader */
		{37, 2},   /* durability */
		{38, 0},   /* an empty name */
		{38, 64},  /* a name too long */
		{40, 0},   /* NUL in the name */
		{40, ' '}, /* what no name has: it will be printed, and typed */
		{40, 0x1b}, {40, 0xe4}, {39, '.'}, {42, 0}, /* node 0 */
		{42, 64},				    /* node 64 */
		{43, 0},				    /* no cores */
		{45, 0xff}, /* port + cores beyond the last port: with 0xff below */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_description put = small();
		struct wire_description got;

		put.nodes[0].port = 0x00ff;
		wire_put_description(one_begin(&one), &put);
		assert_int_equal(wire_get_description(one_end(&one), &got), QR_OK);
		*one_body(&one, cases[i].at) = cases[i].value;
		assert_int_equal(wire_get_description(&one.message, &got), QR_MALFORMED);
	}
}

static void a_node_is_described_once(void **state)
{
	struct wire_description put = small();
	struct wire_description got;

	(void)state;
	put.node_count = 3;
	for (qr_node n = 1; n < 3; n++) {
		put.nodes[n] = put.nodes[0];
		put.nodes[n].node = (qr_node)(put.nodes[0].node + n);
	}
	wire_put_description(one_begin(&one), &put);
	assert_int_equal(wire_get_description(one_end(&one), &got), QR_OK);
	put.nodes[2].node = put.nodes[0].node;
	wire_put_description(one_begin(&one), &put);
	assert_int_equal(wire_get_description(one_end(&one), &got), QR_MALFORMED);
}

static int seed(void **state)
{
	(void)state;
	qr_prng_init(&prng, 2);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(describe_comes_back),
		cmocka_unit_test(descriptions_come_back),
		cmocka_unit_test(a_name_of_every_length_comes_back),
		cmocka_unit_test(impossible_descriptions_are_malformed),
		cmocka_unit_test(a_node_is_described_once),
	};

	return cmocka_run_group_tests_name("wire/describe", tests, seed, NULL);
}
