#include "control/cli/suggest.h"

#include "tests/unit/unit.h"

#include <string.h>

static const char *const words[] = {"status", "append", "read", "log list", "doctor"};
#define WORDS (sizeof(words) / sizeof(words[0]))

static void edits_are_counted(void **state)
{
	(void)state;
	assert_int_equal(ctl_suggest_distance("", ""), 0);
	assert_int_equal(ctl_suggest_distance("abc", "abc"), 0);
	assert_int_equal(ctl_suggest_distance("abc", "ab"), 1);
	assert_int_equal(ctl_suggest_distance("", "abc"), 3);
	assert_int_equal(ctl_suggest_distance("stauts", "status"), 1);
	assert_int_equal(ctl_suggest_distance("kitten", "sitting"), 3);
}

static void a_typing_error_finds_its_word(void **state)
{
	(void)state;
	assert_string_equal(ctl_suggest("stauts", words, WORDS), "status");
	assert_string_equal(ctl_suggest("apend", words, WORDS), "append");
	assert_string_equal(ctl_suggest("doc", words, WORDS), "doctor");
}

static void a_stranger_finds_nothing(void **state)
{
	char huge[500];

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_null(ctl_suggest("frobnicate", words, WORDS));
	assert_null(ctl_suggest("", words, WORDS));
	assert_null(ctl_suggest(huge, words, WORDS));
	assert_null(ctl_suggest("status", words, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_are_counted),
		cmocka_unit_test(a_typing_error_finds_its_word),
		cmocka_unit_test(a_stranger_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
