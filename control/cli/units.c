/*
 * Figures as text and back. Pure.
 */
#include "control/cli/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

/* snprintf into a ctl_text: everything here fits by construction, a cut one is still a string. */
#define PRINT(out, ...) ((void)snprintf((out).text, sizeof((out).text), __VA_ARGS__))

static int decimals(double value)
{
	return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

struct ctl_text ctl_units_bytes(double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct ctl_text out;
	unsigned unit = 0;

	while (bytes >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	PRINT(out, "%.*f %s", unit == 0 ? 0 : decimals(bytes), bytes, units[unit]);
	return out;
}

struct ctl_text ctl_units_duration(qr_ns duration)
{
	static const char *const units[] = {"ns", "µs", "ms", "s"};
	double value = (double)duration;
	struct ctl_text out;
	unsigned unit = 0;

	while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	PRINT(out, "%.*f%s", unit == 0 ? 0 : decimals(value), value, units[unit]);
	return out;
}

struct ctl_text ctl_units_span(qr_ns duration)
{
	unsigned long long seconds = duration / SECOND;
	struct ctl_text out;

	if (seconds < 60) {
		PRINT(out, "%llus", seconds);
	} else if (seconds < 3600) {
		PRINT(out, "%llum%02llus", seconds / 60, seconds % 60);
	} else if (seconds < 86400) {
		PRINT(out, "%lluh%02llum", seconds / 3600, seconds / 60 % 60);
	} else {
		PRINT(out, "%llud%02lluh", seconds / 86400, seconds / 3600 % 24);
	}
	return out;
}

struct ctl_text ctl_units_count(uint64_t count)
{
	char digits[24];
	struct ctl_text out;
	size_t length;
	size_t used = 0;

	(void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	length = strlen(digits);
	for (size_t i = 0; i < length; i++) {
		if (i != 0 && (length - i) % 3 == 0)
			out.text[used++] = ',';
		out.text[used++] = digits[i];
	}
	out.text[used] = '\0';
	return out;
}

struct ctl_text ctl_units_short(double count)
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	struct ctl_text out;
	unsigned unit = 0;

	while (count >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		count /= 1000;
		unit++;
	}
	PRINT(out, "%.*f%s", unit == 0 ? 0 : decimals(count), count, units[unit]);
	return out;
}

struct ctl_text ctl_units_address(uint32_t ipv4, uint16_t port)
{
	struct ctl_text out;

	PRINT(out, "%u.%u.%u.%u:%u", ipv4 >> 24, ipv4 >> 16 & 255, ipv4 >> 8 & 255, ipv4 & 255,
	      (unsigned)port);
	return out;
}

enum qr_error ctl_units_parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	unsigned long long value;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return QR_MALFORMED;
	errno = 0;
	value = strtoull(text, NULL, 10);
	if (errno != 0 || value > max)
		return QR_OUT_OF_RANGE;
	*ret_value = value;
	return QR_OK;
}

enum qr_error ctl_units_parse_seconds(const char *text, qr_ns *ret_duration)
{
	double value;

	/* neither signs, nor exponents, nor "inf" and "nan": what strtod would take besides */
	if (text[0] == '\0' || text[strspn(text, "0123456789.")] != '\0')
		return QR_MALFORMED;
	char *end;
	value = strtod(text, &end);
	if (*end != '\0')
		return QR_MALFORMED;
	if (value < 0.001 || value > 86400)
		return QR_OUT_OF_RANGE;
	*ret_duration = (qr_ns)(value * (double)SECOND);
	return QR_OK;
}
