/*
 * The kernel: its version, io_uring, clock and timer, locked memory.
 */
#include "control/cli/doctor.h"
#include "control/cli/units.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KERNEL_MAJOR                                                                               \
	5 /* what io_uring needs: registered buffers, RWF_DSYNC, no bounce of O_DIRECT */
#define KERNEL_MINOR 11
#define MEMLOCK_BYTES (256ull << 20)

static void check_version(struct ctl_report *report, const struct ctl_machine *machine)
{
	char release[CTL_MACHINE_TEXT_BYTES];
	unsigned long major;
	unsigned long minor = 0;
	char *end;

	(void)ctl_machine_read(ctl_machine_path(machine, "/proc/sys/kernel/osrelease"), release);
	major = strtoul(release, &end, 10);
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	if (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)) {
		ctl_report_ok(report, "version", "Linux %s", release);
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_ALL, "version", "Linux %s is older than %d.%d", release,
		       KERNEL_MAJOR, KERNEL_MINOR);
	ctl_report_fix(report, "apt-get install linux-image-amd64 && reboot");
}

static void check_io_uring(struct ctl_report *report, const struct ctl_machine *machine)
{
	struct io_uring_params parameters = {0};
	uint64_t disabled = 0;
	long fd = syscall(SYS_io_uring_setup, 1, &parameters);
	int error = errno;

	if (fd >= 0) {
		(void)close((int)fd);
		ctl_report_ok(report, "io_uring", "permitted");
		return;
	}
	(void)ctl_machine_read_u64(ctl_machine_path(machine, "/proc/sys/kernel/io_uring_disabled"),
				   &disabled);
	ctl_report_bad(report, CTL_PROFILES_ALL, "io_uring", "refused: %s",
		       disabled != 0 ? "kernel.io_uring_disabled is set" : strerrordesc_np(error));
	if (disabled != 0) {
		ctl_report_fix(report, "sysctl -w kernel.io_uring_disabled=0");
	} else if (error == ENOSYS) {
		ctl_report_fix(report, "boot a kernel that has CONFIG_IO_URING=y");
	} else if (error == ENOMEM) {
		ctl_report_fix(report, "ulimit -l unlimited");
	} else {
		ctl_report_fix(report, "in a container: start it with "
				       "--security-opt seccomp=unconfined");
	}
}

static void check_clock(struct ctl_report *report, const struct ctl_machine *machine)
{
	static const char folder[] = "/sys/devices/system/clocksource/clocksource0";
	char current[CTL_MACHINE_TEXT_BYTES];
	char available[CTL_MACHINE_TEXT_BYTES];

	(void)ctl_machine_read(ctl_machine_path(machine, "%s/current_clocksource", folder),
			       current);
	(void)ctl_machine_read(ctl_machine_path(machine, "%s/available_clocksource", folder),
			       available);
	if (strcmp(current, "tsc") == 0) {
		ctl_report_ok(report, "clock source", "tsc");
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_NONE, "clock source",
		       "%s: reading the time costs more than with tsc",
		       current[0] != '\0' ? current : "unknown");
	if (strstr(available, "tsc") != NULL) {
		ctl_report_fix(report, "echo tsc > %s/current_clocksource", folder);
	} else {
		ctl_report_fix(report, "add 'tsc=reliable' to the kernel command line and reboot");
	}
}

static void check_timer(struct ctl_report *report)
{
	struct timespec tick = {0};
	struct timespec fine = {0};
	qr_ns tick_ns;

	(void)clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	(void)clock_getres(CLOCK_MONOTONIC, &fine);
	tick_ns = (qr_ns)tick.tv_sec * 1000000000u + (qr_ns)tick.tv_nsec;
	if (fine.tv_sec == 0 && fine.tv_nsec == 1 && tick_ns != 0) {
		ctl_report_ok(report, "timer", "high resolution; tick %s (%u Hz)",
			      ctl_units_duration(tick_ns).text, (unsigned)(1000000000u / tick_ns));
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_NONE, "timer", "no high-resolution timers");
	ctl_report_fix(report, "remove 'highres=off' from the kernel command line and reboot");
}

static void check_memlock(struct ctl_report *report)
{
	struct rlimit limit = {0};

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY) {
		ctl_report_ok(report, "locked memory", "unlimited");
		return;
	}
	if (limit.rlim_cur >= MEMLOCK_BYTES || geteuid() == 0) {
		ctl_report_ok(report, "locked memory", "%s%s",
			      ctl_units_bytes((double)limit.rlim_cur).text,
			      geteuid() == 0 ? ", which does not bind root" : "");
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_NONE, "locked memory",
		       "%s: too little to register log windows with io_uring",
		       ctl_units_bytes((double)limit.rlim_cur).text);
	ctl_report_fix(report, "ulimit -l unlimited   # as a service: LimitMEMLOCK=infinity");
}

void ctl_doctor_kernel(struct ctl_report *report, const struct ctl_machine *machine)
{
	report->area = "kernel";
	check_version(report, machine);
	check_io_uring(report, machine);
	check_clock(report, machine);
	check_timer(report);
	check_memlock(report);
}
