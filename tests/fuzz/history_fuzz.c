/*
 * Any text as a recorded history: refused with a message, or judged and explained. Both models, and
 * a budget that keeps a search short.
 */
#include "consensus/base/assert.h"
#include "tests/check/report.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define TEXT_MAX 16384u

static void judge(const struct check_history *history, enum check_model model)
{
	const struct check_options options = {.model = model, .budget = 2000};
	struct check_report report = {.file = "fuzz", .history = history};
	struct check_judgement judgement;
	struct check_mistake mistake = {0};
	size_t size_bytes = 0;
	char *text = NULL;
	FILE *out;

	if (!check_judge(history, &options, &judgement, &mistake)) {
		QR_ASSERT(mistake.text[0] != '\0');
		return;
	}
	QR_ASSERT(judgement.bad_key_count <= judgement.key_count);
	out = open_memstream(&text, &size_bytes);
	QR_ASSERT(out != NULL);
	report.judgement = &judgement;
	check_report_text(out, &report);
	check_report_json(out, &report);
	QR_ASSERT(fclose(out) == 0 && size_bytes > 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct check_history history;
	struct check_mistake mistake = {0};

	if (size_bytes > TEXT_MAX)
		return 0;
	if (check_history_read(&history, (const char *)data, size_bytes, &mistake)) {
		judge(&history, CHECK_MODEL_REGISTER);
		judge(&history, CHECK_MODEL_LOG);
	} else {
		QR_ASSERT(mistake.text[0] != '\0');
	}
	check_history_fini(&history);
	return 0;
}
