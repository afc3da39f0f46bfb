/*
 * CPUs: instruction set, isolation, frequency, and which of them serve whose interrupts. A poll
 * loop on a CPU that also serves the disk's interrupt delays the disk by whole ticks unless it
 * yields.
 */
#include "control/cli/cpulist.h"
#include "control/cli/doctor.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LIST_BYTES 128

static struct ctl_cpulist read_cpus(const struct ctl_machine *machine, const char *path)
{
	char text[CTL_MACHINE_TEXT_BYTES];
	struct ctl_cpulist list = {0};

	if (!ctl_machine_read(ctl_machine_path(machine, "%s", path), text) ||
	    ctl_cpulist_parse(text, &list) != QR_OK)
		list = (struct ctl_cpulist){0};
	return list;
}

static struct ctl_cpulist parse_lcores(const char *lcores)
{
	struct ctl_cpulist list = {0};

	/* the configuration has checked it; what does not parse here pins nothing */
	if (ctl_cpulist_parse(lcores, &list) != QR_OK)
		list = (struct ctl_cpulist){0};
	return list;
}

static void check_cpus(struct ctl_report *report, const struct ctl_machine *machine)
{
	struct ctl_cpulist online = read_cpus(machine, "/sys/devices/system/cpu/online");
	char text[CTL_MACHINE_TEXT_BYTES];
	const char *flags;
	unsigned count = ctl_cpulist_count(&online);

	(void)ctl_machine_read(ctl_machine_path(machine, "/proc/cpuinfo"), text);
	flags = strstr(text, "\nflags");
	if (flags == NULL || strstr(flags, " sse4_2") == NULL || strstr(flags, " popcnt") == NULL) {
		ctl_report_bad(report, CTL_PROFILES_ALL, "processor",
			       "no SSE4.2 and POPCNT (x86-64-v2)");
		ctl_report_fix(report,
			       "use a processor since 2009; in a virtual machine choose CPU "
			       "model 'host'");
		return;
	}
	ctl_report_ok(report, "processor", "%u online, x86-64-v2%s%s", count,
		      strstr(flags, " nonstop_tsc") != NULL ? ", invariant tsc" : "",
		      strstr(flags, " waitpkg") != NULL ? ", waitpkg" : "");
}

static void check_isolated(struct ctl_report *report, const struct ctl_machine *machine,
			   const char *lcores)
{
	struct ctl_cpulist isolated = read_cpus(machine, "/sys/devices/system/cpu/isolated");
	struct ctl_cpulist online = read_cpus(machine, "/sys/devices/system/cpu/online");
	struct ctl_cpulist pinned = parse_lcores(lcores);
	struct ctl_cpulist shared = ctl_cpulist_without(&pinned, &isolated);
	unsigned count = ctl_cpulist_count(&online);
	char text[LIST_BYTES];

	if (ctl_cpulist_count(&isolated) == 0) {
		ctl_report_bad(report, CTL_PROFILES_NONE, "isolated",
			       "none: every empty poll yields (idle = adaptive), and the scheduler "
			       "adds to latency");
		if (count < 3) {
			ctl_report_fix(report,
				       "a machine with 3 CPUs or more; with %u there is "
				       "none to spare",
				       count);
		} else {
			ctl_report_fix(report,
				       "add 'isolcpus=managed_irq,domain,%u-%u nohz_full=%u-%u "
				       "rcu_nocbs=%u-%u' to the kernel command line and reboot",
				       count / 2, count - 1, count / 2, count - 1, count / 2,
				       count - 1);
		}
		return;
	}
	ctl_cpulist_format(&isolated, text, sizeof(text));
	if (ctl_cpulist_count(&shared) != 0) {
		char wrong[LIST_BYTES];

		ctl_cpulist_format(&shared, wrong, sizeof(wrong));
		ctl_report_bad(report, CTL_PROFILES_NONE, "isolated",
			       "%s, but the configuration pins cores to %s", text, wrong);
		ctl_report_fix(report, "set '[dataplane] lcore_list' to CPUs of %s", text);
		return;
	}
	ctl_report_ok(report, "isolated", "%s", text);
}

static void check_governor(struct ctl_report *report, const struct ctl_machine *machine)
{
	struct ctl_cpulist online = read_cpus(machine, "/sys/devices/system/cpu/online");
	struct ctl_cpulist slow = {0};
	char governor[CTL_MACHINE_TEXT_BYTES] = "";
	char text[LIST_BYTES];
	bool any = false;

	for (unsigned cpu = 0; cpu < CTL_CPULIST_MAX; cpu++) {
		char one[CTL_MACHINE_TEXT_BYTES];

		if (!ctl_cpulist_has(&online, cpu) ||
		    !ctl_machine_read(
			    ctl_machine_path(
				    machine,
				    "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu),
			    one))
			continue;
		any = true;
		if (strcmp(one, "performance") != 0) {
			ctl_cpulist_add(&slow, cpu);
			memcpy(governor, one, sizeof(governor));
		}
	}
	if (!any) {
		ctl_report_ok(report, "governor",
			      "none: the frequency is not this kernel's to scale");
	} else if (ctl_cpulist_count(&slow) == 0) {
		ctl_report_ok(report, "governor", "performance");
	} else {
		ctl_cpulist_format(&slow, text, sizeof(text));
		ctl_report_bad(report, CTL_PROFILES_NONE, "governor", "%.64s on CPU %s", governor,
			       text);
		ctl_report_fix(report, "cpupower frequency-set -g performance");
	}
}

void ctl_doctor_cpu(struct ctl_report *report, const struct ctl_machine *machine,
		    const char *lcores)
{
	report->area = "processor";
	check_cpus(report, machine);
	check_isolated(report, machine, lcores);
	check_governor(report, machine);
}

/* The nearest directory above a device that lists its interrupts; false: none. */
static bool find_interrupts(const char *device, char ret_path[PATH_MAX])
{
	char at[PATH_MAX];

	if (realpath(device, at) == NULL)
		return false;
	while (strlen(at) > strlen("/sys")) {
		struct ctl_path path;

		(void)snprintf(path.text, sizeof(path.text), "%.480s/msi_irqs", at);
		if (ctl_machine_has(path)) {
			memcpy(ret_path, at, sizeof(at));
			return true;
		}
		*strrchr(at, '/') = '\0';
	}
	return false;
}

void ctl_doctor_interrupts(struct ctl_report *report, const struct ctl_machine *machine,
			   const char *name, const char *device, const char *lcores)
{
	struct ctl_cpulist isolated = read_cpus(machine, "/sys/devices/system/cpu/isolated");
	struct ctl_cpulist online = read_cpus(machine, "/sys/devices/system/cpu/online");
	struct ctl_cpulist polling = parse_lcores(lcores);
	struct ctl_cpulist serving = {0};
	struct ctl_cpulist both;
	struct ctl_names irqs;
	char at[PATH_MAX];
	char serving_text[LIST_BYTES];
	char text[LIST_BYTES];
	struct ctl_path path;

	if (!find_interrupts(ctl_machine_path(machine, "%s", device).text, at))
		return;
	(void)snprintf(path.text, sizeof(path.text), "%.480s/msi_irqs", at);
	ctl_machine_names(path, &irqs);
	for (size_t i = 0; i < irqs.count; i++) {
		char irq[64];

		(void)snprintf(irq, sizeof(irq), "/proc/irq/%.16s/effective_affinity_list",
			       irqs.names[i]);
		struct ctl_cpulist one = read_cpus(machine, irq);

		serving = ctl_cpulist_either(&serving, &one);
	}
	ctl_cpulist_format(&serving, serving_text, sizeof(serving_text));
	polling = ctl_cpulist_either(&polling, &isolated);
	both = ctl_cpulist_both(&serving, &polling);
	if (ctl_cpulist_count(&both) == 0) {
		ctl_report_ok(report, name, "interrupts go to CPU %s", serving_text);
	} else {
		struct ctl_cpulist others = ctl_cpulist_without(&online, &polling);

		ctl_cpulist_format(&both, text, sizeof(text));
		ctl_report_bad(report, CTL_PROFILES_NONE, name,
			       "interrupts go to CPU %s: a core that polls on %s delays them",
			       serving_text, text);
		ctl_cpulist_format(&others, text, sizeof(text));
		ctl_report_fix(report,
			       "for i in %s/msi_irqs/*; do echo %s >/proc/irq/${i##*/}/"
			       "smp_affinity_list; done",
			       at, text[0] != '\0' ? text : "0");
	}
	ctl_machine_names_fini(&irqs);
}
