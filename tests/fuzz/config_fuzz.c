/*
 * Any text as a configuration file, and behind a byte 1 lines "section.key=value" as flags give
 * them: parsed, checked, printed; and what is printed is read as the same configuration again.
 */
#include "consensus/base/assert.h"
#include "dataplane/config/config.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 65536
#define PRINTED_MAX 262144

static char text[TEXT_MAX + 1];
static char printed[PRINTED_MAX];
static char printed_again[PRINTED_MAX];
static struct dp_config config;
static struct dp_config again;
static struct dp_config_problem problem;

static enum qr_error set_all(char *flags)
{
	enum qr_error error = QR_OK;
	char *rest;

	while (error == QR_OK && (flags = strtok_r(flags, "\n", &rest)) != NULL) {
		char *value = strchr(flags, '=');

		if (value != NULL) {
			*value = '\0';
			error = dp_config_set(&config, flags, value + 1, &problem);
		}
		flags = NULL;
	}
	return error;
}

static enum qr_error read_text(void)
{
	char *flags = strchr(text, 1);
	enum qr_error error;

	dp_config_defaults(&config);
	if (flags != NULL)
		*flags++ = '\0';
	error = dp_config_parse(&config, text, "fuzz.ini", &problem);
	if (error == QR_OK && flags != NULL)
		error = set_all(flags);
	return error == QR_OK ? dp_config_finish(&config, &problem) : error;
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	enum qr_error error;

	if (size_bytes > TEXT_MAX)
		return 0;
	memcpy(text, data, size_bytes);
	text[size_bytes] = '\0';
	problem.text[0] = '\0';
	error = read_text();
	QR_ASSERT(error == QR_OK || problem.text[0] != '\0');
	if (error != QR_OK || dp_config_print(&config, printed, sizeof(printed)) >= sizeof(printed))
		return 0;
	dp_config_defaults(&again);
	error = dp_config_parse(&again, printed, "again.ini", &problem);
	QR_ASSERT(error == QR_OK);
	error = dp_config_finish(&again, &problem);
	QR_ASSERT(error == QR_OK);
	QR_ASSERT(dp_config_print(&again, printed_again, sizeof(printed_again)) < sizeof(printed));
	QR_ASSERT(strcmp(printed, printed_again) == 0);
	return 0;
}
