/* The texts of the one list of errors. Owns no state. */
#include "consensus/base/error.h"

struct description {
	const char *name;
	const char *text;
	enum qr_error_class class;
};

static const struct description descriptions[] = {
#define DESCRIBE(error_name, error_class, error_text)                                              \
	[QR_##error_name] = {#error_name, error_text, QR_CLASS_##error_class},
	QR_ERRORS(DESCRIBE)
#undef DESCRIBE
};

_Static_assert(QR_OK == 0, "0 is success everywhere");
_Static_assert(sizeof(descriptions) / sizeof(descriptions[0]) == QR_ERROR_COUNT,
	       "every error has a description");

static bool is_known(enum qr_error error)
{
	return (unsigned)error < QR_ERROR_COUNT;
}

const char *qr_error_name(enum qr_error error)
{
	return is_known(error) ? descriptions[error].name : "UNKNOWN";
}

const char *qr_error_text(enum qr_error error)
{
	return is_known(error) ? descriptions[error].text : "unknown error";
}

enum qr_error_class qr_error_class(enum qr_error error)
{
	return is_known(error) ? descriptions[error].class : QR_CLASS_FATAL;
}
