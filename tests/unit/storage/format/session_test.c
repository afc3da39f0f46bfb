#include "storage/format/entry.h"

#include "tests/unit/unit.h"

#include <string.h>

static const struct store_session_change opened = {
	.op = STORE_SESSION_OPEN, .session = 77 << 8 | 1, .nonce = {5, 6}};
static const struct store_session_change expired = {.op = STORE_SESSION_EXPIRE, .session = 9};

static uint8_t payload[2 * STORE_SESSION_CHANGE_BYTES];

static int set_up(void **state)
{
	(void)state;
	memset(payload, 0xff, sizeof(payload));
	store_session_change_encode(payload, &opened);
	store_session_change_encode(payload + STORE_SESSION_CHANGE_BYTES, &expired);
	return 0;
}

static void changes_follow_each_other(void **state)
{
	struct qr_reader reader = qr_reader_over(payload, sizeof(payload));
	struct store_session_change change;

	(void)state;
	assert_int_equal(store_session_change_next(&reader, &change), QR_OK);
	assert_int_equal(change.op, STORE_SESSION_OPEN);
	assert_true(change.session == opened.session && change.nonce[0] == 5 &&
		    change.nonce[1] == 6);
	assert_int_equal(store_session_change_next(&reader, &change), QR_OK);
	assert_int_equal(change.op, STORE_SESSION_EXPIRE);
	assert_int_equal(store_session_change_next(&reader, &change), QR_AGAIN);
}

static void cuts_and_unknown_ops_are_refused(void **state)
{
	struct store_session_change change;
	struct qr_reader reader;

	(void)state;
	for (size_t size = 1; size < STORE_SESSION_CHANGE_BYTES; size++) {
		reader = qr_reader_over(payload, size);
		assert_int_equal(store_session_change_next(&reader, &change), QR_MALFORMED);
	}
	payload[0] = 3;
	reader = qr_reader_over(payload, sizeof(payload));
	assert_int_equal(store_session_change_next(&reader, &change), QR_MALFORMED);
	payload[0] = 1;
	payload[7] = 1;
	reader = qr_reader_over(payload, sizeof(payload));
	assert_int_equal(store_session_change_next(&reader, &change), QR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(changes_follow_each_other, set_up),
		cmocka_unit_test_setup(cuts_and_unknown_ops_are_refused, set_up),
	};

	return cmocka_run_group_tests_name("storage/format/session", tests, NULL, NULL);
}
