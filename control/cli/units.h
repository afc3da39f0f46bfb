/*
 * Figures for a person: at most three significant digits and a unit. Exact figures are in the JSON.
 */
#ifndef CTL_CLI_UNITS_H
#define CTL_CLI_UNITS_H

#include "consensus/base/error.h"

/** A figure's text by value, so that several fit one printf. */
struct ctl_text {
	char text[32];
};

/** "512 B", "1.50 KiB", "34.2 MiB". */
struct ctl_text ctl_units_bytes(double bytes);
/** "850ns", "65.2µs", "1.23ms", "12.3s". */
struct ctl_text ctl_units_duration(qr_ns duration);
/** Long times: "42s", "5m07s", "3h12m", "12d04h". */
struct ctl_text ctl_units_span(qr_ns duration);
/** "1,234,567". */
struct ctl_text ctl_units_count(uint64_t count);
/** A count without a space to spare: "950", "12.3k", "4.56M". */
struct ctl_text ctl_units_short(double count);
/** "10.0.0.1:7000", from an address in host order. */
struct ctl_text ctl_units_address(uint32_t ipv4, uint16_t port);

/** Decimal digits and nothing else. Errors: QR_MALFORMED; QR_OUT_OF_RANGE above `max`. */
QR_MUST_USE enum qr_error ctl_units_parse_u64(const char *text, uint64_t max, uint64_t *ret_value);
/** Seconds, with a fraction: above 0, at most a day. Errors: QR_MALFORMED, QR_OUT_OF_RANGE. */
QR_MUST_USE enum qr_error ctl_units_parse_seconds(const char *text, qr_ns *ret_duration);

#endif
