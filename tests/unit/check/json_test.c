/*
 * JSON texts as values: what is equal, what is refused and where, and what is printed.
 */
#include "tests/check/json.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct check_values *values;

static int begin(void **state)
{
	(void)state;
	values = check_values_create();
	return values == NULL;
}

static int end(void **state)
{
	(void)state;
	check_values_destroy(values);
	return 0;
}

static check_value parse(const char *text)
{
	struct check_json_error error = {0};
	check_value value = check_json_parse(values, text, strlen(text), &error);

	if (value == CHECK_ABSENT)
		fail_msg("%s: %s at %zu", text, error.what, error.at);
	return value;
}

static void refuse(const char *text, size_t at, const char *what)
{
	struct check_json_error error = {0};

	assert_int_equal(check_json_parse(values, text, strlen(text), &error), CHECK_ABSENT);
	assert_non_null(strstr(error.what, what));
	assert_int_equal(error.at, at);
}

static void test_equal(void **state)
{
	(void)state;
	assert_int_equal(parse("1"), parse(" 1.0 "));
	assert_int_equal(parse("100"), parse("1e2"));
	assert_int_equal(parse("0"), parse("-0"));
	assert_int_equal(parse("0.5"), parse("5E-1"));
	assert_int_equal(parse("\"A\\n\""), parse("\"\\u0041\\u000a\""));
	assert_int_equal(parse("\"\\ud83d\\ude00\""), parse("\"\xf0\x9f\x98\x80\""));
	assert_int_equal(parse("\"\\u20ac\""), parse("\"\xe2\x82\xac\""));
	assert_int_equal(parse("{\"a\":1,\"b\":[ ]}"), parse("{ \"b\" : [] , \"a\" : 1.0 }"));
	assert_int_equal(parse("[1,[2,\"x\"]]"), parse("[ 1, [2.0, \"\\u0078\"] ]"));
	assert_int_equal(parse("123456789012345678901234"), parse("123456789012345678901234"));
}

static void test_different(void **state)
{
	const char *const texts[] = {"null",
				     "false",
				     "true",
				     "0",
				     "1",
				     "-1",
				     "0.5",
				     "\"\"",
				     "\"0\"",
				     "[]",
				     "{}",
				     "[0]",
				     "[[0]]",
				     "[0,0]",
				     "[null]",
				     "{\"a\":0}",
				     "{\"a\":[]}",
				     "9223372036854775807",
				     "9223372036854775808",
				     "-9223372036854775809",
				     "{\"0\":\"a\"}",
				     "\"null\""};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(parse(texts[i]), parse(texts[j]));
	}
}

static void test_refused(void **state)
{
	(void)state;
	refuse("", 0, "expected a JSON value");
	refuse("{\"a\":}", 5, "expected a JSON value");
	refuse("[1,]", 3, "expected a JSON value");
	refuse("[1 2]", 3, "comma or ]");
	refuse("{\"a\":1 \"b\":2}", 7, "comma or }");
	refuse("{a:1}", 1, "key in quotes");
	refuse("{\"a\" 1}", 5, "colon");
	refuse("{\"a\":1,\"a\":2}", 13, "each key once");
	refuse("1 2", 2, "nothing after");
	refuse("01", 1, "nothing after");
	refuse("-", 1, "a digit");
	refuse("1.", 2, "a digit");
	refuse("1e+", 3, "a digit");
	refuse("\"abc", 4, "end with a quote");
	refuse("\"\\x\"", 2, "after a backslash");
	refuse("\"\\u12g4\"", 5, "hexadecimal");
	refuse("\"\t\"", 1, "control characters");
	refuse("nul", 0, "expected a JSON value");
	refuse("'a'", 0, "expected a JSON value");
}

static void test_depth(void **state)
{
	char text[4 * CHECK_JSON_DEPTH_MAX];
	struct check_json_error error;

	(void)state;
	memset(text, '[', sizeof(text));
	memset(text + CHECK_JSON_DEPTH_MAX, ']', CHECK_JSON_DEPTH_MAX);
	assert_int_not_equal(
		check_json_parse(values, text, (size_t)2 * CHECK_JSON_DEPTH_MAX, &error),
		CHECK_ABSENT);
	memset(text, '[', sizeof(text));
	assert_int_equal(check_json_parse(values, text, sizeof(text), &error), CHECK_ABSENT);
	assert_int_equal(error.at, CHECK_JSON_DEPTH_MAX);
}

static void expect_print(const char *text, const char *printed, size_t room)
{
	char buffer[64];

	assert_string_equal(check_value_print(values, parse(text), buffer, room), printed);
}

static void test_printed(void **state)
{
	(void)state;
	expect_print("{\"k\": [1, 2.50, null, true, false, \"a\\\"\\\\\\u0001\"]}",
		     "{\"k\": [1, 2.5, null, true, false, \"a\\\"\\\\\\u0001\"]}", 64);
	expect_print("[[],{},\"\"]", "[[], {}, \"\"]", 64);
	expect_print("99999999999999999999", "99999999999999999999", 64);
	expect_print("[1,2,3,4,5,6,7,8,9]", "[1, 2, 3...", 13);
}

static void test_members(void **state)
{
	check_value object = parse("{\"a\":1,\"b\":null}");
	uint64_t count;

	(void)state;
	assert_int_equal(check_value_member(values, object, parse("\"a\"")), parse("1"));
	assert_int_equal(check_value_member(values, object, parse("\"b\"")), parse("null"));
	assert_int_equal(check_value_member(values, object, parse("\"c\"")), CHECK_ABSENT);
	assert_int_equal(check_value_member(values, parse("[]"), parse("\"c\"")), CHECK_ABSENT);
	assert_true(check_value_count(values, parse("7"), &count));
	assert_int_equal(count, 7);
	assert_false(check_value_count(values, parse("-7"), &count));
	assert_false(check_value_count(values, parse("7.5"), &count));
	assert_false(check_value_count(values, parse("\"7\""), &count));
}

/* More values than the tables begin with; each keeps its number. */
static void test_many(void **state)
{
	static check_value numbers[20000];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 20000; i++) {
			check_value pair[2] = {check_values_integer(values, i),
					       check_values_real(values, i + 0.5)};
			check_value list = check_values_items(values, CHECK_VALUE_LIST, pair, 2);

			if (round == 0)
				numbers[i] = list;
			assert_int_equal(list, numbers[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),	cmocka_unit_test(test_different),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_depth),
		cmocka_unit_test(test_printed), cmocka_unit_test(test_members),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("check/json", tests, begin, end);
}
