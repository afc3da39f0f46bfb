#include "control/cli/base64.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void the_vectors_of_rfc_4648_hold(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char *text = ctl_base64((struct qr_span){.data = (const uint8_t *)pairs[i][0],
							 .size_bytes = strlen(pairs[i][0])});

		assert_string_equal(text, pairs[i][1]);
		free(text);
	}
}

static void high_bytes_use_the_last_digits(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xef, 0xbe, 0x00};
	char *text = ctl_base64((struct qr_span){.data = bytes, .size_bytes = sizeof(bytes)});

	(void)state;
	assert_string_equal(text, "/+++AA==");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_rfc_4648_hold),
		cmocka_unit_test(high_bytes_use_the_last_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
