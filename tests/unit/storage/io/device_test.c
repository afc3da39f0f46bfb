#include "storage/io/io.h"

#include "tests/unit/unit.h"

#include <string.h>

static void what_is_under_a_path_is_told(void **state)
{
	struct store_device device;

	(void)state;
	store_device_probe("/", &device);
	assert_true(memchr(device.name, '\0', sizeof(device.name)) != NULL);
	print_message("# / is on '%s': volatile cache %d, fua %d, rotational %d, blocks of %u\n",
		      device.name, device.volatile_cache, device.fua, device.rotational,
		      device.logical_block_bytes);
	if (device.name[0] != '\0')
		assert_true(device.logical_block_bytes >= 512);
}

static void what_cannot_be_known_stays_zero(void **state)
{
	static const struct store_device unknown;
	struct store_device device;

	(void)state;
	memset(&device, 0xff, sizeof(device));
	store_device_probe("/no/such/path", &device);
	assert_memory_equal(&device, &unknown, sizeof(device));
	memset(&device, 0xff, sizeof(device));
	store_device_probe("/proc", &device); /* no block device under it */
	assert_memory_equal(&device, &unknown, sizeof(device));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_under_a_path_is_told),
		cmocka_unit_test(what_cannot_be_known_stays_zero),
	};

	return cmocka_run_group_tests_name("storage/io/device", tests, NULL, NULL);
}
