/* What a person is told when a device is not there or not usable; and the sizes that links take. */
#include "dataplane/port/pool.h"
#include "dataplane/port/vdev.h"
#include "tests/unit/port/eal.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** Opening fails with `error`, and the words hold `cause` and `step`. */
static void fails(const struct dp_vdev_config *config, enum qr_error error, const char *cause,
		  const char *step)
{
	struct dp_vdev *vdev = NULL;
	char problem[512] = "";

	assert_int_equal(dp_vdev_open(config, &vdev, problem, sizeof(problem)), error);
	if (strstr(problem, cause) == NULL || strstr(problem, step) == NULL)
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", problem, cause, step);
	assert_null(vdev);
}

static void names_a_missing_interface(void **state)
{
	struct dp_vdev_config config = {
		.kind = DP_VDEV_AF_PACKET, .cores = 1, .datagram_max = 1472, .device = "qrnone0"};

	(void)state;
	fails(&config, QR_NOT_FOUND, "no interface qrnone0", "ip link");
	config.kind = DP_VDEV_AF_XDP;
	fails(&config, QR_NOT_FOUND, "no interface qrnone0", "ip link");
	config.device = "";
	fails(&config, QR_CONFIG, "no interface", "device =");
	config.device = "an-interface-name-that-is-too-long";
	fails(&config, QR_NOT_FOUND, "no interface", "ip link");
	config.device = "lo,iface=eth0";
	fails(&config, QR_CONFIG, "no interface", "device =");
}

static void names_a_missing_nic(void **state)
{
	struct dp_vdev_config config = {
		.kind = DP_VDEV_PCI, .cores = 1, .datagram_max = 1472, .device = "ffff:ff:1f.7"};

	(void)state;
	fails(&config, QR_NOT_FOUND, "no PCI device ffff:ff:1f.7", "dpdk-devbind.py");
	config.device = "eth0";
	fails(&config, QR_CONFIG, "'eth0' is not a PCI address", "dpdk-devbind.py");
	config.device = NULL;
	fails(&config, QR_CONFIG, "is not a PCI address", "device =");
}

static void refuses_a_run_dir_that_cannot_serve(void **state)
{
	char path[300];
	struct dp_vdev_config config = {.kind = DP_VDEV_MEMIF,
					.cores = 1,
					.datagram_max = 8192,
					.node = 1,
					.peer = 2,
					.run_dir = path};

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[200] = '\0';
	fails(&config, QR_CONFIG, "longer than a socket's name", "run_dir");
	(void)snprintf(path, sizeof(path), "%s/a,b", test_eal_dir());
	fails(&config, QR_CONFIG, "comma", "run_dir");
	(void)snprintf(path, sizeof(path), "%s/missing", test_eal_dir());
	fails(&config, QR_NOT_FOUND, "missing", "run_dir");
}

static void advises_datagrams_that_buffers_hold(void **state)
{
	static const uint32_t asked[] = {100, 1472, 1936, 1937, 3984, 8080, 8192, 16384};
	size_t i;

	(void)state;
	assert_int_equal(dp_vdev_datagram_max(DP_VDEV_MEMIF, NULL), 8192);
	assert_int_equal(dp_vdev_datagram_max(DP_VDEV_PCI, "0000:01:00.0"), 1472);
	/* The loopback's MTU of 64 KiB: what the kinds take at most. */
	assert_int_equal(dp_vdev_datagram_max(DP_VDEV_AF_PACKET, "lo"), 8080);
	assert_int_equal(dp_vdev_datagram_max(DP_VDEV_AF_XDP, "lo"), DP_VDEV_AF_XDP_DATAGRAM_MAX);
	assert_int_equal(dp_vdev_datagram_max(DP_VDEV_AF_PACKET, "qrnone0"), 1472);
	for (i = 0; i < RTE_DIM(asked); i++) {
		assert_true(dp_pool_room_bytes(asked[i]) >= asked[i] + DP_FRAME_OVERHEAD);
		assert_int_equal(dp_pool_room_bytes(asked[i]) % RTE_CACHE_LINE_SIZE, 0);
	}
}

static void frames_of_af_packet_are_powers_of_two(void **state)
{
	const struct dp_vdev_config config = {
		.kind = DP_VDEV_AF_PACKET, .cores = 1, .datagram_max = 5000, .device = "lo"};

	(void)state;
	if (getuid() == 0) /* else the interface may not even be opened */
		fails(&config, QR_UNSUPPORTED, "power of two", "3984");
}

static void the_budget_is_what_a_pool_takes(void **state)
{
	struct rte_mempool *pool = dp_pool_create(512, 8192, SOCKET_ID_ANY);
	struct rte_mempool *second = dp_pool_create(512, 1472, SOCKET_ID_ANY);

	(void)state;
	assert_non_null(pool);
	assert_non_null(second);
	assert_true(dp_pool_size_bytes(512, 8192) >=
		    512 * (size_t)(pool->header_size + pool->elt_size + pool->trailer_size));
	assert_int_equal(rte_pktmbuf_data_room_size(pool),
			 RTE_PKTMBUF_HEADROOM + dp_pool_room_bytes(8192));
	rte_mempool_free(pool);
	rte_mempool_free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_a_missing_interface),
		cmocka_unit_test(names_a_missing_nic),
		cmocka_unit_test(refuses_a_run_dir_that_cannot_serve),
		cmocka_unit_test(advises_datagrams_that_buffers_hold),
		cmocka_unit_test(frames_of_af_packet_are_powers_of_two),
		cmocka_unit_test(the_budget_is_what_a_pool_takes),
	};
	int result;

	if (!test_eal_start())
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return result;
}
