#include "consensus/base/error.h"

#include "tests/unit/unit.h"

static void every_error_has_a_name_and_a_text(void **state)
{
	(void)state;

	for (unsigned i = 0; i < QR_ERROR_COUNT; i++) {
		assert_non_null(qr_error_name((enum qr_error)i));
		assert_non_null(qr_error_text((enum qr_error)i));
		assert_true(qr_error_text((enum qr_error)i)[0] != '\0');
	}
	assert_string_equal(qr_error_name(QR_NOT_LEADER), "NOT_LEADER");
	assert_string_equal(qr_error_name(QR_POISONED), "POISONED");
}

static void names_are_distinct(void **state)
{
	(void)state;

	for (unsigned i = 0; i < QR_ERROR_COUNT; i++) {
		for (unsigned j = i + 1; j < QR_ERROR_COUNT; j++) {
			assert_string_not_equal(qr_error_name((enum qr_error)i),
						qr_error_name((enum qr_error)j));
		}
	}
}

static void a_value_outside_the_list_is_unknown(void **state)
{
	(void)state;

	assert_string_equal(qr_error_name(QR_ERROR_COUNT), "UNKNOWN");
	assert_string_equal(qr_error_name((enum qr_error)255), "UNKNOWN");
	assert_int_equal(qr_error_class((enum qr_error)255), QR_CLASS_FATAL);
}

static void classes_say_what_can_be_done(void **state)
{
	(void)state;

	assert_int_equal(qr_error_class(QR_OK), QR_CLASS_NONE);
	assert_int_equal(qr_error_class(QR_BUSY), QR_CLASS_RETRY);
	assert_int_equal(qr_error_class(QR_CHECKSUM), QR_CLASS_PEER);
	assert_int_equal(qr_error_class(QR_TOO_LARGE), QR_CLASS_CONFIG);
	assert_int_equal(qr_error_class(QR_IO), QR_CLASS_FATAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_a_name_and_a_text),
		cmocka_unit_test(names_are_distinct),
		cmocka_unit_test(a_value_outside_the_list_is_unknown),
		cmocka_unit_test(classes_say_what_can_be_done),
	};

	return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
