/*
 * The labelled histories of tests/check/histories: each is named after its anomaly, or after what
 * makes it good. A judgement that differs from the label is a failure that names the file.
 */
#include "tests/check/report.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096
#define TEXT_BYTES 65536

enum label { GOOD, BAD, MALFORMED };

static const char *const folders[] = {"good", "bad", "malformed"};

static size_t read_text(const char *path, char *text)
{
	FILE *in = fopen(path, "rb");
	size_t size_bytes;

	assert_non_null(in);
	size_bytes = fread(text, 1, TEXT_BYTES, in);
	assert_in_range(size_bytes, 0, TEXT_BYTES - 1);
	assert_int_equal(fclose(in), 0);
	return size_bytes;
}

/* Whoever reads it must learn which lines are meant. */
static void check_explanation(const struct check_report *report)
{
	size_t size_bytes = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size_bytes);

	assert_non_null(out);
	check_report_text(out, report);
	check_report_json(out, report);
	assert_int_equal(fclose(out), 0);
	if (strstr(text, "line") == NULL || strstr(text, "<- cannot be placed") == NULL ||
	    strstr(text, "\"unplaceable\": [{\"lines\": [") == NULL)
		fail_msg("%s: the explanation names no line: %s", report->file, text);
	free(text);
}

static enum label judge(const char *path)
{
	static char text[TEXT_BYTES];
	const struct check_options options = {.budget = CHECK_BUDGET};
	struct check_judgement judgement = {0};
	struct check_history history = {0};
	struct check_mistake mistake = {0};
	enum label label = MALFORMED;
	size_t size_bytes = read_text(path, text);

	if (check_history_read(&history, text, size_bytes, &mistake) &&
	    check_judge(&history, &options, &judgement, &mistake)) {
		label = judgement.verdict == CHECK_LINEARIZABLE ? GOOD : BAD;
		if (label == BAD) {
			check_explanation(&(struct check_report){
				.file = path, .history = &history, .judgement = &judgement});
		}
	} else {
		assert_string_not_equal(mistake.text, "");
	}
	check_history_fini(&history);
	return label;
}

static unsigned judge_folder(enum label label)
{
	const char *source = getenv("QUORATE_SOURCE"); /* NOLINT(concurrency-mt-unsafe) */
	char path[PATH_BYTES];
	struct dirent **names = NULL;
	unsigned judged = 0;
	int count;

	(void)snprintf(path, sizeof(path), "%s/tests/check/histories/%s",
		       source != NULL ? source : ".", folders[label]);
	count = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char file[PATH_BYTES * 2];
		enum label judgement;

		(void)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			judgement = judge(file);
			judged++;
			if (judgement != label)
				fail_msg("%s: judged %s", file, folders[judgement]);
		}
		free(names[i]);
	}
	free(names);
	return judged;
}

static void test_good(void **state)
{
	(void)state;
	assert_in_range(judge_folder(GOOD), 30, 1000);
}

static void test_bad(void **state)
{
	(void)state;
	assert_in_range(judge_folder(BAD), 30, 1000);
}

static void test_malformed(void **state)
{
	(void)state;
	assert_in_range(judge_folder(MALFORMED), 12, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests_name("check/histories", tests, NULL, NULL);
}
