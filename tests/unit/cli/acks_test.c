/*
 * `append --acks`: which times belong to which acknowledgement, and what is printed.
 */
#include "control/cli/acks.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a function prints on standard output. */
static void capture(void (*print)(struct ctl_acks *), struct ctl_acks *acks, char *text,
		    size_t size_bytes)
{
	FILE *file = tmpfile();
	int before;

	assert_non_null(file);
	assert_int_equal(fflush(stdout), 0);
	before = dup(STDOUT_FILENO);
	assert_true(before >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
	print(acks);
	assert_true(ctl_acks_flush());
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	assert_int_equal(close(before), 0);
	rewind(file);
	memset(text, 0, size_bytes);
	assert_in_range(fread(text, 1, size_bytes - 1, file), 1, size_bytes - 1);
	assert_int_equal(fclose(file), 0);
	ctl_acks_fini(acks);
}

static void print_three(struct ctl_acks *acks)
{
	for (int i = 0; i < 3; i++)
		ctl_acks_sent(acks, 100);
	ctl_acks_sent(acks, 200);
	ctl_acks_sent(acks, 300);
	ctl_acks_done(acks, 2, 7, 1000);
	ctl_acks_done(acks, 2, 20, 1001);
	ctl_acks_done(acks, 1, 22, 1002);
}

static void test_text(void **state)
{
	struct ctl_acks acks = {.json = false};
	char text[256];

	(void)state;
	capture(print_three, &acks, text, sizeof(text));
	assert_string_equal(text, "7\t2\n20\t2\n22\t1\n");
}

/* The time of a chunk is that of its last record. */
static void test_json(void **state)
{
	struct ctl_acks acks = {.json = true};
	char text[512];

	(void)state;
	capture(print_three, &acks, text, sizeof(text));
	assert_string_equal(
		text, "{\"offset\": 7, \"records\": 2, \"sent_ns\": 100, \"acked_ns\": 1000}\n"
		      "{\"offset\": 20, \"records\": 2, \"sent_ns\": 200, \"acked_ns\": 1001}\n"
		      "{\"offset\": 22, \"records\": 1, \"sent_ns\": 300, \"acked_ns\": 1002}\n");
}

/* More bursts than there is room for at first, with some always unanswered. */
static void print_many(struct ctl_acks *acks)
{
	for (uint64_t i = 0; i < 3000; i++)
		ctl_acks_sent(acks, i);
	for (uint64_t i = 0; i < 9000; i++) {
		ctl_acks_sent(acks, 3000 + i);
		ctl_acks_done(acks, 1, i, 0);
	}
}

static void test_many(void **state)
{
	static char text[9000 * 80];
	struct ctl_acks acks = {.json = true};
	const char *at = text;

	(void)state;
	capture(print_many, &acks, text, sizeof(text));
	for (unsigned i = 0; i < 9000; i++) {
		char line[80];

		(void)snprintf(
			line, sizeof(line),
			"{\"offset\": %u, \"records\": 1, \"sent_ns\": %u, \"acked_ns\": 0}\n", i,
			i);
		assert_memory_equal(at, line, strlen(line));
		at += strlen(line);
	}
	assert_int_equal(*at, '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("cli/acks", tests, NULL, NULL);
}
