/*
 * The report of `quorate doctor`: one check a line, with the command that mends what is not well.
 */
#ifndef CTL_CLI_DOCTOR_H
#define CTL_CLI_DOCTOR_H

#include "control/cli/machine.h"

#include "dataplane/config/config.h"

#include <stdio.h>

/** Sets of profiles: bit p stands for enum dp_profile p. */
typedef unsigned ctl_profiles;

#define CTL_PROFILES 3
#define CTL_PROFILES_NONE 0u
#define CTL_PROFILES_LAB (1u << DP_PROFILE_LAB)
#define CTL_PROFILES_BARE_METAL (1u << DP_PROFILE_BARE_METAL)
#define CTL_PROFILES_ALL ((1u << CTL_PROFILES) - 1)

struct ctl_check {
	const char *area;
	char *name;
	bool well;
	ctl_profiles blocks; /* not well: profiles that cannot run so; none: only worse */
	char *value;
	char *fix; /* the exact command, or what to change; NULL when well */
};

struct ctl_report {
	size_t count;
	struct ctl_check *checks;
	enum dp_profile profile; /* the one wished for */
	const char *area;	 /* of the checks that are added now */
};

/** Add a check that is well. */
void ctl_report_ok(struct ctl_report *report, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** Add one that is not; ctl_report_fix must follow. */
void ctl_report_bad(struct ctl_report *report, ctl_profiles blocks, const char *name,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
/** How to mend the check that was added last. */
void ctl_report_fix(struct ctl_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void ctl_report_fini(struct ctl_report *report);

bool ctl_report_is_possible(const struct ctl_report *report, enum dp_profile profile);
const char *ctl_report_profile_name(enum dp_profile profile);
/** "ok", "warn", or "fail" where it stands in the way of the profile wished for. */
const char *ctl_report_verdict(const struct ctl_report *report, const struct ctl_check *check);

void ctl_report_print(const struct ctl_report *report, FILE *stream, unsigned cells);
void ctl_report_print_json(const struct ctl_report *report, FILE *stream);

/* ---- the checks ---- */

void ctl_doctor_kernel(struct ctl_report *report, const struct ctl_machine *machine);
void ctl_doctor_memory(struct ctl_report *report, const struct ctl_machine *machine);
/** @param lcores  CPUs that the configuration pins cores to, such as "2,3"; "" none. */
void ctl_doctor_cpu(struct ctl_report *report, const struct ctl_machine *machine,
		    const char *lcores);
void ctl_doctor_network(struct ctl_report *report, const struct ctl_machine *machine,
			const char *lcores);
/** @param directory  where data is or will be; what does not exist yet is judged by its parent. */
void ctl_doctor_disk(struct ctl_report *report, const struct ctl_machine *machine,
		     const char *directory, const char *lcores);
/**
 * Which CPUs serve the interrupts of a device, as a check of its own.
 * @param device  path of the device in /sys, below the root of the machine.
 */
void ctl_doctor_interrupts(struct ctl_report *report, const struct ctl_machine *machine,
			   const char *name, const char *device, const char *lcores);

#endif
