/*
 * Sets of CPUs in the kernel's notation: "0-3,8".
 */
#ifndef CTL_CLI_CPULIST_H
#define CTL_CLI_CPULIST_H

#include "consensus/base/error.h"

#define CTL_CPULIST_MAX 1024

struct ctl_cpulist {
	uint64_t words[CTL_CPULIST_MAX / 64];
};

/** Parse; "" is the empty set. Errors: QR_MALFORMED, QR_OUT_OF_RANGE. */
QR_MUST_USE enum qr_error ctl_cpulist_parse(const char *text, struct ctl_cpulist *ret_list);
/** The notation; cut with "..." where it does not fit. */
void ctl_cpulist_format(const struct ctl_cpulist *list, char *ret_text, size_t text_bytes);
void ctl_cpulist_add(struct ctl_cpulist *list, unsigned cpu);
bool ctl_cpulist_has(const struct ctl_cpulist *list, unsigned cpu);
unsigned ctl_cpulist_count(const struct ctl_cpulist *list);
struct ctl_cpulist ctl_cpulist_both(const struct ctl_cpulist *a, const struct ctl_cpulist *b);
struct ctl_cpulist ctl_cpulist_either(const struct ctl_cpulist *a, const struct ctl_cpulist *b);
struct ctl_cpulist ctl_cpulist_without(const struct ctl_cpulist *a, const struct ctl_cpulist *b);

#endif
