/* Any text as a configuration file: parsed, checked, printed, and what is printed parses again. */
#include "consensus/base/assert.h"
#include "dataplane/config/config.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 65536
#define PRINTED_MAX 262144

static char text[TEXT_MAX + 1];
static char printed[PRINTED_MAX];
static struct dp_config config;
static struct dp_config again;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct dp_config_problem problem = {""};
	enum qr_error error;

	if (size_bytes > TEXT_MAX)
		return 0;
	memcpy(text, data, size_bytes);
	text[size_bytes] = '\0';
	dp_config_defaults(&config);
	error = dp_config_parse(&config, text, "fuzz.ini", &problem);
	QR_ASSERT(error == QR_OK || problem.text[0] != '\0');
	if (error == QR_OK)
		error = dp_config_finish(&config, &problem);
	QR_ASSERT(error == QR_OK || problem.text[0] != '\0');
	if (error != QR_OK || dp_config_print(&config, printed, sizeof(printed)) >= sizeof(printed))
		return 0;
	dp_config_defaults(&again);
	error = dp_config_parse(&again, printed, "again.ini", &problem);
	QR_ASSERT(error == QR_OK);
	error = dp_config_finish(&again, &problem);
	QR_ASSERT(error == QR_OK);
	return 0;
}
