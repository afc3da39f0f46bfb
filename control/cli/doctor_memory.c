/*
 * Memory: hugepages, what is available, NUMA nodes.
 */
#include "control/cli/cpulist.h"
#include "control/cli/doctor.h"
#include "control/cli/units.h"

#include <stdlib.h>
#include <string.h>

#define AVAILABLE_KIB (512ull << 10)

static void check_hugepages(struct ctl_report *report, const struct ctl_machine *machine)
{
	static const struct {
		const char *name;
		unsigned kib;
	} sizes[] = {{"2 MiB", 2048}, {"1 GiB", 1048576}};
	uint64_t totals[2] = {0};
	uint64_t frees[2] = {0};

	for (size_t i = 0; i < 2; i++) {
		(void)ctl_machine_read_u64(
			ctl_machine_path(machine,
					 "/sys/kernel/mm/hugepages/hugepages-%ukB/nr_hugepages",
					 sizes[i].kib),
			&totals[i]);
		(void)ctl_machine_read_u64(
			ctl_machine_path(machine,
					 "/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages",
					 sizes[i].kib),
			&frees[i]);
	}
	if (frees[0] + frees[1] != 0) {
		ctl_report_ok(report, "hugepages", "%llu of %llu x %s free, %llu of %llu x %s free",
			      (unsigned long long)frees[0], (unsigned long long)totals[0],
			      sizes[0].name, (unsigned long long)frees[1],
			      (unsigned long long)totals[1], sizes[1].name);
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_BARE_METAL, "hugepages",
		       totals[0] + totals[1] != 0 ? "all are taken" : "none reserved");
	ctl_report_fix(report, "dpdk-hugepages.py --setup 1G");
}

static void check_available(struct ctl_report *report, const struct ctl_machine *machine)
{
	char text[CTL_MACHINE_TEXT_BYTES];
	const char *at;
	unsigned long long kib = 0;

	(void)ctl_machine_read(ctl_machine_path(machine, "/proc/meminfo"), text);
	at = strstr(text, "MemAvailable:");
	if (at != NULL)
		kib = strtoull(at + sizeof("MemAvailable:") - 1, NULL, 10);
	if (kib >= AVAILABLE_KIB) {
		ctl_report_ok(report, "available", "%s", ctl_units_bytes((double)kib * 1024).text);
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_NONE, "available", "%s",
		       ctl_units_bytes((double)kib * 1024).text);
	ctl_report_fix(report, "stop what takes it ('ps aux --sort -rss | head'), or lower "
			       "[storage] window_bytes");
}

static void check_numa(struct ctl_report *report, const struct ctl_machine *machine)
{
	char text[CTL_MACHINE_TEXT_BYTES];
	struct ctl_cpulist nodes = {0};

	if (!ctl_machine_read(ctl_machine_path(machine, "/sys/devices/system/node/online"), text) ||
	    ctl_cpulist_parse(text, &nodes) != QR_OK || ctl_cpulist_count(&nodes) <= 1) {
		ctl_report_ok(report, "NUMA", "one node");
		return;
	}
	ctl_report_ok(report, "NUMA", "nodes %s: run cores, hugepages and NIC on the same one",
		      text);
}

void ctl_doctor_memory(struct ctl_report *report, const struct ctl_machine *machine)
{
	report->area = "memory";
	check_hugepages(report, machine);
	check_available(report, machine);
	check_numa(report, machine);
}
